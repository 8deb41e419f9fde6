// Rotary position embedding as com.microsoft has it, in standard ops (Su et al. 2021, RoFormer; docs/ContribOperators.md).
import type { GraphNode } from '../graph.ts';
import { attributeInt, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';

export interface Rotation {
  /** [.., head size]; `cos` and `sin` broadcast to its leading axes. */
  readonly x: string;
  readonly headSize: number;
  /** Half as wide as the part of a head that turns. */
  readonly cos: string;
  readonly sin: string;
  readonly half: number;
  /** Pairs (2j, 2j + 1) turn; else (j, j + half). */
  readonly interleaved: boolean;
}

/** Turns each pair (a, b) of a head to (a cos − b sin, a sin + b cos); what lies beyond the turning part stays. */
export function rotate(c: Expander, rotation: Rotation): string {
  const { x, half, headSize } = rotation;
  const turned = turn(c, 2 * half === headSize ? x : c.part(x, 0, 2 * half), rotation);
  return 2 * half === headSize ? turned : c.opWith('Concat', [turned, c.part(x, 2 * half, headSize)], { axis: -1 });
}

function turn(c: Expander, x: string, { cos, sin, half, interleaved }: Rotation): string {
  const pairs = interleaved ? c.op('Reshape', x, c.int64(...[0, 0, 0, half, 2])) : null;
  const one = (i: number): string => (pairs ? c.op('Squeeze', c.part(pairs, i, i + 1), c.int64(-1)) : c.part(x, i * half, (i + 1) * half));
  const [a, b] = [one(0), one(1)];
  const left = c.op('Sub', c.op('Mul', a, cos), c.op('Mul', b, sin));
  const right = c.op('Add', c.op('Mul', a, sin), c.op('Mul', b, cos));
  if (!pairs) return c.opWith('Concat', [left, right], { axis: -1 });
  const stacked = c.opWith('Concat', [left, right].map((side) => c.op('Unsqueeze', side, c.int64(-1))), { axis: -1 });
  return c.op('Reshape', stacked, c.int64(0, 0, 0, 2 * half));
}

const whole = (size: number | string | undefined, what: string): number => {
  if (typeof size === 'number') return size;
  throw new RuleRefusal(`${what} changes from run to run`);
};

/** The number of angles of a table [positions, angles]. */
export const angles = (c: Expander, cache: string): number => whole(c.shapes(cache).at(-1), 'the width of its cosine table');

/** [batch, sequence] or, from one number for the first token, [sequence] */
function positions(c: Expander, ids: string, length: string): string {
  return c.rank(ids) === 1 ? c.op('Add', c.integers(ids), c.rangeTo(length)) : c.integers(ids);
}

function headSizeOf(c: Expander, node: GraphNode, half: number): number {
  const { inputs: [x = ''] } = node;
  const width = whole(c.shapes(x).at(-1), 'its width');
  if (c.rank(x) === 4) return width;
  const heads = attributeInt(node, 'num_heads', 0);
  return heads > 0 ? width / heads : 2 * half;
}

/** [batch, sequence, hidden] or [batch, heads, sequence, head size] */
const rotaryEmbedding: Expansion = (c, node) => {
  const { inputs: [x = '', ids = '', cos = '', sin = ''] } = node;
  if (attributeInt(node, 'is_packed_batching', 0) === 1) throw new RuleRefusal('its batches are packed');
  const half = angles(c, cos);
  const headSize = headSizeOf(c, node, half);
  const split = c.rank(x) === 4;
  const at = positions(c, ids, c.size(x, split ? 2 : 1));
  // The axis of the heads, which the angles are the same along: before the sequence or after it.
  const open = (table: string): string => c.op('Unsqueeze', c.op('Gather', table, at), c.int64(split ? -3 : -2));
  const rotation = { headSize, half, cos: open(cos), sin: open(sin), interleaved: attributeInt(node, 'interleaved', 0) === 1 };
  if (split) return [rotate(c, { x, ...rotation })];
  const heads = c.op('Reshape', x, c.int64(0, 0, -1, headSize));
  return [c.op('Reshape', rotate(c, { x: heads, ...rotation }), c.int64(0, 0, -1))];
};

export const rotaryExpansions = { RotaryEmbedding: rotaryEmbedding } satisfies Expansions;
