// Tokens' numbers added up over the words, lines or selections of the text that they come from.

/** [start, end) in UTF-16 units of the text, as the tokenizer gives them. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export interface Span extends TextRange {
  /** Σ of its tokens' numbers, signed. */
  readonly value: number;
  /** Places of its tokens. */
  readonly tokens: readonly number[];
}

/**
 * Each token goes to the first span that its first character which is no white space lies in, so that no number counts
 * twice; tokens of nothing (such as the beginning of text) and those outside of all spans go to none.
 */
export function spanSums(text: string, values: readonly number[], ranges: readonly TextRange[], spans: readonly TextRange[]): readonly Span[] {
  const tokens = spans.map((): number[] => []);
  ranges.forEach((range, place) => {
    if (range.end === range.start) return;
    const at = anchor(text, range);
    const found = spans.findIndex(({ start, end }) => at >= start && at < end);
    tokens[found]?.push(place);
  });
  return spans.map(({ start, end }, i) => {
    const own = tokens[i] ?? [];
    return { start, end, tokens: own, value: own.reduce((sum, place) => sum + (values[place] ?? 0), 0) };
  });
}

/** The first character of a token that is no white space: the space before a word belongs to it. */
function anchor(text: string, { start, end }: TextRange): number {
  const blank = /^\s*/.exec(text.slice(start, end))?.[0].length ?? 0;
  return start + blank < end ? start + blank : start;
}

/** Letters, digits and underscores together; any other character that is no white space by itself. */
export const wordsOf = (text: string): readonly TextRange[] => matches(text, /[\p{L}\p{M}\p{N}_]+|[^\s]/gu);

/** Without empty ones; a line's break belongs to it. */
export const linesOf = (text: string): readonly TextRange[] => matches(text, /[^\n]*\n|[^\n]+$/g);

const matches = (text: string, pattern: RegExp): readonly TextRange[] =>
  [...text.matchAll(pattern)].map(({ index, 0: match }) => ({ start: index, end: index + match.length }));
