// The element types of a graph's values, as far as they follow from the operators that hidden states pass through.
import type { Graph, GraphNode, StoredType, TensorType } from '../onnx/graph.ts';
import { dataTypes, isTensor, storedTypes } from '../onnx/graph.ts';

export type ElementType = TensorType | StoredType;

const typeOfCode = new Map<unknown, ElementType>(Object.entries({ ...dataTypes, ...storedTypes }).map(([name, code]) => [code, name as ElementType]));

/** Ops whose result has a type of its own. */
const fixed: Readonly<Record<string, ElementType>> = {
  Shape: 'int64', Size: 'int64', ArgMax: 'int64', ArgMin: 'int64', NonZero: 'int64',
  Equal: 'bool', Greater: 'bool', GreaterOrEqual: 'bool', Less: 'bool', LessOrEqual: 'bool', And: 'bool', Or: 'bool', Not: 'bool', Xor: 'bool', IsNaN: 'bool', IsInf: 'bool',
  MatMulInteger: 'int32', DynamicQuantizeLinear: 'uint8',
};

/** Ops whose result has the type of another input than the first. */
const typedBy: Readonly<Record<string, number>> = { Where: 1, DequantizeLinear: 1, EmbedLayerNormalization: 2, GatherBlockQuantized: 2 };

/** The type of each value; undefined where it is not known. */
export function elementTypes(graph: Graph): (value: string) => ElementType | undefined {
  const types = new Map<string, ElementType>();
  for (const { name, type } of graph.inputs) types.set(name, type);
  for (const [name, { type }] of graph.initializers) types.set(name, type);
  for (const node of graph.nodes) {
    const type = resultType(node, types);
    if (type !== undefined) for (const output of node.outputs) types.set(output, type);
  }
  for (const { name, type } of graph.outputs) types.set(name, type);
  return (value) => types.get(value);
}

function resultType(node: GraphNode, types: ReadonlyMap<string, ElementType>): ElementType | undefined {
  const { op, attributes, inputs } = node;
  if (op === 'Cast') return typeOfCode.get(attributes['to']);
  if (op === 'Constant' || op === 'ConstantOfShape') {
    const { value } = attributes;
    return value !== undefined && isTensor(value) ? value.type : 'float32';
  }
  return fixed[op] ?? types.get(inputs[typedBy[op] ?? 0] ?? '');
}
