// Reads RASP text into its syntax tree; reports every syntax error that it finds and goes on behind it.
import type { SourceFile } from '../analyse.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { SyntaxFailure } from './parseExpression.ts';
import { CommandParser } from './replCommands.ts';
import type { Expression, Identifier, Statement, UnplacedStatement } from './syntax.ts';
import type { Comment, Token } from './tokens.ts';

export interface ParsedFile {
  readonly source: SourceFile;
  readonly statements: readonly Statement[];
  /** In source order. */
  readonly diagnostics: readonly Diagnostic[];
  /** Names that statements with syntax errors would have defined. */
  readonly spoiled: readonly string[];
  /** The first error is that the text ends too early. */
  readonly endsEarly: boolean;
}

/** Statements inside blocks inside blocks: deeper ones are refused. */
const maxBlockDepth = 100;

/** The statements of a text; never throws. What a syntax error spoils is left out of `statements`. */
export function parse(source: SourceFile): ParsedFile {
  const parser = new StatementParser(source);
  const statements = parser.file();
  const diagnostics = parser.diagnostics.sort((a, b) => a.span.start - b.span.start);
  return { source, statements, diagnostics, spoiled: parser.spoiled, endsEarly: parser.endsEarly ?? false };
}

interface Block {
  /** Index of the closing brace's token, or of the token where a block without one ends. */
  readonly end: number;
  readonly closed: boolean;
}

class StatementParser extends CommandParser {
  private nextComment = 0;
  private readonly firstContent: number;

  constructor(source: SourceFile) {
    super(source);
    this.firstContent = Math.min(this.peek().start, this.comments[0]?.start ?? Infinity);
  }

  file(): Statement[] {
    return this.statementsUntil({ end: this.tokens.length - 1, closed: true }, false);
  }

  /** Statements up to the block's end; a block that nothing closes also ends at any brace. */
  private statementsUntil({ end, closed }: Block, inFunction: boolean): Statement[] {
    const statements: Statement[] = [];
    while (this.position < end) {
      this.takeComments(statements, this.peek().start);
      if (!this.at('}')) this.takeStatement(statements, end, inFunction);
      else if (!closed) break;
      else this.strayBrace();
    }
    this.takeComments(statements, this.tokens[end]?.start ?? this.source.text.length);
    return statements;
  }

  private strayBrace(): void {
    // Inside a block it belongs to a statement that has been reported already.
    if (this.blockDepth === 0) this.report(this.peek(), 'this } closes nothing; remove it');
    this.advance();
  }

  private takeStatement(statements: Statement[], end: number, inFunction: boolean): void {
    const first = this.position;
    const start = this.peek().start;
    try {
      const statement = this.statement(inFunction);
      if (statement === null) return;
      const hoisted = this.hoistComments(start, first);
      statements.push(...hoisted, this.placed(statement, start, hoisted.length === 0 && this.spacedAt(start)));
    } catch (error) {
      if (!(error instanceof SyntaxFailure)) throw error;
      this.report(error.range, error.message);
      this.resynchronise(first, end);
      this.noteSpoiled(first);
      this.skipCommentsBefore(this.previousEnd());
    }
  }

  private placed(statement: UnplacedStatement, start: number, spaced: boolean): Statement {
    const end = this.previousEnd();
    return Object.assign(statement, { range: { start, end }, trailing: this.trailingComment(end), spaced });
  }

  /** Null for one that has been read and reported, and is not worth keeping. */
  private statement(inFunction: boolean): UnplacedStatement | null {
    const token = this.peek();
    if (token.kind === 'name') {
      switch (token.text) {
        case 'def':
          return this.functionDefinition();
        case 'for':
          return this.forLoop();
        case 'return':
          return this.returnStatement(inFunction);
        case 'load':
          return this.load();
        case 'draw':
          return this.draw();
      }
      const command = this.command();
      if (command !== null) return command;
      if (this.startsAssignment()) return this.assignment();
    }
    if (this.at(';')) this.fail('a statement is missing before this ;');
    const expression = this.expression();
    if (this.at('=')) this.fail('only names can be assigned to; write == to compare');
    this.semicolon();
    return { kind: 'expression', expression };
  }

  private assignment(): UnplacedStatement {
    const targets = this.names();
    this.expect('=');
    const values = this.expressions();
    this.semicolon();
    return { kind: 'assign', targets, values };
  }

  private functionDefinition(): UnplacedStatement {
    const keyword = this.advance();
    const name = this.identifier('the name of the function');
    let parameters: Identifier[] = [];
    try {
      this.expect('(');
      parameters = this.at(')') ? [] : this.names();
      this.expect(')');
    } catch (error) {
      this.headerFailure(error);
    }
    const body = this.block(keyword, true);
    this.checkReturn(name, body);
    return { kind: 'function', name, parameters, body };
  }

  private checkReturn(name: Identifier, body: readonly Statement[]): void {
    const statements = body.filter(({ kind }) => kind !== 'comment');
    const misplaced = statements.slice(0, -1).find(({ kind }) => kind === 'return');
    if (misplaced) this.report(misplaced.range, 'return must be the last statement of its function');
    else if (statements.at(-1)?.kind !== 'return') {
      this.report(name.range, `the function ${name.name} must end with a return statement`);
    }
  }

