// A context and a text after it as a model reads them, and the tokens that statements end with.
import type { Range } from '../lm/tokenRanges.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';

/** What stands before the context, and between context and text. */
export interface Frame {
  readonly before: string;
  readonly between: string;
}

export const plainFrame: Frame = { before: '', between: '\n\n' };

export interface ReadText {
  /** Up to the last token of the last statement. */
  readonly ids: readonly number[];
  /** In the whole text, of each token. */
  readonly ranges: readonly Range[];
  /** Tokens that begin before the text: the frame and the context. */
  readonly contextTokens: number;
  /** Where the context's own tokens are, [start, end). */
  readonly contextAt: Range;
  /** The position of each statement's final token. */
  readonly finals: readonly number[];
}

/**
 * Context and text as tokens of the whole. A statement's final token is the last one that holds a character of it: its
 * full stop, as a rule.
 * @param statements ranges of the text, in order
 */
export function readText(tokenizer: Pick<Tokenizer, 'encode'>, { before, between }: Frame, context: string, text: string, statements: readonly Range[]): ReadText {
  const start = before.length + context.length + between.length;
  const { ids, ranges } = tokenizer.encode(`${before}${context}${between}${text}`);
  const begun = (place: number): number => {
    const first = ranges.findIndex((range) => range.end > place);
    return first < 0 ? ids.length : first;
  };
  const finals = statements.map(({ end }) => ranges.findLastIndex((range) => range.start < start + end && range.start < range.end));
  const last = finals.at(-1) ?? ids.length - 1;
  return {
    ids: ids.slice(0, last + 1),
    ranges: ranges.slice(0, last + 1),
    contextTokens: begun(start),
    contextAt: { start: begun(before.length), end: begun(before.length + context.length) },
    finals,
  };
}

/** A text that is one statement. */
export const readStatement = (tokenizer: Pick<Tokenizer, 'encode'>, frame: Frame, context: string, statement: string): ReadText =>
  readText(tokenizer, frame, context, statement, [{ start: 0, end: statement.trimEnd().length }]);

/** The largest part of a context's end with which a statement fits into so many tokens; by whole tokens. */
export function fittingContext(tokenizer: Pick<Tokenizer, 'encode'>, frame: Frame, context: string, statement: string, limit: number): { readonly text: ReadText; readonly left: number } {
  let left = 0;
  for (;;) {
    const text = readStatement(tokenizer, frame, context.slice(left), statement);
    const over = text.ids.length - limit;
    if (over <= 0 || left >= context.length) return { text, left };
    const cut = text.ranges[Math.min(text.contextAt.end, text.contextAt.start + over)]?.start ?? 0;
    left = Math.min(context.length, left + Math.max(1, cut - frame.before.length));
  }
}
