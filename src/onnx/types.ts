// The element type of every value of a graph, as far as the operators' own typing says it.
import type { Attribute, Graph, GraphNode, StoredType, TensorType } from './graph.ts';
import { dataTypes, isTensor, storedTypes } from './graph.ts';

export type ElementType = TensorType | StoredType;

/** The type of a value; undefined where it is not known. */
export type TypeOf = (value: string) => ElementType | undefined;

const byCode = new Map<number, ElementType>(
  Object.entries({ ...dataTypes, ...storedTypes }).map(([name, code]) => [code, name as ElementType]),
);

const coded = (node: GraphNode, name: string): ElementType | undefined => {
  const code = node.attributes[name];
  return typeof code === 'number' ? byCode.get(code) : undefined;
};

/** The types of a node's outputs; one that is not listed is as the last of the list. */
type Typing = (node: GraphNode, input: (i: number) => ElementType | undefined) => readonly (ElementType | undefined)[];

const always = (type: ElementType): Typing => () => [type];
const as = (i: number, ...rest: readonly ElementType[]): Typing => (_, input) => [input(i), ...rest];
const listed = (ops: readonly string[], typing: Typing): Readonly<Record<string, Typing>> => Object.fromEntries(ops.map((op) => [op, typing]));

const constantTypes: Readonly<Record<string, ElementType>> = { value_float: 'float32', value_floats: 'float32', value_int: 'int64', value_ints: 'int64' };

const valueType = (value: Attribute | undefined): ElementType | undefined => (value !== undefined && isTensor(value) ? value.type : undefined);

const constant: Typing = ({ attributes }) => {
  const name = Object.keys(attributes).find((key) => key in constantTypes);
  return [valueType(attributes.value) ?? constantTypes[name ?? '']];
};

/** Statistics are in float32 unless `stash_type` asks for another type. */
const normalisation: Typing = (node, input) => [input(0), coded(node, 'stash_type') ?? 'float32'];

const ofOnnx: Readonly<Record<string, Typing>> = {
  ...listed(['Shape', 'Size', 'ArgMax', 'ArgMin', 'NonZero'], always('int64')),
  ...listed(['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'And', 'Or', 'Xor', 'Not', 'IsNaN', 'IsInf'], always('bool')),
  ...listed(['LayerNormalization', 'SimplifiedLayerNormalization'], normalisation),
  ...listed(['TopK', 'MaxPool', 'Unique'], as(0, 'int64')),
  ...listed(['RandomNormal', 'RandomUniform'], (node) => [coded(node, 'dtype') ?? 'float32']),
  ...listed(['RandomNormalLike', 'RandomUniformLike', 'EyeLike', 'Bernoulli'], (node, input) => [coded(node, 'dtype') ?? input(0)]),
  Multinomial: (node) => [coded(node, 'dtype') ?? 'int32'],
  Where: as(1),
  OneHot: as(2),
  CastLike: as(1),
  Cast: (node) => [coded(node, 'to')],
  Constant: constant,
  ConstantOfShape: ({ attributes }) => [valueType(attributes.value) ?? 'float32'],
  Dropout: as(0, 'bool'),
  QuantizeLinear: (node, input) => [coded(node, 'output_dtype') ?? input(2) ?? 'uint8'],
  DequantizeLinear: (node, input) => [coded(node, 'output_dtype') ?? input(1)],
  DynamicQuantizeLinear: () => ['uint8', 'float32', 'uint8'],
  MatMulInteger: always('int32'),
  ConvInteger: always('int32'),
  // Their bodies decide, or they hold no tensors.
  ...listed(['If', 'Loop', 'Scan', 'Optional', 'OptionalGetElement', 'OptionalHasElement', 'SequenceAt', 'SequenceEmpty', 'SplitToSequence', 'ConcatFromSequence'], () => [undefined]),
};

const ofMicrosoft: Readonly<Record<string, Typing>> = {
  ...listed(['SkipLayerNormalization', 'SkipSimplifiedLayerNormalization'], (_, input) => [input(0), 'float32', 'float32', input(0)]),
  EmbedLayerNormalization: (_, input) => [input(2), 'int32', input(2)],
  GatherBlockQuantized: as(2),
  DequantizeLinear: as(1),
  QuantizeLinear: (_, input) => [input(2) ?? 'uint8'],
  MatMulIntegerToFloat: as(2),
};

const typings: Readonly<Record<string, Readonly<Record<string, Typing>>>> = { '': ofOnnx, 'com.microsoft': ofMicrosoft };

/** The types of the node's outputs: by default that of its first input; unknown for operators of other domains. */
function outputTypes(node: GraphNode, typeOf: TypeOf): (i: number) => ElementType | undefined {
  const table = typings[node.domain];
  if (!table) return () => undefined;
  const types = (table[node.op] ?? as(0))(node, (i) => typeOf(node.inputs[i] ?? ''));
  return (i) => types[Math.min(i, types.length - 1)];
}

/** The types of all values of a graph (ONNX operator specification; onnxruntime, docs/ContribOperators.md). */
export function valueTypes(graph: Graph): TypeOf {
  const types = new Map<string, ElementType>();
  const typeOf: TypeOf = (value) => types.get(value);
  for (const [name, { type }] of graph.initializers) types.set(name, type);
  for (const { name, type } of graph.inputs) types.set(name, type);
  for (const node of graph.nodes) {
    const typeAt = outputTypes(node, typeOf);
    node.outputs.forEach((name, i) => {
      const type = typeAt(i);
      if (name !== '' && type !== undefined) types.set(name, type);
    });
  }
  for (const { name, type } of graph.outputs) if (!types.has(name)) types.set(name, type);
  return typeOf;
}
