// Analyses a Tracr file: carries its statements out and lists the functions and names that give s-ops.
import { Evaluator } from './evaluate.ts';
import { TracrGraph } from './graph.ts';
import { bind } from './parameters.ts';
import { Scope } from './scope.ts';
import type { PythonFile, SyntaxNode } from './tree.ts';
import { childrenOf, parsePython } from './tree.ts';
import type { FunctionValue, PythonValue } from './values.ts';
import { isScalar, list, PythonError, represent } from './values.ts';
import type { Analysis, Entry, SourceFile } from '../analyse.ts';
import type { Diagnostic, Span } from '../diagnostic.ts';
import type { BinaryOperator } from '../scalar.ts';
import { binary, ScalarError } from '../scalar.ts';
import { callWith, iterate } from './builtins.ts';

/** What is wrong with a Tracr file and what can be run in it. Never throws for any text. */
export function analyseTracr(source: SourceFile): Analysis {
  const file = parsePython(source.path, source.text);
  return carriedOut(file, new Module(file, new TracrGraph(source.path)));
}

/** Carries the file out, if it has no syntax errors, and gathers what is known of it then. */
export function carriedOut(file: PythonFile, module: Module): Analysis {
  const source = { path: file.path, text: file.text };
  if (file.diagnostics.length > 0) return { source, dialect: 'tracr', diagnostics: file.diagnostics, entries: [], definitions: [], runningExample: undefined };
  module.run();
  const entries = module.entries();
  const definitions = entries.map(({ name, output, nameSpan }) => ({ name, node: output, nameSpan }));
  return { source, dialect: 'tracr', diagnostics: module.diagnostics, entries, definitions, runningExample: undefined };
}

type Completion = { readonly kind: 'return'; readonly value: PythonValue } | { readonly kind: 'break' | 'continue' } | null;

interface Definition {
  readonly fn: FunctionValue;
  readonly nameSpan: Span;
  readonly required: boolean;
}

/** Carries a whole file out. */
export class Module extends Evaluator {
  readonly diagnostics: Diagnostic[] = [];
  private readonly global = new Scope(null);
  private readonly definitions = new Map<string, Definition>();
  private readonly variables = new Map<string, Span>();

  run(): void {
    for (const statement of childrenOf(this.file.root)) this.guarded(() => this.execute(statement, this.global));
  }

  /** Functions that need no arguments and variables that hold s-ops, in the order of the text. */
  entries(): Entry[] {
    const found: Entry[] = [];
    for (const [name, { fn, nameSpan, required }] of this.definitions) {
      if (required || this.global.find(name) !== fn) continue;
      this.budget.reset();
      this.guarded(() => {
        const value = callWith(fn, [], nameSpan);
        if (!isScalar(value) && value.kind === 's-op') found.push({ name, kind: 'function', output: value.node, nameSpan });
      });
    }
    for (const [name, nameSpan] of this.variables) {
      const value = this.global.find(name);
      if (value !== undefined && !isScalar(value) && value.kind === 's-op') found.push({ name, kind: 's-op', output: value.node, nameSpan });
    }
    this.budget.finishBuilding();
    return found.sort((a, b) => a.nameSpan.start - b.nameSpan.start);
  }

  /** An error becomes a diagnostic, once. */
  private guarded(body: () => void): void {
    try {
      body();
    } catch (error) {
      const problem = this.problem(error);
      if (!this.diagnostics.some(({ message, span }) => message === problem.message && span.start === problem.span.start)) {
        this.diagnostics.push(problem);
      }
    }
  }

  private problem(error: unknown): Diagnostic {
    const whole: Span = { file: this.file.path, start: 0, end: 0 };
    if (error instanceof PythonError) return { code: error.code, severity: 'error', message: error.message, span: error.span };
    if (error instanceof ScalarError) return { code: 'type', severity: 'error', message: error.message, span: whole };
    if (error instanceof RangeError && /call stack/i.test(error.message)) {
      return { code: 'recursion', severity: 'error', message: 'expressions and calls are nested too deeply', span: whole };
    }
    throw error;
  }

  private block(statements: readonly SyntaxNode[], scope: Scope): Completion {
    for (const statement of statements) {
      const completion = this.execute(statement, scope);
      if (completion) return completion;
    }
    return null;
  }

