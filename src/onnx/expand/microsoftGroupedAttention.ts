// com.microsoft GroupQueryAttention in standard ops (Ainslie et al. 2023; onnxruntime, docs/ContribOperators.md).
import type { GraphNode } from '../graph.ts';
import { attributeFloat, attributeInt, attributeString, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';
import { knownSize, scaleOf } from './microsoftAttention.ts';
import { rmsNorm } from './microsoftNormalisation.ts';
import { angles, rotate } from './microsoftRotary.ts';
import { attend, LOWEST } from './scores.ts';
import type { ScoreMask } from './scores.ts';

interface Sizes {
  readonly heads: number;
  readonly groups: number;
  readonly headSize: number;
}

/** Positions are int64 and count from the first token of a sequence. */
interface Places {
  /** The number of past tokens, [batch, 1]. */
  readonly past: string;
  /** [batch, new tokens] */
  readonly queries: string;
  /** Of the cache's places, then of the new tokens: [batch, keys] */
  readonly keys: string;
  /** How many of them count, by the position: [batch, keys] */
  readonly bound: string;
  /** Places in the cache, int64 [1]: 0 without a past. */
  readonly capacity: string;
  /** int64 [1] */
  readonly length: string;
}

function refuse(node: GraphNode): void {
  for (const name of ['k_quant_type', 'v_quant_type']) {
    if (attributeString(node, name, 'NONE') !== 'NONE') throw new RuleRefusal('its cache is quantised');
  }
  if (attributeInt(node, 'sliding_window_cache', 0) === 1) throw new RuleRefusal('its cache holds a sliding window');
}

/** Q, K and V as [batch, sequence, heads, head size]. */
function projections(c: Expander, node: GraphNode, heads: number, groups: number): { readonly parts: readonly [string, string, string]; readonly headSize: number } {
  const { inputs: [query = '', key, value] } = node;
  const width = knownSize(c, query, -1);
  const split = (x: string, count: number): string => c.op('Reshape', x, c.int64(0, 0, count, -1));
  if (key && value) return { parts: [split(query, heads), split(key, groups), split(value, groups)], headSize: width / heads };
  const headSize = width / (heads + 2 * groups);
  const part = (from: number, count: number): string => split(c.part(query, from * headSize, (from + count) * headSize), count);
  return { parts: [part(0, heads), part(heads, groups), part(heads + groups, groups)], headSize };
}

/** The number of past tokens follows from the number of all tokens; it is 0 in a prompt, padded or not. */
function places(c: Expander, node: GraphNode): Places {
  const { inputs: [query = '', , , pastKey, , lengths = ''] } = node;
  const length = c.size(query, 1);
  const total = c.op('Add', c.op('Reshape', c.integers(lengths), c.int64(-1, 1)), c.int64(1));
  const past = c.op('Max', c.op('Sub', total, length), c.int64(0));
  const capacity = pastKey ? c.size(pastKey, 2) : c.int64(0);
  const slots = c.rangeTo(c.op('Add', capacity, length));
  const isNew = c.op('GreaterOrEqual', slots, capacity);
  return {
    past, length, capacity,
    queries: c.op('Add', past, c.rangeTo(length)),
    keys: c.op('Where', isNew, c.op('Add', c.op('Sub', slots, capacity), past), slots),
    bound: c.op('Where', isNew, total, past),
  };
}

/** A query sees what is filled, up to its own position, within the window. */
function visible(c: Expander, node: GraphNode, { queries, keys, bound }: Places): ScoreMask {
  const filled = c.unsqueeze(c.op('Less', keys, bound), 1);
  const [at, from] = [c.unsqueeze(keys, 1), c.unsqueeze(queries, -1)];
  const conditions = [filled];
  if (attributeInt(node, 'causal', 1) === 1) conditions.push(c.op('LessOrEqual', at, from));
  const window = attributeInt(node, 'local_window_size', -1);
  if (window > 0) conditions.push(c.op('Greater', at, c.op('Sub', from, c.int64(window))));
  const keep = conditions.reduce((all, one) => c.op('And', all, one));
  return { keep: c.unsqueeze(keep, 1, 2), fill: LOWEST };
}

/** Q and K with each head's norm, then turned by their positions, where the node asks for it. */
function prepared(c: Expander, node: GraphNode, parts: readonly [string, string, string], headSize: number, at: Places): readonly [string, string] {
  const epsilon = attributeFloat(node, 'qk_norm_epsilon', 1e-6);
  const normal = (x: string, weight: string | undefined): string => (weight ? rmsNorm(c, x, weight, epsilon).y : x);
  const [q, k] = [normal(parts[0], node.inputs[14]), normal(parts[1], node.inputs[15])];
  if (attributeInt(node, 'do_rotary', 0) !== 1) return [q, k];
  const { inputs: [, , , , , , , cosines = '', sines = ''] } = node;
  // Padding may point beyond the table, whose last row is as good as any there.
  const row = c.op('Min', turns(c, node, at), c.op('Sub', c.size(cosines, 0), c.int64(1)));
  const open = (table: string): string => c.unsqueeze(c.op('Gather', table, row), -2);
  const interleaved = attributeInt(node, 'rotary_interleaved', 0) === 1;
  const rotation = { headSize, half: angles(c, cosines), cos: open(cosines), sin: open(sines), interleaved };
  return [rotate(c, { x: q, ...rotation }), rotate(c, { x: k, ...rotation })];
}

/** The positions that queries and keys are turned by; of those given, a prompt's count on from the first of all. */
function turns(c: Expander, node: GraphNode, { queries, length }: Places): string {
  const { inputs: [, , , , , , total = '', , , given] } = node;
  if (!given) return queries;
  const ids = c.integers(given);
  const first = c.op('Slice', c.op('Reshape', ids, c.int64(-1)), c.int64(0), c.int64(1));
  const isPrompt = c.op('Equal', c.op('Reshape', c.integers(total), c.int64(1)), length);
  return c.op('Where', isPrompt, c.op('Add', first, c.rangeTo(length)), ids);
}

/** What every query has besides its keys: a score of 0 with smooth_softmax, one for each head with head_sink. */
function sinkOf(c: Expander, node: GraphNode, { heads, groups }: Sizes): string | undefined {
  const sink = node.inputs[11];
  if (sink) return c.op('Reshape', sink, c.int64(groups, heads / groups, 1, 1));
  return attributeInt(node, 'smooth_softmax', 0) === 1 ? c.scalar(0) : undefined;
}

/** [1 or batch, 1 or groups, 1 or heads of a group, queries, keys] */
function biasOf(c: Expander, node: GraphNode, { heads, groups }: Sizes, places: Places): string | undefined {
  const given = node.inputs[10];
  if (!given) return undefined;
  const bias = node.inputs[3] ? byPosition(c, given, places) : given;
  if (knownSize(c, given, 1) === 1) return c.unsqueeze(bias, 1);
  const shape = c.concat(0, c.size(bias, 0), c.int64(groups, heads / groups), c.opWith('Shape', [bias], { start: 2 }));
  return c.op('Reshape', bias, shape);
}

/** The columns of an attention bias, which are positions, in the order of the keys. */
function byPosition(c: Expander, bias: string, { keys }: Places): string {
  const columns = c.op('Min', keys, c.op('Sub', c.size(bias, 3), c.int64(1)));
  const leading = c.concat(0, c.size(keys, 0), c.opWith('Shape', [bias], { start: 1, end: 3 }));
  const all = c.op('Expand', bias, c.concat(0, leading, c.size(bias, 3)));
  return c.opWith('GatherElements', [all, c.op('Expand', c.unsqueeze(columns, 1, 2), c.concat(0, leading, c.size(keys, 1)))], { axis: 3 });
}

/** The cache after this call, [batch, groups, places, head size]: the past, the new tokens, zeros. */
function present(c: Expander, all: string, { past, capacity, length }: Places, total: string): string {
  const slots = c.rangeTo(c.op('Max', capacity, c.op('Reshape', c.integers(total), c.int64(1))));
  const isNew = c.op('GreaterOrEqual', slots, past);
  const last = c.op('Sub', c.op('Add', capacity, length), c.int64(1));
  const from = c.op('Where', isNew, c.op('Min', c.op('Add', capacity, c.op('Sub', slots, past)), last), slots);
  const filled = c.op('Less', slots, c.op('Add', past, length));
  const open = (value: string): string => c.unsqueeze(value, 1, 3);
  const shape = c.concat(0, c.opWith('Shape', [all], { end: 2 }), c.size(slots, 0), c.size(all, 3));
  const read = c.opWith('GatherElements', [all, c.op('Expand', open(from), shape)], { axis: 2 });
  return c.op('Where', open(filled), read, c.scalar(0));
}

const groupQueryAttention: Expansion = (c, node) => {
  refuse(node);
  const { inputs: [, , , pastKey, pastValue, , total = ''] } = node;
  const [heads, groups] = [attributeInt(node, 'num_heads', 1), attributeInt(node, 'kv_num_heads', 1)];
  const { parts, headSize } = projections(c, node, heads, groups);
  const sizes = { heads, groups, headSize };
  const at = places(c, node);
  const [query, key] = prepared(c, node, parts, headSize, at);
  const whole = (x: string, past: string | undefined): string => {
    const own = c.transpose(x, 0, 2, 1, 3);
    return past ? c.concat(2, past, own) : own;
  };
  const [k, v] = [whole(key, pastKey), whole(parts[2], pastValue)];
  const output = grouped(c, node, { query, k, v }, sizes, at);
  const after = (all: string, i: number): string | null => (node.outputs[i] ? present(c, all, at, total) : null);
  return [output, after(k, 1), after(v, 2)];
};

interface Keys {
  readonly query: string;
  readonly k: string;
  readonly v: string;
}

/** All queries of a group against its one head of keys and values; sums over the group come back from broadcasting. */
function grouped(c: Expander, node: GraphNode, { query, k, v }: Keys, sizes: Sizes, at: Places): string {
  const { heads, groups, headSize } = sizes;
  const q = c.transpose(c.op('Reshape', query, c.int64(0, 0, groups, heads / groups, headSize)), 0, 2, 3, 1, 4);
  const [sink, bias] = [sinkOf(c, node, sizes), biasOf(c, node, sizes, at)];
  const output = attend(c, {
    q, k: c.unsqueeze(k, 2), v: c.unsqueeze(v, 2), rank: 5, scale: scaleOf(node, headSize),
    softcap: attributeFloat(node, 'softcap', 0), masks: [visible(c, node, at)], ...(bias ? { bias } : {}), ...(sink ? { sink } : {}),
  });
  return c.op('Reshape', c.transpose(output, 0, 3, 1, 2, 4), c.int64(0, 0, -1));
}

export const groupedAttentionExpansions = { GroupQueryAttention: groupQueryAttention } satisfies Expansions;
