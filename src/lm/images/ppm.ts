// Binary Netpbm images: P5 (grey) and P6 (red, green, blue), of up to 65536 levels.
import type { Decoded } from './decoding.ts';
import { problem, sizeProblem } from './decoding.ts';

/** The header, comments included, must end within this many bytes. */
const MAX_HEADER = 4096;
const HEADER = /^P([56])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s/;

export const isPpm = (bytes: Uint8Array): boolean => bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36);

export function decodePpm(bytes: Uint8Array): Decoded {
  const header = HEADER.exec(Buffer.from(bytes.subarray(0, MAX_HEADER)).toString('latin1'));
  if (!header) return problem('has no PPM header of a width, a height and a number of levels. Save it again.');
  const [width = 0, height = 0, most = 0] = header.slice(2).map(Number);
  if (most < 1 || most > 65535) return problem(`gives ${most} as its brightest level, which must lie from 1 to 65535. Save it again with 255.`);
  const wrongSize = sizeProblem(width, height);
  if (wrongSize !== null) return problem(wrongSize);
  const [channels, bytesEach] = [header[1] === '6' ? 3 : 1, most > 255 ? 2 : 1];
  const size = width * height * channels * bytesEach;
  const data = bytes.subarray(header[0].length, header[0].length + size);
  if (data.length < size) return problem(`is cut off: it should have ${size} bytes of pixels and has ${data.length}. Copy or save it again.`);
  const level = (i: number): number => (bytesEach === 1 ? (data[i] ?? 0) : 256 * (data[2 * i] ?? 0) + (data[2 * i + 1] ?? 0));
  const step = channels === 3 ? 1 : 3;
  const rgb = Uint8Array.from({ length: 3 * width * height }, (_, i) => Math.min(255, Math.round((255 * level(Math.floor(i / step))) / most)));
  return { ok: true, image: { width, height, data: rgb } };
}
