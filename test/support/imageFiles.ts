// Image files written by hand for tests: PNG of every kind and filter, and JPEG of flat blocks, whose pixels are known.
import { crc32, deflateSync } from 'node:zlib';

export type Sample = (x: number, y: number, channel: number) => number;

export interface PngKind {
  readonly width: number;
  readonly height: number;
  /** 0: grey, 2: colours, 3: palette, 4: grey and alpha, 6: colours and alpha. */
  readonly colourType: 0 | 2 | 3 | 4 | 6;
  readonly depth: number;
  readonly interlaced?: boolean;
  /** The filter of each row, 0 to 4. */
  readonly filter?: (row: number) => number;
  /** Between the header and the pixels. */
  readonly chunks?: readonly (readonly [type: string, data: Uint8Array])[];
}

const SAMPLES = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
const PASSES = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const;
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export function madePng(kind: PngKind, sample: Sample): Buffer {
  const { width, height, colourType, depth, interlaced = false, chunks = [] } = kind;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, interlaced ? 1 : 0], 8);
  const passes = interlaced ? PASSES : ([[0, 0, 1, 1]] as const);
  const raw = Buffer.concat(passes.flatMap((pass) => rowsOf(kind, pass, sample)));
  // In two parts, as encoders write them.
  const packed = deflateSync(raw);
  const half = Math.floor(packed.length / 2);
  return Buffer.concat([SIGNATURE, pngChunk('IHDR', header), ...chunks.map(([type, data]) => pngChunk(type, data)), pngChunk('IDAT', packed.subarray(0, half)), pngChunk('IDAT', packed.subarray(half)), pngChunk('IEND', Buffer.alloc(0))]);
}

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  frame.set(body, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}

function rowsOf({ width, height, colourType, depth, filter = () => 0 }: PngKind, [left, top, across, down]: readonly [number, number, number, number], sample: Sample): Buffer[] {
  const samples = SAMPLES[colourType];
  const columns = Math.ceil((width - left) / across);
  if (columns <= 0) return [];
  const rows: Buffer[] = [];
  const step = Math.max(1, (samples * depth) / 8);
  let before = new Uint8Array(Math.ceil((columns * samples * depth) / 8));
  for (let y = top, row = 0; y < height; y += down, row++) {
    const bits = Array.from({ length: columns * samples }, (_, i) => sample(left + Math.floor(i / samples) * across, y, i % samples).toString(2).padStart(depth, '0')).join('');
    const plain = before.map((_, i) => parseInt(bits.slice(8 * i, 8 * i + 8).padEnd(8, '0'), 2));
    rows.push(Buffer.from([filter(row), ...filtered(filter(row), plain, before, step)]));
    before = plain;
  }
  return rows;
}

/** ISO/IEC 15948, table 9.1. */
function filtered(filter: number, row: Uint8Array, above: Uint8Array, step: number): Uint8Array {
  return row.map((value, i) => {
    const [a, b, c] = [row[i - step] ?? 0, above[i] ?? 0, above[i - step] ?? 0];
    const distances = [a, b, c].map((each) => Math.abs(a + b - c - each));
    const paeth = [a, b, c][distances.indexOf(Math.min(...distances))] ?? 0;
    return value - ([0, a, b, Math.floor((a + b) / 2), paeth][filter] ?? 0);
  });
}

export interface JpegKind {
  /** Blocks of 8 × 8 pixels; with subsampling, of 16 × 16. */
  readonly columns: number;
  readonly rows: number;
  readonly components: 1 | 3;
  /** The second and third component have half of the columns and rows. */
  readonly subsampled?: boolean;
  readonly progressive?: boolean;
  /** Blocks (of all components) between two restart markers. */
  readonly restart?: number;
  /** Segments behind the start of the image. */
  readonly segments?: readonly (readonly [marker: number, data: Uint8Array])[];
}

