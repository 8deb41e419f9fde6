// A copy of a graph that computes in float64, so that derivatives can be checked against finite differences.
import { GraphBuilder } from './builder.ts';
import { floatsOf } from './float16.ts';
import type { Attribute, Graph, GraphNode, Initializer, Tensor, TensorType, ValueInfo } from './graph.ts';
import { dataTypes, isTensor } from './graph.ts';

/**
 * The graph with float64 in place of every float32 and float16: inputs, outputs, constants and casts. Ops that ONNX Runtime's CPU
 * provider has in float32 alone are written out; Erf becomes its Taylor series, right to 1e-12 for |x| < 3.
 */
export function toFloat64(graph: Graph): Graph {
  const initializers = new Map([...graph.initializers].map(([name, tensor]) => [name, widenTensor(tensor)]));
  const inputs = graph.inputs.map(widenValue);
  const b = new GraphBuilder({ ...graph, nodes: [], inputs, outputs: graph.outputs.map(widenValue), initializers }, 'float64/');
  for (const node of graph.nodes.map(widenNode)) {
    const expansion = node.domain === '' ? expansions[node.op] : undefined;
    if (expansion?.(b, node)) continue;
    b.nodeWithOutputs(node.op, node.inputs, node.outputs, node.attributes, node.domain);
  }
  return b.build();
}

const widenType = (type: TensorType): TensorType => (type === 'float32' || type === 'float16' ? 'float64' : type);

const widenValue = (value: ValueInfo): ValueInfo => ({ ...value, type: widenType(value.type) });

function widenTensor<T extends Initializer>(tensor: T): T {
  if ((tensor.type !== 'float32' && tensor.type !== 'float16') || !('data' in tensor)) return tensor;
  return { ...tensor, type: 'float64', data: floatsOf(tensor as Tensor) };
}

function widenNode(node: GraphNode): GraphNode {
  const attributes = Object.entries(node.attributes).map(([name, value]) => widenedAttribute(node, name, value));
  // Without a value it is zeros in float32.
  if (node.op === 'ConstantOfShape' && attributes.length === 0) attributes.push(['value', { type: 'float64', dims: [1], data: Float64Array.of(0) }]);
  return { ...node, attributes: Object.fromEntries(attributes) };
}

function widenedAttribute({ op }: GraphNode, name: string, value: Attribute): [string, Attribute] {
  if (name === 'to' && op === 'Cast' && (value === dataTypes.float32 || value === dataTypes.float16)) return [name, dataTypes.float64];
  if (op === 'Constant' && typeof value === 'object' && 'float' in value) return ['value', { type: 'float64', dims: [], data: Float64Array.of(value.float) }];
  if (op === 'Constant' && typeof value === 'object' && 'floats' in value) return ['value', { type: 'float64', dims: [value.floats.length], data: Float64Array.from(value.floats) }];
  return [name, isTensor(value) ? widenTensor(value) : value];
}

/** Adds what the node computes and answers true, or leaves it to the node itself. */
type Expansion = (b: GraphBuilder, node: GraphNode) => boolean;

const constant = (b: GraphBuilder, ...values: readonly number[]): string =>
  b.initializer(b.fresh('constant'), { type: 'float64', dims: values.length === 1 ? [] : [values.length], data: Float64Array.from(values) });

const SERIES_LENGTH = 70;

/** erf x = 2/√π Σ (−1)ⁿ x^(2n+1) / (n! (2n+1)) */
function erf(b: GraphBuilder, x: string, name?: string): string {
  let factorial = 1;
  const terms = Array.from({ length: SERIES_LENGTH }, (_, n) => {
    if (n > 0) factorial *= -n;
    return { exponent: 2 * n + 1, coefficient: 2 / Math.sqrt(Math.PI) / (factorial * (2 * n + 1)) };
  });
  const last = b.initializer(b.fresh('axis'), { type: 'int64', dims: [1], data: BigInt64Array.of(-1n) });
  const powers = b.node('Pow', [b.node('Unsqueeze', [x, last]), constant(b, ...terms.map(({ exponent }) => exponent))]);
  const weighted = b.node('Mul', [powers, constant(b, ...terms.map(({ coefficient }) => coefficient))]);
  return b.node('ReduceSum', [weighted, last], { keepdims: 0 }, name);
}

