// What the decoders of image files share: their result, and how large an image may be.
import type { RgbImage } from '../imagePreparation.ts';

/** The problem goes on from the file's name: “is cut off: …”. */
export type Decoded = { readonly ok: true; readonly image: RgbImage } | { readonly ok: false; readonly problem: string };

/** Far more than a vision encoder looks at; decoding takes tens of bytes a pixel. */
export const MAX_PIXELS = 25e6;

/** Why an image of this size is not decoded, or null. */
export function sizeProblem(width: number, height: number): string | null {
  if (width * height === 0) return `has ${width} × ${height} pixels, which is no image. Save it again.`;
  if (width * height <= MAX_PIXELS) return null;
  return `has ${width} × ${height} pixels, more than ${MAX_PIXELS / 1e6} million. Make it smaller first; vision models look at a few hundred pixels a side.`;
}

export const problem = (text: string): Decoded => ({ ok: false, problem: text });
