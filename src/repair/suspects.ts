// Which ops are to blame: shares of the gain that changing them promises.
import type { OpGroup } from './forms.ts';
import type { Suspect } from './types.ts';
import type { Span } from '../rasp/diagnostic.ts';

const LONGEST_LABEL = 60;

/** Shares per op, highest first; a literal or operator counts for the smallest op around it. */
export function suspectsOf(groups: readonly OpGroup[], gains: readonly number[], text: string): Suspect[] {
  const ops = groups.filter(({ origin }) => origin.form !== 'leaf').map(({ origin }) => origin.span);
  const best = new Map<string, { span: Span; gain: number }>();
  groups.forEach(({ origin }, g) => {
    const around = ops.filter((op) => op.start <= origin.span.start && origin.span.end <= op.end);
    const span = around.sort((a, b) => a.end - a.start - (b.end - b.start))[0] ?? origin.span;
    const key = `${span.start}:${span.end}`;
    best.set(key, { span, gain: Math.max(gains[g] ?? 0, best.get(key)?.gain ?? 0) });
  });
  const total = [...best.values()].reduce((sum, { gain }) => sum + gain, 0) || 1;
  return [...best.values()]
    .map(({ span, gain }) => ({ span, label: labelOf(text, span), score: gain / total }))
    .sort((a, b) => b.score - a.score);
}

/** Half what the gradient promised, half what single changes of the op kept of it when they were evaluated exactly. */
export function blendSuspects(promised: readonly Suspect[], kept: readonly Suspect[]): Suspect[] {
  const promiseOf = (span: Span): number => promised.find((s) => s.span.start === span.start && s.span.end === span.end)?.score ?? 0;
  return kept
    .map(({ span, label, score }) => ({ span, label, score: 0.5 * score + 0.5 * promiseOf(span) }))
    .sort((a, b) => b.score - a.score);
}

/** The text of an op in one line, shortened. */
export function labelOf(source: string, { start, end }: Span): string {
  const text = source.slice(start, end).replaceAll(/\s+/g, ' ');
  return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 3)}…` : text;
}