type Compute = (at: { readonly x: string; readonly attribute: (name: string, fallback: number) => number; readonly build: Build }) => string;
type Build = (op: string, ...inputs: readonly (string | number)[]) => string;

const ofOneInput = (compute: Compute): Expansion => (b, node) => {
  const { inputs: [x = ''], outputs: [y], attributes } = node;
  const build: Build = (op, ...inputs) => b.node(op, inputs.map((input) => (typeof input === 'number' ? constant(b, input) : input)));
  const attribute = (name: string, fallback: number): number => {
    const value = attributes[name];
    return typeof value === 'object' && 'float' in value ? value.float : fallback;
  };
  return b.node('Identity', [compute({ x, attribute, build })], {}, y) !== '';
};

const HALVINGS = 3;
const ATAN_TERMS = 14;

/** atan x = 2 atan(x/(1 + √(1 + x²))), until the series x − x³/3 + … is short. */
function atan(build: Build, x: string): string {
  let small = x;
  for (let i = 0; i < HALVINGS; i++) small = build('Div', small, build('Add', build('Sqrt', build('Add', build('Mul', small, small), 1)), 1));
  const square = build('Mul', small, small);
  let sum = build('Identity', 0);
  for (let n = ATAN_TERMS; n >= 0; n--) sum = build('Add', build('Mul', sum, square), (n % 2 === 0 ? 1 : -1) / (2 * n + 1));
  return build('Mul', build('Mul', sum, small), 2 ** HALVINGS);
}

const asin = (build: Build, x: string): string => atan(build, build('Div', x, build('Sqrt', build('Sub', 1, build('Mul', x, x)))));
const squarePlus = (build: Build, x: string, shift: number): string => build('Add', build('Mul', x, x), shift);
const halfDifference = (build: Build, x: string, op: 'Add' | 'Sub'): string => build('Mul', build(op, build('Exp', x), build('Exp', build('Neg', x))), 0.5);
const ifPositive = (build: Build, x: string, a: string, rest: string): string => build('Where', build('Greater', x, 0), a, rest);
const hardSigmoid = (build: Build, x: string, alpha: number, beta: number): string => build('Max', build('Min', build('Add', build('Mul', x, alpha), beta), 1), 0);
/** max(x, 0) + log(1 + e^−|x|) */
const softplus = (build: Build, x: string): string =>
  build('Add', build('Max', x, 0), build('Log', build('Add', build('Exp', build('Neg', build('Abs', x))), 1)));
const expMinusOne = (build: Build, x: string): string => build('Sub', build('Exp', x), 1);

