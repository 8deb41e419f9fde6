// The fused normalisations of com.microsoft in standard ops (onnxruntime, docs/ContribOperators.md).
import type { GraphNode } from '../graph.ts';
import { attributeFloat, attributeInt, range } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';

const LAST = [-1];

const mean = (c: Expander, x: string, axes: readonly number[]): string => c.opWith('ReduceMean', [x, c.int64(...axes)], { keepdims: 1 });

/** x/√(mean x² + ε) over the axes; gives 1/√(mean x² + ε) as well. */
export function scaledToUnit(c: Expander, x: string, epsilon: number, axes: readonly number[] = LAST): { readonly y: string; readonly inverse: string } {
  const inverse = c.op('Reciprocal', c.op('Sqrt', c.op('Add', mean(c, c.op('Mul', x, x), axes), c.scalar(epsilon))));
  return { y: c.op('Mul', x, inverse), inverse };
}

interface Normalised extends Readonly<Record<string, string>> {
  readonly y: string;
  readonly mean: string;
  readonly inverse: string;
}

const STATISTICS = ['mean', 'inverse'];

/** γ (x − mean x)/√(var x + ε) + β over the axes, in float32 at least. */
export function layerNorm(c: Expander, [x, gamma, beta]: readonly [string, string, string | undefined], epsilon: number, axes: readonly number[] = LAST): Normalised {
  return c.widened([x, gamma, beta ?? ''], (wide = '', weight = '', bias = '') => {
    const centre = mean(c, wide, axes);
    const { y, inverse } = scaledToUnit(c, c.op('Sub', wide, centre), epsilon, axes);
    const scaled = c.op('Mul', y, weight);
    return { y: bias ? c.op('Add', scaled, bias) : scaled, mean: centre, inverse };
  }, STATISTICS);
}

/** γ x/√(mean x² + ε) over the axes, in float32 at least. */
export function rmsNorm(c: Expander, x: string, gamma: string, epsilon: number, axes: readonly number[] = LAST): { readonly y: string; readonly inverse: string } {
  return c.widened([x, gamma], (wide = '', weight = '') => {
    const { y, inverse } = scaledToUnit(c, wide, epsilon, axes);
    return { y: c.op('Mul', y, weight), inverse };
  }, STATISTICS);
}

const FUSED_EPSILON = 1e-12;

const plus = (c: Expander, x: string, y: string | undefined): string => (y ? c.op('Add', x, y) : x);

const skipLayerNorm: Expansion = (c, node) => {
  const { inputs: [x = '', skip = '', gamma = '', beta, bias] } = node;
  const sum = plus(c, c.op('Add', x, skip), bias);
  const { y, mean: centre, inverse } = layerNorm(c, [sum, gamma, beta], attributeFloat(node, 'epsilon', FUSED_EPSILON));
  return [y, centre, inverse, sum];
};

const skipSimplified: Expansion = (c, node) => {
  const { inputs: [x = '', skip = '', gamma = '', bias] } = node;
  const sum = plus(c, c.op('Add', x, skip), bias);
  const { y, inverse } = rmsNorm(c, sum, gamma, attributeFloat(node, 'epsilon', FUSED_EPSILON));
  return [y, null, inverse, sum];
};

const SIMPLIFIED_EPSILON = 1e-5;

/** The axes from `axis` to the last, as negative numbers. */
export function trailingAxes(c: Expander, node: GraphNode): readonly number[] {
  const axis = attributeInt(node, 'axis', -1);
  const count = axis < 0 ? -axis : c.rank(node.inputs[0] ?? '') - axis;
  return range(count).map((i) => i - count);
}

const simplified: Expansion = (c, node) => {
  const { inputs: [x = '', gamma = ''] } = node;
  const { y, inverse } = rmsNorm(c, x, gamma, attributeFloat(node, 'epsilon', SIMPLIFIED_EPSILON), trailingAxes(c, node));
  return [y, inverse];
};

const embedLayerNorm: Expansion = (c, node) => {
  const { inputs: [ids = '', segments, words = '', positions = '', segmentRows, gamma = '', beta, , positionIds] } = node;
  const rows = (table: string, at: string): string => c.op('Gather', table, c.integers(at));
  const position = rows(positions, positionIds || c.rangeTo(c.size(ids, 1)));
  const placed = c.op('Add', rows(words, ids), position);
  const sum = segments && segmentRows ? c.op('Add', placed, rows(segmentRows, segments)) : placed;
  const { y } = layerNorm(c, [sum, gamma, beta], attributeFloat(node, 'epsilon', FUSED_EPSILON));
  return [y, null, sum];
};

/** Of both domains: ONNX Runtime registers SimplifiedLayerNormalization in the default one. */
export const simplifiedLayerNormalization = simplified;

export const normalisationExpansions = {
  SkipLayerNormalization: skipLayerNorm,
  SkipSimplifiedLayerNormalization: skipSimplified,
  SimplifiedLayerNormalization: simplified,
  EmbedLayerNormalization: embedLayerNorm,
} satisfies Expansions;
