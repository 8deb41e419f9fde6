// Reads RASP expressions by precedence climbing; the levels are the reference grammar's, `in` the loosest.
import type { Severity } from '../diagnostic.ts';
import type { BinaryOperator, DictEntry, Expression, Identifier, ListFunctionExpression, Range, SelectOperator, UnaryOperator } from './syntax.ts';
import { partsOf } from './syntax.ts';
import type { Comment, Token } from './tokens.ts';
import { openers, tokenize } from './tokens.ts';

/** Ends the reading of one statement; the statement parser turns it into a diagnostic. */
export class SyntaxFailure extends Error {
  constructor(
    message: string,
    readonly range: Range,
  ) {
    super(message);
  }
}

/** How tightly operators bind; higher is tighter. All associate to the left. */
export const precedence = {
  in: 1,
  conditional: 2,
  logical: 3,
  comparison: 4,
  sum: 5,
  modulo: 6,
  product: 7,
  power: 8,
  unary: 9,
  postfix: 10,
  primary: 11,
} as const;

const binaryPrecedence: Readonly<Record<BinaryOperator, number>> = {
  in: precedence.in,
  and: precedence.logical,
  or: precedence.logical,
  '==': precedence.comparison,
  '<=': precedence.comparison,
  '>=': precedence.comparison,
  '<': precedence.comparison,
  '>': precedence.comparison,
  '+': precedence.sum,
  '-': precedence.sum,
  '%': precedence.modulo,
  '*': precedence.product,
  '/': precedence.product,
  '^': precedence.power,
};

const isBinary = (text: string): text is BinaryOperator => Object.hasOwn(binaryPrecedence, text);

/** The level of an expression's outermost operator. */
export function precedenceOf(expression: Expression): number {
  switch (expression.kind) {
    case 'binary':
      return binaryPrecedence[expression.operator];
    case 'conditional':
      return precedence.conditional;
    case 'unary':
      return precedence.unary;
    case 'index':
    case 'call':
      return precedence.postfix;
    default:
      return precedence.primary;
  }
}

/** Words that are no names. */
export const keywords: ReadonlySet<string> = new Set([
  'and', 'or', 'not', 'if', 'else', 'in', 'for', 'def', 'return', 'load', 'draw', 'round', 'indicator',
]);

const selectOperators: ReadonlySet<string> = new Set(['==', '<', '>', '>=', '<=', '!=']);
const isSelectOperator = (text: string): text is SelectOperator => selectOperators.has(text);

/** Parentheses inside parentheses, and terms in one chain of operators. */
const maxNesting = 200;
const maxDepth = 500;

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type Unranged = Without<Expression, 'range' | 'outer' | 'depth'>;

export abstract class ExpressionParser {
  protected readonly tokens: readonly Token[];
  protected readonly comments: readonly Comment[];
  protected position = 0;
  private nesting = 0;

  constructor(text: string) {
    ({ tokens: this.tokens, comments: this.comments } = tokenize(text));
  }

  protected abstract report(at: Range, message: string, severity?: Severity, code?: string): void;

  protected peek(): Token {
    const token = this.tokens[this.position] ?? this.tokens.at(-1);
    if (token === undefined) throw new RangeError('a text without even an end');
    return token;
  }

  protected advance(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.position += 1;
    return token;
  }

  protected at(symbol: string): boolean {
    const { kind, text } = this.peek();
    return kind === 'symbol' && text === symbol;
  }

  protected accept(symbol: string): boolean {
    if (!this.at(symbol)) return false;
    this.position += 1;
    return true;
  }

  protected expect(symbol: string): void {
    if (!this.accept(symbol)) this.fail(`expected ${symbol} and found ${describeToken(this.peek())}`);
  }

  protected expectWord(word: string): void {
    if (!this.acceptWord(word)) this.fail(`expected ${word} and found ${describeToken(this.peek())}`);
  }

  protected acceptWord(word: string): boolean {
    const { kind, text } = this.peek();
    if (kind !== 'name' || text !== word) return false;
    this.position += 1;
    return true;
  }

  protected fail(message: string, at: Range = this.peek()): never {
    throw new SyntaxFailure(message, { start: at.start, end: at.end });
  }

  protected previousEnd(): number {
    return this.tokens[this.position - 1]?.end ?? 0;
  }

