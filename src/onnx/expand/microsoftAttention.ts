// com.microsoft Attention and MultiHeadAttention in standard ops (onnxruntime, docs/ContribOperators.md).
import type { GraphNode } from '../graph.ts';
import { attributeFloat, attributeInt, attributeInts, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';
import type { ScoreMask } from './scores.ts';
import { attend, causalMask, mergeHeads, paddingMask, splitHeads } from './scores.ts';

const MASK_FILTER = -10000;

/** A size that the expansion has to know. */
export function knownSize(c: Expander, value: string, axis: number): number {
  const size = c.shapes(value).at(axis);
  if (typeof size === 'number') return size;
  throw new RuleRefusal(`the size of ${value} along axis ${axis} changes from run to run`);
}

/** `scale`, or 1/√(head size). */
export function scaleOf(node: GraphNode, headSize: number): number {
  const scale = attributeFloat(node, 'scale', 0);
  return scale === 0 ? 1 / Math.sqrt(headSize) : scale;
}

interface Heads {
  /** [batch, heads, sequence, head size], `k` and `v` with the past before them. */
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly headSize: number;
  /** How many keys come before the first query, int64 [1]. */
  readonly past: string | null;
  readonly mask: string | undefined;
  readonly bias: string | undefined;
}

/** [batch, sequence, hidden] */
function attention(c: Expander, node: GraphNode, { q, k, v, headSize, past, mask, bias }: Heads): string {
  const keys = c.size(k, 2);
  const masks: ScoreMask[] = [];
  const fill = attributeFloat(node, 'mask_filter_value', MASK_FILTER);
  if (mask) masks.push(paddingMask(c, mask, { batch: c.size(q, 0), keys }, fill));
  if (attributeInt(node, 'unidirectional', 0) === 1) masks.push(causalMask(c, { queries: c.size(q, 2), keys, past }));
  return mergeHeads(c, attend(c, { q, k, v, rank: 4, scale: scaleOf(node, headSize), masks, ...(bias ? { bias } : {}) }));
}

const entry = (c: Expander, past: string, i: number): string => c.opWith('Gather', [past, c.op('Squeeze', c.int64(i))], { axis: 0 });

/** Of one projection of the input: [batch, sequence, Q, K and V side by side]. */
function packedHeads(c: Expander, node: GraphNode): { readonly q: string; readonly k: string; readonly v: string; readonly headSize: number } {
  const { inputs: [x = '', weights = '', bias] } = node;
  const product = c.op('MatMul', x, weights);
  const projected = bias ? c.op('Add', product, bias) : product;
  const width = knownSize(c, weights, 1);
  const heads = attributeInt(node, 'num_heads', 1);
  const [qSize = 0, kSize = 0, vSize = 0] = attributeInts(node, 'qkv_hidden_sizes') ?? [width / 3, width / 3, width / 3];
  const part = (from: number, size: number): string => splitHeads(c, c.part(projected, from, from + size), heads);
  return { q: part(0, qSize), k: part(qSize, kSize), v: part(qSize + kSize, vSize), headSize: qSize / heads };
}

const attentionOp: Expansion = (c, node) => {
  const { inputs: [, , , mask, past, bias] } = node;
  if (attributeInt(node, 'do_rotary', 0) === 1) throw new RuleRefusal('it rotates its queries and keys itself (do_rotary)');
  if (attributeInt(node, 'past_present_share_buffer', 0) === 1) throw new RuleRefusal('its past and present share a buffer');
  const own = packedHeads(c, node);
  const k = past ? c.concat(2, entry(c, past, 0), own.k) : own.k;
  const v = past ? c.concat(2, entry(c, past, 1), own.v) : own.v;
  const output = attention(c, node, { ...own, k, v, past: past ? c.size(past, 3) : null, mask, bias });
  return node.outputs[1] ? [output, c.concat(0, c.unsqueeze(k, 0), c.unsqueeze(v, 0))] : [output];
};

interface Projections {
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly headSize: number;
}

/** Q, K and V [batch, heads, sequence, size], from each form that MultiHeadAttention takes them in. */
function separateHeads(c: Expander, node: GraphNode, heads: number): Projections {
  const { inputs: [query = '', key = '', value = '', bias] } = node;
  if (!key) return unpacked(c, query, heads, bias);
  const headSize = c.rank(query) === 3 ? knownSize(c, query, -1) / heads : knownSize(c, query, -1);
  const q = splitHeads(c, biased(c, query, bias, 0, heads * headSize), heads);
  if (c.rank(key) === 4) return { q, k: key, v: value, headSize };
  if (c.rank(key) === 5) {
    const [k = '', v = ''] = entries(c, key, 2);
    return { q, k, v, headSize };
  }
  const width = heads * headSize;
  const valueWidth = knownSize(c, value, -1);
  return {
    q,
    k: splitHeads(c, biased(c, key, bias, width, 2 * width), heads),
    v: splitHeads(c, biased(c, value, bias, 2 * width, 2 * width + valueWidth), heads),
    headSize,
  };
}

const biased = (c: Expander, x: string, bias: string | undefined, from: number, to: number): string =>
  bias ? c.op('Add', x, c.part(bias, from, to)) : x;

/** The entries of [batch, sequence, heads, count, size], each as [batch, heads, sequence, size]. */
const entries = (c: Expander, packed: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => c.transpose(c.opWith('Gather', [packed, c.op('Squeeze', c.int64(i))], { axis: 3 }), 0, 2, 1, 3));

function unpacked(c: Expander, packed: string, heads: number, bias: string | undefined): Projections {
  if (c.rank(packed) !== 5) throw new RuleRefusal('it has no key and its query is not packed');
  const headSize = knownSize(c, packed, -1);
  // The bias is [3, heads, size], the packed value has the three between heads and size.
  const shift = bias && c.transpose(c.op('Reshape', bias, c.int64(3, heads, headSize)), 1, 0, 2);
  const [q = '', k = '', v = ''] = entries(c, shift ? c.op('Add', packed, shift) : packed, 3);
  return { q, k, v, headSize };
}

const multiHeadAttention: Expansion = (c, node) => {
  const { inputs: [, , , , mask, bias, pastKey, pastValue, pastLength, beams] } = node;
  if (pastLength || beams) throw new RuleRefusal('it shares a buffer between past and present');
  const own = separateHeads(c, node, attributeInt(node, 'num_heads', 1));
  const k = pastKey ? c.concat(2, pastKey, own.k) : own.k;
  const v = pastValue ? c.concat(2, pastValue, own.v) : own.v;
  return [attention(c, node, { ...own, k, v, past: pastKey ? c.size(pastKey, 2) : null, mask, bias }), k, v, null];
};

export const attentionExpansions = { Attention: attentionOp, MultiHeadAttention: multiHeadAttention } satisfies Expansions;
