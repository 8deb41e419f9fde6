// Products with quantised weights in standard ops (onnxruntime, docs/ContribOperators.md): the gradient goes to the activations.
import type { GraphNode } from '../graph.ts';
import { dataTypes } from '../graph.ts';
import { attributeInt, range, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';

const BYTE = 8;

/** The numbers of `bits` bits in a uint8 value, the lowest first, on a new last axis. */
function unpackedBits(c: Expander, bytes: string, bits: number): string {
  const byte = (value: number): string => c.opWith('Cast', [c.int64(value)], { to: dataTypes.uint8 });
  const shifted = (value: string, by: number, direction: string): string => (by === 0 ? value : c.opWith('BitShift', [value, byte(by)], { direction }));
  const fields = range(BYTE / bits).map((i) => shifted(shifted(bytes, BYTE - bits * (i + 1), 'LEFT'), BYTE - bits, 'RIGHT'));
  return c.concat(-1, ...fields.map((field) => c.unsqueeze(field, -1)));
}

interface Blocks {
  readonly rows: number;
  readonly blocks: number;
  readonly bits: number;
}

/** [rows, blocks, 1]: given as floats, packed bytes, or half of the range. */
function zeroPoints(c: Expander, points: string | undefined, scales: string, { rows, blocks, bits }: Blocks): string {
  if (!points) return c.castLike(c.int64(2 ** (bits - 1)), scales);
  if (c.typeOf(points) !== 'uint8') return c.op('Reshape', points, c.int64(rows, blocks, 1));
  const numbers = c.op('Reshape', unpackedBits(c, points, bits), c.int64(rows, -1));
  return c.unsqueeze(c.castLike(c.part(numbers, 0, blocks), scales), -1);
}

/** [columns, rows] of the matrix that the node stores by blocks of columns for each row. */
function weights(c: Expander, node: GraphNode): string {
  const { inputs: [, packed = '', scales = '', points] } = node;
  const [columns, rows] = [attributeInt(node, 'K', 0), attributeInt(node, 'N', 0)];
  const [bits, size] = [attributeInt(node, 'bits', 4), attributeInt(node, 'block_size', 0)];
  if (BYTE % bits !== 0) throw new RuleRefusal(`its weights have ${bits} bits, which do not fill bytes evenly`);
  const blocks = Math.ceil(columns / size);
  const numbers = c.op('Reshape', unpackedBits(c, packed, bits), c.int64(rows, blocks, size));
  const centred = c.op('Sub', c.castLike(numbers, scales), zeroPoints(c, points, scales, { rows, blocks, bits }));
  const scaled = c.op('Mul', centred, c.op('Reshape', scales, c.int64(rows, blocks, 1)));
  return c.transpose(c.part(c.op('Reshape', scaled, c.int64(rows, blocks * size)), 0, columns), 1, 0);
}

const matMulNBits: Expansion = (c, node) => {
  const { inputs: [x = '', , , , order, bias] } = node;
  if (order) throw new RuleRefusal('its weights are in an order of their own (g_idx)');
  const product = c.op('MatMul', x, weights(c, node));
  return [bias ? c.op('Add', product, bias) : product];
};

/** Repeats each element `times` times along an axis, up to the size that `like` has there. */
function repeated(c: Expander, value: string, like: string, axis: number, times: number): string {
  const rank = c.rank(like);
  const spread = c.op('Expand', c.unsqueeze(value, axis + 1), c.int64(...range(rank + 1).map((i) => (i === axis + 1 ? times : 1))));
  const shape = c.concat(0, c.opWith('Shape', [value], { end: axis }), c.int64(-1), c.opWith('Shape', [value], { start: axis + 1 }));
  const size = c.shapes(like)[axis];
  const end = typeof size === 'number' ? c.int64(size) : c.size(like, axis);
  return c.op('Slice', c.op('Reshape', spread, shape), c.int64(0), end, c.int64(axis));
}

/** (x − zero point) · scale, which hold for all of x, for each index of an axis, or for blocks along it. */
export const dequantizeLinear: Expansion = (c, node) => {
  const { inputs: [x = '', scale = '', zero] } = node;
  const rank = c.rank(x);
  const axis = (attributeInt(node, 'axis', 1) + rank) % Math.max(rank, 1);
  const block = attributeInt(node, 'block_size', 0);
  const spread = (value: string): string => {
    if (block > 0) return repeated(c, value, x, axis, block);
    if (c.rank(scale) === 0 || rank === 0) return value;
    return c.op('Reshape', value, c.int64(...range(rank).map((i) => (i === axis ? -1 : 1))));
  };
  const numbers = c.castLike(x, scale);
  const centred = zero ? c.op('Sub', numbers, spread(c.castLike(zero, scale))) : numbers;
  return [c.op('Mul', centred, spread(scale))];
};

export const quantisedExpansions = { MatMulNBits: matMulNBits } satisfies Expansions;
