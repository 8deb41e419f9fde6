// A prompt as attribution takes it: its tokens, their places in the text, and which of them say nothing themselves.
import type { TextRange } from './spans.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { EmbeddingRows } from '../lm/session.ts';
import { covers } from '../lm/session.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { ImageFeatures } from '../lm/visionEncoder.ts';
import { imagePrompt } from '../lm/visionEncoder.ts';

export interface PromptTokens {
  readonly ids: readonly number[];
  /** Of each token in the text; empty for tokens that the tokenizer added and for the rows of an image. */
  readonly ranges: readonly TextRange[];
  readonly images: readonly EmbeddingRows[];
  /** Places of special tokens: what `AttributionRequest.fixed` and `TokenSetOptions.excluded` want. */
  readonly special: readonly number[];
  /** Places of each image's rows. */
  readonly imageRows: readonly (readonly number[])[];
}

/**
 * @param rendered the text comes from a chat template, so that no tokens are put around it
 * @throws LanguageModelError where images and their tokens differ in number
 */
export function promptTokens({ tokenizer, folder, text, images = [], rendered = false }: {
  readonly tokenizer: Pick<Tokenizer, 'encode' | 'isSpecial'>;
  readonly folder: Pick<ModelFolder, 'tokens'>;
  readonly text: string;
  readonly images?: readonly ImageFeatures[];
  readonly rendered?: boolean;
}): PromptTokens {
  const encoded = tokenizer.encode(text, !rendered);
  const placed = imagePrompt(encoded.ids, images, folder.tokens);
  if (images.length === 0) return { ...encoded, images: [], imageRows: [], special: encoded.ids.flatMap((id, place) => (tokenizer.isSpecial(id) ? [place] : [])) };
  const rows = placed.embeddings.flatMap(({ at, rows: data, width }) => Array.from({ length: data.length / width }, (_, row) => at + row));
  let next = 0;
  return {
    ids: placed.ids,
    images: placed.embeddings,
    ranges: expandedRanges(encoded.ids, encoded.ranges, placed.ids, folder.tokens.image),
    special: placed.ids.flatMap((id, place) => (tokenizer.isSpecial(id) && !covers(placed.embeddings, place) ? [place] : [])),
    imageRows: images.map(({ rows: data, width }) => rows.slice(next, (next += data.length / width))),
  };
}

/** The text's tokens in order; what stands for an image has the place of its token, or nothing of the text. */
function expandedRanges(before: readonly number[], ranges: readonly TextRange[], after: readonly number[], image: number | null): readonly TextRange[] {
  const words = before.flatMap((id, i) => (id === image ? [] : [ranges[i] ?? { start: 0, end: 0 }]));
  let next = 0;
  let last = 0;
  return after.map((id) => {
    if (id === image) return { start: last, end: last };
    const range = words[next++] ?? { start: last, end: last };
    last = range.end;
    return range;
  });
}

export interface ResponseTokens {
  /** Of the prompt, how many tokens stay the prompt's. */
  readonly promptLength: number;
  /** Token ids of each response. */
  readonly responses: readonly (readonly number[])[];
}

/**
 * Responses as the tokens that they are behind the prompt. A token that begins in the prompt and ends in a response counts
 * to the response, so the prompt may lose its end. Behind a chat template or an image they are tokens of their own.
 */
export function responseTokens(tokenizer: Pick<Tokenizer, 'encode'>, prompt: PromptTokens, text: string, responses: readonly string[], apart = prompt.images.length > 0): ResponseTokens {
  if (apart) return { promptLength: prompt.ids.length, responses: responses.map((response) => tokenizer.encode(response, false).ids) };
  const wholes = responses.map((response) => tokenizer.encode(text + response).ids);
  const lengths = wholes.map((whole) => {
    const differing = prompt.ids.findIndex((id, i) => id !== whole[i]);
    return differing < 0 ? prompt.ids.length : differing;
  });
  const promptLength = Math.min(prompt.ids.length, ...lengths);
  return { promptLength, responses: wholes.map((whole) => whole.slice(promptLength)) };
}
