// What of an earlier pass over a text can be kept when the text has changed.

/** What is known of a text of tokens. */
export interface ScoredTokens {
  readonly ids: readonly number[];
  /** Scores by the position of the token that they were read at. */
  readonly scores: ReadonlyMap<number, number>;
  /** Caches of the first so many tokens. */
  readonly checkpoints: readonly number[];
}

export interface RescoringPlan {
  /** By position; what stands before the first changed token is what it was. */
  readonly kept: ReadonlyMap<number, number>;
  /** Checkpoints that hold for the changed text too. */
  readonly checkpoints: readonly number[];
  /** Tokens whose cache the pass goes on from; 0: from the beginning. */
  readonly resume: number;
  /** Where checkpoints are worth making, ascending: before what changed, since the next change is likely there as well, and here and there between statements. */
  readonly pauses: readonly number[];
  /** Tokens up to here are run; `resume` where nothing is to be run. */
  readonly end: number;
}

/**
 * A decoder's states depend on earlier tokens alone, so scores before the first changed token stay, and only the tokens
 * from the last checkpoint before it to the last score that is wanted are run.
 * @param ids the text as it is now
 * @param finals positions whose scores are wanted, ascending
 * @param contextTokens beginning of the text that all changes leave alone, as a rule
 */
export function planRescoring(before: ScoredTokens, ids: readonly number[], finals: readonly number[], contextTokens: number): RescoringPlan {
  const common = commonPrefix(before.ids, ids);
  const kept = new Map(finals.flatMap((final) => {
    const score = final < common ? before.scores.get(final) : undefined;
    return score === undefined ? [] : [[final, score] as const];
  }));
  const checkpoints = before.checkpoints.filter((length) => length <= common);
  const wanted = finals.filter((final) => !kept.has(final));
  const [first, last] = [wanted[0], wanted.at(-1)];
  if (first === undefined || last === undefined) return { kept, checkpoints, resume: 0, pauses: [], end: 0 };
  const resume = Math.max(0, ...checkpoints.filter((length) => length <= first));
  const end = last + 1;
  // Of a new text the context is what stays; of a changed one, what stands before the change.
  const stays = Math.min(first, Math.max(contextTokens, common));
  const pauses = [...new Set([stays, ...between(wanted)])].filter((place) => place > resume && place < end).sort((a, b) => a - b);
  return { kept, checkpoints, resume, pauses, end };
}

/** Checkpoints within a text that is run at once, at most: each keeps the cache of all before it. */
const CHECKPOINTS_BETWEEN = 3;

/** Behind evenly spread statements, the last but one among them, where there are several. */
function between(finals: readonly number[]): readonly number[] {
  const inner = finals.slice(0, -1);
  const count = Math.min(CHECKPOINTS_BETWEEN, inner.length);
  return Array.from({ length: count }, (_, i) => (inner[Math.ceil(((i + 1) * inner.length) / count) - 1] ?? 0) + 1);
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}
