// Gradients of ops that work along axes: sums, means, maxima, softmax, running sums.
import type { GraphNode } from '../graph.ts';
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeInt, attributeInts, positive } from './context.ts';

/** x, and y and dy with the reduced axes back as size 1. */
interface Reduced {
  readonly x: string;
  readonly y: string;
  readonly dy: string;
  /** null: all axes, or axes that are known only when the graph runs. */
  readonly axes: readonly number[] | null;
}

const reduction =
  (derivative: (c: RuleContext, at: Reduced) => string): Rule =>
  (c, node, dy) => {
    const { inputs: [x = '', axesInput], outputs: [y = ''] } = node;
    const listed = attributeInts(node, 'axes');
    const axesName = axesInput || (listed ? c.int64(...listed) : undefined);
    const known = c.ints(axesInput) ?? listed;
    const axes = known && known.length > 0 ? known.map((axis) => positive(axis, c.rank(x))) : null;
    const open = (value: string): string =>
      attributeInt(node, 'keepdims', 1) === 1 || !axesName ? value : c.op('Unsqueeze', value, axesName);
    return [derivative(c, { x, y: open(y), dy: open(dy), axes }), null];
  };

/** dy repeated along the reduced axes. Other axes need no size: Expand broadcasts both ways. */
function spread(c: RuleContext, { x, dy, axes }: Reduced): string {
  const shape = c.shapes(x).map((dim, i) => (axes && !axes.includes(i) ? 1 : dim));
  const known = shape.every((dim) => typeof dim === 'number');
  return c.op('Expand', dy, known ? c.int64(...shape) : c.op('Shape', x));
}

/** How many elements of x go into one of y. */
function count(c: RuleContext, { x, axes }: Reduced, node: GraphNode): string {
  const sizes = c.shapes(x).filter((_, i) => !axes || axes.includes(i));
  if (sizes.every((size) => typeof size === 'number') && !isIdentity(node, axes)) {
    return c.scalar(sizes.reduce<number>((product, size) => product * Number(size), 1));
  }
  return c.op('Div', c.indicator(c.op('Size', x)), c.indicator(c.op('Size', node.outputs[0] ?? '')));
}

/** No axes may mean all or none; and axes given as a computed value may be any. */
const isIdentity = (node: GraphNode, axes: readonly number[] | null): boolean =>
  axes === null && (attributeInt(node, 'noop_with_empty_axes', 0) === 1 || (node.inputs[1] ?? '') !== '');

const mean: Rule = (c, node, dy) =>
  reduction((_, at) => spread(c, { ...at, dy: c.op('Div', at.dy, count(c, at, node)) }))(c, node, dy, [dy]); // dy / count

/** To the elements that attain the maximum, in equal parts. */
const extreme = (along: (c: RuleContext, hits: string, at: Reduced, node: GraphNode) => string): Rule => (c, node, dy) =>
  reduction((_, at) => {
    const hits = c.indicator(c.op('Equal', at.x, at.y));
    return c.op('Mul', c.op('Div', hits, along(c, hits, at, node)), at.dy);
  })(c, node, dy, [dy]);

const winner = extreme((c, hits, { axes }, node) => {
  const axesInput = node.inputs[1];
  if (axes) return c.sum(hits, axes, true);
  return c.opWith('ReduceSum', axesInput ? [hits, axesInput] : [hits], {
    keepdims: 1,
    noop_with_empty_axes: attributeInt(node, 'noop_with_empty_axes', 0),
  });
});

const axisOf = (c: RuleContext, node: GraphNode): number => positive(attributeInt(node, 'axis', -1), c.rank(node.outputs[0] ?? ''));

const softmax: Rule = (c, node, dy) => {
  const [output = ''] = node.outputs;
  const axis = axisOf(c, node);
  // A row of −∞ alone has no softmax; graphs replace it afterwards, and what they replaced takes no gradient.
  const isMended = c.isReadBy(output, ['IsNaN', 'Where']);
  const y = isMended ? c.op('Where', c.op('IsNaN', output), c.scalar(0), output) : output;
  const weighted = (isMended ? null : sumOfProduct(c, y, axis)) ?? c.sum(c.op('Mul', dy, y), [axis], true);
  return [c.op('Mul', y, c.op('Sub', dy, weighted))]; // y (dy − Σ y dy)
};

