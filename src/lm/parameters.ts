// How many parameters a graph holds, and of which element types they are.
import type { Graph, GraphNode, Initializer } from '../onnx/graph.ts';
import { elementCount } from '../onnx/graph.ts';

export interface ParameterCount {
  readonly total: number;
  /** By element type, most first. */
  readonly types: readonly { readonly type: string; readonly parameters: number }[];
}

const indices: ReadonlySet<string> = new Set(['int64', 'int32', 'bool', 'uint32', 'uint64']);

/** Inputs that are no parameters: scales and zero points of quantised weights, tables of rotary angles. */
const besides: Readonly<Record<string, readonly number[]>> = {
  DequantizeLinear: [1, 2],
  QuantizeLinear: [1, 2],
  MatMulNBits: [2, 3, 4],
  GatherBlockQuantized: [2, 3],
  QLinearMatMul: [1, 2, 4, 5, 6, 7],
  MatMulIntegerToFloat: [2, 3, 4, 5],
  DynamicQuantizeMatMul: [2, 3],
  RotaryEmbedding: [2, 3],
  GroupQueryAttention: [7, 8],
};

/**
 * Counts the weights of a graph as people count parameters: elements of constants that enter the computation, a shared
 * one once, packed ones unpacked; not indices, single numbers, quantisation scales or tables of positions' angles.
 */
export function countParameters({ initializers, nodes }: Pick<Graph, 'initializers' | 'nodes'>): ParameterCount {
  const excluded = new Set(nodes.flatMap(({ op, inputs }) => (besides[op] ?? []).flatMap((i) => inputs[i] ?? [])));
  for (const name of behindAngles(nodes)) excluded.add(name);
  const packed = new Map(nodes.flatMap((node) => packedWeight(node)));
  const counts = new Map<string, number>();
  for (const [name, tensor] of initializers) {
    if (excluded.has(name) || indices.has(tensor.type) || elementCount(tensor.dims) <= 1) continue;
    const { type, parameters } = packed.get(name)?.(tensor) ?? { type: tensor.type, parameters: elementCount(tensor.dims) };
    counts.set(type, (counts.get(type) ?? 0) + parameters);
  }
  const types = [...counts].map(([type, parameters]) => ({ type, parameters })).sort((a, b) => b.parameters - a.parameters);
  return { total: types.reduce((sum, { parameters }) => sum + parameters, 0), types };
}

/** Everything that cosines and sines are computed from: positions and their frequencies. */
function behindAngles(nodes: Graph['nodes']): ReadonlySet<string> {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const found = new Set<string>();
  const waiting = nodes.filter(({ op }) => op === 'Cos' || op === 'Sin').flatMap(({ inputs }) => inputs);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    waiting.push(...(producers.get(name)?.inputs ?? []));
  }
  return found;
}

type Unpack = (tensor: Initializer) => { readonly type: string; readonly parameters: number };

const whole = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);

/** MatMulNBits keeps its weight [N, blocks, bytes]; K and N are its attributes. GatherBlockQuantized may keep several in a byte. */
function packedWeight({ op, inputs, attributes }: GraphNode): (readonly [string, Unpack])[] {
  const bits = whole(attributes['bits'], 4);
  if (op === 'MatMulNBits') return [[inputs[1] ?? '', () => ({ type: `${bits}-bit`, parameters: whole(attributes['K'], 0) * whole(attributes['N'], 0) })]];
  if (op !== 'GatherBlockQuantized') return [];
  return [[inputs[0] ?? '', ({ type, dims }) => ({ type: `${bits}-bit`, parameters: elementCount(dims) * (type === 'uint8' ? 8 / bits : 1) })]];
}
