// Gradients of activation functions and of the less common elementwise functions (ONNX operator specification).
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeFloat, attributeString, RuleRefusal } from './context.ts';
import type { Derivative } from './elementwise.ts';
import { above, oneMinus, squared, times, unary } from './elementwise.ts';

const onePlus = (c: RuleContext, x: string): string => c.op('Add', c.scalar(1), x);
const where = (c: RuleContext, condition: string, a: string, b: string): string => c.op('Where', condition, a, b);

const SELU = { alpha: 1.67326319217681884765625, gamma: 1.05070102214813232421875 };

/** γ, below zero γ α eˣ = y + γ α */
const selu: Derivative = (c, { x, y, dy, node }) => {
  const [alpha, gamma] = [attributeFloat(node, 'alpha', SELU.alpha), attributeFloat(node, 'gamma', SELU.gamma)];
  return c.op('Mul', dy, where(c, above(c, x, 0), c.scalar(gamma), c.op('Add', y, c.scalar(gamma * alpha))));
};

/** 1, below zero e^(x/α) */
const celu: Derivative = (c, { x, dy, node }) => {
  const power = c.op('Exp', c.op('Min', c.op('Div', x, c.scalar(attributeFloat(node, 'alpha', 1))), c.scalar(0)));
  return c.op('Mul', dy, where(c, above(c, x, 0), c.scalar(1), power));
};

/** With s = σ(αx): s + α x s (1 − s) */
const swish: Derivative = (c, { x, dy, node }) => {
  const alpha = attributeFloat(node, 'alpha', 1);
  const share = c.op('Sigmoid', times(c, alpha, x));
  return c.op('Mul', dy, c.op('Add', share, times(c, alpha, c.op('Mul', x, c.op('Mul', share, oneMinus(c, share))))));
};

/** With t = tanh(log(1 + eˣ)): t + x (1 − t²) σ(x) */
const mish: Derivative = (c, { x, dy }) => {
  const t = c.op('Tanh', c.op('Softplus', x));
  return c.op('Mul', dy, c.op('Add', t, c.op('Mul', c.op('Mul', x, oneMinus(c, squared(c, t))), c.op('Sigmoid', x))));
};

/** α where 0 < α x + β < 1 */
const hardSigmoid: Derivative = (c, { x, dy, node }) => {
  const [alpha, beta] = [attributeFloat(node, 'alpha', 0.2), attributeFloat(node, 'beta', 0.5)];
  const line = c.op('Add', times(c, alpha, x), c.scalar(beta));
  return c.only(c.op('And', above(c, line, 0), c.op('Less', line, c.scalar(1))), times(c, alpha, dy));
};

/** 0 below −3, 1 above 3, (2x + 3)/6 between */
const hardSwish: Derivative = (c, { x, dy }) => {
  const line = c.op('Add', times(c, 1 / 3, x), c.scalar(0.5));
  return c.op('Mul', dy, where(c, above(c, x, 3), c.scalar(1), c.only(above(c, x, -3), line)));
};

const shrink: Derivative = (c, { x, dy, node }) => c.only(above(c, c.op('Abs', x), attributeFloat(node, 'lambd', 0.5)), dy);

/** x, below zero s x */
const prelu: Rule = (c, { inputs: [x = '', slope = ''], outputs: [y = ''] }, dy) => {
  const isPositive = above(c, x, 0);
  const rest = (value: string): string => where(c, isPositive, c.scalar(0), value);
  return [c.op('Add', c.only(isPositive, dy), rest(c.op('Mul', dy, slope))), c.unbroadcast(rest(c.op('Mul', dy, x)), y, slope)];
};

/** a − b ⌊a/b⌋, or with fmod towards zero: d a = dy, d b = −(a − y)/b dy */
const mod: Rule = (c, { inputs: [a = '', b = ''], outputs: [y = ''] }, dy) => [
  c.unbroadcast(dy, y, a),
  c.unbroadcast(c.op('Mul', dy, c.op('Div', c.op('Sub', y, a), b)), y, b),
];

const gelu: Derivative = (c, { x, dy, node }) => {
  const approximate = attributeString(node, 'approximate', 'none');
  if (approximate === 'tanh') return tanhGelu(c, x, dy);
  if (approximate !== 'none') throw new RuleRefusal(`it approximates by ${approximate}`);
  const cdf = times(c, 0.5, onePlus(c, c.op('Erf', times(c, Math.SQRT1_2, x))));
  const density = times(c, 1 / Math.sqrt(2 * Math.PI), c.op('Exp', times(c, -0.5, squared(c, x))));
  return c.op('Mul', dy, c.op('Add', cdf, c.op('Mul', x, density))); // Φ(x) + x φ(x)
};

