// A text as the model reads it before it answers: rendered, with its image in place, every token with its range in the text.
import type { PromptTokens } from './promptTokens.ts';
import { promptTokens } from './promptTokens.ts';
import type { PromptRequest } from './workerCalls.ts';
import { readImage } from '../lm/imageFile.ts';
import type { RgbImage } from '../lm/imagePreparation.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { ImageFeatures } from '../lm/visionEncoder.ts';

export interface AttributedPrompt extends PromptTokens {
  /** What the model reads. */
  readonly rendered: string;
  /** Special tokens are put around it. */
  readonly framed: boolean;
  readonly image: RgbImage | null;
}

/** Ranges are in the text that was given. @throws LanguageModelError */
export async function attributedPrompt({ tokenizer, folder }: LanguageModel, request: PromptRequest, encode: (image: RgbImage) => Promise<ImageFeatures>): Promise<AttributedPrompt> {
  const { text, image: given, asMessage } = request;
  const image = given ? imageOf(given.file) : null;
  const content = given ? text.slice(0, given.start) + text.slice(given.end) : text;
  const { rendered, framed, at } = asMessage ? asMessageText(tokenizer, content) : { rendered: content, framed: true, at: 0 };
  const tokens = promptTokens({ tokenizer, folder, text: rendered, images: image ? [await encode(image)] : [], rendered: !framed });
  const place = placeIn(text.length, content.length, at, given);
  return { ...tokens, rendered, framed, image, ranges: tokens.ranges.map(({ start, end }) => ({ start: place(start), end: place(end) })) };
}

/** From a place in what is rendered to one in the text; what the template put around it has the place of its edge. */
function placeIn(textLength: number, contentLength: number, at: number, image: PromptRequest['image']): (place: number) => number {
  return (rendered) => {
    const place = Math.max(0, Math.min(contentLength, rendered - at));
    const gone = image && place >= image.start && (place > image.start || image.start === 0) ? image.end - image.start : 0;
    return Math.min(textLength, place + gone);
  };
}

/** As the chat template has it, where there is one that leaves the text as it is. */
function asMessageText(tokenizer: Tokenizer, content: string): { readonly rendered: string; readonly framed: boolean; readonly at: number } {
  const chat = tokenizer.renderChat([{ role: 'user', content }]);
  const trimmed = content.trim();
  const found = chat.ok && trimmed !== '' ? chat.value.indexOf(trimmed) : -1;
  if (!chat.ok || found < 0) return { rendered: content, framed: true, at: 0 };
  return { rendered: chat.value, framed: false, at: found - content.indexOf(trimmed) };
}

function imageOf(file: string): RgbImage {
  const read = readImage(file);
  if (read.ok) return read.image;
  throw new LanguageModelError({ code: 'badImage', message: read.message });
}

/** The tokens of an answer after the prompt, as they come where both are one text. */
export function answerTokens(tokenizer: Tokenizer, { rendered, framed, ids, images }: AttributedPrompt, answer: string): readonly number[] {
  const whole = images.length > 0 ? [] : tokenizer.encode(rendered + answer, framed).ids;
  const follows = whole.length > ids.length && ids.every((id, i) => id === whole[i]);
  return follows ? whole.slice(ids.length) : tokenizer.encode(answer, false).ids;
}
