// What goes into a repair and what comes out of it, for the command line, the editor and the benchmarks alike.
import type { ReadBack } from './readBack.ts';
import type { RepairedModel } from './weights.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import type { Diagnostic, Span, TextEdit } from '../rasp/diagnostic.ts';
import type { ReadSource, SourceFile } from '../rasp/analyse.ts';
import type { Dialect, Value } from '../rasp/program.ts';

/** One row of right behaviour. */
export interface Example {
  readonly input: readonly Value[];
  readonly output: readonly Value[];
  /** Where the row was written, for messages. */
  readonly span?: Span;
}

/**
 * `search`: gradient-guided search over op forms. `edits`: search over text edits. `tables`: training of the tables.
 * `weights`: training of the compiled transformer, which gives a model, and a patch where one can be read from it.
 */
export const repairMethods = ['auto', 'search', 'edits', 'tables', 'weights'] as const;
export type RepairMethod = (typeof repairMethods)[number];

export interface RepairRequest {
  readonly source: SourceFile;
  readonly dialect?: Dialect;
  /** Default: as `programOf` chooses. */
  readonly entry?: string;
  readonly readSource?: ReadSource;
  readonly examples: readonly Example[];
  /** Held out: never seen by the search, reported as `exact.test`. */
  readonly test?: readonly Example[];
  readonly method?: RepairMethod;
  /** Time budget, milliseconds; default 60,000. */
  readonly budgetMillis?: number;
  /**
   * Processes that may compute at once, this one among them; default 2 where there are as many cores. Another is
   * started when the first search takes longer than a second and a processor is idle. The result does not depend on their number, unless the time budget cuts a search short. More than 1 needs a worker to fork.
   */
  readonly processes?: number;
  readonly seed?: number;
}

/** An op of the source that the gradient holds responsible; `score` is its share of the total promised gain, 0 to 1. */
export interface Suspect {
  readonly span: Span;
  readonly label: string;
  readonly score: number;
}

export interface TrajectoryPoint {
  /** Counts from 0 over all stages of one repair. */
  readonly step: number;
  readonly stage: RepairStage;
  /** Mean −log p of the right tokens, natural units. */
  readonly loss: number;
  /** Share of examples exactly right, 0 to 1. */
  readonly accuracy: number;
  readonly millis: number;
}

export type RepairStage = 'check' | 'localise' | 'search' | 'edits' | 'train' | 'weights' | 'verify';

export interface RepairProgress {
  readonly stage: RepairStage;
  /** One plain line: what is being done now. */
  readonly message: string;
  readonly point?: TrajectoryPoint;
  /** Sent once after localising. */
  readonly suspects?: readonly Suspect[];
  /** The spans that the best candidate so far changes. */
  readonly moving?: readonly Span[];
  /** One example as the best candidate so far answers it. */
  readonly sample?: {
    readonly input: readonly Value[];
    readonly target: readonly Value[];
    /** As the program as written answers it, and as the best candidate does; null where it fails. */
    readonly before: readonly Value[] | null;
    readonly output: readonly Value[] | null;
  };
}

export interface Patch {
  /** Non-overlapping, in source order. */
  readonly edits: readonly TextEdit[];
  /** The whole patched text of the file. */
  readonly source: string;
  readonly unifiedDiff: string;
  /** Plain words: `replace == by <= in select(tokens, indices)`. */
  readonly summary: string;
}

export interface RepairResult {
  readonly status: 'correct' | 'repaired' | 'partial' | 'unrepairable';
  /** What found the patch or the model; null where nothing did. */
  readonly method: 'search' | 'edits' | 'tables' | 'weights' | null;
  /**
   * Shares of sequences that come out exactly right: of the patched program under the interpreter, else of the model,
   * else of the program as written; test null if none given.
   */
  readonly exact: { readonly examples: number; readonly test: number | null };
  readonly patch: Patch | null;
  /** What training all weights gave, where the model is better than the program; a patch may have been read from it. */
  readonly model: RepairedModel | null;
  /** What the ops of the program turned out to do in the trained weights; null where none were trained. */
  readonly readBack: ReadBack | null;
  /** Up to two more minimal patches that pass every example. */
  readonly alternatives: readonly Patch[];
  /** Sorted, highest score first. */
  readonly suspects: readonly Suspect[];
  readonly trajectory: readonly TrajectoryPoint[];
  /** What was tried and how far it came, one plain line each. */
  readonly tried: readonly string[];
  /** Candidates tried, and those up to the first patch that passes; null without a patch. */
  readonly evaluations: number;
  readonly firstEvaluations: number | null;
  readonly millis: number;
  /** The execution provider that computed the gradients, or `none` if none was needed. */
  readonly provider: string;
}

/** Bad input: nothing was tried. */
export interface RepairRefusal {
  readonly status: 'refused';
  readonly diagnostics: readonly Diagnostic[];
}

export interface RepairOptions {
  readonly token?: CancellationToken;
  readonly onProgress?: (progress: RepairProgress) => void;
}
