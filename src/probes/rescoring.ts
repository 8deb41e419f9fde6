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
  /** Where a checkpoint is worth making: before what changed, since the next change is likely there as well. */
  readonly pause: number | null;
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
  if (first === undefined || last === undefined) return { kept, checkpoints, resume: 0, pause: null, end: 0 };
  const resume = Math.max(0, ...checkpoints.filter((length) => length <= first));
  const end = last + 1;
  // Of a new text the context is what stays; of a changed one, what stands before the change.
  const pause = Math.min(first, Math.max(contextTokens, common));
  return { kept, checkpoints, resume, pause: pause > resume && pause < end ? pause : null, end };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}
