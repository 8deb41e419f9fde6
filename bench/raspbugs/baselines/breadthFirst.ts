// Baseline: every single edit of the text, then every pair, and so on, until one is right or 10,000 were tried.
import { Candidates, overlap } from './edits.ts';
import type { Move } from './edits.ts';
import type { Outcome, RepairTask } from './task.ts';
import { interruptAndCheck, neverCancelled } from '../../../src/shared/cancellation.ts';

/** As published. */
export const BREADTH_FIRST_BUDGET = 10_000;

/** In source order within each number of edits; no gradient, no fitness, no randomness. */
export async function breadthFirst(task: RepairTask, budget = BREADTH_FIRST_BUDGET): Promise<Outcome> {
  const candidates = new Candidates(task, budget);
  for (let size = 1; size <= candidates.moves.length && !candidates.finished; size++) {
    for (const moves of setsOf(candidates.moves, size)) {
      if (candidates.finished) break;
      await interruptAndCheck(neverCancelled);
      candidates.tryOut(moves);
    }
  }
  return candidates.outcome('breadth-first');
}

/** All sets of that many moves that do not overlap, in lexicographic order. */
export function* setsOf(moves: readonly Move[], size: number, from = 0, chosen: readonly Move[] = []): Generator<readonly Move[]> {
  if (chosen.length === size) {
    yield chosen;
    return;
  }
  for (let i = from; i < moves.length; i++) {
    const move = moves[i];
    if (move && chosen.every((other) => !overlap(move, other))) yield* setsOf(moves, size, i + 1, [...chosen, move]);
  }
}