  private body(node: SyntaxNode | undefined, scope: Scope): Completion {
    return node ? this.block(childrenOf(node).filter(({ name }) => name !== ':'), scope) : null;
  }

  private execute(node: SyntaxNode, scope: Scope): Completion {
    this.count(node);
    const children = childrenOf(node);
    switch (node.name) {
      case 'Comment':
      case 'PassStatement':
      case ';':
        return null;
      case 'ImportStatement':
        this.importNames(children, scope);
        return null;
      case 'StatementGroup':
        return this.block(children, scope);
      case 'ExpressionStatement':
        if (children[0]) this.evaluate(children[0], scope);
        return null;
      case 'AssignStatement':
        this.assignment(children, scope);
        return null;
      case 'UpdateStatement':
        this.update(node, children, scope);
        return null;
      case 'FunctionDefinition':
        this.define(node, scope);
        return null;
      case 'ReturnStatement':
        return { kind: 'return', value: this.values(children.slice(1), scope) };
      case 'IfStatement':
        return this.conditional(children, scope);
      case 'ForStatement':
        return this.loop(node, children, scope);
      case 'WhileStatement':
        return this.whileLoop(children, scope);
      case 'BreakStatement':
        return { kind: 'break' };
      case 'ContinueStatement':
        return { kind: 'continue' };
      case 'AssertStatement':
        return this.assertion(node, children, scope);
      case 'RaiseStatement':
        return this.fail('raised', `the program raises: ${children[1] ? this.message(children[1], scope) : 'an exception'}`, node);
      default:
        return this.fail('unsupported', `not supported in Tracr programs: ${plainName(node.name)}`, node);
    }
  }

  private importNames(children: readonly SyntaxNode[], scope: Scope): void {
    const names = children.filter(({ name }) => name === 'VariableName' || name === 'as' || name === 'import' || name === ',');
    const first = names.findIndex(({ name }) => name === 'import');
    const isFrom = children[0]?.name === 'from';
    const imported = first < 0 ? names : names.slice(first + 1);
    imported.forEach((node, i) => {
      if (node.name !== 'VariableName') return;
      const next = imported[i + 1]?.name;
      const bound = next !== 'as' && (isFrom || next !== 'VariableName');
      if (!bound) return;
      const isAlias = imported[i - 1]?.name === 'as';
      const original = this.textOf(isAlias ? (imported[i - 2] ?? node) : node);
      scope.names.set(this.textOf(node), { kind: 'module', name: original === 'rasp' ? 'rasp' : 'package' });
    });
    if (!isFrom && imported.length > 0 && !imported.some(({ name }) => name === 'as')) {
      const root = imported[0];
      if (root) scope.names.set(this.textOf(root), { kind: 'module', name: 'package' });
    }
  }

  /** One value, or a tuple where commas stand. */
  private values(nodes: readonly SyntaxNode[], scope: Scope): PythonValue {
    const expressions = nodes.filter(({ name }) => name !== ',' && name !== ';');
    if (expressions.length === 0) return null;
    const [only] = expressions;
    if (expressions.length === 1 && only && !nodes.some(({ name }) => name === ',')) return this.evaluate(only, scope);
    return { kind: 'tuple', items: expressions.map((expression) => this.evaluate(expression, scope)) };
  }

  private assignment(children: readonly SyntaxNode[], scope: Scope): void {
    const groups: SyntaxNode[][] = [[]];
    for (const child of children) {
      if (child.name === 'AssignOp') groups.push([]);
      else if (child.name !== 'TypeDef') groups.at(-1)?.push(child);
    }
    if (groups.length < 2) return;
    const value = this.values(groups.at(-1) ?? [], scope);
    for (const targets of groups.slice(0, -1)) {
      this.assign(targets, value, scope);
      const [target] = targets;
      if (scope === this.global && targets.length === 1 && target?.name === 'VariableName') this.variables.set(this.textOf(target), this.spanOf(target));
    }
  }

