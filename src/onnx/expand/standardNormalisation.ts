// Normalisations over channels, groups and norms in standard ops (ONNX operator specification).
import { attributeFloat, attributeInt, attributeInts, positive, range, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';
import { knownSize } from './microsoftAttention.ts';
import { layerNorm } from './microsoftNormalisation.ts';

const EPSILON = 1e-5;

/** A value for each channel [C], as [C, 1, …] for x [N, C, …]. */
const perChannel = (c: Expander, value: string, x: string): string => c.op('Reshape', value, c.int64(-1, ...range(c.rank(x) - 2).map(() => 1)));

const instanceNorm: Expansion = (c, node) => {
  const { inputs: [x = '', scale = '', bias = ''] } = node;
  const axes = range(c.rank(x) - 2).map((i) => i + 2);
  return [layerNorm(c, [x, perChannel(c, scale, x), perChannel(c, bias, x)], attributeFloat(node, 'epsilon', EPSILON), axes).y];
};

/** Scale and bias are for each channel, before operator set 21 for each group. */
const groupNorm: Expansion = (c, node) => {
  const { inputs: [x = '', scale = '', bias = ''] } = node;
  const groups = attributeInt(node, 'num_groups', 1);
  const [one, none] = [c.op('Unsqueeze', c.scalar(1), c.int64(0)), c.op('Unsqueeze', c.scalar(0), c.int64(0))];
  const { y } = layerNorm(c, [c.op('Reshape', x, c.int64(0, groups, -1)), one, none], attributeFloat(node, 'epsilon', EPSILON));
  const back = (value: string): string => c.op('Reshape', value, c.op('Shape', x));
  if (knownSize(c, scale, 0) === groups) return [back(c.op('Add', c.op('Mul', y, c.unsqueeze(scale, 1)), c.unsqueeze(bias, 1)))];
  return [c.op('Add', c.op('Mul', back(y), perChannel(c, scale, x)), perChannel(c, bias, x))];
};

/** γ (x − mean)/√(variance + ε) + β with the mean and the variance that are given. */
const batchNorm: Expansion = (c, node) => {
  const { inputs: [x = '', ...rest] } = node;
  if (attributeInt(node, 'training_mode', 0) === 1) throw new RuleRefusal('it is in training mode');
  const [scale = '', bias = '', mean = '', variance = ''] = rest.map((value) => perChannel(c, value, x));
  const deviation = c.op('Sqrt', c.op('Add', variance, c.scalar(attributeFloat(node, 'epsilon', EPSILON))));
  return [c.op('Add', c.op('Mul', c.op('Div', c.op('Sub', x, mean), deviation), scale), bias)];
};

/** x over its norm along an axis */
const lpNorm: Expansion = (c, node) => {
  const { inputs: [x = ''] } = node;
  const axis = positive(attributeInt(node, 'axis', -1), c.rank(x));
  return [c.op('Div', x, c.opWith(`ReduceL${attributeInt(node, 'p', 2)}`, [x, c.int64(axis)], { keepdims: 1 }))];
};

const VARIANCE_FLOOR = 1e-9;

/** (x − mean x)/(√(mean x² − (mean x)²) + 10⁻⁹) */
const meanVarianceNorm: Expansion = (c, node) => {
  const { inputs: [x = ''] } = node;
  const axes = c.int64(...(attributeInts(node, 'axes') ?? [0, 2, 3]));
  const mean = (value: string): string => c.opWith('ReduceMean', [value, axes], { keepdims: 1 });
  const centred = c.op('Sub', x, mean(x));
  return [c.op('Div', centred, c.op('Add', c.op('Sqrt', mean(c.op('Mul', centred, centred))), c.scalar(VARIANCE_FLOOR)))];
};

export const standardNormalisationExpansions = {
  InstanceNormalization: instanceNorm,
  GroupNormalization: groupNorm,
  BatchNormalization: batchNorm,
  LpNormalization: lpNorm,
  MeanVarianceNormalization: meanVarianceNorm,
} satisfies Expansions;
