// The bytes of an ONNX model without its large constants: these become external data that lie in the model file itself.
import { FormatFault } from './decodeTensor.ts';
import { EXTERNAL } from './schema.ts';
import type { Field, FileBytes } from './wire.ts';
import { delimited, fields, LENGTH_DELIMITED, readVarint, varint } from './wire.ts';

type Message = 'model' | 'graph' | 'node' | 'attribute' | 'tensor';

/** Where a message may hold another that may hold constants, by field number (onnx.proto). */
const inner: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: 'graph' },
  graph: { 1: 'node', 5: 'tensor' },
  node: { 5: 'attribute' },
  attribute: { 6: 'graph', 11: 'graph' },
  tensor: {},
};

/** TensorProto: `raw_data`, and the packed lists whose bytes are the raw ones. */
const RAW_DATA = 9;
const dataFields: Readonly<Record<number, number | null>> = { 4: 1, 9: null, 10: 11 };
const DATA_TYPE = 2;
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;

const DEPTH = 40;
/** What is copied to memory in one piece: a node, a name, a constant in a form that only decoding can read. */
const MAX_COPIED = 2 ** 30;

export interface SkeletonOptions {
  /** The name under which the constants left out point at the file. */
  readonly location: string;
  /** Constants of more bytes than this are left out. */
  readonly inlineLimit: number;
}

/** The model's bytes, with every constant above the limit replaced by where it lies in the file. @throws FormatFault */
export function readSkeleton(bytes: FileBytes, options: SkeletonOptions): Uint8Array {
  return Buffer.concat(new Reader(bytes, options).message('model', 0, bytes.size, 0));
}

class Reader {
  constructor(
    private readonly bytes: FileBytes,
    private readonly options: SkeletonOptions,
  ) {}

  message(message: Message, start: number, end: number, depth: number): Uint8Array[] {
    if (depth > DEPTH) throw new FormatFault('its graphs are nested too deeply');
    if (message === 'tensor') return this.tensor(start, end);
    const parts: Uint8Array[] = [];
    for (const field of fields(this.bytes, start, end)) {
      const kind = field.wireType === LENGTH_DELIMITED ? inner[message][field.number] : undefined;
      if (kind === undefined || field.end - field.payload <= this.options.inlineLimit) parts.push(this.copy(field));
      else parts.push(...delimited(field.number, this.message(kind, field.payload, field.end, depth + 1)));
    }
    return parts;
  }

  private tensor(start: number, end: number): Uint8Array[] {
    const all = [...fields(this.bytes, start, end)];
    const large = this.largeData(all);
    if (!large) return all.map((field) => this.copy(field));
    const kept = all.filter((field) => field !== large && field.number !== DATA_LOCATION && field.number !== EXTERNAL_DATA);
    return [...kept.map((field) => this.copy(field)), ...this.pointer(large)];
  }

  /** The one field that holds the tensor's bytes as they lie in memory, if it is above the limit. */
  private largeData(all: readonly Field[]): Field | undefined {
    const data = all.filter(({ number, wireType }) => wireType === LENGTH_DELIMITED && number in dataFields);
    const [field] = data;
    if (!field || data.length > 1 || field.end - field.payload <= this.options.inlineLimit) return undefined;
    const type = all.findLast(({ number, wireType }) => number === DATA_TYPE && wireType === 0);
    const code = type ? readVarint(this.bytes, type.payload, type.end).value : 0;
    return field.number === RAW_DATA || dataFields[field.number] === code ? field : undefined;
  }

  private pointer({ payload, end }: Field): Uint8Array[] {
    const entries = { location: this.options.location, offset: String(payload), length: String(end - payload) };
    return [
      ...Object.entries(entries).flatMap(([key, value]) => delimited(EXTERNAL_DATA, [...text(1, key), ...text(2, value)])),
      Uint8Array.from([...varint(DATA_LOCATION * 8), EXTERNAL]),
    ];
  }

  private copy({ start, end }: Field): Uint8Array {
    if (end - start > MAX_COPIED) throw new FormatFault(`the part at byte ${start} has ${end - start} bytes and is no constant that can be left in the file`);
    return this.bytes.slice(start, end);
  }
}

const text = (number: number, written: string): Uint8Array[] => delimited(number, [new TextEncoder().encode(written)]);
