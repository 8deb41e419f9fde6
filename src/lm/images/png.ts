// PNG images (ISO/IEC 15948) as red, green and blue over white. The chunks that matter are checked here and decoded by
// fast-png; the others, profiles and texts among them, never reach it.
import { convertIndexedToRgb, decode } from 'fast-png';
import type { DecodedPng } from 'fast-png';
import { inflateSync } from 'node:zlib';
import type { Decoded } from './decoding.ts';
import { problem, sizeProblem } from './decoding.ts';
import { orientationOf, upright } from './orientation.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** More is a file made to waste memory: encoders write some thousand bytes a chunk. */
const MAX_CHUNKS = 2 ** 17;
const GREY = 0;
const RGB = 2;
const PALETTE = 3;
/** By colour type: samples a pixel, and the bits that each may have (table 11.1). */
const colourTypes: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
  [GREY]: { samples: 1, depths: [1, 2, 4, 8, 16] },
  [RGB]: { samples: 3, depths: [8, 16] },
  [PALETTE]: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((value, i) => bytes[i] === value);

export function decodePng(bytes: Uint8Array): Decoded {
  const chunks = chunksOf(bytes);
  if (typeof chunks === 'string') return problem(chunks);
  const header = headerOf(chunks.find(({ type }) => type === 'IHDR')?.data);
  if (typeof header === 'string') return problem(header);
  const pixels = inflated(chunks, header);
  if (typeof pixels === 'string') return problem(pixels);
  try {
    const png = decode(withoutExtras(bytes, chunks, header), { checkCrc: true });
    const image = { width: header.width, height: header.height, data: overWhite(samplesOf(png, header, chunks)) };
    const exif = chunks.find(({ type }) => type === 'eXIf');
    return { ok: true, image: exif ? upright(image, orientationOf(exif.data)) : image };
  } catch (error) {
    return problem(damaged(error instanceof Error ? error.message : String(error)));
  }
}

const damaged = (what: string): string => `is a damaged PNG file (${what}). Copy or save it again.`;
const CUT_OFF = 'is a PNG file that is cut off: it ends before its last chunk. Copy or save it again.';

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** In the file, with its length and its checksum. */
  readonly start: number;
  readonly end: number;
}

/** To the end of the image; or what is wrong. */
function chunksOf(bytes: Uint8Array): readonly Chunk[] | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  for (let start = SIGNATURE.length; chunks.length < MAX_CHUNKS; ) {
    if (start + 12 > bytes.length) return CUT_OFF;
    const end = start + 12 + view.getUint32(start);
    if (end > bytes.length) return CUT_OFF;
    const type = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    chunks.push({ type, data: bytes.subarray(start + 8, end - 4), start, end });
    if (type === 'IEND') return chunks;
    start = end;
  }
  return damaged(`it has more than ${MAX_CHUNKS} chunks`);
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colourType: number;
  readonly samples: number;
  readonly isInterlaced: boolean;
}

function headerOf(data: Uint8Array | undefined): Header | string {
  if (data?.length !== 13) return damaged('it has no header');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth = 0, colourType = 0, , , interlace = 0] = data.subarray(8);
  const known = colourTypes[colourType];
  if (!known?.depths.includes(depth)) return damaged(`there is no colour type ${colourType} of ${depth} bits`);
  if (interlace === 1 && depth < 8) return `is an interlaced PNG file with ${depth === 1 ? '1 bit' : `${depth} bits`} a pixel, which is not read here. Save it without interlacing.`;
  return sizeProblem(width, height) ?? { width, height, depth, colourType, samples: known.samples, isInterlaced: interlace === 1 };
}

/** Adam7: columns and rows from which on, and so far apart, each pass takes pixels. */
const passes = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const;

/** Bytes of the rows, each behind the number of its filter. */
function rawBytes({ width, height, depth, samples, isInterlaced }: Header): number {
  const rows = (columns: number, count: number): number => (columns > 0 ? count * (1 + Math.ceil((columns * samples * depth) / 8)) : 0);
  if (!isInterlaced) return rows(width, height);
  return passes.reduce((sum, [x, y, across, down]) => sum + rows(Math.ceil((width - x) / across), Math.max(0, Math.ceil((height - y) / down))), 0);
}

/** Do the data unpack to as many bytes as the header says? Never to more, however they were made. */
function inflated(chunks: readonly Chunk[], header: Header): null | string {
  const expected = rawBytes(header);
  try {
    const { length } = inflateSync(Buffer.concat(chunks.flatMap(({ type, data }) => (type === 'IDAT' ? [data] : []))), { maxOutputLength: expected });
    return length < expected ? damaged(`it has ${length} bytes of pixels and should have ${expected}`) : null;
  } catch (error) {
    if (error instanceof RangeError) return damaged(`it has more than the ${expected} bytes of pixels that its header tells of`);
    return damaged(error instanceof Error ? `its pixels do not unpack: ${error.message}` : 'its pixels do not unpack');
  }
}

/** The file with one of each chunk that says what the pixels are. Transparency of other colours than a palette's is ours. */
function withoutExtras(bytes: Uint8Array, chunks: readonly Chunk[], { colourType }: Header): Uint8Array {
  const single = ['IHDR', 'IEND', ...(colourType === PALETTE ? ['PLTE', 'tRNS'] : [])];
  const kept = chunks.filter(({ type }, i) => type === 'IDAT' || (single.includes(type) && chunks.findIndex((other) => other.type === type) === i));
  return Buffer.concat([SIGNATURE, ...kept.map(({ start, end }) => bytes.subarray(start, end))]);
}

interface Samples {
  readonly data: ArrayLike<number>;
  /** 1: grey, 2: grey and alpha, 3: colours, 4: colours and alpha. */
  readonly each: number;
  /** What is white, and what is opaque. */
  readonly most: number;
  /** The samples of the one colour that is transparent. */
  readonly clear: readonly number[] | null;
}

function samplesOf(png: DecodedPng, { depth, colourType, samples }: Header, chunks: readonly Chunk[]): Samples {
  if (colourType === PALETTE) return { data: convertIndexedToRgb(png), each: png.palette?.[0]?.length ?? 3, most: 255, clear: null };
  const transparency = chunks.find(({ type }) => type === 'tRNS')?.data;
  const clear = transparency && samples % 2 === 1 ? Array.from({ length: samples }, (_, i) => 256 * (transparency[2 * i] ?? 0) + (transparency[2 * i + 1] ?? 0)) : null;
  if (depth >= 8) return { data: png.data, each: samples, most: 2 ** depth - 1, clear };
  const levels = Array.from({ length: 2 ** depth }, (_, level) => [...new Array<number>(3).fill((255 * level) / (2 ** depth - 1)), level === clear?.[0] ? 0 : 255]);
  return { data: convertIndexedToRgb({ ...png, palette: levels }), each: 4, most: 255, clear: null };
}

function overWhite({ data, each, most, clear }: Samples): Uint8Array {
  const count = data.length / each;
  const [colours, hasAlpha] = [each < 3 ? 1 : 3, each % 2 === 0];
  const rgb = new Uint8Array(3 * count);
  for (let pixel = 0; pixel < count; pixel++) {
    const at = pixel * each;
    const alpha = hasAlpha ? (data[at + each - 1] ?? 0) / most : clear?.every((value, i) => data[at + i] === value) ? 0 : 1;
    for (let channel = 0; channel < 3; channel++) {
      const value = (data[at + (colours === 1 ? 0 : channel)] ?? 0) / most;
      rgb[3 * pixel + channel] = Math.round(255 * (1 - alpha + alpha * value));
    }
  }
  return rgb;
}
