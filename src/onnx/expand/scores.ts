// Scaled dot-product attention, with the masks and the variants of softmax that com.microsoft's attention operators share.
import { RuleRefusal } from '../rules/context.ts';
import type { Expander } from './expander.ts';

/** Where `keep` is false, the score is replaced by `fill`, or lowered by it. */
export interface ScoreMask {
  /** bool; broadcasts to the scores. */
  readonly keep: string;
  readonly fill: number;
  readonly lowers?: boolean;
}

export interface AttentionParts {
  /** [.., queries, head size] */
  readonly q: string;
  /** [.., keys, head size] */
  readonly k: string;
  readonly v: string;
  /** Of q, k and v. */
  readonly rank: number;
  readonly scale: number;
  /** softcap · tanh(score / softcap); 0: none. */
  readonly softcap?: number;
  /** Added to the scores. */
  readonly bias?: string;
  readonly masks: readonly ScoreMask[];
  /** A score that every query has besides those of the keys, with no value: broadcasts to [.., queries, 1]. */
  readonly sink?: string;
}

/** The most negative float32. */
export const LOWEST = -3.4028234663852886e38;

/** Softmax(q kᵀ · scale + …) v, [.., queries, value size] */
export const attend = (c: Expander, parts: AttentionParts): string => c.op('MatMul', softmax(c, scores(c, parts), parts), parts.v);

function scores(c: Expander, { q, k, rank, scale, softcap = 0, bias, masks }: AttentionParts): string {
  const products = c.op('Mul', c.op('MatMul', q, c.swap(k, rank)), c.scalar(scale));
  const capped = softcap > 0 ? c.op('Mul', c.scalar(softcap), c.op('Tanh', c.op('Div', products, c.scalar(softcap)))) : products;
  const biased = bias ? c.op('Add', capped, bias) : capped;
  return masks.reduce((masked, mask) => applyMask(c, masked, mask), biased);
}

const applyMask = (c: Expander, value: string, { keep, fill, lowers }: ScoreMask): string =>
  lowers
    ? c.op('Add', value, c.op('Where', keep, c.scalar(0), c.scalar(fill)))
    : c.op('Where', keep, value, c.scalar(fill));

function softmax(c: Expander, value: string, { sink, rank }: AttentionParts): string {
  if (!sink) return c.opWith('Softmax', [value], { axis: -1 });
  const column = c.concat(0, c.opWith('Shape', [value], { end: rank - 1 }), c.int64(1));
  const widened = c.concat(-1, value, c.op('Expand', sink, column));
  return c.op('Slice', c.opWith('Softmax', [widened], { axis: -1 }), c.int64(0), c.int64(-1), c.int64(-1));
}

/** [batch, sequence, heads · size] to [batch, heads, sequence, size] */
export const splitHeads = (c: Expander, x: string, heads: number): string =>
  c.transpose(c.op('Reshape', x, c.int64(0, 0, heads, -1)), 0, 2, 1, 3);

/** [batch, heads, sequence, size] to [batch, sequence, heads · size] */
export const mergeHeads = (c: Expander, x: string): string => c.op('Reshape', c.transpose(x, 0, 2, 1, 3), c.int64(0, 0, -1));

/**
 * A query sees the keys up to its own position; `past` keys (int64 [1]) come before the first query. The last query sees
 * all keys, as ONNX Runtime has it, also where there are more keys than that.
 */
export function causalMask(c: Expander, sizes: { readonly queries: string; readonly keys: string; readonly past: string | null }): ScoreMask {
  const own = c.rangeTo(sizes.queries);
  const positions = sizes.past ? c.op('Add', own, sizes.past) : own;
  const isLast = c.op('Equal', own, c.op('Sub', sizes.queries, c.int64(1)));
  const bound = c.op('Where', isLast, sizes.keys, positions);
  return { keep: c.op('LessOrEqual', c.rangeTo(sizes.keys), c.unsqueeze(bound, -1)), fill: LOWEST };
}

/** Beyond this a float32 score that a mask's value is added to is lost, so that it takes no gradient. */
const ABSORBING = -1e6;

/**
 * From lengths [batch] or [3 · batch + 2] (running totals follow), from ends and starts [2 · batch], or from 1 and 0 for
 * each key ([batch, keys] or [batch, queries, keys]). `batch` and `keys` are int64 [1].
 */
export function paddingMask(c: Expander, mask: string, sizes: { readonly batch: string; readonly keys: string }, fill: number): ScoreMask {
  const rank = c.rank(mask);
  if (rank > 3) throw new RuleRefusal('its mask has four axes');
  const keep = rank === 1 ? withinBounds(c, mask, sizes) : c.op('Greater', c.integers(mask), c.int64(0));
  return { keep: rank === 3 ? c.unsqueeze(keep, 1) : c.unsqueeze(keep, 1, 2), fill, lowers: fill > ABSORBING };
}

/** bool [batch, keys] */
function withinBounds(c: Expander, mask: string, { batch, keys }: { readonly batch: string; readonly keys: string }): string {
  const twice = c.op('Mul', batch, c.int64(2));
  // Lengths alone are ends whose starts are all 0.
  const padded = c.concat(0, c.integers(mask), c.op('Expand', c.int64(0), batch));
  const rows = (from: string, to: string): string => c.unsqueeze(c.op('Slice', padded, from, to, c.int64(0)), -1);
  const starts = c.op('Where', c.op('Equal', c.op('Shape', mask), twice), rows(batch, twice), c.int64(0));
  const at = c.rangeTo(keys);
  return c.op('And', c.op('Less', at, rows(c.int64(0), batch)), c.op('GreaterOrEqual', at, starts));
}