  private update(node: SyntaxNode, [target, operator, operand]: readonly SyntaxNode[], scope: Scope): void {
    const [left, symbol, right] = [this.part(target, node), this.part(operator, node), this.part(operand, node)];
    const a = this.evaluate(left, scope);
    const b = this.evaluate(right, scope);
    const op = this.textOf(symbol).slice(0, -1);
    if (!isScalar(a) && a.kind === 'list' && op === '+') return this.assign([left], list([...a.items, ...iterate(b, this.spanOf(right))]), scope);
    if (!isScalar(a) && a.kind === 's-op') {
      const spans = [this.spanOf(left), this.spanOf(right)] as const;
      const other = isScalar(b) ? b : b.kind === 's-op' ? b.node : this.fail('type', 'an s-op cannot be combined with this', node);
      const known = ['+', '-', '*', '/', '//', '%', '&', '|'].includes(op) ? (op as '+') : this.fail('unsupported', `not supported on s-ops: ${op}=`, node);
      return this.assign([left], this.graph.operator(known, a.node, other, spans, this.spanOf(symbol), this.spanOf(node)), scope);
    }
    if (!isScalar(a) || !isScalar(b)) this.fail('type', `${op}= cannot be applied here`, node);
    this.assign([left], this.scalar(node, () => binary((op === '**' ? '^' : op) as BinaryOperator, a, b)), scope);
  }

  private define(node: SyntaxNode, scope: Scope): void {
    const children = childrenOf(node);
    const name = this.part(children.find(({ name: kind }) => kind === 'VariableName'), node);
    const paramList = this.part(children.find(({ name: kind }) => kind === 'ParamList'), node);
    const body = children.find(({ name: kind }) => kind === 'Body');
    const parameters = this.parameters(paramList, scope);
    const title = this.textOf(name);
    const fn: FunctionValue = {
      kind: 'function',
      name: title,
      parameters: parameters.map((parameter) => parameter.name),
      call: (args) => {
        this.budget.enterFunction();
        const completion = this.body(body, bind(parameters, args, scope, `${title}()`));
        return completion?.kind === 'return' ? completion.value : null;
      },
    };
    scope.names.set(title, fn);
    if (scope !== this.global) return;
    const required = parameters.some(({ fallback, kind }) => fallback === undefined && kind !== 'list' && kind !== 'dict');
    this.definitions.delete(title);
    this.definitions.set(title, { fn, nameSpan: this.spanOf(name), required });
  }

  private conditional(children: readonly SyntaxNode[], scope: Scope): Completion {
    for (let i = 0; i < children.length; i++) {
      const child = children[i];
      if (child?.name === 'if' || child?.name === 'elif') {
        const test = this.part(children[i + 1], child);
        if (this.truth(test, scope)) return this.body(children[i + 2], scope);
      } else if (child?.name === 'else') return this.body(children[i + 1], scope);
    }
    return null;
  }

  private loop(node: SyntaxNode, children: readonly SyntaxNode[], scope: Scope): Completion {
    const at = children.findIndex(({ name }) => name === 'in');
    const source = this.part(children[at + 1], node);
    const body = children.find(({ name }) => name === 'Body');
    for (const item of [...iterate(this.evaluate(source, scope), this.spanOf(source))]) {
      this.count(node);
      this.assign(children.slice(1, at), item, scope);
      const completion = this.body(body, scope);
      if (completion?.kind === 'break') return null;
      if (completion?.kind === 'return') return completion;
    }
    const otherwise = children.findIndex(({ name }) => name === 'else');
    return otherwise < 0 ? null : this.body(children[otherwise + 1], scope);
  }

  private whileLoop(children: readonly SyntaxNode[], scope: Scope): Completion {
    const [keyword, test, body] = children;
    while (keyword && this.truth(this.part(test, keyword), scope)) {
      this.count(keyword);
      const completion = this.body(body, scope);
      if (completion?.kind === 'break') return null;
      if (completion?.kind === 'return') return completion;
    }
    return null;
  }

  private assertion(node: SyntaxNode, children: readonly SyntaxNode[], scope: Scope): Completion {
    const [, test, , message] = children;
    if (this.truth(this.part(test, node), scope)) return null;
    return this.fail('raised', `the assertion fails${message ? `: ${this.message(message, scope)}` : ''}`, node);
  }

  private message(node: SyntaxNode, scope: Scope): string {
    const value = this.evaluate(node, scope);
    return typeof value === 'string' ? value : represent(value);
  }
}

/** ClassDefinition → a class definition, for messages. */
const plainName = (name: string): string => name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