const expansions: Readonly<Record<string, Expansion>> = {
  Erf: (b, { inputs: [x = ''], outputs: [y] }) => erf(b, x, y) !== '',
  Gelu: (b, { inputs: [x = ''], outputs: [y], attributes }) => {
    if (attributes.approximate === 'tanh') return false;
    const twice = b.node('Add', [erf(b, b.node('Mul', [x, constant(b, Math.SQRT1_2)])), constant(b, 1)]);
    return b.node('Mul', [b.node('Mul', [x, constant(b, 0.5)]), twice], {}, y) !== ''; // x (1 + erf(x/√2)) / 2
  },
  Mean: (b, { inputs, outputs: [y] }) => b.node('Div', [b.node('Sum', inputs), constant(b, inputs.length)], {}, y) !== '',
  LayerNormalization: layerNormalization,
  OneHot: oneHot,
  PRelu: (b, { inputs: [x = '', slope = ''], outputs: [y] }) =>
    b.node('Where', [b.node('Greater', [x, constant(b, 0)]), x, b.node('Mul', [x, slope])], {}, y) !== '',
  Sinh: ofOneInput(({ x, build }) => halfDifference(build, x, 'Sub')),
  Cosh: ofOneInput(({ x, build }) => halfDifference(build, x, 'Add')),
  Tan: ofOneInput(({ x, build }) => build('Div', build('Sin', x), build('Cos', x))),
  Asin: ofOneInput(({ x, build }) => asin(build, x)),
  Acos: ofOneInput(({ x, build }) => build('Sub', Math.PI / 2, asin(build, x))),
  Atan: ofOneInput(({ x, build }) => atan(build, x)),
  Asinh: ofOneInput(({ x, build }) => build('Log', build('Add', x, build('Sqrt', squarePlus(build, x, 1))))),
  Acosh: ofOneInput(({ x, build }) => build('Log', build('Add', x, build('Sqrt', squarePlus(build, x, -1))))),
  Atanh: ofOneInput(({ x, build }) => build('Mul', build('Log', build('Div', build('Add', x, 1), build('Sub', 1, x))), 0.5)),
  ThresholdedRelu: ofOneInput(({ x, attribute, build }) => build('Where', build('Greater', x, attribute('alpha', 1)), x, 0)),
  Celu: ofOneInput(({ x, attribute, build }) => {
    const alpha = attribute('alpha', 1);
    return ifPositive(build, x, x, build('Mul', expMinusOne(build, build('Div', x, alpha)), alpha));
  }),
  Selu: ofOneInput(({ x, attribute, build }) => {
    const [alpha, gamma] = [attribute('alpha', 1.67326319217681884765625), attribute('gamma', 1.05070102214813232421875)];
    return build('Mul', ifPositive(build, x, x, build('Mul', expMinusOne(build, x), alpha)), gamma);
  }),
  HardSigmoid: ofOneInput(({ x, attribute, build }) => hardSigmoid(build, x, attribute('alpha', 0.2), attribute('beta', 0.5))),
  HardSwish: ofOneInput(({ x, build }) => build('Mul', x, hardSigmoid(build, x, 1 / 6, 0.5))),
  Softplus: ofOneInput(({ x, build }) => softplus(build, x)),
  Mish: ofOneInput(({ x, build }) => build('Mul', x, build('Tanh', softplus(build, x)))),
  Shrink: ofOneInput(({ x, attribute, build }) => {
    const [bound, bias] = [attribute('lambd', 0.5), attribute('bias', 0)];
    const above = build('Where', build('Greater', x, bound), build('Sub', x, bias), 0);
    return build('Where', build('Less', x, -bound), build('Add', x, bias), above);
  }),
};

/** With its statistics, which ONNX Runtime gives in float32 alone. */
function layerNormalization(b: GraphBuilder, { inputs: [x = '', gamma = '', beta], outputs: [y, mean, inverse], attributes }: GraphNode): boolean {
  if (!mean && !inverse) return false;
  const [axis, epsilon] = [attributes.axis ?? -1, attributes.epsilon];
  if (typeof axis !== 'number') return false;
  const whole = (value: number): string => b.initializer(b.fresh('whole'), { type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) });
  const rank = axis < 0 ? whole(0) : b.node('Size', [b.node('Shape', [x])]);
  const axes = b.node('Range', [whole(axis), rank, whole(1)]);
  const average = (value: string, name?: string): string => b.node('ReduceMean', [value, axes], { keepdims: 1 }, name);
  const centred = b.node('Sub', [x, average(x, mean || undefined)]);
  const floor = typeof epsilon === 'object' && 'float' in epsilon ? epsilon.float : 1e-5;
  const root = b.node('Sqrt', [b.node('Add', [average(b.node('Mul', [centred, centred])), constant(b, floor)])]);
  const scaled = b.node('Mul', [b.node('Mul', [centred, b.node('Reciprocal', [root], {}, inverse || undefined)]), gamma], {}, beta ? undefined : y);
  return beta ? b.node('Add', [scaled, beta], {}, y) !== '' : true;
}

/** off + hot · (on − off), hot in float32; places may be given as floats. */
function oneHot(b: GraphBuilder, { inputs: [indices = '', depth = '', values = ''], outputs: [y], attributes }: GraphNode): boolean {
  const bounds = b.initializer(b.fresh('bounds'), { type: 'float32', dims: [2], data: Float32Array.of(0, 1) });
  const whole = (value: string): string => b.node('Cast', [value], { to: dataTypes.int64 });
  const hot = b.node('Cast', [b.node('OneHot', [whole(indices), whole(depth), bounds], attributes)], { to: dataTypes.float64 });
  const at = (i: number): string => b.node('Gather', [values, b.initializer(b.fresh('at'), { type: 'int64', dims: [], data: BigInt64Array.of(BigInt(i)) })]);
  const off = at(0);
  return b.node('Add', [b.node('Mul', [hot, b.node('Sub', [at(1), off])]), off], {}, y) !== '';
}
