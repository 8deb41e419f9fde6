// Rewrites a graph of opset 11 to 17 in opset 18, the version that the gradients are written in.
import { OPSET } from './builder.ts';
import type { Graph, GraphNode, Initializer } from './graph.ts';

const OLDEST = 11;

/** Reductions whose axes became an input in opset 18; ReduceSum's did in opset 13. */
const reductions: ReadonlySet<string> = new Set([
  'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare',
]);

/** The graph's operator set is older than what can be rewritten. */
export class OpsetError extends Error {
  override readonly name = 'OpsetError';
}

/** The same graph in opset 18; newer ones as they are. @throws OpsetError below opset 11 */
export function upgradeOpset(graph: Graph): Graph {
  if (graph.opset >= OPSET) return graph;
  if (graph.opset < OLDEST) {
    throw new OpsetError(`The model uses operator set ${graph.opset}; gradients need ${OLDEST} or newer. Export it again with a newer opset.`);
  }
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node) => {
    if (node.domain !== '') return [node];
    return (graph.opset < 13 ? toOpset13(node, initializers) : [node]).map((newer) => toOpset18(newer, initializers));
  });
  return { ...graph, opset: OPSET, nodes, initializers };
}

type Constants = Map<string, Initializer>;

function toOpset18(node: GraphNode, constants: Constants): GraphNode {
  if (reductions.has(node.op)) return withInput(node, 'axes', constants);
  if (node.op === 'Split' && node.inputs.length === 1) {
    return { ...node, attributes: { ...node.attributes, num_outputs: node.outputs.length } };
  }
  return node;
}

/** Attributes that became inputs in opset 13, and operators that had their inputs as a matrix before. */
function toOpset13(node: GraphNode, constants: Constants): readonly GraphNode[] {
  switch (node.op) {
    case 'Squeeze': case 'Unsqueeze': case 'ReduceSum': return [withInput(node, 'axes', constants)];
    case 'Split': return [withInput(node, 'split', constants)];
    case 'Dropout': return [{ ...node, attributes: {} }]; // its ratio says nothing outside of training
    case 'Softmax': case 'LogSoftmax': case 'Hardmax': return alongAllFurtherAxes(node);
    default: return [node];
  }
}

/** The list attribute as the node's second input. */
function withInput(node: GraphNode, attribute: string, constants: Constants): GraphNode {
  const { [attribute]: list, ...attributes } = node.attributes;
  if (!Array.isArray(list)) return node;
  const name = `${node.outputs.find((output) => output !== '') ?? ''}/${attribute}`;
  constants.set(name, { type: 'int64', dims: [list.length], data: BigInt64Array.from(list as readonly (number | bigint)[], BigInt) });
  return { ...node, inputs: [...node.inputs, name], attributes };
}

/** Up to opset 12 these went over all axes from `axis` (default 1) on, as over the rows of a matrix. */
function alongAllFurtherAxes(node: GraphNode): readonly GraphNode[] {
  const { axis = 1 } = node.attributes;
  if (axis === -1) return [node];
  const { inputs: [x = ''], outputs: [y = ''] } = node;
  const [matrix, shape, result] = [`${y}/matrix`, `${y}/shape`, `${y}/rows`];
  const added = (op: string, inputs: readonly string[], output: string, attributes: GraphNode['attributes'] = {}): GraphNode => ({ op, domain: '', inputs, outputs: [output], attributes });
  return [
    added('Flatten', [x], matrix, { axis }),
    { ...node, inputs: [matrix], outputs: [result], attributes: { axis: -1 } },
    added('Shape', [x], shape),
    added('Reshape', [result, shape], y),
  ];
}
