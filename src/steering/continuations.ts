// What a model would say next: its likeliest next tokens, each gone on with to the end of the word.
import type { LanguageModel } from '../lm/languageModel.ts';
import type { EmbeddingRows } from '../lm/session.ts';
import { TokenStream } from '../lm/tokenStream.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { throwIfCancelled } from '../shared/cancellation.ts';
import { logProbabilityOf } from '../shared/sampling.ts';

export interface Continuation {
  readonly ids: readonly number[];
  readonly text: string;
  /** Of the whole continuation after the prompt. */
  readonly probability: number;
}

export interface ContinuationPrompt {
  readonly ids: readonly number[];
  readonly images: readonly EmbeddingRows[];
}

/** Tokens of a word, at most. */
const LONGEST = 8;

type Model = Pick<LanguageModel, 'decoder' | 'tokenizer' | 'folder'>;

/**
 * The likeliest continuations with different texts, by the probability of their first token. Each of them ends where a
 * letter, a digit or an underscore is followed by something else, or after eight tokens; the end of a text is none.
 * @throws CancelledError, LanguageModelError, RuntimeError, HostDiedError
 */
export async function likeliest(model: Model, { ids, images }: ContinuationPrompt, count: number, token: CancellationToken): Promise<readonly Continuation[]> {
  const source = { decoder: model.decoder, embeddings: images };
  const stream = new TokenStream(source, true);
  try {
    const logits = await stream.append(ids);
    const found: Continuation[] = [];
    for (const first of highest(logits, 4 * count)) {
      if (found.length === count) break;
      throwIfCancelled(token);
      const fork = stream.fork(source);
      try {
        const continuation = await finished(model, fork, { prompt: ids, first, logits });
        if (continuation.text !== '' && !found.some(({ text }) => text === continuation.text)) found.push(continuation);
      } finally {
        await fork.close();
      }
    }
    return found;
  } finally {
    await stream.close();
  }
}

interface Beginning {
  readonly prompt: readonly number[];
  readonly first: number;
  readonly logits: Float32Array;
}

async function finished({ tokenizer, folder }: Model, stream: TokenStream, { prompt, first, logits }: Beginning): Promise<Continuation> {
  const room = folder.sizes.context === null ? LONGEST : Math.min(LONGEST, folder.sizes.context - prompt.length);
  const decoding = tokenizer.stream(prompt);
  let logProbability = logProbabilityOf(logits, first);
  let text = decoding.push(first);
  const ids = [first];
  // What is held back is part of a character.
  while (ids.length < room && (text === '' || isWord(text.at(-1)))) {
    const following = await stream.append(ids.slice(-1));
    const [next] = highest(following, 1);
    if (next === undefined || folder.tokens.eos.includes(next)) break;
    const piece = decoding.push(next);
    if (piece !== '' && !isWord(piece[0])) break;
    logProbability += logProbabilityOf(following, next);
    text += piece;
    ids.push(next);
  }
  return { ids, text, probability: Math.exp(logProbability) };
}

const isWord = (character: string | undefined): boolean => character !== undefined && /[\p{L}\p{M}\p{N}_]/u.test(character);

/** Places of the largest numbers, the largest first. */
function highest(values: Float32Array, count: number): readonly number[] {
  const best: number[] = [];
  values.forEach((value, i) => {
    const at = best.findIndex((other) => value > (values[other] ?? 0));
    if (at >= 0) best.splice(at, 0, i);
    else if (best.length < count) best.push(i);
    if (best.length > count) best.pop();
  });
  return best;
}
