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
  const excluded = new Set([...nodes.flatMap(({ op, inputs }) => (besides[op] ?? []).flatMap((i) => inputs[i] ?? [])), ...anglesOf(nodes)]);
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

/** What sines and cosines of positions are computed from: positions and the frequencies that they are multiplied by. */
function anglesOf(nodes: readonly GraphNode[]): ReadonlySet<string> {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const found = new Set<string>();
  for (const { op, inputs } of nodes) {
    if (op !== 'Sin' && op !== 'Cos') continue;
    const behind = ancestors(inputs, makers);
    // Of what the model reads, that is an activation of it, whose weights are weights.
    if (![...behind].some((name) => contents.has(name))) for (const name of behind) found.add(name);
  }
  return found;
}

const contents: ReadonlySet<string> = new Set(['input_ids', 'inputs_embeds', 'pixel_values']);

/** All values that these are computed from, themselves among them; what is known of a value's shape alone is none. */
function ancestors(values: readonly string[], makers: ReadonlyMap<string, GraphNode>): ReadonlySet<string> {
  const seen = new Set<string>();
  const waiting = [...values];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const maker = makers.get(name);
    if (maker && maker.op !== 'Shape') waiting.push(...maker.inputs);
  }
  return seen;
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
