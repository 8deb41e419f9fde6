// Reads constants of an ONNX model in each of the forms that the format allows.
import { EXTERNAL } from './schema.ts';
import type { Initializer, StoredType, TensorData, TensorType } from './graph.ts';
import { dataTypes, elementCount, isComputable, storedTypes } from './graph.ts';

/** The file contradicts the format. The message continues `FILE is not a usable ONNX model: `. */
export class FormatFault extends Error {
  override readonly name = 'FormatFault';
}

export interface TensorMessage {
  readonly name: string;
  readonly dims: readonly bigint[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
  readonly floatData: readonly number[];
  readonly int32Data: readonly number[];
  readonly int64Data: readonly bigint[];
  readonly doubleData: readonly number[];
  readonly uint64Data: readonly bigint[];
  readonly dataLocation: number;
  readonly externalData: readonly { readonly key: string; readonly value: string }[];
}

const names = new Map<number, TensorType | StoredType>(
  Object.entries({ ...dataTypes, ...storedTypes }).map(([name, code]) => [code, name as TensorType | StoredType]),
);

/** @throws FormatFault for a type that is not supported. */
export function typeOfCode(code: number, value: string): TensorType | StoredType {
  const type = names.get(code);
  if (type === undefined) throw new FormatFault(`${value} has the element type ${code}, which is not supported`);
  return type;
}

const bits: Record<TensorType | StoredType, number> = {
  float32: 32, float64: 64, float16: 16, bfloat16: 16, int8: 8, uint8: 8, int16: 16, uint16: 16,
  int32: 32, uint32: 32, int64: 64, uint64: 64, bool: 8, int4: 4, uint4: 4,
};

/** Bytes of a constant of this type and shape; may be beyond what a file can hold. */
export const byteSize = (type: TensorType | StoredType, dims: readonly number[]): number => Math.ceil((elementCount(dims) * bits[type]) / 8);

/** @throws FormatFault */
export function readTensor(message: TensorMessage): Initializer {
  const type = typeOfCode(message.dataType, message.name);
  const dims = message.dims.map(Number);
  if (dims.some((dim) => dim < 0 || !Number.isSafeInteger(dim))) throw new FormatFault(`${message.name} has an impossible shape`);
  if (message.dataLocation === EXTERNAL) {
    return { type, dims, external: Object.fromEntries(message.externalData.map(({ key, value }) => [key, value])) };
  }
  const expected = byteSize(type, dims);
  // An empty raw field and no other data also stands for a constant without elements.
  const bytes = Object.hasOwn(message, 'rawData') ? message.rawData : bytesOfList(message, type);
  if (bytes.byteLength !== expected) {
    throw new FormatFault(`${message.name} should have ${expected} bytes of data and has ${bytes.byteLength}`);
  }
  return isComputable(type) ? { type, dims, data: view(bytes, type) } : { type, dims, data: bytes };
}

/** The typed lists that stand in for raw bytes: the narrow types are widened to int32 there. */
function bytesOfList(message: TensorMessage, type: TensorType | StoredType): Uint8Array {
  switch (type) {
    case 'float32': return bytesOf(Float32Array.from(message.floatData));
    case 'float64': return bytesOf(Float64Array.from(message.doubleData));
    case 'int64': return bytesOf(BigInt64Array.from(message.int64Data));
    case 'uint64': return bytesOf(BigUint64Array.from(message.uint64Data));
    case 'uint32': return bytesOf(BigUint64Array.from(message.uint64Data), Uint32Array);
    case 'int32': return bytesOf(Int32Array.from(message.int32Data));
    case 'float16': case 'bfloat16': case 'uint16': case 'int16': return bytesOf(Uint16Array.from(message.int32Data));
    default: return bytesOf(Uint8Array.from(message.int32Data));
  }
}

function bytesOf(data: Exclude<TensorData, Int8Array> | BigUint64Array, narrow?: typeof Uint32Array): Uint8Array {
  const written = narrow ? narrow.from(data as BigUint64Array, Number as unknown as (value: bigint) => number) : data;
  return new Uint8Array(written.buffer, written.byteOffset, written.byteLength);
}

const views = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array, int8: Int8Array, uint8: Uint8Array,
  int32: Int32Array, int64: BigInt64Array, bool: Uint8Array,
} as const;

/** The bytes as numbers; a copy (which a Buffer's own slice is not) only where they lie unaligned. */
function view(bytes: Uint8Array, type: TensorType): TensorData {
  const View = views[type];
  const aligned = bytes.byteOffset % View.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new View(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / View.BYTES_PER_ELEMENT);
}
