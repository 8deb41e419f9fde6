// Images from files: binary PPM (P6), which every image tool writes.
import { readFileSync } from 'node:fs';
import type { RgbImage } from './imagePreparation.ts';

export type ImageResult = { readonly ok: true; readonly image: RgbImage } | { readonly ok: false; readonly message: string };

const MAX_PIXELS = 2 ** 28;

export function readImage(file: string): ImageResult {
  try {
    return decodeImage(readFileSync(file), file);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { ok: false, message: `The image ${file} cannot be read: ${error.message}.` };
    throw error;
  }
}

/** @param name for messages */
export function decodeImage(bytes: Uint8Array, name: string): ImageResult {
  const start = Buffer.from(bytes.subarray(0, 512)).toString('latin1');
  const header = /^P6(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s/.exec(start);
  if (!header) return { ok: false, message: `${name} is ${kindOf(start)}, and images are read as PPM (P6) files. Convert it first, for example with: magick ${name} image.ppm` };
  const [whole, width = 0, height = 0, most = 0] = [header[0], ...header.slice(1).map(Number)];
  if (most !== 255) return { ok: false, message: `${name} has ${most + 1} levels of a colour, not 256. Convert it to 8 bits first.` };
  const size = width * height;
  if (size === 0 || size > MAX_PIXELS) return { ok: false, message: `${name} has ${width} × ${height} pixels, which is no usable size.` };
  const data = bytes.subarray(whole.length, whole.length + 3 * size);
  if (data.length < 3 * size) return { ok: false, message: `${name} should have ${3 * size} bytes of pixels and has ${data.length}: it is cut off.` };
  return { ok: true, image: { width, height, data } };
}

function kindOf(start: string): string {
  if (start.startsWith('\x89PNG')) return 'a PNG file';
  if (start.startsWith('\xff\xd8')) return 'a JPEG file';
  return start === '' ? 'empty' : 'no image that is known here';
}
