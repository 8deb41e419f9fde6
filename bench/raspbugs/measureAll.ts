// Measures jobs on worker processes, each result written at once; what is known already is not measured again.
import { fileURLToPath } from 'node:url';
import { Journal, keysOf } from './journal.ts';
import type { Job, Measurement } from './measure.ts';
import { failedMeasurement } from './measure.ts';
import type { Method } from './methods.ts';
import { runPool } from './pool.ts';

export interface MeasureOptions {
  readonly journalPath: string;
  /** Forget what is known. */
  readonly anew: boolean;
  readonly workers: number;
  /** The built model host. */
  readonly hostPath: string;
  /** Asked before each job, with how many were measured now. */
  readonly isOver: (measured: number) => boolean;
  readonly signal: AbortSignal;
  readonly onMeasured: (measurement: Measurement, done: number) => void;
  readonly workerPath?: string;
}

/** A repair keeps to its budget but for the last step; judging takes seconds. */
const patience = (budgetMillis: number): number => 2 * budgetMillis + 300_000;

/** In the order of the jobs, those that are known; fewer than the jobs where it was ended early. */
export async function measureAll(jobs: readonly Job[], options: MeasureOptions): Promise<Measurement[]> {
  const journal = Journal.open(options.journalPath, options.anew);
  const keyOf = keysOf([...new Set(jobs.map(({ method }): Method => method))]);
  const keys = new Map(jobs.map((job) => [job, keyOf(job)]));
  const known = (job: Job): Measurement | undefined => journal.get(keys.get(job) ?? '');
  const pending = jobs.filter((job) => !known(job));
  let measured = 0;
  const pool = {
    workerPath: options.workerPath ?? fileURLToPath(new URL('worker.ts', import.meta.url)),
    arguments: [options.hostPath],
    execArgv: ['--import', 'tsx'],
    workers: options.workers,
    jobMillis: patience(Math.max(0, ...jobs.map(({ settings }) => settings.budgetMillis))),
    isOver: () => options.isOver(measured),
    signal: options.signal,
  };
  await runPool<Job, Measurement>(pending, pool, (job, answer) => {
    const measurement = 'result' in answer ? answer.result : failedMeasurement(job, answer.error);
    journal.add(keys.get(job) ?? '', measurement);
    measured++;
    options.onMeasured(measurement, jobs.length - pending.length + measured);
  });
  return jobs.flatMap((job) => known(job) ?? []);
}
