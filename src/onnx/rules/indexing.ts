// Gradients of reading and writing by index: reading adds up where writing would put, and the other way round.
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeInt, attributeString, positive, range, RuleRefusal } from './context.ts';

const gather: Rule = (c, node, dy) => {
  const { inputs: [x = '', indices = ''] } = node;
  const axis = positive(attributeInt(node, 'axis', 0), c.rank(x));
  const at = c.op('Unsqueeze', indices, c.int64(-1));
  if (axis === 0) return [c.scatterAdd('ScatterND', c.filled(0, x), at, dy), null]; // rows add up where indices repeat
  // The indexed axes go to the front, there and back.
  const [rank, width] = [c.rank(x), c.rank(indices)];
  const perm = [...range(width).map((i) => axis + i), ...range(axis), ...range(rank - axis - 1).map((i) => axis + width + i)];
  const front = [axis, ...range(axis), ...range(rank - axis - 1).map((i) => axis + 1 + i)];
  const move = (value: string, order: readonly number[]): string => c.opWith('Transpose', [value], { perm: order });
  const sums = c.scatterAdd('ScatterND', move(c.filled(0, x), front), at, move(dy, perm));
  return [move(sums, front.map((_, i) => front.indexOf(i))), null];
};

const gatherElements: Rule = (c, node, dy) => {
  const { inputs: [x = '', indices = ''] } = node;
  return [c.scatterAdd('ScatterElements', c.filled(0, x), indices, dy, { axis: attributeInt(node, 'axis', 0) }), null];
};

const gatherND: Rule = (c, node, dy) => {
  const { inputs: [x = '', indices = ''] } = node;
  if (attributeInt(node, 'batch_dims', 0) !== 0) throw new RuleRefusal('it has batch dimensions');
  return [c.scatterAdd('ScatterND', c.filled(0, x), indices, dy), null];
};

/** d data: dy, without the places that were overwritten; d updates: dy read at the places that were written. */
const scatter =
  (op: 'ScatterND' | 'ScatterElements', read: (c: RuleContext, dy: string, indices: string, axis: number) => string): Rule =>
  (c, node, dy) => {
    const { inputs: [, indices = '', updates = ''] } = node;
    const reduction = attributeString(node, 'reduction', 'none');
    if (reduction !== 'none' && reduction !== 'add') throw new RuleRefusal(`it reduces by ${reduction}`);
    const axis = attributeInt(node, 'axis', 0);
    const attributes = op === 'ScatterND' ? {} : { axis };
    const kept = reduction === 'add' ? dy : c.opWith(op, [dy, indices, c.filled(0, updates)], attributes);
    return [kept, null, read(c, dy, indices, axis)];
  };

/** To the elements that were chosen. */
const topK: Rule = (c, node, dy) => {
  const { inputs: [x = ''], outputs: [, indices = ''] } = node;
  return [c.scatterAdd('ScatterElements', c.filled(0, x), indices, dy, { axis: attributeInt(node, 'axis', -1) }), null];
};

/** The values: those at the hot places, and those at all others. */
const oneHot: Rule = (c, node, dy) => {
  const { inputs: [indices = '', depth = ''] } = node;
  const bounds = c.opWith('Concat', [c.scalar(0), c.scalar(1)].map((value) => c.op('Unsqueeze', value, c.int64(0))), { axis: 0 });
  const hot = c.op('Mul', dy, c.opWith('OneHot', [indices, depth, bounds], node.attributes));
  const total = (value: string): string => c.op('Reshape', c.opWith('ReduceSum', [value], { keepdims: 0 }), c.int64(1));
  return [null, null, c.opWith('Concat', [total(c.op('Sub', dy, hot)), total(hot)], { axis: 0 })];
};

export const indexingRules = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  OneHot: oneHot,
  TopK: topK,
  ScatterND: scatter('ScatterND', (c, dy, indices) => c.op('GatherND', dy, indices)),
  ScatterElements: scatter('ScatterElements', (c, dy, indices, axis) => c.opWith('GatherElements', [dy, indices], { axis })),
} satisfies Rules;
