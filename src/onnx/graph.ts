// An ONNX graph as an immutable value: edits give a new one.

/** TensorProto.DataType of the types that GradLens computes with. */
export const dataTypes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 } as const;

export type TensorType = keyof typeof dataTypes;

export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Int8Array | Uint16Array;

export interface Tensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  /** Row-major. bool as Uint8Array, float16 as Uint16Array. */
  readonly data: TensorData;
}

export type Attribute = number | string | readonly number[] | Tensor | { readonly float: number } | { readonly floats: readonly number[] };

export interface GraphNode {
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
  readonly dims: readonly Dimension[];
}

export interface Graph {
  readonly opset: number;
  /** In topological order. */
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

export const isTensor = (attribute: Attribute): attribute is Tensor =>
  typeof attribute === 'object' && 'type' in attribute && 'data' in attribute;

export const elementCount = (dims: readonly number[]): number => dims.reduce((size, dim) => size * dim, 1);
