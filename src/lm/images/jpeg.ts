// JPEG images (ITU-T T.81) as red, green and blue. The segments are walked here, so that what is cut off, too large or of
// an unknown kind is told before jpeg-js decodes the pixels.
import { decode } from 'jpeg-js';
import type { Decoded } from './decoding.ts';
import { problem, sizeProblem } from './decoding.ts';
import type { Orientation } from './orientation.ts';
import { orientationOf, upright } from './orientation.ts';

const BASELINE = 0xc0;
const PROGRESSIVE = 0xc2;
const APP1 = 0xe1;
const APP14 = 0xee;
const SCAN = 0xda;
const END = 0xd9;
/** Each goes through the whole image; encoders write about ten. */
const MAX_SCANS = 100;
/** The decoder's own count of what it allocates. */
const MAX_MEGABYTES = 1024;
/** A block of 8 × 8 pixels takes at least one bit, and so a byte holds at most as many pixels. */
const MAX_PIXELS_PER_BYTE = 512;

export const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;

export function decodeJpeg(bytes: Uint8Array): Decoded {
  const facts = factsOf(bytes);
  if (typeof facts === 'string') return problem(facts);
  try {
    const { width, height, data } = decode(bytes, { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: MAX_MEGABYTES, ...(facts.isRgb ? { colorTransform: false } : {}) });
    return { ok: true, image: upright({ width, height, data }, facts.orientation) };
  } catch (error) {
    return problem(damaged(error instanceof Error ? error.message : String(error)));
  }
}

const damaged = (what: string): string => `is a damaged JPEG file (${what}). Copy or save it again.`;
const CUT_OFF = 'is a JPEG file that is cut off: it ends before its end-of-image marker. Copy or save it again.';

interface Facts {
  readonly orientation: Orientation;
  /** Red, green and blue as they are, not luminance and chrominance. */
  readonly isRgb: boolean;
}

/** What the segments say; or what is wrong. */
function factsOf(bytes: Uint8Array): Facts | string {
  let [scans, orientation, isRgb, frame]: [number, Orientation, boolean, Uint8Array | null] = [0, 1, false, null];
  for (const segment of segmentsOf(bytes)) {
    if (segment === null) return CUT_OFF;
    const { marker, data } = segment;
    if (marker === SCAN && ++scans > MAX_SCANS) return damaged(`it has more than ${MAX_SCANS} scans`);
    if (marker === APP1 && startsWith(data, 'Exif\0\0')) orientation = orientationOf(data.subarray(6));
    if (marker === APP14 && startsWith(data, 'Adobe')) isRgb = data[11] === 0;
    if (!isFrame(marker)) continue;
    const wrong = frameProblem(marker, data, bytes.length);
    if (wrong !== null) return wrong;
    frame = data;
  }
  if (!frame || scans === 0) return damaged('it has no pixels');
  return { orientation, isRgb: frame[5] === 3 && (isRgb || [6, 9, 12].map((at) => frame[at]).join() === '82,71,66') };
}

/** SOF0 to SOF15; C4, C8 and CC are other segments. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

const startsWith = (data: Uint8Array, text: string): boolean => Buffer.from(data.subarray(0, text.length)).toString('latin1') === text;

function frameProblem(marker: number, data: Uint8Array, fileBytes: number): string | null {
  if (data.length < 6) return damaged('its frame header is too short');
  if (marker < BASELINE || marker > PROGRESSIVE) return 'is a JPEG file of a rare kind (lossless, hierarchical or arithmetically coded), which is not read here. Save it as an ordinary JPEG or PNG.';
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [precision, components] = [view.getUint8(0), view.getUint8(5)];
  if (precision !== 8) return `is a JPEG file of ${precision} bits a sample, and 8 are read here. Save it with 8 bits, or as PNG.`;
  if (components === 2 || components > 4) return damaged(`it has ${components} colour components`);
  const [height, width] = [view.getUint16(1), view.getUint16(3)];
  return sizeProblem(width, height) ?? (width * height > MAX_PIXELS_PER_BYTE * fileBytes ? damaged(`${fileBytes} bytes cannot hold ${width} × ${height} pixels`) : null);
}

interface Segment {
  readonly marker: number;
  readonly data: Uint8Array;
}

/** Up to the end-of-image marker; null where the file ends before it. */
function* segmentsOf(bytes: Uint8Array): Generator<Segment | null> {
  for (let at = 2; ; ) {
    at = bytes.indexOf(0xff, at);
    const marker = bytes[at + 1];
    if (at < 0 || marker === undefined) return yield null;
    if (marker === END) return;
    if (marker === 0xff || marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += marker === 0xff ? 1 : 2;
      continue;
    }
    const end = at + 2 + 256 * (bytes[at + 2] ?? 0) + (bytes[at + 3] ?? 0);
    if (Math.max(at + 4, end) > bytes.length) return yield null;
    yield { marker, data: bytes.subarray(at + 4, Math.max(at + 4, end)) };
    // The data of a scan follow it; markers within them are restarts, which are passed over.
    at = Math.max(at + 4, end);
  }
}
