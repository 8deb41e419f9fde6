// Gradients of ops that move elements without changing them: each sends its gradient back along the same way.
import type { GraphNode } from '../graph.ts';
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeInt, attributeInts, attributeString, ELSEWHERE, positive, range, RuleRefusal } from './context.ts';

const TO_THE_END = 2 ** 31 - 1;

const reshaping: Rule = (c, { inputs: [x = ''] }, dy) => [c.reshapedLike(dy, x), null];

const transpose: Rule = (c, node, dy) => {
  const perm = attributeInts(node, 'perm') ?? range(c.rank(node.inputs[0] ?? '')).reverse();
  return [c.opWith('Transpose', [dy], { perm: perm.map((_, i) => perm.indexOf(i)) })]; // the inverse permutation
};

const expand: Rule = (c, { inputs: [x = ''], outputs: [y = ''] }, dy) => [c.unbroadcast(dy, y, x), null];

const concat: Rule = (c, node, dy) => {
  const axis = positive(attributeInt(node, 'axis', 0), c.rank(node.outputs[0] ?? ''));
  const sizes = node.inputs.map((input) => c.shapes(input)[axis]);
  if (!sizes.every((size) => typeof size === 'number')) return concatOfUnknownSizes(c, node, dy, axis);
  let end = 0;
  return sizes.map((size) => {
    const start = end;
    end += size;
    return c.op('Slice', dy, c.int64(start), c.int64(end), c.int64(axis));
  });
};

function concatOfUnknownSizes(c: RuleContext, node: GraphNode, dy: string, axis: number): string[] {
  let start = c.int64(0);
  return node.inputs.map((input) => {
    const size = c.opWith('Gather', [c.op('Shape', input), c.int64(axis)], { axis: 0 });
    const end = c.op('Add', start, size);
    const part = c.op('Slice', dy, start, end, c.int64(axis));
    start = end;
    return part;
  });
}

const split: Rule = (c, node, _dy, gradients) => {
  const parts = node.outputs.map((output, i) => gradients[i] ?? c.filled(0, output));
  return [c.opWith('Concat', parts, { axis: attributeInt(node, 'axis', 0) }), null];
};

/** Zeros around the part that was kept. */
const slice: Rule = (c, node, dy) => {
  const pads = paddingOfSlice(c, node);
  const rest = node.inputs.slice(1).map(() => null);
  if (!pads) return [scatteredSlice(c, node, dy), ...rest];
  const padded = (): string => c.op('Pad', dy, c.int64(...pads));
  const [x = ''] = node.inputs;
  const rank = c.rank(x);
  const cut = range(rank).filter((i) => pads[i] !== 0 || pads[i + rank] !== 0);
  const [axis = 0] = cut;
  const [size, start = 0, after = 0] = [c.shapes(x)[axis], pads[axis], pads[axis + rank]];
  if (cut.length !== 1 || typeof size !== 'number') return [padded(), ...rest];
  c.accumulatePart(x, { axis, start, end: size - after, size, gradient: dy, padded });
  return [ELSEWHERE, ...rest];
};

/** Elements cut off before and after along each axis, or null where steps or sizes forbid padding. */
function paddingOfSlice(c: RuleContext, { inputs: [x = '', starts, ends, axes, steps] }: GraphNode): number[] | null {
  const [from, to, step] = [c.ints(starts), c.ints(ends), steps ? c.ints(steps) : []];
  const shape = c.shapes(x);
  const along = axes ? c.ints(axes) : range(from?.length ?? 0);
  if (!from || !to || !along || !step || step.some((size) => size !== 1)) return null;
  const pads = [...shape, ...shape].map(() => 0);
  for (const [i, written] of along.entries()) {
    const axis = positive(written, shape.length);
    const size = shape[axis];
    if (typeof size !== 'number') return null;
    const bound = (at: number): number => Math.min(Math.max(at < 0 ? at + size : at, 0), size);
    pads[axis] = bound(from[i] ?? 0);
    pads[axis + shape.length] = size - bound(to[i] ?? 0);
  }
  return pads;
}

/** Numbers x's elements, slices the numbers as x was sliced, and adds dy up at the numbers that are left. */
function scatteredSlice(c: RuleContext, { inputs: [x = '', ...bounds] }: GraphNode, dy: string): string {
  const shape = c.op('Shape', x);
  const size = c.op('Size', x);
  const scalar = (value: number): string => c.op('Squeeze', c.int64(value));
  const numbers = c.op('Reshape', c.op('Range', scalar(0), size, scalar(1)), shape);
  const kept = c.op('Reshape', c.op('Slice', numbers, ...bounds), c.int64(-1, 1));
  const zeros = c.op('Expand', c.scalar(0), c.op('Unsqueeze', size, c.int64(0)));
  const sums = c.scatterAdd('ScatterND', zeros, kept, c.op('Reshape', dy, c.int64(-1)));
  return c.op('Reshape', sums, shape);
}

const pad: Rule = (c, node, dy) => {
  const { inputs: [x = '', pads = '', , axes] } = node;
  if (attributeString(node, 'mode', 'constant') !== 'constant') throw new RuleRefusal('it repeats elements instead of padding a constant');
  const known = c.ints(pads);
  const rest = node.inputs.slice(1).map(() => null);
  if (!known?.every((width) => width >= 0)) return [c.op('Pad', dy, c.op('Neg', pads), ...(axes ? ['', axes] : [])), ...rest];
  const half = known.length / 2;
  const ends = known.slice(half).map((width) => (width === 0 ? TO_THE_END : -width));
  return [c.op('Slice', dy, c.int64(...known.slice(0, half)), c.int64(...ends), axes ?? c.int64(...range(c.rank(x)))), ...rest];
};

const trilu: Rule = (c, node, dy) => [c.opWith('Trilu', [dy, ...node.inputs.slice(1)], node.attributes), null];

/** Sums over the copies: dy as [copies, size, copies, size, …]. */
const tile: Rule = (c, { inputs: [x = '', repeats = ''] }, dy) => {
  const rank = c.rank(x);
  if (rank === 0) return [dy, null];
  const known = c.ints(repeats);
  const dims = c.shapes(x);
  const pairs = known && dims.every((dim) => typeof dim === 'number')
    ? c.int64(...dims.flatMap((dim, i) => [known[i] ?? 1, dim]))
    : c.op('Reshape', c.opWith('Concat', [repeats, c.op('Shape', x)].map((sizes) => c.op('Unsqueeze', sizes, c.int64(1))), { axis: 1 }), c.int64(-1));
  return [c.sum(c.op('Reshape', dy, pairs), range(rank).map((i) => 2 * i), false), null];
};

/** Each is the other's inverse, where depth comes before columns and rows. */
const blocks = (inverse: 'DepthToSpace' | 'SpaceToDepth'): Rule => (c, node, dy) => {
  if (attributeString(node, 'mode', 'DCR') !== 'DCR') throw new RuleRefusal('its mode is not DCR');
  return [c.opWith(inverse, [dy], { blocksize: attributeInt(node, 'blocksize', 1) })];
};

export const layoutRules = {
  Reshape: reshaping,
  Flatten: reshaping,
  Squeeze: reshaping,
  Unsqueeze: reshaping,
  Transpose: transpose,
  Expand: expand,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Trilu: trilu,
  Tile: tile,
  DepthToSpace: blocks('SpaceToDepth'),
  SpaceToDepth: blocks('DepthToSpace'),
} satisfies Rules;