  /** The last character that was read: where something is missing behind it. */
  protected afterPrevious(): Range {
    const end = this.previousEnd();
    return { start: Math.max(0, end - 1), end };
  }

  protected identifier(what = 'a name'): Identifier {
    const token = this.peek();
    if (token.kind !== 'name') this.fail(`expected ${what} and found ${describeToken(token)}`);
    if (keywords.has(token.text)) this.fail(`${token.text} is a word of the language and cannot be a name; choose another`);
    this.advance();
    return { name: token.text, range: { start: token.start, end: token.end } };
  }

  protected names(): Identifier[] {
    const names = [this.identifier()];
    while (this.accept(',')) names.push(this.identifier());
    return names;
  }

  protected expressions(): Expression[] {
    const expressions = [this.expression()];
    while (this.accept(',')) expressions.push(this.expression());
    return expressions;
  }

  protected expression(level: number = precedence.in): Expression {
    if (++this.nesting > maxNesting) this.fail(`expressions are nested more than ${maxNesting} deep; give the inner ones names`);
    try {
      return this.climb(level);
    } finally {
      this.nesting -= 1;
    }
  }

  private climb(level: number): Expression {
    let left = this.unary();
    while (true) {
      const token = this.peek();
      if (token.text === 'if' && token.kind === 'name') {
        if (level > precedence.conditional) return left;
        left = this.conditional(left);
      } else if (isBinary(token.text) && (token.kind === 'symbol' || token.kind === 'name')) {
        const own = binaryPrecedence[token.text];
        if (own < level) return left;
        left = this.binary(left, token.text, own);
      } else {
        if (token.text === '!=') this.fail('RASP has != in select only; write not (a == b)');
        return left;
      }
    }
  }

  private binary(left: Expression, operator: BinaryOperator, own: number): Expression {
    const operatorRange = rangeOf(this.advance());
    const right = this.expression(own + 1);
    return this.ranged({ kind: 'binary', operator, operatorRange, left, right }, left.outer.start);
  }

  private conditional(then: Expression): Expression {
    this.advance();
    const condition = this.expression();
    this.expectWord('else');
    const otherwise = this.expression(precedence.conditional + 1);
    return this.ranged({ kind: 'conditional', then, condition, otherwise }, then.outer.start);
  }

  private unary(): Expression {
    const token = this.peek();
    if (!isUnary(token)) return this.postfix();
    this.advance();
    const operand = this.expression(precedence.unary);
    return this.ranged({ kind: 'unary', operator: token.text, operatorRange: rangeOf(token), operand }, token.start);
  }

  private postfix(): Expression {
    let object = this.primary();
    while (true) {
      if (this.accept('[')) {
        const index = this.expression();
        this.expect(']');
        object = this.ranged({ kind: 'index', object, index }, object.outer.start);
      } else if (this.accept('(')) {
        const args = this.until(')', () => this.expression());
        object = this.ranged({ kind: 'call', callee: object, args }, object.outer.start);
      } else return object;
    }
  }

  /** A list, maybe empty, and its closing bracket. */
  private until<T>(close: string, item: () => T): T[] {
    if (this.accept(close)) return [];
    const items = [item()];
    while (this.accept(',')) items.push(item());
    this.expect(close);
    return items;
  }

  private primary(): Expression {
    const token = this.peek();
    switch (token.kind) {
      case 'int':
      case 'float':
        this.advance();
        return this.ranged({ kind: 'number', text: token.text }, token.start);
      case 'string':
        this.advance();
        return this.ranged({ kind: 'string', value: token.text.slice(1, -1) }, token.start);
      case 'name':
        return this.word(token);
      case 'symbol':
        return this.bracketed(token);
      default:
        return this.fail(unexpected(token));
    }
  }

  private word(token: Token): Expression {
    const { text, start } = token;
    if (text === 'round' || text === 'indicator') {
      this.advance();
      this.expect('(');
      const operand = this.expression();
      this.expect(')');
      return this.ranged({ kind: 'builtin', name: text, nameRange: rangeOf(token), operand }, start);
    }
    if (keywords.has(text)) this.fail(unexpected(token));
    this.advance();
    if (openers.has(text) && this.at('(')) this.fail(`no space may stand between ${text} and (`);
    return this.ranged({ kind: 'name', name: text }, start);
  }

