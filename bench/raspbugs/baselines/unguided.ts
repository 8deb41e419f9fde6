// Baseline: the search over op forms with a seeded random order in the place of the gradient.
import type { Prepared } from './formProblem.ts';
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

/** Ranks the moves of a round; `dispose` when the round is over. */
type RankingOf = (problem: FormProblem, prepared: Prepared) => Promise<FormRanking & { dispose(): Promise<void> }>;

/**
 * The same ops, forms, screen, beams, depth and acceptance as the guided search; only the order of trying differs.
 * @param rankingOf for tests: with the gradient in the place of chance this is the guided search
 */
export async function unguided(task: RepairTask, rankingOf: RankingOf = byChance(new Random(task.seed))): Promise<Outcome> {
  const started = performance.now();
  const problem = FormProblem.of(task);
  if (!problem) return nothing(started);
  for (const width of rounds) {
    if (problem.finished) break;
    const prepared = problem.prepare();
    const ranking = await rankingOf(problem, prepared);
    const events = { accept: (candidate: Candidate) => problem.accept(prepared, candidate), onProgress: () => undefined, onRanking: () => undefined };
    const search = new FormSearch(prepared.batch, prepared.groups, ranking, { ...width, deadline: problem.deadline, enough: 3 }, neverCancelled, events);
    problem.evaluations += (await search.run()).evaluations;
    await ranking.dispose();
  }
  return problem.outcome('unguided');
}

function byChance(random: Random): RankingOf {
  return (_, { groups }) => Promise.resolve({ ...randomRanking(groups, random), dispose: () => Promise.resolve() });
}

/** Promises every form of every op a gain that means nothing. */
export function randomRanking(groups: readonly OpGroup[], random: Random): FormRanking {
  return { rank: () => Promise.resolve({ loss: Number.NaN, gains: groups.map(({ forms }) => Float64Array.from(forms, () => random.next())) }) };
}
