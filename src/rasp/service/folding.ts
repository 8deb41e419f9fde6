// Folding: functions, loops, statements over several lines, blocks of comments and of examples.
import type { LanguageFile } from './languageFile.ts';
import type { Statement } from '../rasp/syntax.ts';

export interface Fold {
  /** Lines from 0, both included. */
  readonly startLine: number;
  readonly endLine: number;
  readonly kind: 'code' | 'comment';
}

/** In source order of their first lines, outer before inner. */
export function foldsOf({ parsed, source, tokens }: LanguageFile): Fold[] {
  const lineOf = lineFinder(source.text);
  const folds: Fold[] = [];
  addStatements(parsed.statements, lineOf, folds);
  addComments(tokens.comments, lineOf, folds);
  return folds.sort((a, b) => a.startLine - b.startLine || b.endLine - a.endLine);
}

function addStatements(statements: readonly Statement[], lineOf: (offset: number) => number, folds: Fold[]): void {
  for (const statement of statements) {
    const isBlock = statement.kind === 'function' || statement.kind === 'for';
    const startLine = lineOf(statement.range.start);
    // The line of a block's closing brace stays to be seen.
    const endLine = lineOf(statement.range.end) - (isBlock ? 1 : 0);
    if (endLine > startLine) folds.push({ startLine, endLine, kind: 'code' });
    if (isBlock) addStatements(statement.body, lineOf, folds);
  }
}

/** Neighbouring lines that are nothing but comments; examples apart from others. */
function addComments(comments: LanguageFile['tokens']['comments'], lineOf: (offset: number) => number, folds: Fold[]): void {
  let block: { startLine: number; endLine: number; examples: boolean } | null = null;
  const close = (): void => {
    if (block && block.endLine > block.startLine) folds.push({ startLine: block.startLine, endLine: block.endLine, kind: 'comment' });
  };
  for (const { ownLine, start, text } of comments) {
    if (!ownLine) continue;
    const line = lineOf(start);
    const examples = text.startsWith('#:');
    if (block && block.endLine === line - 1 && block.examples === examples) block.endLine = line;
    else {
      close();
      block = { startLine: line, endLine: line, examples };
    }
  }
  close();
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
}
