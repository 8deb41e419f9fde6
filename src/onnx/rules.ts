// The gradient rules of all ops, and the ops that have none because they change in steps.
import type { GraphNode } from './graph.ts';
import { valuesReadBy } from './graph.ts';
import { activationRules } from './rules/activation.ts';
import type { Rules } from './rules/context.ts';
import { convolutionRules } from './rules/convolution.ts';
import { castsToSteps, elementwiseRules } from './rules/elementwise.ts';
import { indexingRules } from './rules/indexing.ts';
import { layoutRules } from './rules/layout.ts';
import { linearRules } from './rules/linear.ts';
import { normalisationRules } from './rules/normalisation.ts';
import { reductionRules } from './rules/reduction.ts';

export type { ShapeOf } from './graph.ts';

export const rules: Rules = {
  ...elementwiseRules, ...activationRules, ...linearRules, ...convolutionRules, ...reductionRules, ...normalisationRules,
  ...layoutRules, ...indexingRules,
};

/** Ops whose outputs do not change with their inputs, or only in steps. */
export const steps: ReadonlySet<string> = new Set([
  'Shape', 'Size', 'Range', 'Constant', 'ConstantOfShape', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual',
  'And', 'Or', 'Not', 'Xor', 'ArgMax', 'ArgMin', 'Hardmax', 'Sign', 'Floor', 'Ceil', 'Round', 'NonZero', 'IsNaN', 'IsInf',
  'EyeLike', 'RandomNormal', 'RandomUniform', 'RandomNormalLike', 'RandomUniformLike', 'Bernoulli', 'Multinomial',
  'BitShift', 'BitwiseAnd', 'BitwiseNot', 'BitwiseOr', 'BitwiseXor', 'QuantizeLinear',
]);

/** The node's outputs do not change with its inputs, or only in steps: no gradient passes. */
export const blocksGradient = (node: GraphNode): boolean => node.domain === '' && (steps.has(node.op) || castsToSteps(node));

/** What a node reads that a gradient may come back to: not places and counts, nor what is read for its type alone. */
export function gradientInputs(node: GraphNode): readonly string[] {
  if (node.domain !== '') return valuesReadBy(node);
  switch (node.op) {
    case 'CastLike': return node.inputs.slice(0, 1);
    case 'OneHot': return node.inputs.slice(2);
    default: return valuesReadBy(node);
  }
}
