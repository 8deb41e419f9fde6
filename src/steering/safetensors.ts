// The safetensors format: named float tensors and text metadata in one file, written and read with every bound checked.
import * as v from 'valibot';
import { halfToFloat } from '../shared/float16.ts';

export interface FloatTensorData {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, FloatTensorData>;
  readonly metadata: Readonly<Record<string, string>>;
}

export type SafetensorsResult = { readonly ok: true; readonly file: Safetensors } | { readonly ok: false; readonly message: string };

const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 16 * 2 ** 20;
const MAX_DIMS = 8;

/** Bytes of the file: the header's length as uint64, the header as JSON, the tensors one after the other, all little-endian. */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array {
  let at = 0;
  const entries = [...tensors].map(([name, { dims, data }]) => [name, { dtype: 'F32', shape: dims, data_offsets: [at, (at += 4 * data.length)] }] as const);
  const text = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const bare = new TextEncoder().encode(text);
  // Tensors begin at a multiple of 8 bytes.
  const header = new Uint8Array(8 * Math.ceil(bare.length / 8)).fill(0x20);
  header.set(bare);
  const bytes = new Uint8Array(LENGTH_BYTES + header.length + at);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, LENGTH_BYTES);
  let offset = LENGTH_BYTES + header.length;
  for (const { data } of tensors.values()) for (const value of data) {
    view.setFloat32(offset, value, true);
    offset += 4;
  }
  return bytes;
}

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const entry = v.object({ dtype: v.string(), shape: v.pipe(v.array(whole), v.maxLength(MAX_DIMS)), data_offsets: v.tuple([whole, whole]) });
const header = v.pipe(
  v.record(v.string(), v.unknown()),
  v.transform(({ __metadata__: metadata = {}, ...tensors }) => ({ metadata, tensors })),
  v.object({ metadata: v.record(v.string(), v.string()), tensors: v.record(v.string(), entry) }),
);

/** Reads a file of F32 and F16 tensors. Whatever the bytes are, the answer is the tensors or what is wrong with them. */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LENGTH_BYTES) return refused(`it ends after ${bytes.length} bytes`);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) return refused('it does not begin with the length of a header');
  const start = LENGTH_BYTES + Number(length);
  if (start > bytes.length) return refused('it ends in the middle of its header');
  const parsed = v.safeParse(header, json(bytes.subarray(LENGTH_BYTES, start)));
  if (!parsed.success) return refused(`its header cannot be used: ${v.getDotPath(parsed.issues[0]) ?? 'all of it'}: ${parsed.issues[0].message}`);
  const { metadata, tensors } = parsed.output;
  const read = new Map<string, FloatTensorData>();
  let covered = 0;
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(tensors).sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0])) {
    const size = ({ F32: 4, F16: 2 } as Readonly<Record<string, number>>)[dtype];
    if (size === undefined) return refused(`its tensor “${name}” is ${dtype}; F32 and F16 are read`);
    const count = shape.reduce((product, dim) => product * dim, 1);
    if (!Number.isSafeInteger(count) || to - from !== count * size) return refused(`its tensor “${name}” states ${to - from} bytes for the shape [${shape.join(', ')}]`);
    if (from !== covered || start + to > bytes.length) return refused(`its tensor “${name}” does not lie where the one before it ends, or beyond the end of the file`);
    covered = to;
    const at = (i: number): number => start + from + i * size;
    read.set(name, { dims: shape, data: Float32Array.from({ length: count }, (_, i) => (size === 4 ? view.getFloat32(at(i), true) : halfToFloat(view.getUint16(at(i), true)))) });
  }
  return start + covered === bytes.length ? { ok: true, file: { tensors: read, metadata } } : refused(`it has ${bytes.length - start - covered} bytes that no tensor claims`);
}

const refused = (message: string): SafetensorsResult => ({ ok: false, message });

function json(bytes: Uint8Array): unknown {
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
    return Array.isArray(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
