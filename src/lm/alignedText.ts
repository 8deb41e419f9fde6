// Normalisation that remembers where each character came from.
import type { TokenizerJSON } from './tokenizerFile.ts';
import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';

/** A text whose every UTF-16 unit knows its range in the source. Ranges are ordered. */
export interface AlignedText {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

export type NormalizerConfig = Readonly<Record<string, unknown>> & { readonly type: string };

type Normalize = (text: string) => string;

export const plain = (text: string, offset = 0): AlignedText => ({
  text,
  starts: Array.from({ length: text.length }, (_, i) => offset + i),
  ends: Array.from({ length: text.length }, (_, i) => offset + i + 1),
});

/** The library's own normalizer of a configuration. */
function libraryNormalizer(config: NormalizerConfig): Normalize {
  const whole: TokenizerJSON = { model: { type: 'BPE', vocab: {}, merges: [] }, normalizer: config, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
  const { normalizer } = new LibraryTokenizer(whole, {});
  return (text) => (normalizer ? normalizer.normalize(text) : text);
}

/** Normalises, step by step, what the library normalises at once; where a step cannot be followed, ends that agree are. */
export function aligner(config: NormalizerConfig | null): (source: AlignedText) => AlignedText {
  if (!config) return (source) => source;
  const steps = leaves(config).map(stepOf);
  return (source) => steps.reduce((text, step) => step(text), source);
}

function leaves(config: NormalizerConfig): NormalizerConfig[] {
  return config.type === 'Sequence' ? (config['normalizers'] as NormalizerConfig[]).flatMap(leaves) : [config];
}

function stepOf(config: NormalizerConfig): (source: AlignedText) => AlignedText {
  const normalize = libraryNormalizer(config);
  if (config.type === 'Replace') return (source) => held(replaced(source, patternOf(config['pattern']), String(config['content'] ?? '')), source, normalize);
  return (source) => held(bySegments(source, normalize), source, normalize);
}

/** The attempt if it gives what the library gives. */
function held(attempt: AlignedText, source: AlignedText, normalize: Normalize): AlignedText {
  const text = normalize(source.text);
  return attempt.text === text ? attempt : byEnds(source, text);
}

export function patternOf(pattern: unknown): RegExp | null {
  const { String: literal, Regex: regex } = (pattern ?? {}) as { String?: string; Regex?: string };
  try {
    if (literal !== undefined) return new RegExp(literal.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), 'gu');
    return regex === undefined ? null : new RegExp(regex, 'gu');
  } catch {
    return null;
  }
}

/** Every match becomes `content` with the range of the match. */
export function replaced(source: AlignedText, pattern: RegExp | null, content: string): AlignedText {
  if (!pattern) return source;
  const pieces: AlignedText[] = [];
  let at = 0;
  for (const match of source.text.matchAll(pattern)) {
    pieces.push(cut(source, at, match.index), spanning(content, source, match.index, match.index + match[0].length));
    at = match.index + match[0].length;
  }
  return joined([...pieces, cut(source, at)]);
}

/** A character with its marks, or a run of Hangul letters that may compose: what normalisation treats as one. */
const segment = /[\u1100-\u11ff]+\p{M}*|\P{M}\p{M}*|\p{M}+/gsu;

function bySegments(source: AlignedText, normalize: Normalize): AlignedText {
  const pieces = [...source.text.matchAll(segment)].map(({ 0: text, index }) => {
    const result = normalize(text);
    return result === text ? cut(source, index, index + text.length) : spanning(result, source, index, index + text.length);
  });
  return joined(pieces);
}

/** Common beginnings and ends keep their places; what differs between them is taken as one piece, unit by unit where it is as long. */
function byEnds(source: AlignedText, text: string): AlignedText {
  const shorter = Math.min(source.text.length, text.length);
  let back = 0;
  while (back < shorter && source.text.at(-1 - back) === text.at(-1 - back)) back++;
  let front = 0;
  while (front < shorter - back && source.text[front] === text[front]) front++;
  const [oldEnd, newEnd] = [source.text.length - back, text.length - back];
  const middle = text.slice(front, newEnd);
  const changed = oldEnd - front === middle.length ? { ...cut(source, front, oldEnd), text: middle } : spanning(middle, source, front, oldEnd);
  return joined([cut(source, 0, front), changed, cut(source, oldEnd)]);
}

export const cut = ({ text, starts, ends }: AlignedText, start: number, end?: number): AlignedText => ({
  text: text.slice(start, end), starts: starts.slice(start, end), ends: ends.slice(start, end),
});

/** `text` in the place of the source's units [start, end). */
function spanning(text: string, source: AlignedText, start: number, end: number): AlignedText {
  const before = source.ends[start - 1] ?? source.starts[0] ?? 0;
  const [first, last] = start < end ? [source.starts[start] ?? before, source.ends[end - 1] ?? before] : [source.starts[start] ?? before, source.starts[start] ?? before];
  return { text, starts: Array.from({ length: text.length }, () => first), ends: Array.from({ length: text.length }, () => last) };
}

export const joined = (pieces: readonly AlignedText[]): AlignedText => ({
  text: pieces.map(({ text }) => text).join(''),
  starts: pieces.flatMap(({ starts }) => starts),
  ends: pieces.flatMap(({ ends }) => ends),
});
