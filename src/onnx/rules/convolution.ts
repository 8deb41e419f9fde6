// Gradients of convolution and pooling (ONNX operator specification; Dumoulin and Visin 2016, arXiv 1603.07285).
import type { GraphNode } from '../graph.ts';
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeInt, attributeInts, attributeString, range, RuleRefusal } from './context.ts';

interface Window {
  /** Of the kernel, along each spatial axis. */
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Before each spatial axis, then after each. */
  readonly pads: readonly number[];
}

const whole = (size: number | string | undefined): number => {
  if (typeof size === 'number') return size;
  throw new RuleRefusal('the size of its kernel, or of an image that is padded to a stride, changes from run to run');
};

function windowOf(c: RuleContext, node: GraphNode, sizes: readonly number[]): Window {
  const ones = sizes.map(() => 1);
  if (attributeInt(node, 'ceil_mode', 0) === 1) throw new RuleRefusal('it rounds sizes up (ceil_mode)');
  const strides = attributeInts(node, 'strides') ?? ones;
  const dilations = attributeInts(node, 'dilations') ?? ones;
  return { sizes, strides, dilations, pads: padsOf(c, node, { sizes, strides, dilations }) };
}

function padsOf(c: RuleContext, node: GraphNode, { sizes, strides, dilations }: Omit<Window, 'pads'>): readonly number[] {
  const mode = attributeString(node, 'auto_pad', 'NOTSET');
  const none = [...sizes, ...sizes].map(() => 0);
  if (mode === 'NOTSET') return attributeInts(node, 'pads') ?? none;
  if (mode === 'VALID') return none;
  const totals = sizes.map((size, i) => {
    const [image, step] = [whole(c.shapes(node.inputs[0] ?? '')[i + 2]), strides[i] ?? 1];
    return Math.max(0, (Math.ceil(image / step) - 1) * step + (size - 1) * (dilations[i] ?? 1) + 1 - image);
  });
  const [less, more] = [totals.map((total) => Math.floor(total / 2)), totals.map((total) => Math.ceil(total / 2))];
  return mode === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less];
}

const repeated = (window: Window): { readonly strides: readonly number[]; readonly dilations: readonly number[] } => ({ strides: window.strides, dilations: window.dilations });

/** Each element of dy times the kernel, put where its window lay in the image x. */
function toImage(c: RuleContext, dy: string, kernel: string, x: string, window: Window, group: number): string {
  const full = c.opWith('ConvTranspose', [dy, kernel], { ...repeated(window), group });
  const spatial = window.sizes.length;
  const before = c.int64(...window.pads.slice(0, spatial));
  const sizes = (value: string): string => c.opWith('Shape', [value], { start: 2 });
  // What lay in the padding is cut off; what no window reached is zero.
  const after = c.op('Add', c.op('Sub', sizes(x), sizes(full)), before);
  const zeros = c.int64(0, 0);
  return c.op('Pad', full, c.opWith('Concat', [zeros, c.op('Neg', before), zeros, after], { axis: 0 }));
}

const axesAfter = (c: RuleContext, x: string, ...front: readonly number[]): readonly number[] => [...front, ...range(c.rank(x) - front.length).map((i) => i + front.length)];
const transpose = (c: RuleContext, x: string, perm: readonly number[]): string => c.opWith('Transpose', [x], { perm });

/**
 * The image convolved with dy, channels in the place of batches, strides in the place of dilations. Groups lie beside
 * the batch: [channels of a group, groups · batch, …] by [channels out, batch, …].
 */
function toKernel(c: RuleContext, dy: string, x: string, kernel: string, window: Window, group: number): string {
  const flipped = group === 1 ? transpose(c, x, axesAfter(c, x, 1, 0)) : groupsBesideBatch(c, x, group);
  const sums = c.opWith('Conv', [flipped, transpose(c, dy, axesAfter(c, x, 1, 0))], {
    strides: window.dilations, dilations: window.strides, pads: window.pads, group,
  });
  // The last windows may have left a margin of the image unread.
  const axes = range(window.sizes.length).map((i) => i + 2);
  const cut = c.op('Slice', sums, c.int64(...axes.map(() => 0)), c.int64(...window.sizes), c.int64(...axes));
  return transpose(c, cut, axesAfter(c, kernel, 1, 0));
}

