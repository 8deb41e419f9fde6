// Products of a hidden state with a weight, in the forms that exports have.
import type { Flow } from './flow.ts';
import type { Graph, GraphNode } from '../onnx/graph.ts';

const projections: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'FusedMatMul', 'MatMulNBits', 'MatMulBnb4', 'MatMulInteger', 'FusedGemm', 'GemmFloat8']);

/** Multiplies the node a hidden state by a weight? */
export const isProjection = (flow: Flow, { op, inputs: [x = '', weight = ''] }: GraphNode): boolean =>
  projections.has(op) && flow.isDynamic(x) && !flow.isDynamic(weight);

/** The last projection that every path to the value passes through, below a node. */
export function lastProjection(flow: Flow, value: string, above: number): GraphNode | undefined {
  const index = flow.producer(value);
  const own = flow.node(index);
  if (own && index > above && isProjection(flow, own)) return own;
  for (const at of flow.dominatorsOf(index)) {
    const node = flow.node(at);
    if (at <= above) return undefined;
    if (node && isProjection(flow, node)) return node;
  }
  return undefined;
}

/** Sizes of what goes in and comes out; null where they cannot be seen. */
export function projectionSizes(graph: Graph, node: GraphNode): { readonly input: number | null; readonly output: number | null } {
  const { attributes, inputs: [, weight = ''] } = node;
  if (node.op === 'MatMulNBits' || node.op === 'MatMulBnb4') return { input: number(attributes['K']), output: number(attributes['N']) };
  const dims = weightDims(graph, weight).slice(-2);
  const [rows = null, columns = null] = attributes['transB'] === 1 ? [...dims].reverse() : dims;
  return { input: rows, output: columns };
}

const number = (attribute: unknown): number | null => (typeof attribute === 'number' ? attribute : null);

/** The shape of a constant, seen through what exports put between it and its use. */
function weightDims(graph: Graph, value: string): readonly number[] {
  const own = graph.initializers.get(value);
  if (own) return own.dims;
  const node = graph.nodes.find(({ outputs }) => outputs.includes(value));
  if (node?.op === 'Transpose') return [...weightDims(graph, node.inputs[0] ?? '')].reverse();
  return node && ['Cast', 'Identity', 'DequantizeLinear'].includes(node.op) ? weightDims(graph, node.inputs[0] ?? '') : [];
}

/** The width of an embedding: that of the table it was looked up in. */
export function embeddingWidth(flow: Flow, value: string): number | null {
  const input = flow.graph.inputs.find(({ name }) => name === value)?.dims.at(-1);
  if (typeof input === 'number') return input;
  for (const index of [flow.producer(value), ...flow.dominatorsOf(flow.producer(value))]) {
    const node = flow.node(index);
    const table = node?.op === 'Gather' ? node.inputs[0] : node?.op === 'EmbedLayerNormalization' ? node.inputs[2] : undefined;
    const width = table === undefined ? undefined : weightDims(flow.graph, table).at(-1);
    if (width !== undefined) return width;
  }
  return null;
}
