// Gradients of the elementwise ops (ONNX operator specification), broadcasting included.
import { dataTypes } from '../graph.ts';
import type { GraphNode } from '../graph.ts';
import type { Rule, RuleContext, Rules } from './context.ts';
import { attributeInt, ELSEWHERE } from './context.ts';

export type Derivative = (c: RuleContext, at: { x: string; y: string; dy: string; node: GraphNode }) => string;

/** An op of one input. */
export const unary =
  (derivative: Derivative): Rule =>
  (c, node, dy) => {
    const { inputs: [x = ''], outputs: [y = ''] } = node;
    return [derivative(c, { x, y, dy, node }), ...node.inputs.slice(1).map(() => null)];
  };

type Partial = (c: RuleContext, at: { a: string; b: string; y: string; dy: string }) => string;

/** An op of two inputs that broadcast. */
const binary =
  (left: Partial, right: Partial): Rule =>
  (c, { inputs: [a = '', b = ''], outputs: [y = ''] }, dy) =>
    [c.unbroadcast(left(c, { a, b, y, dy }), y, a), c.unbroadcast(right(c, { a, b, y, dy }), y, b)];

/** An op of any number of inputs that broadcast. */
const variadic =
  (share: (c: RuleContext, x: string, y: string, inputs: readonly string[], dy: string) => string): Rule =>
  (c, { inputs, outputs: [y = ''] }, dy) =>
    inputs.map((x) => c.unbroadcast(share(c, x, y, inputs, dy), y, x));

/** Max and Min: the gradient goes to the winner, in equal parts where several tie. */
const winner = variadic((c, x, y, inputs, dy) => {
  const hits = inputs.map((input) => c.indicator(c.op('Equal', input, y)));
  return c.op('Mul', dy, c.op('Div', c.indicator(c.op('Equal', x, y)), hits.reduce((a, b) => c.op('Add', a, b))));
});

/** To x within the bounds, and to the bound that it is replaced by: min(max(x, low), high). */
const clip: Rule = (c, { inputs: [x = '', low, high], outputs: [y = ''] }, dy) => {
  const raised = (): string => (low ? c.op('Max', x, low) : x);
  const below = high ? c.only(c.op('LessOrEqual', x, high), dy) : dy;
  const toBound = (bound: string | undefined, gradient: string): string | null => (bound ? c.unbroadcast(gradient, y, bound) : null);
  return [
    low ? c.only(c.op('GreaterOrEqual', x, low), below) : below,
    low ? toBound(low, c.only(c.op('Less', x, low), high ? c.only(c.op('LessOrEqual', raised(), high), dy) : dy)) : null,
    high ? toBound(high, c.only(c.op('Greater', raised(), high), dy)) : null,
  ];
};

const where: Rule = (c, { inputs: [condition = '', a = '', b = ''], outputs: [y = ''] }, dy) => [
  null,
  c.unbroadcast(c.op('Where', condition, dy, c.scalar(0)), y, a),
  c.unbroadcast(c.op('Where', condition, c.scalar(0), dy), y, b),
];

export const squared = (c: RuleContext, x: string): string => c.op('Mul', x, x);
export const oneMinus = (c: RuleContext, x: string): string => c.op('Sub', c.scalar(1), x);
export const times = (c: RuleContext, factor: number, x: string): string => c.op('Mul', c.scalar(factor), x);
export const above = (c: RuleContext, x: string, bound: number): string => c.op('Greater', x, c.scalar(bound));

const power: Rule = binary(
  (c, { a, b, dy }) => {
    if (c.number(b) === 2) return c.op('Mul', times(c, 2, c.unexpanded(dy)), a); // 2a, without a power for each element
    const exponent = c.floating(b);
    return c.op('Mul', dy, c.op('Mul', exponent, c.op('Pow', a, c.op('Sub', exponent, c.scalar(1))))); // b a^(b−1)
  },
  (c, { a, y, dy }) => c.only(above(c, a, 0), c.op('Mul', dy, c.op('Mul', y, c.op('Log', a)))), // y ln a
);

const product: Rule = binary((c, { b, dy }) => c.op('Mul', dy, b), (c, { a, dy }) => c.op('Mul', dy, a));

/** x σ(x), written as a product, has its whole derivative σ + y (1 − σ) in fewer passes than by its two factors. */
const multiply: Rule = (c, node, dy, gradients) => {
  const { inputs: [a = '', b = ''], outputs: [y = ''] } = node;
  const isSigmoidOf = (factor: string, x: string): boolean => c.producer(factor)?.op === 'Sigmoid' && c.producer(factor)?.inputs[0] === x && c.isReadOnce(factor);
  const sigmoid = isSigmoidOf(a, b) ? a : isSigmoidOf(b, a) ? b : null;
  if (sigmoid === null) return product(c, node, dy, gradients);
  const whole = c.op('Mul', dy, c.op('Add', sigmoid, c.op('Mul', y, oneMinus(c, sigmoid))));
  return [a, b].map((factor) => (factor === sigmoid ? ELSEWHERE : whole));
};

export const elementwiseRules = {
  Add: binary((_, { dy }) => dy, (_, { dy }) => dy),
  Sub: binary((_, { dy }) => dy, (c, { dy }) => c.op('Neg', dy)),
  Mul: multiply,
  Div: binary((c, { b, dy }) => c.op('Div', dy, b), (c, { b, y, dy }) => c.op('Neg', c.op('Div', c.op('Mul', dy, y), b))), // 1/b, −y/b
  Pow: power,
  Max: winner,
  Min: winner,
  Sum: variadic((_c, _x, _y, _inputs, dy) => dy),
  Mean: variadic((c, _x, _y, inputs, dy) => times(c, 1 / inputs.length, dy)),
  Neg: unary((c, { dy }) => c.op('Neg', dy)),
  Exp: unary((c, { y, dy }) => c.op('Mul', dy, y)), // eˣ = y
  Log: unary((c, { x, dy }) => c.op('Div', dy, x)), // 1/x
  Sqrt: unary((c, { y, dy }) => c.op('Div', times(c, 0.5, dy), y)), // 1/2y
  Reciprocal: unary((c, { y, dy }) => c.op('Neg', c.op('Mul', dy, squared(c, y)))), // −y²
  Abs: unary((c, { x, dy }) => c.op('Sub', c.only(above(c, x, 0), dy), c.only(c.op('Less', x, c.scalar(0)), dy))), // sign x
  Sin: unary((c, { x, dy }) => c.op('Mul', dy, c.op('Cos', x))),
  Cos: unary((c, { x, dy }) => c.op('Neg', c.op('Mul', dy, c.op('Sin', x)))),
  Identity: unary((_, { dy }) => dy),
  Cast: unary((c, { x, dy }) => c.op('CastLike', dy, x)),
  CastLike: unary((c, { x, dy }) => c.op('CastLike', dy, x)),
  Clip: clip,
  Where: where,
} satisfies Rules;

const floats: ReadonlySet<number> = new Set([dataTypes.float32, dataTypes.float64, dataTypes.float16, 16]);

/** A Cast to whole numbers or truth values changes in steps only. */
export const castsToSteps = (node: GraphNode): boolean => node.op === 'Cast' && !floats.has(attributeInt(node, 'to', 0));
