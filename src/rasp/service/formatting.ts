// Formatting: the printer's layout for a whole text or for the statements that a range touches.
import type { SourceFile } from '../analyse.ts';
import { parse } from '../rasp/parse.ts';
import { formatRasp, printStatements } from '../rasp/print.ts';
import type { Range, Statement } from '../rasp/syntax.ts';

export interface Replacement {
  readonly range: Range;
  readonly newText: string;
}

/** Null where the text has syntax errors, or is laid out already. */
export function formatDocument(source: SourceFile, indentation: string): Replacement | null {
  const newText = formatRasp(source, indentation);
  return newText === undefined || newText === source.text ? null : { range: { start: 0, end: source.text.length }, newText };
}

/** Formats the statements that the range touches, the smallest block of them; null where they cannot be read. */
export function formatRange(source: SourceFile, range: Range, indentation: string): Replacement | null {
  const { statements, diagnostics } = parse(source);
  const { siblings, depth } = blockAround(statements, range, 0);
  const touched = siblings.filter((statement) => statement.range.start < Math.max(range.end, range.start + 1) && endOf(statement, source.text) > range.start);
  const [first, last] = [touched[0], touched.at(-1)];
  if (!first || !last) return null;
  const start = source.text.lastIndexOf('\n', first.range.start - 1) + 1;
  const end = endOf(last, source.text);
  // Behind another statement on the same line there is no line of its own to lay out.
  if (source.text.slice(start, first.range.start).trim() !== '') return null;
  const broken = diagnostics.some(({ severity, span }) => severity === 'error' && span.start < end && span.end > start);
  if (broken) return null;
  const printed = printStatements([{ ...first, spaced: false }, ...touched.slice(1)], { indentation, keepParentheses: true }, indentation.repeat(depth));
  const newText = printed.slice(0, -1);
  return newText === source.text.slice(start, end) ? null : { range: { start, end }, newText };
}

/** The innermost block that holds the whole range. */
function blockAround(siblings: readonly Statement[], range: Range, depth: number): { readonly siblings: readonly Statement[]; readonly depth: number } {
  const around = siblings.find((statement) => statement.range.start < range.start && range.end < statement.range.end);
  if (around?.kind !== 'function' && around?.kind !== 'for') return { siblings, depth };
  const [first, last] = [around.body[0], around.body.at(-1)];
  if (!first || !last || range.start < first.range.start || range.end > last.range.end) return { siblings, depth };
  return blockAround(around.body, range, depth + 1);
}

/** The end of a statement with the comment behind it. */
function endOf({ range, trailing }: Statement, text: string): number {
  return trailing === null ? range.end : text.indexOf(trailing, range.end) + trailing.length;
}
