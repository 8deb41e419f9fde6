// Tensors in a file of the safetensors format: a length, a JSON header, the numbers (github.com/huggingface/safetensors, “Format”).
import * as v from 'valibot';
import { halfToFloat } from './float16.ts';

export interface NamedTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array | Float64Array;
}

export interface TensorFile {
  readonly tensors: Readonly<Record<string, NamedTensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

export type TensorFileResult = { readonly ok: true; readonly file: TensorFile } | { readonly ok: false; readonly message: string };

/** The reference implementation refuses longer headers as well. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

const Size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Entry = v.object({ dtype: v.string(), shape: v.array(Size), data_offsets: v.tuple([Size, Size]) });
const Metadata = v.record(v.string(), v.string());

/** Bytes of a number, and how one is read, by the format's names of types. */
const types: Readonly<Record<string, { readonly bytes: number; readonly read: (view: DataView, at: number) => number; readonly double?: true }>> = {
  F64: { bytes: 8, read: (view, at) => view.getFloat64(at, true), double: true },
  F32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  F16: { bytes: 2, read: (view, at) => halfToFloat(view.getUint16(at, true)) },
  BF16: { bytes: 2, read: (view, at) => floatOfBits(view.getUint16(at, true)) },
};

const bits = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function floatOfBits(upper: number): number {
  bits.setUint32(0, upper * 0x1_0000);
  return bits.getFloat32(0);
}

/** The bytes of a file: float32 as F32, float64 as F64, in the order of the names; the header is padded to 8 bytes. */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  const named = Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1));
  let at = 0;
  const entries = named.map(([name, { shape, data }]) => {
    if (sizeOf(shape) !== data.length) throw new RangeError(`${name}: ${data.length} numbers are no tensor of [${shape.join(', ')}]`);
    return [name, { dtype: data instanceof Float64Array ? 'F64' : 'F32', shape, data_offsets: [at, (at += data.byteLength)] }] as const;
  });
  const header = JSON.stringify({ ...(Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {}), ...Object.fromEntries(entries) });
  const text = new TextEncoder().encode(header);
  const padded = Math.ceil(text.length / LENGTH_BYTES) * LENGTH_BYTES;
  const bytes = new Uint8Array(LENGTH_BYTES + padded + at).fill(0x20, LENGTH_BYTES, LENGTH_BYTES + padded);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(padded), true);
  bytes.set(text, LENGTH_BYTES);
  let place = LENGTH_BYTES + padded;
  for (const [, { data }] of named) {
    for (const value of data) {
      if (data instanceof Float64Array) view.setFloat64(place, value, true);
      else view.setFloat32(place, value, true);
      place += data.BYTES_PER_ELEMENT;
    }
  }
  return bytes;
}

/**
 * The float tensors of a file, F16 and BF16 as float32. Tensors of other types are refused, as is a file whose header does
 * not account for every byte: the message says what is wrong.
 */
export function decodeTensors(bytes: Uint8Array): TensorFileResult {
  try {
    return { ok: true, file: decoded(bytes) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ok: false, message: error.message };
  }
}

class Fault extends Error {}

function decoded(bytes: Uint8Array): TensorFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < LENGTH_BYTES ? Number.NaN : Number(view.getBigUint64(0, true));
  if (!(length <= MAX_HEADER_BYTES && LENGTH_BYTES + length <= bytes.length)) throw new Fault('it is no safetensors file, or is cut off: its header would end behind its end');
  const { __metadata__: metadata = {}, ...entries } = headerOf(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
  const body = new DataView(bytes.buffer, bytes.byteOffset + LENGTH_BYTES + length, bytes.length - LENGTH_BYTES - length);
  const checked = Object.entries(entries).map(([name, entry]) => [name, checkedEntry(name, entry)] as const);
  checkCover(checked, body.byteLength);
  const known = v.safeParse(Metadata, metadata);
  if (!known.success) throw new Fault('its __metadata__ is no list of texts');
  return { tensors: Object.fromEntries(checked.map(([name, entry]) => [name, tensorAt(body, entry)])), metadata: known.output };
}

function headerOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return header as Readonly<Record<string, unknown>>;
  } catch {
    // Told below.
  }
  throw new Fault('it is no safetensors file: its header is no JSON object');
}

type CheckedEntry = v.InferOutput<typeof Entry>;

function checkedEntry(name: string, entry: unknown): CheckedEntry {
  const result = v.safeParse(Entry, entry);
  if (!result.success) throw new Fault(`its header does not describe the tensor “${name}” as it should: ${result.issues[0].message}`);
  const { dtype, shape, data_offsets: [start, end] } = result.output;
  const type = types[dtype];
  if (!type) throw new Fault(`the tensor “${name}” has the type ${dtype}; ${Object.keys(types).join(', ')} are read here`);
  if (end - start !== sizeOf(shape) * type.bytes) throw new Fault(`the tensor “${name}” of [${shape.join(', ')}] would need ${sizeOf(shape) * type.bytes} bytes and has ${end - start}`);
  return result.output;
}

/** No byte belongs to two tensors, and every byte to one. */
function checkCover(entries: readonly (readonly [string, CheckedEntry])[], bytes: number): void {
  let at = 0;
  for (const [name, { data_offsets: [start, end] }] of [...entries].sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1])) {
    if (start !== at) throw new Fault(`the tensor “${name}” begins at byte ${start}, where ${at} is expected`);
    at = end;
  }
  if (at !== bytes) throw new Fault(`its tensors take ${at} bytes and it holds ${bytes}: it is cut off, or something is left over`);
}

function tensorAt(body: DataView, { dtype, shape, data_offsets: [start] }: CheckedEntry): NamedTensor {
  const { bytes, read, double } = types[dtype] ?? types['F32'] ?? { bytes: 4, read: () => Number.NaN };
  const data = double ? new Float64Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = read(body, start + i * bytes);
  return { shape, data };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
