// What is attributed: F = log p(preferred | prompt) − log p(dispreferred | prompt), teacher forced, as rows for the model.
import type { Outcome } from '../lm/derivativeFeeds.ts';

export interface ContrastTexts {
  readonly prompt: readonly number[];
  /** y⁺, at least one token. */
  readonly preferred: readonly number[];
  /** y⁻; without it F is log p(y⁺ | prompt). */
  readonly dispreferred: readonly number[] | null;
  /** `mean`: of a response's tokens instead of their sum. */
  readonly over: 'sum' | 'mean';
}

/** What is run for one point of a path: one row, or two where the responses differ in more than their last tokens. */
export interface ContrastRows {
  /** [rows][sequence], padded on the right. */
  readonly ids: readonly (readonly number[])[];
  readonly mask: readonly (readonly number[])[];
  readonly outcomes: readonly Required<Outcome>[];
  /** Different places whose logits are computed. */
  readonly positions: number;
}

const PADDING = 0;

/** The last token of a response is asked for and never read, so it is in no row. */
export function contrastRows({ prompt, preferred, dispreferred, over }: ContrastTexts): ContrastRows {
  const responses = dispreferred === null ? [preferred] : [preferred, dispreferred];
  const read = responses.map((response) => response.slice(0, -1));
  const longest = read.reduce((one, other) => (other.length > one.length ? other : one));
  const shared = read.every((one) => one.every((id, i) => id === longest[i]));
  const rows = (shared ? [longest] : read).map((response) => [...prompt, ...response]);
  const length = Math.max(...rows.map((row) => row.length));
  const outcomes = responses.flatMap((response, which) => {
    const weight = (which === 0 ? 1 : -1) / (over === 'mean' ? response.length : 1);
    return response.map((token, i) => ({ row: shared ? 0 : which, position: prompt.length - 1 + i, token, weight }));
  });
  return {
    ids: rows.map((row) => [...row, ...new Array<number>(length - row.length).fill(PADDING)]),
    mask: rows.map((row) => Array.from({ length }, (_, i) => (i < row.length ? 1 : 0))),
    outcomes,
    positions: new Set(outcomes.map(({ row, position }) => `${row},${position}`)).size,
  };
}

/** F from the values of the outcomes of one point. */
export const contrastOf = ({ outcomes }: Pick<ContrastRows, 'outcomes'>, values: ArrayLike<number>, at = 0): number =>
  outcomes.reduce((sum, { weight }, i) => sum + weight * (values[at + i] ?? Number.NaN), 0);
