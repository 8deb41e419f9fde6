// What an attribution says in words: the hover of a token, the legend above the text.
import type { Attribution, AttributedToken } from '../../shared/attributionMessages.ts';
import { largeError, natsText, percentText, quoted } from '../../shared/attributionMessages.ts';
import { spanSums } from '../../steering/spans.ts';

/** Makes a sentence out of a pattern with {0}, {1}, …; the editor's l10n.t. */
export type Translate = (pattern: string, ...values: readonly (string | number)[]) => string;

export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The last token that covers a place. */
export const tokenAt = (tokens: readonly AttributedToken[], place: number): AttributedToken | undefined => tokens.findLast(({ start, end }) => start <= place && place < end);

/** The sentence that says which way a token pushes. */
export function pushText({ value }: AttributedToken, { preferred, dispreferred }: Attribution, t: Translate): string {
  return value >= 0 ? t('{0} nats towards {1}', natsText(value), quoted(preferred)) : t('{0} nats: towards {1}', natsText(value), quoted(dispreferred));
}

export function rankText({ rank, set }: AttributedToken, count: number, t: Translate): string {
  if (rank === null) return t('a special token: it stays as it is');
  const place = t('rank {0} of {1}', rank, count);
  if (set === null) return place;
  return `${place} · ${set === 'positive' ? t('in S⁺, the highest tokens') : t('in S⁻, the lowest tokens')}`;
}

export interface Sums {
  readonly word: Span | null;
  readonly line: Span | null;
  readonly selection: Span | null;
}

/** “word +0.512 · line −0.220”, signed sums of the tokens that belong to each. */
export function sumsText({ attribution, text }: { readonly attribution: Attribution; readonly text: string }, spans: Sums, t: Translate): string {
  const { tokens } = attribution;
  const part = (pattern: string, span: Span | null): string[] => {
    const [sum] = span ? spanSums(text, tokens.map(({ value }) => value), tokens, [span]) : [];
    return sum ? [t(pattern, natsText(sum.value))] : [];
  };
  return [...part('word {0}', spans.word), ...part('line {0}', spans.line), ...part('selection {0}', spans.selection)].join(' · ');
}

export const errorText = ({ error, warning }: Attribution, t: Translate): string => warning ?? t('completeness error {0}', percentText(error));

/** The lenses above the text: what the marks mean, and how far they can be trusted. */
export function legendTexts(attribution: Attribution, t: Translate): readonly string[] {
  const { preferred, dispreferred, error } = attribution;
  const warning = error > largeError ? '$(warning) ' : '';
  return [t('▬ solid: pushes towards {0}', quoted(preferred)), t('╍ dashed: pushes towards {0}', quoted(dispreferred)), `${warning}${t('completeness error {0}', percentText(error))}`];
}
