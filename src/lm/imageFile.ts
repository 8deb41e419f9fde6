// Images from files: PNG, JPEG and binary PPM, known by their content.
import { readFileSync, statSync } from 'node:fs';
import type { RgbImage } from './imagePreparation.ts';
import type { Decoded } from './images/decoding.ts';
import { decodeJpeg, isJpeg } from './images/jpeg.ts';
import { decodePng, isPng } from './images/png.ts';
import { decodePpm, isPpm } from './images/ppm.ts';

export type ImageResult = { readonly ok: true; readonly image: RgbImage } | { readonly ok: false; readonly message: string };

const MAX_BYTES = 2 ** 28;

/** Upright, with white behind what is transparent. */
export function readImage(file: string): ImageResult {
  try {
    const stats = statSync(file);
    if (!stats.isFile()) return refused(file, `is ${stats.isDirectory() ? 'a folder' : 'no ordinary file'}. Give the file of an image.`);
    if (stats.size > MAX_BYTES) return refused(file, `has ${Math.round(stats.size / 2 ** 20)} MiB, more than the ${MAX_BYTES / 2 ** 20} MiB that an image may have. Make it smaller first.`);
    return decodeImage(readFileSync(file), file);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { ok: false, message: `The image ${file} cannot be read: ${error.message}.` };
    throw error;
  }
}

/** @param name for messages */
export function decodeImage(bytes: Uint8Array, name: string): ImageResult {
  const decoded = decode(bytes, name);
  return decoded.ok ? decoded : refused(name, decoded.problem);
}

const refused = (name: string, problem: string): ImageResult => ({ ok: false, message: `The image ${name} ${problem}` });

function decode(bytes: Uint8Array, name: string): Decoded {
  if (isPng(bytes)) return decodePng(bytes);
  if (isJpeg(bytes)) return decodeJpeg(bytes);
  if (isPpm(bytes)) return decodePpm(bytes);
  return { ok: false, problem: `is ${kindOf(bytes)}, and images are read as PNG, JPEG and PPM files. Convert it first, for example with: magick ${name} image.png` };
}

/** Beginnings of other files that are given for images. */
const kinds: readonly (readonly [RegExp, string])[] = [
  [/^GIF8/, 'a GIF file'],
  [/^RIFF[^]{4}WEBP/, 'a WebP file'],
  [/^BM/, 'a BMP file'],
  [/^(II\*\0|MM\0\*)/, 'a TIFF file'],
  [/^[^]{4}ftyp(avif|avis)/, 'an AVIF file'],
  [/^[^]{4}ftyp(hei|hev|mif)/, 'a HEIC file'],
  [/^(\0\0\0\x0cjP {2}|\xff\x4f\xff\x51)/, 'a JPEG 2000 file'],
  [/^P[1-47]/, 'a Netpbm file of another kind than P5 and P6'],
  [/^%PDF/, 'a PDF file'],
  [/^\s*<(\?xml|svg|!)/, 'an SVG or XML file'],
];

function kindOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'empty';
  const start = Buffer.from(bytes.subarray(0, 32)).toString('latin1');
  return kinds.find(([pattern]) => pattern.test(start))?.[1] ?? 'no image that is known here';
}
