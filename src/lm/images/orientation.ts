// How a camera was held: the orientation in EXIF data (tag 0x0112 of TIFF 6.0), and images turned upright.
import type { RgbImage } from '../imagePreparation.ts';

/** 1 (upright) to 8, as EXIF counts them. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const TAG = 0x0112;
const SHORT = 3;
const ENTRY_BYTES = 12;

/** Of EXIF data, which begins with its TIFF header; 1 where it says nothing that is understood. */
export function orientationOf(exif: Uint8Array): Orientation {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const order = exif.length < 8 ? 0 : view.getUint16(0);
  const little = order === 0x4949;
  if (!little && order !== 0x4d4d) return 1;
  const start = view.getUint32(4, little);
  if (start + 2 > exif.length) return 1;
  const count = Math.min(view.getUint16(start, little), Math.floor((exif.length - start - 2) / ENTRY_BYTES));
  for (let i = 0; i < count; i++) {
    const at = start + 2 + ENTRY_BYTES * i;
    const [tag, type, value] = [view.getUint16(at, little), view.getUint16(at + 2, little), view.getUint16(at + 8, little)];
    if (tag === TAG && type === SHORT) return value >= 1 && value <= 8 ? (value as Orientation) : 1;
  }
  return 1;
}

/** Where a pixel of the upright image comes from. */
type Source = (x: number, y: number, right: number, bottom: number) => readonly [number, number];

/** `right` and `bottom` are the last column and row of the stored image. */
const sources: Readonly<Record<Orientation, Source>> = {
  1: (x, y) => [x, y],
  2: (x, y, right) => [right - x, y],
  3: (x, y, right, bottom) => [right - x, bottom - y],
  4: (x, y, _right, bottom) => [x, bottom - y],
  5: (x, y) => [y, x],
  6: (x, y, _right, bottom) => [y, bottom - x],
  7: (x, y, right, bottom) => [right - y, bottom - x],
  8: (x, y, right) => [right - y, x],
};

export function upright(image: RgbImage, orientation: Orientation): RgbImage {
  if (orientation === 1) return image;
  const [width, height] = orientation > 4 ? [image.height, image.width] : [image.width, image.height];
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = sources[orientation](x, y, image.width - 1, image.height - 1);
      const from = 3 * (row * image.width + column);
      for (let channel = 0; channel < 3; channel++) data[3 * (y * width + x) + channel] = image.data[from + channel] ?? 0;
    }
  }
  return { width, height, data };
}
