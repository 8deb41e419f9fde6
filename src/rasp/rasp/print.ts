// Writes a syntax tree as RASP text, with as few parentheses as its meaning allows; the formatter.
import type { SourceFile } from '../analyse.ts';
import { parse } from './parse.ts';
import { precedence, precedenceOf } from './parseExpression.ts';
import type { Expression, Identifier, ReplSubset, Statement } from './syntax.ts';

const indentation = '  ';

/** The text of statements, comments kept, one statement a line, ending in a newline. */
export function printStatements(statements: readonly Statement[]): string {
  return statements.map((statement) => printStatement(statement, '')).join('');
}

/** The source in the printer's layout; undefined if it has syntax errors. */
export function formatRasp(source: SourceFile): string | undefined {
  const { statements, diagnostics } = parse(source);
  return diagnostics.some(({ severity }) => severity === 'error') ? undefined : printStatements(statements);
}

function printStatement(statement: Statement, indent: string): string {
  const comment = statement.trailing === null ? '' : ` ${statement.trailing}`;
  return `${statement.spaced ? '\n' : ''}${indent}${statementText(statement, indent)}${comment}\n`;
}

function statementText(statement: Statement, indent: string): string {
  switch (statement.kind) {
    case 'expression':
      return `${printExpression(statement.expression)};`;
    case 'assign':
      return `${names(statement.targets)} = ${commas(statement.values)};`;
    case 'draw':
      return `draw(${commas(statement.input === null ? [statement.expression] : [statement.expression, statement.input])});`;
    case 'load':
      return `load "${statement.name}";`;
    case 'function':
      return `def ${statement.name.name}(${names(statement.parameters)}) ${block(statement.body, indent)}`;
    case 'for':
      return `for ${names(statement.names)} in ${printExpression(statement.iterable)} ${block(statement.body, indent)}`;
    case 'return':
      return `return ${commas(statement.values)};`;
    case 'comment':
      return statement.text;
    case 'set-example':
      return `set ${subset(statement.subset)}example ${printExpression(statement.example)}`;
    case 'command':
      return statement.command === 'show example'
        ? `show ${subset(statement.subset)}example`
        : `${subset(statement.subset)}${statement.command}`;
  }
}

function block(body: readonly Statement[], indent: string): string {
  return `{\n${body.map((statement) => printStatement(statement, indent + indentation)).join('')}${indent}}`;
}

const subset = (which: ReplSubset): string => (which === null ? '' : `${which} `);
const names = (identifiers: readonly Identifier[]): string => identifiers.map(({ name }) => name).join(', ');
const commas = (expressions: readonly Expression[]): string => expressions.map((part) => printExpression(part)).join(', ');

/** The text of an expression; in parentheses if it binds looser than `level`. */
export function printExpression(expression: Expression, level: number = precedence.in): string {
  const text = expressionText(expression);
  return precedenceOf(expression) < level ? `(${text})` : text;
}

function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case 'name':
      return expression.name;
    case 'number':
      return expression.text;
    case 'string':
      return `"${expression.value}"`;
    case 'list':
      return `[${commas(expression.items)}]`;
    case 'dict':
      return `{${expression.entries.map(({ key, value }) => `${printExpression(key)}: ${printExpression(value)}`).join(', ')}}`;
    case 'list-comprehension':
      return `[${printExpression(expression.value)} ${forClause(expression)}]`;
    case 'dict-comprehension':
      return `{${printExpression(expression.key)}: ${printExpression(expression.value)} ${forClause(expression)}}`;
    case 'index':
      return `${printExpression(expression.object, precedence.postfix)}[${printExpression(expression.index)}]`;
    case 'call':
      return `${printExpression(expression.callee, precedence.postfix)}(${commas(expression.args)})`;
    case 'unary':
      return `${expression.operator}${expression.operator === 'not' ? ' ' : ''}${printExpression(expression.operand, precedence.unary)}`;
    case 'builtin':
      return `${expression.name}(${printExpression(expression.operand)})`;
    case 'binary': {
      const own = precedenceOf(expression);
      return `${printExpression(expression.left, own)} ${expression.operator} ${printExpression(expression.right, own + 1)}`;
    }
    case 'select':
      return `select(${commas([expression.key, expression.query])}, ${expression.operator})`;
    case 'aggregate':
      return `aggregate(${commas([expression.selector, expression.value, ...(expression.default ? [expression.default] : [])])})`;
    case 'conditional':
      return `${printExpression(expression.then, precedence.conditional)} if ${printExpression(expression.condition)} else ${printExpression(expression.otherwise, precedence.conditional + 1)}`;
    case 'range':
    case 'zip':
    case 'len':
      return `${expression.kind}(${commas(expression.args)})`;
  }
}

function forClause({ names: targets, iterable }: { readonly names: readonly Identifier[]; readonly iterable: Expression }): string {
  return `for ${names(targets)} in ${printExpression(iterable)}`;
}
