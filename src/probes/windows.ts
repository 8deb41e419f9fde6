// A document and its context cut to what a model can read at once.
import type { Range } from '../lm/tokenRanges.ts';

export interface WindowSizes {
  /** Tokens that the model reads at once. */
  readonly limit: number;
  /** Tokens of the frame around the context. */
  readonly frame: number;
  /** Tokens of each sentence of the context. */
  readonly context: readonly number[];
  /** Tokens of each sentence of the document. */
  readonly sentences: readonly number[];
}

/** Each chunk is read after each of the contexts. All ranges count sentences, [start, end). */
export interface WindowPlan {
  readonly contexts: readonly Range[];
  readonly chunks: readonly Range[];
  /** Sentences of the document that are too long to be read. */
  readonly skipped: readonly number[];
}

/** The document is given at least this share of the window where the context would fill it. */
const DOCUMENT_SHARE = 0.25;
/** Parts of a context share this much of themselves with the next, so that what stands across a cut is seen whole. */
const OVERLAP = 0.25;

/**
 * Everything at once where it fits. Else the document is cut into chunks that fit beside the whole context, and where the
 * context alone is too long, into chunks of a quarter of the window, and the context into overlapping parts.
 */
export function planWindows({ limit, frame, context, sentences }: WindowSizes): WindowPlan {
  const room = limit - frame;
  const contextTokens = sum(context);
  const least = Math.floor(limit * DOCUMENT_SHARE);
  const wanted = Math.max(room - contextTokens, least);
  const longest = Math.floor(limit / 2);
  const skipped = [...sentences.keys()].filter((i) => (sentences[i] ?? 0) > Math.max(wanted, longest));
  const chunks = packed(sentences.map((size, i) => (skipped.includes(i) ? 0 : size)), wanted, 0);
  const largest = Math.max(0, ...chunks.map(({ start, end }) => sum(sentences.slice(start, end).filter((_, i) => !skipped.includes(start + i)))));
  const contexts = contextTokens <= room - largest ? [{ start: 0, end: context.length }] : packed(context, room - Math.max(largest, least), OVERLAP);
  return { contexts, chunks, skipped };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Runs of items of so many tokens together, or of one item that has more; each begins with a part of the one before. */
function packed(sizes: readonly number[], room: number, overlap: number): readonly Range[] {
  const runs: Range[] = [];
  for (let start = 0; start < sizes.length;) {
    let end = start + 1;
    for (let used = sizes[start] ?? 0; end < sizes.length && used + (sizes[end] ?? 0) <= room; end++) used += sizes[end] ?? 0;
    runs.push({ start, end });
    if (end >= sizes.length) break;
    let next = end;
    for (let shared = 0; overlap > 0 && next > start + 1 && shared + (sizes[next - 1] ?? 0) <= overlap * room; next--) shared += sizes[next - 1] ?? 0;
    start = next;
  }
  return runs.length > 0 ? runs : [{ start: 0, end: 0 }];
}