/** [batch, groups · channels, …] as [channels, groups · batch, …] */
function groupsBesideBatch(c: RuleContext, x: string, group: number): string {
  const shape = (start: number, end?: number): string => c.opWith('Shape', [x], end === undefined ? { start } : { start, end });
  const split = c.op('Reshape', x, c.opWith('Concat', [shape(0, 1), c.int64(group, whole(c.shapes(x)[1]) / group), shape(2)], { axis: 0 }));
  const moved = transpose(c, split, [2, 1, 0, ...range(c.rank(x) - 2).map((i) => i + 3)]);
  return c.op('Reshape', moved, c.opWith('Concat', [c.int64(whole(c.shapes(x)[1]) / group, -1), shape(2)], { axis: 0 }));
}

const conv: Rule = (c, node, dy) => {
  const { inputs: [x = '', kernel = '', bias] } = node;
  const group = attributeInt(node, 'group', 1);
  const window = windowOf(c, node, c.shapes(kernel).slice(2).map(whole));
  const channels = range(c.rank(x)).filter((axis) => axis !== 1);
  return [toImage(c, dy, kernel, x, window, group), toKernel(c, dy, x, kernel, window, group), bias ? c.sum(dy, channels, false) : null];
};

/** dy/n over each window of n elements, channel by channel. */
const averagePool: Rule = (c, node, dy) => {
  const { inputs: [x = ''] } = node;
  const window = windowOf(c, node, attributeInts(node, 'kernel_shape') ?? []);
  const flat = (value: string): string => c.op('Reshape', value, c.opWith('Concat', [c.int64(-1, 1), c.opWith('Shape', [value], { start: 2 })], { axis: 0 }));
  const kernel = c.op('Expand', c.scalar(1), c.int64(1, 1, ...window.sizes));
  const [image, gradient] = [flat(x), flat(dy)];
  const ones = c.op('Expand', c.scalar(1), c.op('Shape', image));
  const isWhole = attributeInt(node, 'count_include_pad', 0) === 1 || window.pads.every((pad) => pad === 0);
  const count = isWhole ? c.scalar(window.sizes.reduce((a, b) => a * b, 1)) : c.opWith('Conv', [ones, kernel], { ...repeated(window), pads: window.pads });
  return [c.op('Reshape', toImage(c, c.op('Div', gradient, count), kernel, image, window, 1), c.op('Shape', x))];
};

const spatialAxes = (c: RuleContext, x: string): readonly number[] => range(c.rank(x) - 2).map((i) => i + 2);

const globalAverage: Rule = (c, { inputs: [x = ''], outputs: [y = ''] }, dy) => {
  const count = c.op('Div', c.indicator(c.op('Size', x)), c.indicator(c.op('Size', y)));
  return [c.op('Expand', c.op('Div', dy, count), c.shapeOf(x))];
};

const globalMaximum: Rule = (c, { inputs: [x = ''], outputs: [y = ''] }, dy) => {
  const hits = c.indicator(c.op('Equal', x, y));
  return [c.op('Mul', c.op('Div', hits, c.sum(hits, spatialAxes(c, x), true)), dy)];
};

/** To the elements that won. */
const maxPool: Rule = (c, node, dy) => {
  const { inputs: [x = ''] } = node;
  if (attributeInt(node, 'storage_order', 0) !== 0) throw new RuleRefusal('it counts columns first (storage_order)');
  const places = c.op('Reshape', c.second('MaxPool', [x], node.attributes), c.int64(-1, 1));
  const zeros = c.op('Expand', c.scalar(0), c.op('Reshape', c.op('Size', x), c.int64(1)));
  const sums = c.scatterAdd('ScatterND', zeros, places, c.op('Reshape', dy, c.int64(-1)));
  return [c.op('Reshape', sums, c.op('Shape', x))];
};

export const convolutionRules = {
  Conv: conv,
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
  GlobalMaxPool: globalMaximum,
  MaxPool: maxPool,
} satisfies Rules;
