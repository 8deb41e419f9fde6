// Graphs that ONNX Runtime can run: uses of operators that end its process are rewritten.
import { floatTensor, isFloatType } from './float16.ts';
import type { Graph, GraphNode, Initializer } from './graph.ts';

/** com.microsoft's Attention without a bias, which its schema allows, ends ONNX Runtime 1.30 on the CPU. */
const lacksBias = ({ op, domain, inputs }: GraphNode): boolean => op === 'Attention' && domain === 'com.microsoft' && !inputs[2];

/**
 * The graph with a bias of zeros at every com.microsoft Attention that has none; the graph itself where there is no such
 * node. The weights may be a constant, inside or outside of the file, or computed.
 */
export function runnableGraph(graph: Graph): Graph {
  if (!graph.nodes.some(lacksBias)) return graph;
  const initializers = new Map(graph.initializers);
  const nodes = graph.nodes.flatMap((node) => (lacksBias(node) ? withBias(node, initializers) : [node]));
  return { ...graph, nodes, initializers };
}

function withBias(node: GraphNode, initializers: Map<string, Initializer>): readonly GraphNode[] {
  const weights = node.inputs[1] ?? '';
  const bias = `${node.outputs[0] ?? ''}/zero bias`;
  const biased = { ...node, inputs: [...node.inputs.slice(0, 2), bias, ...node.inputs.slice(3)] };
  const constant = initializers.get(weights);
  const [, width] = constant?.dims ?? [];
  if (constant && width !== undefined && isFloatType(constant.type)) {
    initializers.set(bias, floatTensor(constant.type, [width], new Float64Array(width)));
    return [biased];
  }
  // A row less itself, in any operator set and type.
  const [first, row] = [`${bias}/first`, `${bias}/row`];
  initializers.set(first, { type: 'int64', dims: [], data: BigInt64Array.of(0n) });
  return [
    { op: 'Gather', domain: '', inputs: [weights, first], outputs: [row], attributes: { axis: 0 } },
    { op: 'Sub', domain: '', inputs: [row, row], outputs: [bias], attributes: {} },
    biased,
  ];
}
