// Where the tokens of a text lie in it: the tokens' bytes are followed along the normalised text.
import type { AlignedText } from './alignedText.ts';

/** [start, end) in UTF-16 units of the source; empty for what the tokenizer put in itself. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What a token stands for in the normalised text. */
export type Surface =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; /** Bytes at its beginning that the tokenizer may have put in. */ readonly optional: number }
  /** It stands for any text. */
  | { readonly kind: 'unknown' };

/** GPT-2's writing of bytes as printable characters (Radford et al. 2019, encoder.py). */
export const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  (() => {
    const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    let next = 256;
    return Array.from({ length: 256 }, (_, byte) => [String.fromCodePoint(printable(byte) ? byte : next++), byte] as const);
  })(),
);

interface Bytes {
  readonly bytes: Uint8Array;
  /** Of each byte, the range of its character. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

function bytesOf({ text, starts, ends }: AlignedText): Bytes {
  const all: { byte: number; start: number; end: number }[] = [];
  const encoder = new TextEncoder();
  let at = 0;
  for (const character of text) {
    const [start, end] = [starts[at] ?? 0, ends[at + character.length - 1] ?? 0];
    for (const byte of encoder.encode(character)) all.push({ byte, start, end });
    at += character.length;
  }
  return { bytes: Uint8Array.from(all, ({ byte }) => byte), starts: all.map(({ start }) => start), ends: all.map(({ end }) => end) };
}

/**
 * The range of each token. A character split over tokens is in the range of each; text that no token stands for (dropped
 * by the pre-tokenizer) is in none.
 * @param sourceLength where what cannot be found is put
 */
export function tokenRanges(text: AlignedText, surfaces: readonly Surface[], sourceLength: number): Range[] {
  const whole = bytesOf(text);
  const ranges: Range[] = [];
  let at = 0;
  surfaces.forEach((surface, i) => {
    const [start, end] = surface.kind === 'bytes' ? find(whole.bytes, surface, at) : [at, unknownEnd(whole, at, surfaces.slice(i + 1))];
    ranges.push(rangeOf(whole, start, end, sourceLength, ranges.at(-1)));
    at = end;
  });
  return ranges;
}

function rangeOf({ starts, ends }: Bytes, start: number, end: number, sourceLength: number, last: Range | undefined): Range {
  if (start < end) return { start: starts[start] ?? sourceLength, end: ends[end - 1] ?? sourceLength };
  const place = Math.max(last?.end ?? 0, start > 0 ? (ends[start - 1] ?? 0) : (starts[0] ?? 0));
  return { start: place, end: place };
}

/** Where the token is at or after `at`, with or without what the tokenizer put before it; nowhere is an empty place. */
function find(text: Uint8Array, { bytes, optional }: Extract<Surface, { kind: 'bytes' }>, at: number): readonly [number, number] {
  const bare = bytes.subarray(optional);
  for (const [form, from] of [[bytes, at], [bare, at]] as const) if (matches(text, form, from)) return [from, from + form.length];
  for (let from = at + 1; from < text.length; from++) {
    if (matches(text, bytes, from)) return [from, from + bytes.length];
    if (bare.length > 0 && matches(text, bare, from)) return [from, from + bare.length];
  }
  return [at, at];
}

function matches(text: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (at + bytes.length > text.length) return false;
  for (let i = 0; i < bytes.length; i++) if (text[at + i] !== bytes[i]) return false;
  return true;
}

/** An unknown token is at least one character; it reaches to where the next known token is. */
function unknownEnd({ bytes, starts }: Bytes, at: number, following: readonly Surface[]): number {
  const next = following[0];
  const known = next?.kind === 'bytes' ? next : undefined;
  let end = at + 1;
  while (end < bytes.length && (starts[end] === starts[at] || ((bytes[end] ?? 0) & 0xc0) === 0x80)) end++;
  if (next?.kind === 'unknown') return Math.min(end, bytes.length);
  while (end < bytes.length && !(known && (matches(bytes, known.bytes, end) || (known.bytes.length > known.optional && matches(bytes, known.bytes.subarray(known.optional), end))))) end++;
  return Math.min(end, bytes.length);
}
