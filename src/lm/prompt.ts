// A prompt that fits a model: what comes too early is left out.
import type { Checked } from './tokenizerFile.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface FittingPrompt {
  readonly ids: readonly number[];
  /** Characters at the beginning of the text that are left out. */
  readonly left: number;
}

export interface PromptOptions {
  /** The text is a user's message, which the chat template makes a prompt of. */
  readonly asMessage: boolean;
  /** Tokens that the model holds; null where that is not known. */
  readonly context: number | null;
  /** Tokens that are to be generated. */
  readonly wanted: number;
}

/**
 * The text as tokens, with room for those wanted, or for half of the context where they are more. Where a text is too
 * long its beginning is left out.
 */
export function fittingPrompt(tokenizer: Tokenizer, text: string, { asMessage, context, wanted }: PromptOptions): Checked<FittingPrompt> {
  const most = context === null ? Infinity : Math.max(1, context - Math.min(wanted, Math.ceil(context / 2)));
  for (let left = 0; ; ) {
    const encoded = asMessage ? messageIds(tokenizer, text.slice(left)) : { ok: true as const, value: tokenizer.encode(text.slice(left)).ids };
    if (!encoded.ok) return encoded;
    const over = encoded.value.length - most;
    if (over <= 0 || left >= text.length) return { ok: true, value: { ids: encoded.value, left } };
    left += cutAfter(tokenizer, text.slice(left), over);
  }
}

function messageIds(tokenizer: Tokenizer, content: string): Checked<readonly number[]> {
  const rendered = tokenizer.renderChat([{ role: 'user', content }]);
  return rendered.ok ? { ok: true, value: tokenizer.encode(rendered.value, false).ids } : rendered;
}

/** Where the text's first tokens end; at least one character, and no half of one: a token may be a part of a character. */
function cutAfter(tokenizer: Tokenizer, text: string, tokens: number): number {
  const { ranges } = tokenizer.encode(text, false);
  const end = Math.max(1, ranges[tokens]?.start ?? text.length);
  const isSecondHalf = /^[\udc00-\udfff]/.test(text.slice(end)) && /[\ud800-\udbff]$/.test(text.slice(0, end));
  return isSecondHalf ? end + 1 : end;
}