  private bracketed(token: Token): Expression {
    switch (token.text) {
      case '(':
        return this.parenthesised();
      case '[':
        return this.list();
      case '{':
        return this.dict();
      case 'select(':
        return this.select();
      case 'aggregate(':
        return this.aggregate();
      case 'range(':
      case 'zip(':
      case 'len(':
        return this.listFunction();
      default:
        return this.fail(unexpected(token));
    }
  }

  private parenthesised(): Expression {
    const { start } = this.advance();
    const inner = this.expression();
    this.expect(')');
    return { ...inner, outer: { start, end: this.previousEnd() } };
  }

  private list(): Expression {
    const { start } = this.advance();
    if (this.accept(']')) return this.ranged({ kind: 'list', items: [] }, start);
    const first = this.expression();
    if (this.acceptWord('for')) {
      const names = this.names();
      this.expectWord('in');
      const iterable = this.expression();
      this.expect(']');
      return this.ranged({ kind: 'list-comprehension', value: first, names, iterable }, start);
    }
    const items = this.accept(',') ? [first, ...this.expressions()] : [first];
    this.expect(']');
    return this.ranged({ kind: 'list', items }, start);
  }

  private dict(): Expression {
    const { start } = this.advance();
    if (this.accept('}')) return this.ranged({ kind: 'dict', entries: [] }, start);
    const first = this.dictEntry();
    if (this.acceptWord('for')) {
      const names = this.names();
      this.expectWord('in');
      const iterable = this.expression();
      this.expect('}');
      return this.ranged({ kind: 'dict-comprehension', ...first, names, iterable }, start);
    }
    const entries = [first];
    while (this.accept(',')) entries.push(this.dictEntry());
    this.expect('}');
    return this.ranged({ kind: 'dict', entries }, start);
  }

  private dictEntry(): DictEntry {
    const key = this.expression();
    this.expect(':');
    return { key, value: this.expression() };
  }

  private select(): Expression {
    const { start } = this.advance();
    const key = this.expression();
    this.expect(',');
    const query = this.expression();
    this.expect(',');
    const token = this.peek();
    if (token.kind !== 'symbol' || !isSelectOperator(token.text)) {
      return this.fail(`expected one of == != < > <= >= and found ${describeToken(token)}`);
    }
    this.advance();
    this.expect(')');
    return this.ranged({ kind: 'select', key, query, operator: token.text, operatorRange: rangeOf(token) }, start);
  }

  private aggregate(): Expression {
    const { start } = this.advance();
    const selector = this.expression();
    this.expect(',');
    const value = this.expression();
    const fallback = this.accept(',') ? this.expression() : null;
    this.expect(')');
    return this.ranged({ kind: 'aggregate', selector, value, default: fallback }, start);
  }

  private listFunction(): Expression {
    const token = this.advance();
    const kind = token.text.slice(0, -1) as ListFunctionExpression['kind'];
    const args = this.expressions();
    if (kind === 'len' && args.length > 1) this.fail('len takes one list');
    this.expect(')');
    return this.ranged({ kind, args }, token.start);
  }

  private ranged(expression: Unranged, start: number): Expression {
    const range = { start, end: this.previousEnd() };
    // Filled in where it is: copies of all nodes would take a fifth of the reading.
    const node: Expression & { depth: number } = Object.assign(expression, { range, outer: range, depth: 1 });
    for (const part of partsOf(node)) node.depth = Math.max(node.depth, part.depth + 1);
    if (node.depth > maxDepth) this.fail(`the expression chains more than ${maxDepth} operators; give its parts names`);
    return node;
  }
}

const rangeOf = ({ start, end }: Token): Range => ({ start, end });

function isUnary(token: Token): token is Token & { text: UnaryOperator } {
  const { kind, text } = token;
  return (kind === 'symbol' && (text === '-' || text === '+')) || (kind === 'name' && text === 'not');
}

export function describeToken(token: Token): string {
  if (token.kind === 'end') return 'the end of the file';
  return token.text.length > 20 ? `${token.text.slice(0, 20)}…` : token.text;
}

function unexpected(token: Token): string {
  if (token.kind === 'unknown') {
    return token.text.startsWith('"') ? 'this string does not end; add "' : `${describeToken(token)} is no part of the language`;
  }
  return `expected an expression and found ${describeToken(token)}`;
}
