// The gradient rules of all ops, and the ops that have none because they change in steps.
import type { GraphNode } from './graph.ts';
import type { Rules } from './rules/context.ts';
import { castsToSteps, elementwiseRules } from './rules/elementwise.ts';
import { indexingRules } from './rules/indexing.ts';
import { layoutRules } from './rules/layout.ts';
import { linearRules } from './rules/linear.ts';
import { reductionRules } from './rules/reduction.ts';

export type { ShapeOf } from './graph.ts';

export const rules: Rules = { ...elementwiseRules, ...linearRules, ...reductionRules, ...layoutRules, ...indexingRules };

const steps: ReadonlySet<string> = new Set([
  'Shape', 'Size', 'Range', 'Constant', 'ConstantOfShape', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual',
  'And', 'Or', 'Not', 'Xor', 'ArgMax', 'ArgMin', 'OneHot', 'Sign', 'Floor', 'Ceil', 'Round', 'NonZero', 'IsNaN', 'IsInf',
  'EyeLike', 'RandomNormalLike', 'RandomUniformLike', 'Bernoulli', 'Multinomial',
]);

/** The node's outputs do not change with its inputs, or only in steps: no gradient passes. */
export const blocksGradient = (node: GraphNode): boolean => node.domain === '' && (steps.has(node.op) || castsToSteps(node));
