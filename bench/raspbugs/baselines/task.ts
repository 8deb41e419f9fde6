// What every baseline is given, and what it gives back: the same examples, seed and time as the repair under test.
import type { Bug } from '../generate.ts';
import type { Example, RepairResult, Suspect } from '../../../src/repair/types.ts';
import { SAMPLED } from '../../../src/repair/context.ts';
import { sampleExamples } from '../../../src/repair/sampling.ts';
import type { Program } from '../../../src/rasp/program.ts';
import { Random } from '../../../src/shared/random.ts';

export interface RepairTask {
  readonly bug: Pick<Bug, 'path' | 'source' | 'dialect'>;
  /** Distinct inputs. */
  readonly examples: readonly Example[];
  readonly seed: number;
  readonly budgetMillis: number;
}

export interface Outcome {
  readonly status: RepairResult['status'] | 'refused';
  /** What found the patch; null where nothing did. */
  readonly foundBy: string | null;
  /** The patched text, right on every example; null where none was found. */
  readonly text: string | null;
  readonly suspects: readonly Suspect[];
  /** Candidate programs looked at. */
  readonly evaluations: number;
  /** Those up to the first patch; null where there is none or they are not counted. */
  readonly firstEvaluations: number | null;
  readonly millis: number;
  /** When the first patch was right on every example; null where none was. The search may go on for a better one. */
  readonly firstMillis: number | null;
  readonly summary: string;
}

/**
 * The examples in the order in which the repair with that seed takes them: shuffled, right and wrong ones in turns, so
 * that all methods screen with the same inputs.
 */
export function screeningOrder(program: Program, { examples, seed }: Pick<RepairTask, 'examples' | 'seed'>): Example[] {
  return sampleExamples(program, examples, SAMPLED, new Random(seed));
}
