// Baseline: the search over op forms with a seeded random order in the place of the gradient.
import type { Outcome, RepairTask } from './task.ts';
import { repaired } from '../repaired.ts';
import type { Ranking } from '../../../src/repair/gradient.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { Random } from '../../../src/shared/random.ts';

/** The same ops, forms, screen, beams, depth and acceptance as the guided search; only the order of trying differs. */
export async function unguided(task: RepairTask, host: ModelHost): Promise<Outcome> {
  return repaired('search', task, { host, reorder: byChance(new Random(task.seed)) });
}

/** Promises every form of every op a gain that means nothing. */
export const byChance = (random: Random) => (ranking: Ranking): Ranking => ({
  ...ranking,
  loss: Number.NaN,
  gains: ranking.gains.map((gains) => gains.map(() => random.next())),
});
