// Contrast pairs in a model's tokens, and prompts in which some tokens are hidden.
import type { ContrastPair } from './contrastPairs.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { EmbeddingRows } from '../lm/session.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { ImageFeatures } from '../lm/visionEncoder.ts';
import { imagePrompt } from '../lm/visionEncoder.ts';

/** Tokens, and what stands in place of some of their embeddings. */
export interface TokenSequence {
  readonly ids: readonly number[];
  readonly embeddings: readonly EmbeddingRows[];
}

export interface TokenPair {
  readonly prompt: TokenSequence;
  readonly preferred: readonly number[];
  readonly dispreferred: readonly number[];
  /** Positions of the prompt that may be hidden: all but those of special tokens; an image's places are among them. */
  readonly maskable: readonly number[];
}

type Tokens = Pick<ModelFolder, 'tokens'>;

/**
 * A pair in tokens. A token that begins in the prompt and ends in a response counts to both responses.
 * @throws LanguageModelError where the image does not fit the prompt
 */
export function tokenPair(tokenizer: Tokenizer, { tokens }: Tokens, pair: ContrastPair, image?: ImageFeatures): TokenPair {
  const texts = [pair.prompt, pair.prompt + pair.preferred, pair.prompt + pair.dispreferred];
  const [before = [], preferred = [], dispreferred = []] = texts.map((text) => tokenizer.encode(text).ids);
  const shared = commonLength([before, preferred, dispreferred]);
  const own = before.slice(0, shared);
  const prompt = imagePrompt(own, image ? [image] : [], tokens);
  const maskable = prompt.ids.flatMap((id, i) => (id === tokens.image || !tokenizer.isSpecial(id) ? [i] : []));
  return { prompt, preferred: preferred.slice(shared), dispreferred: dispreferred.slice(shared), maskable };
}

function commonLength(rows: readonly (readonly number[])[]): number {
  const [first = []] = rows;
  const differing = first.findIndex((id, i) => rows.some((row) => row[i] !== id));
  return differing < 0 ? Math.min(...rows.map((row) => row.length)) : differing;
}

/** Why a pair cannot be used with a model of this context, or null. */
export function pairFault({ prompt, preferred, dispreferred }: TokenPair, context: number | null): string | null {
  const longest = prompt.ids.length + Math.max(preferred.length, dispreferred.length);
  if (context !== null && longest > context) return `the prompt and its longer response have ${longest} tokens, and the model holds ${context}. Shorten the prompt.`;
  if (prompt.ids.length === 0) return 'the prompt has no token of its own. Lengthen it.';
  if (preferred.length === 0 || dispreferred.length === 0) return 'a response has no token of its own after the prompt. Lengthen it, or end the prompt earlier.';
  return null;
}

/** The token that hides others: padding, else the end of a text, else the unknown one; null where the model has none. */
export function maskToken(tokenizer: Pick<Tokenizer, 'idOf'>, { tokens: { pad, eos } }: Tokens): number | null {
  const unknown = ['<unk>', '[UNK]', '<|unk|>', '<UNK>'].map((token) => tokenizer.idOf(token)).find((id) => id !== null);
  return pad ?? eos[0] ?? unknown ?? null;
}

/**
 * The sequence with these positions hidden: another token in their place, and that token's embedding where an image's row
 * stood. Its length and with it the attention mask stay as they are.
 */
export function hidden({ ids, embeddings }: TokenSequence, positions: readonly number[], by: number): TokenSequence {
  const gone = new Set(positions);
  return {
    ids: ids.map((id, i) => (gone.has(i) ? by : id)),
    embeddings: embeddings.flatMap((rows) => (kept(rows, gone))),
  };
}

/** The rows whose places are not gone. */
function kept(part: EmbeddingRows, gone: ReadonlySet<number>): readonly EmbeddingRows[] {
  const { at, rows, width } = part;
  const count = rows.length / width;
  const places = Array.from({ length: count }, (_, i) => at + i);
  if (!places.some((place) => gone.has(place))) return [part];
  return places.flatMap((place, i) => (gone.has(place) ? [] : [{ ...part, at: place, rows: rows.subarray(i * width, (i + 1) * width) }]));
}

/** The sequence with a response after it. */
export const followed = ({ ids, embeddings }: TokenSequence, response: readonly number[]): TokenSequence => ({ ids: [...ids, ...response], embeddings });
