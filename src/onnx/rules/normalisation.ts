// Gradients of LayerNormalization and RMSNormalization (Ba et al. 2016; Zhang and Sennrich 2019), statistics included.
import type { GraphNode } from '../graph.ts';
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeFloat, attributeInt, positive, range } from './context.ts';

const EPSILON = 1e-5;

const mean = (c: RuleContext, x: string, axes: string): string => c.opWith('ReduceMean', [x, axes], { keepdims: 1 });

interface Normalised {
  /** (x − mean)/√(var + ε), or x/√(mean x² + ε). */
  readonly unit: string;
  readonly inverse: string;
  readonly axes: string;
}

function normalised(c: RuleContext, node: GraphNode, x: string, isCentred: boolean): Normalised {
  const rank = c.rank(node.inputs[0] ?? '');
  const first = positive(attributeInt(node, 'axis', -1), rank);
  const axes = c.int64(...range(rank - first).map((i) => first + i));
  const centred = isCentred ? c.op('Sub', x, mean(c, x, axes)) : x;
  const variance = c.op('Add', mean(c, c.op('Mul', centred, centred), axes), c.scalar(attributeFloat(node, 'epsilon', EPSILON)));
  const inverse = c.op('Reciprocal', c.op('Sqrt', variance));
  return { unit: c.op('Mul', centred, inverse), inverse, axes };
}

/** With g = γ dy: dx = (g − mean g − u mean(g u)) /√(var + ε), without mean g where nothing is centred. */
function throughOutput(c: RuleContext, g: string, { unit, inverse, axes }: Normalised, isCentred: boolean): string {
  const along = c.op('Sub', g, c.op('Mul', unit, mean(c, c.op('Mul', g, unit), axes)));
  return c.op('Mul', inverse, isCentred ? c.op('Sub', along, mean(c, g, axes)) : along);
}

/** d mean/dx = 1/n; d inverse/dx = −inverse² u/n */
function throughStatistics(c: RuleContext, x: string, { unit, inverse }: Normalised, [dMean, dInverse]: readonly [string, string]): string[] {
  const count = c.op('Div', c.indicator(c.op('Size', x)), c.indicator(c.op('Size', inverse)));
  const spread = (value: string, by: string): string => c.op('Mul', c.op('Div', value, count), by);
  const slope = (): string => c.op('Neg', c.op('Mul', c.op('Mul', inverse, inverse), unit));
  return [...(dMean ? [spread(dMean, c.op('Expand', c.scalar(1), c.op('Shape', x)))] : []), ...(dInverse ? [spread(dInverse, slope())] : [])];
}

const normalisation = (isCentred: boolean): Rule => (c, node, dy, [, dMean, dInverse]) => {
  const { inputs: [x = '', gamma = '', beta] } = node;
  const unbroadcast = (gradient: string, to: string): string => c.sumTo(gradient, c.shapes(x), c.shapes(to));
  return c.widened([dy, x, gamma, dMean ?? '', dInverse ?? ''], (gradient = '', wide = '', weight = '', dCentre = '', dScale = '') => {
    const at = normalised(c, node, wide, isCentred);
    const parts = gradient ? [throughOutput(c, c.op('Mul', gradient, weight), at, isCentred)] : [];
    parts.push(...throughStatistics(c, wide, at, [dCentre, dScale]));
    return [
      parts.reduce((a, b) => c.op('Add', a, b)),
      gradient ? unbroadcast(c.op('Mul', gradient, at.unit), gamma) : c.filled(0, gamma),
      beta ? (gradient ? unbroadcast(gradient, beta) : c.filled(0, beta)) : null,
    ];
  });
};

export const normalisationRules = { LayerNormalization: normalisation(true), RMSNormalization: normalisation(false) } satisfies Rules;