  private forLoop(): UnplacedStatement | null {
    const keyword = this.advance();
    let names: Identifier[] = [];
    let iterable: Expression | undefined;
    try {
      names = this.names();
      this.expectWord('in');
      iterable = this.expression();
    } catch (error) {
      this.headerFailure(error);
    }
    const body = this.block(keyword, false);
    if (iterable === undefined) return null;
    if (body.length === 0) this.report(keyword, 'a for loop needs at least one statement in its body');
    return { kind: 'for', names, iterable, body };
  }

  private block(keyword: Token, inFunction: boolean): Statement[] {
    if (this.blockDepth >= maxBlockDepth) {
      this.fail(`blocks are nested more than ${maxBlockDepth} deep; move the inner ones into functions`);
    }
    const block = this.openBlock(keyword);
    this.blockDepth += 1;
    const statements = this.statementsUntil(block, inFunction);
    this.blockDepth -= 1;
    if (block.closed) {
      this.position = block.end + 1;
      return statements;
    }
    if (this.at('}')) this.advance();
    else this.report(keyword, `the block of this ${keyword.text} is not closed; add }`);
    return statements;
  }

  private openBlock(keyword: Token): Block {
    const brace = this.position;
    if (this.at('{')) this.advance();
    else this.report(this.afterPrevious(), `expected { to open the block of this ${keyword.text}`);
    const end = this.closing.get(brace);
    return end === undefined ? { end: this.blockEndWithout(keyword), closed: false } : { end, closed: true };
  }

  /** Without a closing brace a block ends before the first line that is indented no deeper than its keyword. */
  private blockEndWithout(keyword: Token): number {
    let i = this.position;
    while (i < this.tokens.length - 1) {
      const token = this.tokens[i];
      if (token?.startsLine && token.column <= keyword.column && token.start > keyword.start) break;
      i += 1;
    }
    return i;
  }

  private returnStatement(inFunction: boolean): UnplacedStatement {
    const keyword = this.advance();
    const values = this.expressions();
    this.semicolon();
    if (!inFunction) this.report(keyword, 'return belongs at the end of a function');
    return { kind: 'return', values };
  }

  private load(): UnplacedStatement {
    this.advance();
    const token = this.peek();
    if (token.kind !== 'string') this.fail('expected the name of a file in double quotes');
    this.advance();
    this.semicolon();
    return { kind: 'load', name: token.text.slice(1, -1), nameRange: { start: token.start, end: token.end } };
  }

  private draw(): UnplacedStatement {
    this.advance();
    this.expect('(');
    const expression = this.expression();
    const input = this.accept(',') ? this.expression() : null;
    this.expect(')');
    this.semicolon();
    return { kind: 'draw', expression, input };
  }

  private takeComments(into: Statement[], before: number): void {
    for (let comment = this.comments[this.nextComment]; comment && comment.start < before; comment = this.comments[this.nextComment]) {
      into.push(this.commentStatement(comment));
      this.nextComment += 1;
    }
  }

  private commentStatement({ text, start, end }: Comment): Statement {
    return { kind: 'comment', text, range: { start, end }, trailing: null, spaced: this.spacedAt(start) };
  }

  /** Comments inside a statement go before it; RASP itself takes only those that have their line to themselves. */
  private hoistComments(start: number, first: number): Statement[] {
    const hoisted: Statement[] = [];
    const end = this.previousEnd();
    if (this.tokens[first]?.text === 'def' || this.tokens[first]?.text === 'for') return hoisted;
    for (let comment = this.comments[this.nextComment]; comment && comment.start < end; comment = this.comments[this.nextComment]) {
      if (!comment.ownLine) {
        this.report(comment, 'a comment may not stand inside a statement; put it on a line of its own', 'warning', 'comment-position');
      }
      hoisted.push({ ...this.commentStatement(comment), spaced: hoisted.length === 0 && this.spacedAt(start) });
      this.nextComment += 1;
    }
    return hoisted;
  }

  private skipCommentsBefore(end: number): void {
    while ((this.comments[this.nextComment]?.start ?? Infinity) < end) this.nextComment += 1;
  }

  private trailingComment(end: number): string | null {
    const comment = this.comments[this.nextComment];
    if (comment === undefined || comment.ownLine || comment.start < end) return null;
    if (this.source.text.slice(end, comment.start).trim() !== '') return null;
    if (this.source.text.slice(end, comment.start).includes('\n')) return null;
    this.nextComment += 1;
    return comment.text;
  }

  private spacedAt(start: number): boolean {
    let newlines = 0;
    for (let i = start - 1; i >= 0 && newlines < 2; i--) {
      const character = this.source.text[i];
      if (character === '\n') newlines += 1;
      else if (character !== ' ' && character !== '\t' && character !== '\r') return false;
    }
    return newlines > 1 && start > this.firstContent;
  }
}
