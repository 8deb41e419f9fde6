// Rewrites a graph of opset 7 to 17 in opset 18, the version that the gradients are written in.
import { OPSET } from './builder.ts';
import { floatTensor, isFloatType } from './float16.ts';
import type { Attribute, Graph, GraphBody, GraphNode, Initializer, Tensor } from './graph.ts';
import { attributeFloat, attributeInt, attributeInts } from './rules/context.ts';
import type { TypeOf } from './types.ts';
import { valueTypes } from './types.ts';

const OLDEST = 7;

/** The graph's operator set is older than what can be rewritten. */
export class OpsetError extends Error {
  override readonly name = 'OpsetError';
}

/**
 * The same graph in opset 18; newer ones as they are. The bodies of If, Loop and Scan are rewritten with it.
 * @throws OpsetError below opset 7, and for the few uses of older operators that newer sets have no form for
 */
export function upgradeOpset(graph: Graph): Graph {
  if (graph.opset >= OPSET) return graph;
  if (graph.opset < OLDEST) {
    throw new OpsetError(`The model uses operator set ${graph.opset}; gradients need ${OLDEST} or newer. Export it again with a newer opset.`);
  }
  const rewriting = new Rewriting(graph);
  const nodes = rewriting.nodes(graph.nodes);
  return { ...graph, opset: OPSET, nodes, initializers: rewriting.initializers };
}

class Rewriting {
  readonly initializers: Map<string, Initializer>;
  private readonly opset: number;
  private readonly types: TypeOf;

  constructor(graph: Graph) {
    this.initializers = new Map(graph.initializers);
    this.opset = graph.opset;
    this.types = valueTypes(graph);
  }

  nodes(nodes: readonly GraphNode[]): readonly GraphNode[] {
    return nodes.flatMap((node) => this.node(this.withBodies(node)));
  }

  ints(name: string, values: readonly number[]): string {
    return this.constant(name, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  /** A number in the type of a value. */
  number(name: string, value: number, like: string): string {
    const type = this.types(like);
    return this.constant(name, floatTensor(isFloatType(type) ? type : 'float32', [], [value]));
  }

  /** Constants of a body lie in the graph around it, where it may read them. */
  constant(name: string, tensor: Tensor): string {
    this.initializers.set(name, tensor);
    return name;
  }

  private node(node: GraphNode): readonly GraphNode[] {
    if (node.domain !== '') return [node];
    return changes.filter(({ ops, before }) => ops.includes(node.op) && this.opset < before)
      .reduce<readonly GraphNode[]>((nodes, { rewrite }) => nodes.flatMap((one) => (one.op === node.op ? rewrite(one, this) : [one])), [node])
      .map((one) => (one.op === 'Upsample' || one.op === 'Scatter' ? renamed(one) : one));
  }

  private withBodies(node: GraphNode): GraphNode {
    const isBody = (value: Attribute): value is { readonly graph: GraphBody } => typeof value === 'object' && 'graph' in value;
    if (!Object.values(node.attributes).some(isBody)) return node;
    const attributes = Object.entries(node.attributes).map(([name, value]) =>
      [name, isBody(value) ? { graph: { ...value.graph, nodes: this.nodes(value.graph.nodes) } } : value] as const);
    return { ...node, attributes: Object.fromEntries(attributes) };
  }
}

const newNames: Readonly<Record<string, string>> = { Upsample: 'Resize', Scatter: 'ScatterElements' };
const renamed = (node: GraphNode): GraphNode => ({ ...node, op: newNames[node.op] ?? node.op });

interface Change {
  readonly ops: readonly string[];
  /** The version that took the old form away. */
  readonly before: number;
  readonly rewrite: (node: GraphNode, rewriting: Rewriting) => readonly GraphNode[];
}

const nameOf = (node: GraphNode): string => node.outputs.find((output) => output !== '') ?? node.op;

function without(node: GraphNode, ...names: readonly string[]): GraphNode {
  return { ...node, attributes: Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !names.includes(name))) };
}

/** Lists of whole numbers that were attributes, as inputs from position `at` on; what is absent is left out. */
const listsToInputs = (at: number, ...names: readonly string[]): Change['rewrite'] => (node, rewriting) => {
  const lists = names.map((name) => [name, attributeInts(node, name)] as const);
  if (lists.every(([, list]) => list === null)) return [node];
  const inputs = lists.map(([name, list]) => (list ? rewriting.ints(`${nameOf(node)}/${name}`, list) : ''));
  while (inputs.at(-1) === '') inputs.pop();
  return [{ ...without(node, ...names), inputs: [...node.inputs.slice(0, at), ...inputs] }];
};

