// What reading RASP does about a syntax error: reports it once, and finds where to go on.
import type { SourceFile } from '../analyse.ts';
import type { Diagnostic, Severity } from '../diagnostic.ts';
import { describeToken, ExpressionParser, SyntaxFailure } from './parseExpression.ts';
import type { Range } from './syntax.ts';
import type { Token } from './tokens.ts';

export abstract class RecoveringParser extends ExpressionParser {
  readonly diagnostics: Diagnostic[] = [];
  /** Names that statements with syntax errors would have defined. */
  readonly spoiled: string[] = [];
  /** The first error is that the text ends too early. */
  endsEarly: boolean | undefined;
  protected readonly closing: ReadonlyMap<number, number>;
  protected blockDepth = 0;

  constructor(protected readonly source: SourceFile) {
    super(source.text);
    this.closing = matchBraces(this.tokens);
  }

  /** After an error before a block: goes to the block's brace if there is one, so that its body is still read. */
  protected headerFailure(error: unknown): void {
    if (!(error instanceof SyntaxFailure)) throw error;
    for (let i = this.position; i < this.tokens.length; i++) {
      const text = this.tokens[i]?.text;
      if (text === ';' || text === '}') break;
      if (text !== '{') continue;
      const close = this.closing.get(i);
      if (close !== undefined && close > i + 1 && !this.holdsStatements(i, close)) break;
      this.report(error.range, error.message);
      this.position = i;
      return;
    }
    throw error;
  }

  /** A missing semicolon at the end of a line is reported, and the statement kept. */
  protected semicolon(): void {
    if (this.accept(';')) return;
    const next = this.peek();
    if (!next.startsLine && next.kind !== 'end' && next.text !== '}') {
      this.fail(`expected ; and found ${describeToken(next)}`);
    }
    this.report(this.afterPrevious(), 'expected ; at the end of the statement');
  }

  /** Goes on behind the next semicolon, at the end of the block, or where a new statement visibly starts. */
  protected resynchronise(first: number, end: number): void {
    const { column } = this.tokens[first] ?? this.peek();
    for (this.position = Math.max(this.position, first); this.position < end; this.position++) {
      const token = this.peek();
      if (this.position > first && token.startsLine && token.column <= column && this.startsStatement()) return;
      if (token.text === ';') {
        this.position += 1;
        return;
      }
      if (token.text === '}') {
        // At the top level a stray brace is skipped with the statement that it spoils.
        if (this.blockDepth > 0) return;
        this.position += 1;
        return;
      }
      const close = token.text === '{' ? this.closing.get(this.position) : undefined;
      if (close !== undefined && this.holdsStatements(this.position, close)) {
        this.position = close + 1;
        return;
      }
    }
  }

  protected noteSpoiled(first: number): void {
    for (let i = first; i < this.position; i++) {
      const token = this.tokens[i];
      const next = this.tokens[i + 1]?.text;
      const defines = next === '=' || next === ',' || this.tokens[i - 1]?.text === 'def';
      if (token?.kind === 'name' && defines) this.spoiled.push(token.text);
    }
  }

  private startsStatement(): boolean {
    const { kind, text } = this.peek();
    return kind === 'name' && (['def', 'for', 'load', 'return', 'draw', 'set'].includes(text) || this.startsAssignment());
  }

  private holdsStatements(open: number, close: number): boolean {
    for (let i = open; i < close; i++) if (this.tokens[i]?.text === ';') return true;
    return false;
  }

  protected startsAssignment(): boolean {
    for (let i = this.position; ; i += 2) {
      if (this.tokens[i]?.kind !== 'name') return false;
      const next = this.tokens[i + 1]?.text;
      if (next === '=') return true;
      if (next !== ',') return false;
    }
  }

  protected override report(at: Range, message: string, severity: Severity = 'error', code = 'syntax'): void {
    const { start } = at;
    if (severity === 'error') this.endsEarly ??= this.peek().kind === 'end';
    // At the end of the text an empty range would not be visible.
    const end = Math.max(at.end, Math.min(start + 1, this.source.text.length));
    const last = this.diagnostics.at(-1);
    if (last?.span.start === start && last.message === message) return;
    this.diagnostics.push({ code, severity, message, span: { file: this.source.path, start, end } });
  }
}

/** Which closing brace belongs to which opening one, by token index; unmatched ones are absent. */
function matchBraces(tokens: readonly Token[]): Map<number, number> {
  const closing = new Map<number, number>();
  const open: number[] = [];
  for (const [i, { kind, text }] of tokens.entries()) {
    if (kind !== 'symbol') continue;
    if (text === '{') open.push(i);
    else if (text === '}') {
      const start = open.pop();
      if (start !== undefined) closing.set(start, i);
    }
  }
  return closing;
}
