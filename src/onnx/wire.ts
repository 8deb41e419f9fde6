// The protobuf wire format read from positions of a file, so that a message of any size is walked without loading it.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { FormatFault } from './decodeTensor.ts';

const WINDOW = 1 << 16;

/** A file that is read a window at a time. Close it. */
export class FileBytes {
  private readonly descriptor: number;
  private window = new Uint8Array(0);
  private windowStart = 0;
  /** Bytes. */
  readonly size: number;

  /** @throws Error of node:fs */
  constructor(path: string) {
    this.descriptor = openSync(path, 'r');
    this.size = fstatSync(this.descriptor).size;
  }

  close(): void {
    closeSync(this.descriptor);
  }

  /** The byte at a position below `size`. */
  at(position: number): number {
    const inWindow = position - this.windowStart;
    const byte = inWindow >= 0 ? this.window[inWindow] : undefined;
    if (byte !== undefined) return byte;
    this.window = this.slice(position, Math.min(this.size, position + WINDOW));
    this.windowStart = position;
    return this.window[0] ?? 0;
  }

  /** A copy of the bytes from `start` to `end`. @throws FormatFault if the file has become shorter */
  slice(start: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(end - start);
    for (let filled = 0; filled < bytes.length; ) {
      const read = readSync(this.descriptor, bytes, filled, bytes.length - filled, start + filled);
      if (read === 0) throw new FormatFault('it has become shorter while it was read');
      filled += read;
    }
    return bytes;
  }
}

export const VARINT = 0;
export const LENGTH_DELIMITED = 2;

/** One field of a message: its tag begins at `start`, its payload at `payload`, and it ends before `end`. */
export interface Field {
  readonly number: number;
  readonly wireType: number;
  readonly start: number;
  readonly payload: number;
  readonly end: number;
}

/** The fields of the message between two positions, in order. @throws FormatFault */
export function* fields(bytes: FileBytes, start: number, end: number): Generator<Field> {
  for (let position = start; position < end; ) {
    const tag = readVarint(bytes, position, end);
    const field = readField(bytes, { start: position, tag: tag.value, payload: tag.end }, end);
    yield field;
    position = field.end;
  }
}

function readField(bytes: FileBytes, { start, tag, payload }: { start: number; tag: number; payload: number }, end: number): Field {
  const number = Math.floor(tag / 8);
  const wireType = tag % 8;
  if (number === 0) throw new FormatFault(`at byte ${start} there is no field of an ONNX model`);
  const field = (from: number, to: number): Field => {
    if (to > end) throw new FormatFault(`it is cut off: the part at byte ${start} goes on to byte ${to}, and ends at ${end}`);
    return { number, wireType, start, payload: from, end: to };
  };
  switch (wireType) {
    case VARINT: return field(payload, readVarint(bytes, payload, end).end);
    case 1: return field(payload, payload + 8);
    case LENGTH_DELIMITED: {
      const length = readVarint(bytes, payload, end);
      return field(length.end, length.end + length.value);
    }
    case 5: return field(payload, payload + 4);
    default: throw new FormatFault(`at byte ${start} there is no field of an ONNX model`);
  }
}

/** An unsigned varint; exact up to 2^53. @throws FormatFault */
export function readVarint(bytes: FileBytes, position: number, end: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    if (position + i >= end) throw new FormatFault(`it is cut off at byte ${position + i}`);
    const byte = bytes.at(position + i);
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: position + i + 1 };
  }
  throw new FormatFault(`the number at byte ${position} does not end`);
}

/** The bytes of an unsigned varint. */
export function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** A length-delimited field with these bytes as its payload. */
export function delimited(number: number, parts: readonly Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return [Uint8Array.from([...varint(number * 8 + LENGTH_DELIMITED), ...varint(length)]), ...parts];
}
