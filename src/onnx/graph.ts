// An ONNX graph as an immutable value: edits give a new one.

/** TensorProto.DataType of the types that GradLens computes with. */
export const dataTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 } as const;

/** Types that are read, kept and written, and never computed with here. */
export const storedTypes = { uint16: 4, int16: 5, uint32: 12, uint64: 13, bfloat16: 16, uint4: 21, int4: 22 } as const;

export type TensorType = keyof typeof dataTypes;
export type StoredType = keyof typeof storedTypes;

export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Int8Array | Uint16Array;

export interface Tensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  /** Row-major. bool as Uint8Array, float16 as Uint16Array. */
  readonly data: TensorData;
}

/** A constant of a type that is only passed on: its bytes, little-endian, two elements a byte for the 4-bit types. */
export interface StoredTensor {
  readonly type: StoredType;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** A constant whose bytes lie in another file. */
export interface ExternalTensor {
  readonly type: TensorType | StoredType;
  readonly dims: readonly number[];
  /** Keys as the format has them: location (relative to the model), offset, length, checksum. */
  readonly external: Readonly<Record<string, string>>;
}

export type Initializer = Tensor | StoredTensor | ExternalTensor;

/**
 * Numbers are int attributes (bigint beyond 2^53), number lists are ints. `bytes` is a string attribute that is no
 * UTF-8; `opaque` an encoded AttributeProto of a kind that is only passed on; `graph` the body of If, Loop or Scan.
 */
export type Attribute =
  | number
  | bigint
  | string
  | readonly number[]
  | readonly bigint[]
  | Tensor
  | StoredTensor
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | { readonly bytes: Uint8Array }
  | { readonly graph: GraphBody }
  | { readonly opaque: Uint8Array };

export interface GraphNode {
  readonly name?: string;
  readonly op: string;
  /** '' is the default ONNX domain. */
  readonly domain: string;
  /** '' stands for an optional input left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Numbers are int attributes; float ones are written {float: x}. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A dimension: a size, or the name of one that is known when the graph runs. */
export type Dimension = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly type: TensorType;
  /** '' is a dimension without size or name. */
  readonly dims: readonly Dimension[];
  /** Not even the number of dimensions is known; `dims` is empty. */
  readonly unknownRank?: true;
}

export interface GraphBody {
  /** In topological order. */
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Initializer>;
}

export interface Graph extends GraphBody {
  /** The version of the default operator set. */
  readonly opset: number;
  /** Versions of other operator sets that the model imports. A domain that is used and not listed has version 1. */
  readonly domains?: Readonly<Record<string, number>>;
  /** Encoded FunctionProtos, passed on. */
  readonly functions?: readonly Uint8Array[];
  readonly metadata: Readonly<Record<string, string>>;
}

export const isTensor = (attribute: Attribute): attribute is Tensor | StoredTensor =>
  typeof attribute === 'object' && 'type' in attribute && 'data' in attribute;

export const isComputable = (type: string): type is TensorType => type in dataTypes;

/** The code of a type, as Cast's `to` and TensorProto.data_type have it. */
export const typeCode = (type: TensorType | StoredType): number =>
  isComputable(type) ? dataTypes[type] : storedTypes[type];

/** The dimensions of a value, as measured; names stand for sizes that change from run to run. */
export type ShapeOf = (value: string) => readonly (number | string)[];

/** The node's inputs, and what the bodies of a control-flow node read from around it. */
export function valuesReadBy(node: GraphNode): readonly string[] {
  const bodies = Object.values(node.attributes).flatMap((attribute) =>
    typeof attribute === 'object' && 'graph' in attribute ? [attribute.graph] : [],
  );
  if (bodies.length === 0) return node.inputs;
  const inner = bodies.flatMap((body) => {
    const own = new Set([...body.initializers.keys(), ...body.inputs.map(({ name }) => name), ...body.nodes.flatMap(({ outputs }) => outputs)]);
    return [...body.nodes.flatMap(valuesReadBy), ...body.outputs.map(({ name }) => name)].filter((name) => !own.has(name));
  });
  return [...node.inputs, ...inner];
}

export const elementCount = (dims: readonly number[]): number => dims.reduce((size, dim) => size * dim, 1);
