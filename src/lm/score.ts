// log p(continuation | prompt), teacher forced, in padded batches.
import { survivingDeaths } from '../runtime/client.ts';
import { logProbabilityOf } from '../shared/sampling.ts';
import type { Decoder, EmbeddingRows } from './session.ts';
import { LanguageModelError } from './session.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface ScoreItem {
  /** At least one token: the first token of a text has no probability. */
  readonly prompt: readonly number[];
  readonly continuation: readonly number[];
  /** What stands in place of tokens' embeddings in the prompt: images. */
  readonly embeddings?: readonly EmbeddingRows[];
}

/**
 * A prompt and a text that goes on from it, as the tokens of both together; a token that begins in the prompt and ends in
 * the text counts to the text.
 */
export function scoreItem(tokenizer: Pick<Tokenizer, 'encode'>, prompt: string, text: string): ScoreItem {
  const [before, whole] = [tokenizer.encode(prompt).ids, tokenizer.encode(prompt + text).ids];
  const differing = whole.findIndex((id, i) => id !== before[i]);
  const at = differing < 0 ? whole.length : differing;
  return { prompt: whole.slice(0, at), continuation: whole.slice(at) };
}

export interface Score {
  /** log p(continuation | prompt), nats. */
  readonly logProbability: number;
  /** Of each token of the continuation. */
  readonly perToken: readonly number[];
}

export interface ScoreOptions {
  /** Left padding becomes right padding where the graph allows no other. */
  readonly padding?: 'left' | 'right';
  readonly batchSize?: number;
}

/** Logits of a batch that travel at once, at most. */
const MAX_LOGIT_BYTES = 64 * 2 ** 20;

/**
 * Scores continuations. The result does not depend on the batch or the padding but by rounding.
 * @throws LanguageModelError, RuntimeError, HostDiedError
 */
export async function scoreContinuations(decoder: Decoder, items: readonly ScoreItem[], { padding = 'right', batchSize = 8 }: ScoreOptions = {}): Promise<Score[]> {
  if (items.some(({ prompt }) => prompt.length === 0)) {
    throw new LanguageModelError({ code: 'unscored', message: 'A continuation cannot be scored without a prompt of at least one token: the first token of a text has no probability.' });
  }
  const left = padding === 'left' && !decoder.needsRightPadding();
  const scores: Score[] = [];
  for (let at = 0; at < items.length;) {
    const batch = items.slice(at, at + fitting(items.slice(at, at + batchSize), decoder.vocabularySize));
    scores.push(...(await survivingDeaths(() => scoreBatch(decoder, batch, left))));
    at += batch.length;
  }
  return scores;
}

const lengthOf = ({ prompt, continuation }: ScoreItem): number => prompt.length + continuation.length;

/** How many of the first items can go together. */
function fitting(items: readonly ScoreItem[], vocabulary: number | null): number {
  let longest = 0;
  const end = items.findIndex((item, i) => {
    longest = Math.max(longest, lengthOf(item));
    return (i + 1) * longest * (vocabulary ?? 0) * 4 > MAX_LOGIT_BYTES;
  });
  return end < 0 ? items.length : Math.max(1, end);
}

async function scoreBatch(decoder: Decoder, items: readonly ScoreItem[], left: boolean): Promise<Score[]> {
  const width = Math.max(...items.map(lengthOf));
  const padded = (tokens: readonly number[], filler: number): number[] => {
    const rest = new Array<number>(width - tokens.length).fill(filler);
    return left ? [...rest, ...tokens] : [...tokens, ...rest];
  };
  const rows = items.map(({ prompt, continuation }) => [...prompt, ...continuation]);
  const offsets = items.map((item) => (left ? width - lengthOf(item) : 0) + item.prompt.length - 1);
  const start = Math.min(...offsets);
  const embeddings = items.flatMap((item, batch) => (item.embeddings ?? []).map((part) => ({ ...part, at: part.at + (left ? width - lengthOf(item) : 0), batch })));
  const { logits: { dims, data } } = await decoder.run({ ids: rows.map((row) => padded(row, 0)), mask: rows.map((row) => padded(row.map(() => 1), 0)), past: 0, positions: [start], embeddings });
  const [, count = 0, vocabulary = 0] = dims;
  return items.map(({ continuation }, b) => {
    const perToken = continuation.map((id, i) => {
      const row = (b * count + (offsets[b] ?? 0) - start + i) * vocabulary;
      return logProbabilityOf(data.subarray(row, row + vocabulary), id);
    });
    return { logProbability: perToken.reduce((sum, value) => sum + value, 0), perToken };
  });
}
