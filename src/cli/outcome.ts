// What every command gives back: an exit code, a document for programs, lines for people.
import type { Terminal } from './terminal.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

/** 0 done; 1 the answer is negative; 2 wrong use or bad input; 3 the machine failed. */
export type ExitCode = 0 | 1 | 2 | 3;

export interface Outcome {
  readonly exitCode: ExitCode;
  readonly json: unknown;
  /** For standard output. */
  readonly lines: readonly string[];
}

/** What the commands need from outside. */
export interface Environment {
  readonly terminal: Terminal;
  /** The built model host. */
  readonly hostPath: string;
  /** The built worker, from which a repair forks processes; undefined where it has not been built. */
  readonly workerPath: string | undefined;
  readonly token: CancellationToken;
  /** Milliseconds from any start. */
  now(): number;
}