/**
 * Σ y dy over the last axis where y is only multiplied by V, as attention's probabilities are: with o = y V and
 * dy = do Vᵀ it is Σ o do, over fewer elements (Dao et al. 2022, FlashAttention, appendix B.4). null elsewhere.
 */
function sumOfProduct(c: RuleContext, y: string, axis: number): string | null {
  const reader = c.onlyReader(y);
  const [output = ''] = reader?.outputs ?? [];
  if (reader?.op !== 'MatMul' || reader.domain !== '' || reader.inputs[0] !== y || reader.inputs[1] === y || axis !== c.rank(y) - 1) return null;
  const [from, to] = [c.shapes(y), c.shapes(output)];
  const gradient = c.gradient(output);
  const sameRows = from.length > 1 && from.length === to.length && c.rank(reader.inputs[1] ?? '') > 1 && from.slice(0, -1).every((size, i) => typeof size === 'string' || size === to[i]);
  return sameRows && gradient !== null ? c.sum(c.op('Mul', output, gradient), [axis], true) : null;
}

const logSoftmax: Rule = (c, node, dy) => {
  const [y = ''] = node.outputs;
  return [c.op('Sub', dy, c.op('Mul', c.op('Exp', y), c.sum(dy, [axisOf(c, node)], true)))]; // dy − e^y Σ dy
};

const cumSum: Rule = (c, node, dy) => {
  const { inputs: [, axis = ''] } = node;
  const attributes = { exclusive: attributeInt(node, 'exclusive', 0), reverse: 1 - attributeInt(node, 'reverse', 0) };
  return [c.opWith('CumSum', [dy, axis], attributes), null]; // the running sum from the other end
};

const signOf = (c: RuleContext, x: string, dy: string): string =>
  c.op('Sub', c.only(c.op('Greater', x, c.scalar(0)), dy), c.only(c.op('Less', x, c.scalar(0)), dy));

/** y/x; where one element is 0, the product of the others, which is 0 for all others; where more are, 0. */
const product: Rule = (c, node, dy) =>
  reduction((_, { x, y, dy: gradient }) => {
    const axes = node.inputs[1] ? [node.inputs[1]] : [];
    const over = (op: string, value: string): string =>
      c.opWith(op, [value, ...axes], { keepdims: 1, noop_with_empty_axes: attributeInt(node, 'noop_with_empty_axes', 0) });
    const isZero = c.op('Equal', x, c.scalar(0));
    const safe = c.op('Where', isZero, c.scalar(1), x);
    const isOnly = c.op('Equal', over('ReduceSum', c.indicator(isZero)), c.scalar(1));
    const others = c.only(isOnly, over('ReduceProd', safe));
    return c.op('Mul', gradient, c.op('Where', isZero, others, c.op('Div', y, safe)));
  })(c, node, dy, [dy]);

export const reductionRules = {
  ReduceSum: reduction(spread),
  ReduceMean: mean,
  ReduceMax: winner,
  ReduceMin: winner,
  ReduceProd: product,
  ReduceSumSquare: reduction((c, { x, dy }) => c.op('Mul', c.op('Mul', x, c.scalar(2)), dy)), // 2x
  ReduceL1: reduction((c, at) => signOf(c, at.x, spread(c, at))), // sign x
  ReduceL2: reduction((c, { x, y, dy }) => c.op('Mul', c.op('Div', x, y), dy)), // x/y
  ReduceLogSum: reduction((c, at) => c.op('Div', spread(c, at), c.op('Exp', at.y))), // 1/Σx
  ReduceLogSumExp: reduction((c, { x, y, dy }) => c.op('Mul', c.op('Exp', c.op('Sub', x, y)), dy)), // e^(x−y)
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  CumSum: cumSum,
} satisfies Rules;
