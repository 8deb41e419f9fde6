// A copy of a graph that computes in float64, so that derivatives can be checked against finite differences.
import { GraphBuilder } from './builder.ts';
import type { Attribute, Graph, GraphNode, Initializer, TensorType, ValueInfo } from './graph.ts';
import { dataTypes, isTensor } from './graph.ts';

/**
 * The graph with float64 in place of every float32: inputs, outputs, constants and casts. Ops that ONNX Runtime's CPU
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

const widenType = (type: TensorType): TensorType => (type === 'float32' ? 'float64' : type);

const widenValue = (value: ValueInfo): ValueInfo => ({ ...value, type: widenType(value.type) });

function widenTensor<T extends Initializer>(tensor: T): T {
  if (tensor.type !== 'float32' || !('data' in tensor)) return tensor;
  return { ...tensor, type: 'float64', data: Float64Array.from(tensor.data as Float32Array) };
}

function widenNode(node: GraphNode): GraphNode {
  const attributes = Object.entries(node.attributes).map(([name, value]) => [name, widenAttribute(node, name, value)] as const);
  return { ...node, attributes: Object.fromEntries(attributes) };
}

function widenAttribute({ op }: GraphNode, name: string, value: Attribute): Attribute {
  if (name === 'to' && op === 'Cast' && value === dataTypes.float32) return dataTypes.float64;
  return isTensor(value) ? widenTensor(value) : value;
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

const expansions: Readonly<Record<string, Expansion>> = {
  Erf: (b, { inputs: [x = ''], outputs: [y] }) => erf(b, x, y) !== '',
  Gelu: (b, { inputs: [x = ''], outputs: [y], attributes }) => {
    if (attributes.approximate === 'tanh') return false;
    const twice = b.node('Add', [erf(b, b.node('Mul', [x, constant(b, Math.SQRT1_2)])), constant(b, 1)]);
    return b.node('Mul', [b.node('Mul', [x, constant(b, 0.5)]), twice], {}, y) !== ''; // x (1 + erf(x/√2)) / 2
  },
  Mean: (b, { inputs, outputs: [y] }) => b.node('Div', [b.node('Sum', inputs), constant(b, inputs.length)], {}, y) !== '',
};
