// Writes a syntax tree as RASP text, with as few parentheses as its meaning allows or with those that are there; the formatter.
import type { SourceFile } from '../analyse.ts';
import { parse } from './parse.ts';
import { precedence, precedenceOf } from './parseExpression.ts';
import type { Expression, Identifier, ReplSubset, Statement } from './syntax.ts';

export interface PrintStyle {
  /** One level's. */
  readonly indentation: string;
  /** Parentheses that the source has stay, needed or not: `(a and b) or c`. */
  readonly keepParentheses: boolean;
}

const plain: PrintStyle = { indentation: '  ', keepParentheses: false };

/** The text of statements, comments kept, one statement a line, ending in a newline. */
export function printStatements(statements: readonly Statement[], style: PrintStyle = plain, indent = ''): string {
  const printer = new Printer(style);
  return statements.map((statement) => printer.statement(statement, indent)).join('');
}

/** The source in the printer's layout; undefined if it has syntax errors. */
export function formatRasp(source: SourceFile, indentation = plain.indentation): string | undefined {
  const { statements, diagnostics } = parse(source);
  if (diagnostics.some(({ severity }) => severity === 'error')) return undefined;
  return printStatements(statements, { indentation, keepParentheses: true });
}

/** The text of an expression; in parentheses if it binds looser than `level`. */
export function printExpression(expression: Expression, level: number = precedence.in): string {
  return new Printer(plain).expression(expression, level);
}

const subset = (which: ReplSubset): string => (which === null ? '' : `${which} `);
const names = (identifiers: readonly Identifier[]): string => identifiers.map(({ name }) => name).join(', ');

class Printer {
  constructor(private readonly style: PrintStyle) {}

  statement(statement: Statement, indent: string): string {
    const comment = statement.trailing === null ? '' : ` ${statement.trailing}`;
    return `${statement.spaced ? '\n' : ''}${indent}${this.statementText(statement, indent)}${comment}\n`;
  }

  private statementText(statement: Statement, indent: string): string {
    switch (statement.kind) {
      case 'expression':
        return `${this.expression(statement.expression)};`;
      case 'assign':
        return `${names(statement.targets)} = ${this.commas(statement.values)};`;
      case 'draw':
        return `draw(${this.commas(statement.input === null ? [statement.expression] : [statement.expression, statement.input])});`;
      case 'load':
        return `load "${statement.name}";`;
      case 'function':
        return `def ${statement.name.name}(${names(statement.parameters)}) ${this.block(statement.body, indent)}`;
      case 'for':
        return `for ${names(statement.names)} in ${this.expression(statement.iterable)} ${this.block(statement.body, indent)}`;
      case 'return':
        return `return ${this.commas(statement.values)};`;
      case 'comment':
        return statement.text;
      case 'set-example':
        return `set ${subset(statement.subset)}example ${this.expression(statement.example)}`;
      case 'command':
        return statement.command === 'show example'
          ? `show ${subset(statement.subset)}example`
          : `${subset(statement.subset)}${statement.command}`;
    }
  }

  private block(body: readonly Statement[], indent: string): string {
    return `{\n${body.map((statement) => this.statement(statement, indent + this.style.indentation)).join('')}${indent}}`;
  }

  private commas(expressions: readonly Expression[]): string {
    return expressions.map((part) => this.expression(part)).join(', ');
  }

  expression(expression: Expression, level: number = precedence.in): string {
    const text = this.expressionText(expression);
    const kept = this.style.keepParentheses && expression.outer.start < expression.range.start;
    return kept || precedenceOf(expression) < level ? `(${text})` : text;
  }

  private expressionText(expression: Expression): string {
    switch (expression.kind) {
      case 'name':
        return expression.name;
      case 'number':
        return expression.text;
      case 'string':
        return `"${expression.value}"`;
      case 'list':
        return `[${this.commas(expression.items)}]`;
      case 'dict':
        return `{${expression.entries.map(({ key, value }) => `${this.expression(key)}: ${this.expression(value)}`).join(', ')}}`;
      case 'list-comprehension':
        return `[${this.expression(expression.value)} ${this.forClause(expression)}]`;
      case 'dict-comprehension':
        return `{${this.expression(expression.key)}: ${this.expression(expression.value)} ${this.forClause(expression)}}`;
      case 'index':
        return `${this.expression(expression.object, precedence.postfix)}[${this.expression(expression.index)}]`;
      case 'call':
        return `${this.expression(expression.callee, precedence.postfix)}(${this.commas(expression.args)})`;
      case 'unary':
        return `${expression.operator}${expression.operator === 'not' ? ' ' : ''}${this.expression(expression.operand, precedence.unary)}`;
      case 'builtin':
        return `${expression.name}(${this.expression(expression.operand)})`;
      case 'binary': {
        const own = precedenceOf(expression);
        return `${this.expression(expression.left, own)} ${expression.operator} ${this.expression(expression.right, own + 1)}`;
      }
      case 'select':
        return `select(${this.commas([expression.key, expression.query])}, ${expression.operator})`;
      case 'aggregate':
        return `aggregate(${this.commas([expression.selector, expression.value, ...(expression.default ? [expression.default] : [])])})`;
      case 'conditional':
        return `${this.expression(expression.then, precedence.conditional)} if ${this.expression(expression.condition)} else ${this.expression(expression.otherwise, precedence.conditional + 1)}`;
      case 'range':
      case 'zip':
      case 'len':
        return `${expression.kind}(${this.commas(expression.args)})`;
    }
  }

  private forClause({ names: targets, iterable }: { readonly names: readonly Identifier[]; readonly iterable: Expression }): string {
    return `for ${names(targets)} in ${this.expression(iterable)}`;
  }
}
