// Where a RASP text can be changed by a little, and into what: the places and texts that the edit search tries.
import type { EditSite, SourceFile } from '../analyse.ts';
import { parse } from './parse.ts';
import { precedence, precedenceOf } from './parseExpression.ts';
import type { BinaryExpression, Expression, Range, SelectExpression, Statement } from './syntax.ts';
import { expressionsOf, partsOf } from './syntax.ts';

type Kind = EditSite['kind'];

const selectOperators = ['==', '<', '>', '>=', '<=', '!='];
const comparisons = ['==', '<', '>', '>=', '<='];
const arithmetic = ['+', '-', '*', '/'];
const logical = ['and', 'or'];

/** The edit sites of the source's own text, in source order. */
export function raspEditSites(source: SourceFile): EditSite[] {
  const collector = new SiteCollector(source);
  collector.statements(parse(source).statements, []);
  return collector.sites.sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
}

class SiteCollector {
  readonly sites: EditSite[] = [];

  constructor(private readonly source: SourceFile) {}

  /** @param lists names that hold lists, or may do so */
  statements(statements: readonly Statement[], lists: readonly string[]): void {
    const known = [...lists];
    for (const statement of statements) {
      this.statement(statement, known);
      known.push(...listNames(statement));
    }
  }

  private statement(statement: Statement, lists: readonly string[]): void {
    if (statement.kind === 'set-example' || statement.kind === 'draw') return;
    for (const expression of expressionsOf(statement)) this.expression(expression, true, lists);
    switch (statement.kind) {
      case 'assign':
      case 'return':
        statement.values.forEach((value) => this.insertUnary(value, ['-', 'not']));
        return;
      case 'for':
        this.iterable(statement.iterable, lists);
        this.statements(statement.body, lists);
        return;
      case 'function':
        this.statements(statement.body, [...statement.parameters.map(({ name }) => name), ...lists]);
        return;
      default:
    }
  }

  /** @param alone nothing beside the expression binds to it, so its operator may become a looser one */
  private expression(expression: Expression, alone: boolean, lists: readonly string[]): void {
    this.own(expression, alone || expression.outer.start < expression.range.start, lists);
    const separates = precedenceOf(expression) === precedence.primary;
    for (const part of partsOf(expression)) this.expression(part, separates, lists);
  }

  private own(expression: Expression, alone: boolean, lists: readonly string[]): void {
    switch (expression.kind) {
      case 'number':
        return this.integer(expression.range, expression.text);
      case 'unary':
        return this.add('unary', expression.range, [this.text(expression.operand.outer), ...besidesMinus(expression)]);
      case 'binary':
        return this.binary(expression, alone);
      case 'select':
        return this.select(expression);
      case 'aggregate':
        this.insertUnary(expression.selector, ['not']);
        return this.insertUnary(expression.value, ['-', 'not']);
      case 'conditional':
        return this.insertUnary(expression.condition, ['not']);
      case 'list-comprehension':
      case 'dict-comprehension':
        return this.iterable(expression.iterable, lists);
      default:
    }
  }

  private select({ key, query, operatorRange }: SelectExpression): void {
    this.add('predicate', operatorRange, selectOperators);
    this.insertUnary(key, ['-', 'not']);
    this.insertUnary(query, ['-', 'not']);
    this.add('predicate', { start: key.outer.start, end: operatorRange.end }, ['1, 1, ==', '1, 1, !=']);
  }

  private binary(expression: BinaryExpression, alone: boolean): void {
    const { operator, operatorRange, left, right, range } = expression;
    if (comparisons.includes(operator)) this.add('comparison', operatorRange, comparisons);
    else if (logical.includes(operator)) {
      this.add('operator', operatorRange, alone ? [...logical, ...arithmetic] : logical);
      this.insertUnary(left, ['not']);
      this.insertUnary(right, ['not']);
    } else if (operator !== 'in') this.add('operator', operatorRange, alone ? [...arithmetic, ...logical] : arithmetic);
    if (operator === 'in') return;
    if (isLiteral(right)) this.add('operand', range, [this.text(left.outer)]);
    if (isLiteral(left)) this.add('operand', range, [this.text(right.outer)]);
  }

  private insertUnary(expression: Expression, operators: readonly ('-' | 'not')[]): void {
    if (!isNegatable(expression)) return;
    const text = this.text(expression.range);
    const present = expression.kind === 'unary' ? expression.operator : null;
    const wanted = operators.filter((operator) => operator !== present);
    this.add('unary', expression.outer, wanted.map((operator) => (operator === '-' ? `-(${text})` : `(not (${text}))`)));
  }

  private integer(range: Range, text: string): void {
    if (text.includes('.')) return;
    const value = Number(text);
    const values = [value + 1, value - 1, value + 2, -value].filter((other) => other !== value);
    this.add('integer', range, [...new Set(values)].map(String));
  }

  private iterable(expression: Expression, lists: readonly string[]): void {
    if (expression.kind === 'list' && expression.items.length === 0) this.add('iterable', expression.outer, lists);
  }

  private add(kind: Kind, range: Range, alternatives: readonly string[]): void {
    const present = this.text(range);
    const others = [...new Set(alternatives)].filter((text) => text !== present);
    if (others.length === 0) return;
    this.sites.push({ span: { file: this.source.path, start: range.start, end: range.end }, kind, alternatives: others });
  }

  private text({ start, end }: Range): string {
    return this.source.text.slice(start, end);
  }
}

function isLiteral({ kind }: Expression): boolean {
  return kind === 'number' || kind === 'string';
}

/** Strings, lists and dicts cannot be negated, and a number's sign is the integer site's. */
function isNegatable({ kind }: Expression): boolean {
  return !['number', 'string', 'list', 'dict', 'list-comprehension', 'dict-comprehension', 'range', 'zip'].includes(kind);
}

/** The names that a statement visibly makes lists. */
function listNames(statement: Statement): readonly string[] {
  if (statement.kind !== 'assign' || statement.targets.length !== 1) return [];
  const kind = statement.values.length > 1 ? 'list' : statement.values[0]?.kind;
  const makesList = kind === 'list' || kind === 'list-comprehension' || kind === 'range' || kind === 'zip';
  return makesList ? statement.targets.map(({ name }) => name) : [];
}

/** The integers on both sides of a negative one, whose sign and digits are places of their own. */
function besidesMinus({ operator, operand }: Extract<Expression, { kind: 'unary' }>): string[] {
  const isInteger = operator === '-' && operand.kind === 'number' && !operand.text.includes('.');
  return isInteger ? [1 - Number(operand.text), -1 - Number(operand.text)].map(String) : [];
}
