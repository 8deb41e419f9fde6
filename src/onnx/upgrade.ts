// Rewrites a graph of opset 13 to 17 in opset 18, the version that the gradients are written in.
import { OPSET } from './builder.ts';
import type { Attribute, Graph, GraphNode, Initializer } from './graph.ts';

const OLDEST = 13;

/** Reductions whose axes became an input in opset 18. */
const reductions: ReadonlySet<string> = new Set([
  'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare',
]);

/** The graph's operator set is older than what can be rewritten. */
export class OpsetError extends Error {
  override readonly name = 'OpsetError';
}

/** The same graph in opset 18; newer ones as they are. @throws OpsetError below opset 13 */
export function upgradeOpset(graph: Graph): Graph {
  if (graph.opset >= OPSET) return graph;
  if (graph.opset < OLDEST) {
    throw new OpsetError(`The model uses operator set ${graph.opset}; gradients need ${OLDEST} or newer. Export it again with a newer opset.`);
  }
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.map((node) => upgradeNode(node, initializers));
  return { ...graph, opset: OPSET, nodes, initializers };
}

function upgradeNode(node: GraphNode, initializers: Map<string, Initializer>): GraphNode {
  if (node.domain !== '') return node;
  if (reductions.has(node.op)) return withAxesInput(node, initializers);
  if (node.op === 'Split' && node.inputs.length === 1) {
    return { ...node, attributes: { ...node.attributes, num_outputs: node.outputs.length } };
  }
  return node;
}

function withAxesInput(node: GraphNode, initializers: Map<string, Initializer>): GraphNode {
  const { axes, ...attributes } = node.attributes as { readonly [name: string]: Attribute } & { readonly axes?: readonly number[] };
  if (axes === undefined) return node;
  const name = `${node.outputs[0] ?? ''}/axes`;
  initializers.set(name, { type: 'int64', dims: [axes.length], data: BigInt64Array.from(axes, BigInt) });
  return { ...node, inputs: [...node.inputs, name], attributes };
}
