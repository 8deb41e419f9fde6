// The tasks of a repair as plain data: what goes into one, what it says on the way, what comes out of it.
import type { ReadBack } from './readBack.ts';
import type { SearchWidth } from './search.ts';
import type { Example, RepairProgress, RepairResult, RepairStage, Suspect } from './types.ts';
import type { RepairedModel } from './weights.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Dialect } from '../rasp/program.ts';

/** What all tasks of one repair know. It survives the way to another process. */
export interface RepairContext {
  readonly source: SourceFile;
  readonly dialect: Dialect;
  /** The entry that is repaired. */
  readonly entry: string;
  /** The files that the program loads, as they were when the repair began. */
  readonly files: readonly (readonly [path: string, text: string | undefined])[];
  readonly examples: readonly Example[];
  /** Held out: only reported on. */
  readonly test: readonly Example[] | null;
  /** Distinct examples in the order in which searches look at them: heads of it screen candidates. */
  readonly sampled: readonly Example[];
  readonly seed: number;
}

/** A search over op forms that begins at a text. */
export interface FormTask {
  readonly kind: 'forms';
  readonly text: string;
  /** Ops that the text changes already. */
  readonly changes: number;
  readonly width: SearchWidth;
  /** Examples that screen beside the first ones, as places in `sampled`. */
  readonly hard: readonly number[];
  /** Candidates after which it stops. */
  readonly evaluations: number;
  /** Does it say which ops it suspects, and how far it came? */
  readonly reports: boolean;
}

export interface EditTask {
  readonly kind: 'edits';
}

export interface TableTask {
  readonly kind: 'tables';
}

/** One op as a dictionary, in each of the texts in turn. */
export interface LookupTask {
  readonly kind: 'lookups';
  readonly texts: readonly string[];
  readonly hard: readonly number[];
}

/** All weights of the compiled program: a model, and a patch where one can be read from it. */
export interface WeightTask {
  readonly kind: 'weights';
}

export type RepairTask = FormTask | EditTask | TableTask | LookupTask | WeightTask;

/** A text that is right on every example. */
export interface Solution {
  readonly text: string;
  readonly method: Exclude<RepairResult['method'], null>;
  readonly changes: number;
  readonly cost: number;
}

/** A program on the way, changed and not yet right, and what the search that found it made of it. */
export interface Start {
  readonly text: string;
  readonly changes: number;
  /** The more changes it needed, the less. */
  readonly value: number;
}

/** Depends on the context and the task alone, unless the time was up. */
export interface TaskResult {
  readonly solutions: readonly Solution[];
  /** Best first. */
  readonly starts: readonly Start[];
  /** Examples that told almost right candidates apart, as places in `sampled`; none that the task was given. */
  readonly hard: readonly number[];
  readonly evaluations: number;
  /** Candidates up to the first solution, where the task counts them. */
  readonly firstSolutionAt: number | null;
  /** What was tried and how far it came, one plain line each. */
  readonly tried: readonly string[];
  /** Null where the task does not localise. */
  readonly suspects: readonly Suspect[] | null;
  /** What training all weights gave. */
  readonly model: RepairedModel | null;
  /** What was read from those weights. */
  readonly readBack: ReadBack | null;
  /** The execution provider of its gradients, null without any. */
  readonly provider: string | null;
}

export type TaskEvent =
  | { readonly type: 'said'; readonly stage: RepairStage; readonly message: string }
  | { readonly type: 'localised'; readonly loss: number; readonly suspects: readonly Suspect[] }
  | {
      readonly type: 'moved';
      readonly stage: RepairStage;
      readonly accuracy: number;
      /** NaN where the task has not computed one. */
      readonly loss: number;
      readonly moving: NonNullable<RepairProgress['moving']>;
      readonly sample: RepairProgress['sample'] | null;
    };