/** With u = √(2/π) (x + 0.044715 x³), t = tanh u: ½ (1 + t + x (1 − t²) u′) */
function tanhGelu(c: RuleContext, x: string, dy: string): string {
  const k = Math.sqrt(2 / Math.PI);
  const cubic = times(c, 0.044715, c.op('Mul', x, squared(c, x)));
  const t = c.op('Tanh', times(c, k, c.op('Add', x, cubic)));
  const inner = times(c, k, onePlus(c, times(c, 3 * 0.044715, squared(c, x))));
  const slope = c.op('Mul', c.op('Mul', x, oneMinus(c, squared(c, t))), inner);
  return c.op('Mul', dy, times(c, 0.5, c.op('Add', onePlus(c, t), slope)));
}

const elu: Derivative = (c, { x, y, dy, node }) => {
  const negative = c.op('Add', y, c.scalar(attributeFloat(node, 'alpha', 1)));
  return c.op('Mul', dy, where(c, above(c, x, 0), c.scalar(1), negative)); // 1, below zero α eˣ = y + α
};

const leakyRelu: Derivative = (c, { x, dy, node }) =>
  c.op('Mul', dy, where(c, above(c, x, 0), c.scalar(1), c.scalar(attributeFloat(node, 'alpha', 0.01))));

const dropout: Rule = (c, node, dy) => {
  const training = node.inputs[2];
  if (training && c.ints(training)?.[0] !== 0) throw new RuleRefusal('it may be in training mode, which is random');
  return [dy, null, null];
};

const overRoot = (c: RuleContext, dy: string, square: string): string => c.op('Div', dy, c.op('Sqrt', square));

export const activationRules = {
  Relu: unary((c, { x, dy }) => c.only(above(c, x, 0), dy)),
  LeakyRelu: unary(leakyRelu),
  PRelu: prelu,
  ThresholdedRelu: unary((c, { x, dy, node }) => c.only(above(c, x, attributeFloat(node, 'alpha', 1)), dy)),
  Elu: unary(elu),
  Celu: unary(celu),
  Selu: unary(selu),
  Gelu: unary(gelu),
  Swish: unary(swish),
  Mish: unary(mish),
  HardSigmoid: unary(hardSigmoid),
  HardSwish: unary(hardSwish),
  Shrink: unary(shrink),
  Sigmoid: unary((c, { y, dy }) => c.op('Mul', dy, c.op('Mul', y, oneMinus(c, y)))), // y (1 − y)
  Softplus: unary((c, { x, dy }) => c.op('Mul', dy, c.op('Sigmoid', x))),
  Softsign: unary((c, { x, dy }) => c.op('Div', dy, squared(c, onePlus(c, c.op('Abs', x))))), // 1/(1 + |x|)²
  Tanh: unary((c, { y, dy }) => c.op('Mul', dy, oneMinus(c, squared(c, y)))), // 1 − y²
  Erf: unary((c, { x, dy }) => c.op('Mul', dy, times(c, 2 / Math.sqrt(Math.PI), c.op('Exp', c.op('Neg', squared(c, x)))))), // 2/√π e^−x²
  Dropout: dropout,
  Mod: mod,
  Tan: unary((c, { y, dy }) => c.op('Mul', dy, onePlus(c, squared(c, y)))), // 1 + y²
  Sinh: unary((c, { x, dy }) => c.op('Mul', dy, c.op('Cosh', x))),
  Cosh: unary((c, { x, dy }) => c.op('Mul', dy, c.op('Sinh', x))),
  Asin: unary((c, { x, dy }) => overRoot(c, dy, oneMinus(c, squared(c, x)))), // 1/√(1 − x²)
  Acos: unary((c, { x, dy }) => c.op('Neg', overRoot(c, dy, oneMinus(c, squared(c, x))))), // −1/√(1 − x²)
  Atan: unary((c, { x, dy }) => c.op('Div', dy, onePlus(c, squared(c, x)))), // 1/(1 + x²)
  Asinh: unary((c, { x, dy }) => overRoot(c, dy, onePlus(c, squared(c, x)))), // 1/√(x² + 1)
  Acosh: unary((c, { x, dy }) => overRoot(c, dy, c.op('Sub', squared(c, x), c.scalar(1)))), // 1/√(x² − 1)
  Atanh: unary((c, { x, dy }) => c.op('Div', dy, oneMinus(c, squared(c, x)))), // 1/(1 − x²)
} satisfies Rules;