const clip: Change['rewrite'] = (node, rewriting) => {
  const bound = (name: string): string =>
    name in node.attributes ? rewriting.number(`${nameOf(node)}/${name}`, attributeFloat(node, name, 0), node.inputs[0] ?? '') : '';
  return [{ ...without(node, 'min', 'max'), inputs: [node.inputs[0] ?? '', bound('min'), bound('max')] }];
};

const pad: Change['rewrite'] = (node, rewriting) => {
  const value = rewriting.number(`${nameOf(node)}/value`, attributeFloat(node, 'value', 0), node.inputs[0] ?? '');
  const [padded = node] = listsToInputs(1, 'pads')(node, rewriting);
  return [{ ...without(padded, 'value'), inputs: [...padded.inputs, value] }];
};

const topK: Change['rewrite'] = (node, rewriting) =>
  [{ ...without(node, 'k'), inputs: [node.inputs[0] ?? '', rewriting.ints(`${nameOf(node)}/k`, [attributeInt(node, 'k', 1)])] }];

/** One softmax over all elements from an axis on, before each axis had its own. */
const coerced: Change['rewrite'] = (node) => {
  const { op, inputs: [x = ''], attributes: { axis = 1 } } = node;
  const last = { axis: -1 };
  if (axis === -1) return [{ ...node, attributes: last }];
  const [flat, share, shape] = ['flat', 'share', 'shape'].map((part) => `${nameOf(node)}/${part}`) as [string, string, string];
  const make = (of: string, inputs: readonly string[], output: string, attributes: GraphNode['attributes'] = {}): GraphNode =>
    ({ op: of, domain: '', inputs, outputs: [output], attributes });
  return [make('Flatten', [x], flat, { axis }), make(op, [flat], share, last), make('Shape', [x], shape), { ...node, op: 'Reshape', inputs: [share, shape], attributes: {} }];
};

const dropout: Change['rewrite'] = (node) => [without(node, 'ratio', 'is_test')];

const batchNorm: Change['rewrite'] = (node) => {
  if (node.outputs.filter((output) => output !== '').length > 1) throw new OpsetError('BatchNormalization is in training mode in the model. Export it again for inference (model.eval()).');
  if (attributeInt(node, 'spatial', 1) === 0) throw new OpsetError('BatchNormalization normalises each place by itself (spatial 0) in the model, which newer operator sets have no form for.');
  return [without(node, 'spatial')];
};

/** Upsample, and the first form of Resize: [x, scales]. */
const resize: Change['rewrite'] = (node, rewriting) => {
  const scales = node.attributes.scales;
  const values = typeof scales === 'object' && 'floats' in scales ? scales.floats : null;
  const given = values ? rewriting.constant(`${nameOf(node)}/scales`, floatTensor('float32', [values.length], values)) : (node.inputs[1] ?? '');
  const attributes = { ...without(node, 'scales').attributes, coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  return [{ ...node, inputs: [node.inputs[0] ?? '', '', given], attributes }];
};

const splitEvenly: Change['rewrite'] = (node) =>
  node.inputs.length === 1 && !('split' in node.attributes) ? [{ ...node, attributes: { ...node.attributes, num_outputs: node.outputs.length } }] : [node];

const roiAlign: Change['rewrite'] = (node) => [{ ...node, attributes: { coordinate_transformation_mode: 'output_half_pixel', ...node.attributes } }];

const scanOfBatches: Change['rewrite'] = () => {
  throw new OpsetError('The model has a Scan of operator set 8, which newer ones have no form for. Export it again with a newer opset.');
};

const reductions = ['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare'];

/** By the ONNX changelog of operators, oldest first. What is not named here kept its form from opset 7 to 18. */
const changes: readonly Change[] = [
  { ops: ['Scan'], before: 9, rewrite: scanOfBatches },
  { ops: ['Slice'], before: 10, rewrite: listsToInputs(1, 'starts', 'ends', 'axes') },
  { ops: ['TopK'], before: 10, rewrite: topK },
  { ops: ['Clip'], before: 11, rewrite: clip },
  { ops: ['Pad'], before: 11, rewrite: pad },
  { ops: ['Upsample', 'Resize'], before: 11, rewrite: resize },
  { ops: ['Dropout'], before: 12, rewrite: dropout },
  { ops: ['Softmax', 'LogSoftmax', 'Hardmax'], before: 13, rewrite: coerced },
  { ops: ['Squeeze', 'Unsqueeze', 'ReduceSum'], before: 13, rewrite: listsToInputs(1, 'axes') },
  { ops: ['Split'], before: 13, rewrite: listsToInputs(1, 'split') },
  { ops: ['BatchNormalization'], before: 14, rewrite: batchNorm },
  { ops: ['RoiAlign'], before: 16, rewrite: roiAlign },
  { ops: reductions, before: 18, rewrite: listsToInputs(1, 'axes') },
  { ops: ['Split'], before: 18, rewrite: splitEvenly },
];
