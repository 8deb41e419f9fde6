// The attention operators of ONNX itself in standard ops of older sets (ONNX operator specification, Attention 23 and 24).
import type { GraphNode } from '../graph.ts';
import { attributeFloat, attributeInt, range, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';
import { knownSize, scaleOf } from './microsoftAttention.ts';
import { angles, rotate } from './microsoftRotary.ts';
import { mergeHeads, splitHeads } from './scores.ts';

interface Heads {
  /** [batch, heads, queries, head size], or with groups [batch, groups, heads of a group, queries, head size] */
  readonly q: string;
  /** [batch, groups, keys, head size]: the past, then the new ones. */
  readonly k: string;
  readonly v: string;
  readonly heads: number;
  readonly groups: number;
  readonly headSize: number;
  readonly valueSize: number;
}

/** From three axes [batch, sequence, heads · size] or four [batch, heads, sequence, size]. */
function headsOf(c: Expander, node: GraphNode): Heads {
  const { inputs: [query = '', key = '', value = '', , pastKey, pastValue] } = node;
  const flat = c.rank(query) === 3;
  const heads = flat ? attributeInt(node, 'q_num_heads', 0) : knownSize(c, query, 1);
  const groups = flat ? attributeInt(node, 'kv_num_heads', 0) : knownSize(c, key, 1);
  if (heads < 1 || groups < 1 || heads % groups !== 0) throw new RuleRefusal(`its ${heads} heads of queries are no multiple of its ${groups} of keys`);
  const inHeads = (x: string, count: number): string => (flat ? splitHeads(c, x, count) : x);
  const sizeOf = (x: string, count: number): number => knownSize(c, x, -1) / (flat ? count : 1);
  const after = (past: string | undefined, own: string): string => (past ? c.concat(2, past, own) : own);
  const headSize = sizeOf(query, heads);
  const q = inHeads(query, heads);
  return {
    q: heads === groups ? q : c.op('Reshape', q, c.int64(0, groups, heads / groups, -1, headSize)),
    k: after(pastKey, inHeads(key, groups)),
    v: after(pastValue, inHeads(value, groups)),
    heads, groups, headSize, valueSize: sizeOf(value, groups),
  };
}

/** A mask that broadcasts to [batch, heads, queries, keys], padded to all keys, with an axis for the heads of a group. */
function maskOf(c: Expander, mask: string, { k, heads, groups }: Heads): { readonly value: string; readonly isBoolean: boolean } {
  const isBoolean = c.typeOf(mask) === 'bool';
  const value = padded(c, mask, c.size(k, 2), isBoolean);
  const rank = c.rank(mask);
  if (heads === groups || rank < 3) return { value, isBoolean };
  if (knownSize(c, mask, -3) === 1) return { value: c.unsqueeze(value, rank - 3), isBoolean };
  const sizes = (start: number, end?: number): string => c.opWith('Shape', [value], end === undefined ? { start } : { start, end });
  const shape = c.concat(0, ...(rank === 4 ? [sizes(0, 1)] : []), c.int64(groups, heads / groups), sizes(-2));
  return { value: c.op('Reshape', value, shape), isBoolean };
}

/** Keys beyond the end of the mask are masked. */
function padded(c: Expander, mask: string, keys: string, isBoolean: boolean): string {
  if (c.shapes(mask).at(-1) === 1) return mask;
  const missing = c.concat(0, c.int64(0), c.op('Sub', keys, c.opWith('Shape', [mask], { start: -1 })));
  const fill = isBoolean ? [] : [c.scalar(-Infinity)];
  return c.op('Pad', mask, missing, fill[0] ?? '', c.int64(-1));
}

/** bool [queries, keys]: a query sees the keys up to its own place, which comes after the past. */
function causal(c: Expander, { k }: Heads, { inputs: [query = '', , , , pastKey] }: GraphNode): string {
  const own = c.rangeTo(c.size(query, c.rank(query) === 3 ? 1 : 2));
  const places = pastKey ? c.op('Add', own, c.size(pastKey, 2)) : own;
  return c.op('LessOrEqual', c.rangeTo(c.size(k, 2)), c.unsqueeze(places, -1));
}

/** bool [batch, 1, (1,) 1, keys]: the keys that are no padding. */
function filled(c: Expander, lengths: string, { k, heads, groups }: Heads): string {
  const ends = c.unsqueeze(c.integers(lengths), ...range(heads === groups ? 3 : 4).map((i) => i + 1));
  return c.op('Less', c.rangeTo(c.size(k, 2)), ends);
}

interface Scores {
  readonly products: string;
  readonly capped: string;
  readonly masked: string;
  /** Some query may see no key at all: what it attends to is zero. */
  readonly mayBeEmpty: boolean;
}

function scores(c: Expander, node: GraphNode, heads: Heads): Scores {
  const { inputs: [, , , mask, , , lengths] } = node;
  const isCausal = attributeInt(node, 'is_causal', 0) === 1;
  if (isCausal && lengths) throw new RuleRefusal('it is causal and has the lengths of its keys');
  const softcap = attributeFloat(node, 'softcap', 0);
  const k = heads.heads === heads.groups ? heads.k : c.unsqueeze(heads.k, 2);
  const rank = heads.heads === heads.groups ? 4 : 5;
  const products = c.op('Mul', c.op('MatMul', heads.q, c.swap(k, rank)), c.scalar(scaleOf(node, heads.headSize)));
  const capped = softcap > 0 ? c.op('Mul', c.scalar(softcap), c.op('Tanh', c.op('Div', products, c.scalar(softcap)))) : products;
  const hide = (value: string, keep: string): string => c.op('Where', keep, value, c.scalar(-Infinity));
  const given = mask ? maskOf(c, mask, heads) : null;
  let masked = capped;
  if (given) masked = given.isBoolean ? hide(masked, given.value) : c.op('Add', masked, given.value);
  if (isCausal) masked = hide(masked, causal(c, heads, node));
  if (lengths) masked = hide(masked, filled(c, lengths, heads));
  return { products, capped, masked, mayBeEmpty: Boolean(given) || Boolean(lengths) };
}

/** Softmax over the keys; zeros for a query that sees none. */
function weights(c: Expander, { masked, mayBeEmpty }: Scores): string {
  if (!mayBeEmpty) return c.opWith('Softmax', [masked], { axis: -1 });
  const isEmpty = c.op('Equal', c.opWith('ReduceMax', [masked, c.int64(-1)], { keepdims: 1 }), c.scalar(-Infinity));
  const safe = c.opWith('Softmax', [c.op('Where', isEmpty, c.scalar(0), masked)], { axis: -1 });
  return c.op('Where', isEmpty, c.scalar(0), safe);
}

const attention: Expansion = (c, node) => {
  const { inputs: [query = ''] } = node;
  const parts = headsOf(c, node);
  const isGrouped = parts.heads !== parts.groups;
  const found = scores(c, node, parts);
  const share = weights(c, found);
  const mixed = c.op('MatMul', share, isGrouped ? c.unsqueeze(parts.v, 2) : parts.v);
  const inHeads = (value: string, last: number): string => (isGrouped ? c.op('Reshape', value, c.int64(0, parts.heads, -1, last)) : value);
  const output = inHeads(mixed, parts.valueSize);
  const shown = [found.products, found.capped, found.masked, share][attributeInt(node, 'qk_matmul_output_mode', 0)] ?? share;
  const merged = c.rank(query) === 3 ? mergeHeads(c, output) : output;
  return [merged, parts.k, parts.v, node.outputs[3] ? allHeads(c, shown, parts) : null];
};

/** [batch, heads, queries, keys] */
function allHeads(c: Expander, value: string, { heads, groups }: Heads): string {
  if (heads === groups) return value;
  return c.op('Reshape', value, c.concat(0, c.opWith('Shape', [value], { end: 1 }), c.int64(heads), c.opWith('Shape', [value], { start: -2 })));
}

/** [batch, heads, sequence, head size], or [batch, sequence, heads · head size] */
const rotaryEmbedding: Expansion = (c, node) => {
  const { inputs: [x = '', cosines = '', sines = '', positions] } = node;
  const isSplit = c.rank(x) === 4;
  const heads = attributeInt(node, 'num_heads', 0);
  if (!isSplit && heads < 1) throw new RuleRefusal('it does not say how many heads it has');
  const headSize = knownSize(c, x, -1) / (isSplit ? 1 : heads);
  const open = (table: string): string => c.unsqueeze(positions ? c.op('Gather', table, c.integers(positions)) : table, isSplit ? 1 : 2);
  const rotation = { headSize, half: angles(c, cosines), cos: open(cosines), sin: open(sines), interleaved: attributeInt(node, 'interleaved', 0) === 1 };
  if (isSplit) return [rotate(c, { x, ...rotation })];
  return [c.op('Reshape', rotate(c, { x: c.op('Reshape', x, c.int64(0, 0, heads, headSize)), ...rotation }), c.int64(0, 0, -1))];
};

export const standardAttentionExpansions = { Attention: attention, RotaryEmbedding: rotaryEmbedding } satisfies Expansions;
