// Baseline: the search over op forms with a seeded random order in the place of the gradient.
import { FormProblem, nothing } from './formProblem.ts';
import type { Outcome, RepairTask } from './task.ts';
import type { OpGroup } from '../../../src/repair/forms.ts';
import type { GradientRanking } from '../../../src/repair/gradient.ts';
import type { Candidate } from '../../../src/repair/search.ts';
import { FormSearch } from '../../../src/repair/search.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';

export type FormRanking = Pick<GradientRanking, 'rank'>;

/** The rounds of the guided search (`src/repair/repair.ts`). */
export const rounds = [
  { perOp: 25, beams: 6, depth: 6, perSet: 2 },
  { perOp: 25, beams: 20, depth: 6, perSet: 3 },
  { perOp: 40, beams: 48, depth: 6, perSet: 4 },
] as const;

/** The same ops, forms, screen, beams, depth and acceptance as the guided search; only the order of trying differs. */
export async function unguided(task: RepairTask): Promise<Outcome> {
  const started = performance.now();
  const problem = FormProblem.of(task);
  if (!problem) return nothing(started);
  const random = new Random(task.seed);
  for (const width of rounds) {
    if (problem.finished) break;
    const prepared = problem.prepare();
    const events = { accept: (candidate: Candidate) => problem.accept(prepared, candidate), onProgress: () => undefined, onRanking: () => undefined };
    const settings = { ...width, deadline: problem.deadline, enough: 3 };
    const search = new FormSearch(prepared.batch, prepared.groups, randomRanking(prepared.groups, random), settings, neverCancelled, events);
    problem.evaluations += (await search.run()).evaluations;
  }
  return problem.outcome('unguided');
}

/** Promises every form of every op a gain that means nothing. */
export function randomRanking(groups: readonly OpGroup[], random: Random): FormRanking {
  return { rank: () => Promise.resolve({ loss: Number.NaN, gains: groups.map(({ forms }) => Float64Array.from(forms, () => random.next())) }) };
}