/** 8 × 8 blocks of one value each, coded without loss: quantised by 8, the first coefficient is the value less 128. */
export function madeJpeg(kind: JpegKind, sample: Sample): Buffer {
  const { columns, rows, components, subsampled = false, progressive = false, restart = 0, segments = [] } = kind;
  const size = subsampled ? 16 : 8;
  const frame = [8, ...u16(rows * size), ...u16(columns * size), components, ...Array.from({ length: components }, (_, i) => [i + 1, subsampled && i === 0 ? 0x22 : 0x11, 0]).flat()];
  const scan = [components, ...Array.from({ length: components }, (_, i) => [i + 1, 0]).flat(), 0, progressive ? 0 : 63, 0];
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]), ...segments.map(([marker, data]) => jpegSegment(marker, data)),
    jpegSegment(0xdb, [0, ...new Array<number>(64).fill(8)]), jpegSegment(progressive ? 0xc2 : 0xc0, frame),
    // The twelve sizes of a difference in 4 bits each; of the other coefficients, only that there are none, in 1 bit.
    jpegSegment(0xc4, [0x00, ...counts(4, 12), ...Array.from({ length: 12 }, (_, i) => i)]), jpegSegment(0xc4, [0x10, ...counts(1, 1), 0]),
    ...(restart > 0 ? [jpegSegment(0xdd, u16(restart))] : []), jpegSegment(0xda, scan), scanOf(kind, sample), Buffer.from([0xff, 0xd9]),
  ]);
}

const u16 = (value: number): readonly number[] => [value >> 8, value & 0xff];
const counts = (length: number, count: number): readonly number[] => Array.from({ length: 16 }, (_, i) => (i + 1 === length ? count : 0));

export const jpegSegment = (marker: number, data: ArrayLike<number>): Buffer => Buffer.from([0xff, marker, ...u16(data.length + 2), ...Array.from(data)]);

function scanOf({ columns, rows, components, subsampled = false, progressive = false, restart = 0 }: JpegKind, sample: Sample): Buffer {
  const parts: Buffer[] = [];
  let bits = '';
  let before = new Array<number>(components).fill(0);
  const write = (value: number, component: number): void => {
    const difference = value - 128 - (before[component] ?? 0);
    before[component] = value - 128;
    const length = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
    const coded = length === 0 ? '' : (difference < 0 ? difference + 2 ** length - 1 : difference).toString(2).padStart(length, '0');
    bits += length.toString(2).padStart(4, '0') + coded + (progressive ? '' : '0');
  };
  for (let block = 0; block < columns * rows; block++) {
    if (restart > 0 && block > 0 && block % restart === 0) {
      parts.push(bytesOf(bits), Buffer.from([0xff, 0xd0 + ((block / restart - 1) % 8)]));
      [bits, before] = ['', new Array<number>(components).fill(0)];
    }
    const [x, y] = [block % columns, Math.floor(block / columns)];
    const inner = subsampled ? [[0, 0], [1, 0], [0, 1], [1, 1]] as const : [[0, 0]] as const;
    for (const [dx, dy] of inner) write(sample(subsampled ? 2 * x + dx : x, subsampled ? 2 * y + dy : y, 0), 0);
    for (let component = 1; component < components; component++) write(sample(x, y, component), component);
  }
  return Buffer.concat([...parts, bytesOf(bits)]);
}

/** Filled up with ones; a byte of ones is followed by one of zeros. */
function bytesOf(bits: string): Buffer {
  const bytes = Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) => parseInt(bits.slice(8 * i, 8 * i + 8).padEnd(8, '1'), 2));
  return Buffer.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}

/** EXIF data with an orientation, behind another entry. */
export function exifData(orientation: number, little: boolean): Buffer {
  const data = Buffer.alloc(38);
  data.write(little ? 'II' : 'MM', 'latin1');
  const short = (value: number, at: number): number => (little ? data.writeUInt16LE(value, at) : data.writeUInt16BE(value, at));
  const long = (value: number, at: number): number => (little ? data.writeUInt32LE(value, at) : data.writeUInt32BE(value, at));
  short(42, 2);
  long(8, 4);
  short(2, 8);
  [[0x0100, 4, 99], [0x0112, 3, orientation]].forEach(([tag = 0, type = 0, value = 0], i) => {
    short(tag, 10 + 12 * i);
    short(type, 12 + 12 * i);
    long(1, 14 + 12 * i);
    (type === 3 ? short : long)(value, 18 + 12 * i);
  });
  return data;
}
