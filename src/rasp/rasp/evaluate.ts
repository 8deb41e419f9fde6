// Traces a RASP file statement by statement into the program graph; a statement that fails leaves the others alone.
import type { Definition, Entry, ReadSource, SourceFile } from '../analyse.ts';
import type { Span } from '../diagnostic.ts';
import type { Value } from '../program.ts';
import { ExpressionTracer } from './evaluateExpression.ts';
import { builtInNames, libraryFile, libraryPath } from './library.ts';
import type { ParsedFile } from './parse.ts';
import { parse } from './parse.ts';
import { candidatePaths } from './paths.ts';
import { Scope } from './scope.ts';
import type { AssignStatement, DrawStatement, Expression, ForStatement, Identifier, LoadStatement, SetExampleStatement, Statement } from './syntax.ts';
import { LimitFailure, SilentFailure } from './tracer.ts';
import type { FunctionValue, RaspValue } from './values.ts';
import { atom, elementsOf, inputOf, kindName, list } from './values.ts';

const maxLoads = 40;

export interface TraceOptions {
  readonly readSource?: ReadSource;
  readonly runningExample?: readonly Value[];
}

export class FileTracer extends ExpressionTracer {
  private readonly base = new Scope();
  private readonly libraryNames: ReadonlySet<string>;
  protected readonly mainScope: Scope;
  private readonly entriesByName = new Map<string, Entry>();
  private readonly definitionsByName = new Map<string, Definition>();
  private example: readonly Value[] | undefined;
  private readonly loading: string[];
  /** What the latest expression statement gave. */
  protected result: RaspValue = { kind: 'unknown' };
  protected readonly parsed = new Map<string, ParsedFile>();

  constructor(
    private readonly main: ParsedFile,
    private readonly options: TraceOptions,
  ) {
    super(main.source.path, options.runningExample);
    this.loading = [main.source.path];
    this.defineBase();
    const names = new Set([...this.base.ownNames(), ...builtInNames]);
    names.delete('tokens');
    this.libraryNames = names;
    this.mainScope = new Scope(this.base, this.libraryNames);
  }

  /** Carries the main file out. */
  run(): void {
    try {
      this.runFile(this.main, this.mainScope);
    } catch (error) {
      this.reportThrown(error);
    }
  }

  /** The top-level s-ops, in the order of their last assignments in the text. */
  entries(): Entry[] {
    return [...this.entriesByName.values()].sort((a, b) => a.nameSpan.start - b.nameSpan.start);
  }

  /** The top-level s-ops and selectors, in the order of their last assignments in the text. */
  definitions(): Definition[] {
    const entries = this.entries().map(({ name, output, nameSpan }): Definition => ({ name, node: output, nameSpan }));
    return [...entries, ...this.definitionsByName.values()].sort((a, b) => a.nameSpan.start - b.nameSpan.start);
  }

  /** What `set example` said last, or what was given at the start. */
  get runningExample(): readonly Value[] | undefined {
    return this.example ?? this.options.runningExample;
  }

  protected override globalScope(): Scope {
    return this.base;
  }

  private defineBase(): void {
    const { base, graph } = this;
    for (const cast of ['asis', 'str', 'int', 'float', 'bool'] as const) {
      base.set(`tokens_${cast}`, { kind: 's-op', node: graph.tokens(cast) });
    }
    base.set('indices', { kind: 's-op', node: graph.indices() });
    base.set('length', { kind: 's-op', node: graph.length() });
    base.set('True', atom(true));
    base.set('False', atom(false));
    const parameter = { name: 'sel', range: { start: 0, end: 0 } };
    base.set('selector_width', { kind: 'function', name: 'selector_width', parameters: [parameter], body: 'width', scope: base, file: libraryPath });
    this.inFile(libraryPath, () => libraryFile().statements.forEach((statement) => this.statement(statement, base)));
  }

  protected inFile(path: string, body: () => void): void {
    const { file } = this;
    this.file = path;
    try {
      body();
    } finally {
      this.file = file;
    }
  }

  protected runFile({ source, statements, spoiled }: ParsedFile, scope: Scope): void {
    for (const name of spoiled) this.spoiled.add(name);
    this.inFile(source.path, () => {
      for (const statement of statements) this.topLevel(statement, scope);
    });
  }

  protected topLevel(statement: Statement, scope: Scope): void {
    try {
      this.statement(statement, scope);
    } catch (error) {
      if (error instanceof LimitFailure) throw error;
      this.reportThrown(error);
      // What the statement would have defined is not reported as missing at each of its uses.
      for (const { name } of definedNames(statement)) {
        if (scope.get(name) === undefined) scope.set(name, { kind: 'unknown' });
      }
    }
  }

  protected statement(statement: Statement, scope: Scope): void {
    this.enter(statement.range);
    try {
      this.carryOut(statement, scope);
    } finally {
      this.leave();
    }
  }

  private carryOut(statement: Statement, scope: Scope): void {
    switch (statement.kind) {
      case 'expression':
        return this.expressionStatement(statement.expression, scope);
      case 'assign':
        return this.assignment(statement, scope);
      case 'function': {
        const { name, parameters, body } = statement;
        const value: FunctionValue = { kind: 'function', name: name.name, parameters, body, scope, file: this.file };
        return this.assign(name, value, scope);
      }
      case 'for':
        return this.loop(statement, scope);
      case 'load':
        return this.load(statement, scope);
      case 'draw':
        return this.draw(statement, scope);
      case 'set-example':
        return this.setExample(statement, scope);
      case 'return':
      case 'comment':
      case 'command':
        return;
    }
  }

  private expressionStatement(expression: Expression, scope: Scope): void {
    const value = this.evaluate(expression, scope);
    this.tryNamed(value, expression);
    this.result = value;
    if (scope !== this.base && value.kind !== 'applied') scope.set('out', value);
    if (scope === this.mainScope && value.kind === 's-op' && expression.kind !== 'name') {
      this.addEntry({ name: 'out', range: expression.range }, value);
    }
  }

  /** A base s-op may fail on the running example, and is seen only when it is used. */
  private tryNamed(value: RaspValue, expression: Expression): void {
    if ('node' in value) this.tryNode(value.node, this.span(expression.range));
  }

  private assignment({ targets, values, range }: AssignStatement, scope: Scope): void {
    const results = values.map((value) => this.evaluate(value, scope));
    const [first = list([])] = results;
    const [expression] = values;
    if (expression !== undefined && results.length === 1) this.tryNamed(first, expression);
    if (scope !== this.base) scope.set('out', results.at(-1) ?? first);
    const value = results.length === 1 ? first : list(results);
    const [only] = targets;
    if (targets.length === 1 && only !== undefined) {
      this.define(only, value, scope, expression?.kind !== 'name');
      return;
    }
    const parts = elementsOf(value);
    if (parts?.length !== targets.length) {
      const found = parts === undefined ? kindName(value) : `${parts.length} values`;
      this.fail('type', `expected ${targets.length} values, but got ${found}`, range);
    }
    targets.forEach((target, i) => this.define(target, parts[i] ?? { kind: 'unknown' }, scope, true));
  }

  private define(target: Identifier, value: RaspValue, scope: Scope, rename: boolean): void {
    this.assign(target, value, scope);
    if ('node' in value && rename) this.graph.name(value.node, target.name);
    if (scope !== this.mainScope) return;
    this.entriesByName.delete(target.name);
    this.definitionsByName.delete(target.name);
    if (value.kind === 's-op' && target.name !== 'tokens') this.addEntry(target, value);
    if (value.kind === 'selector') this.definitionsByName.set(target.name, { name: target.name, node: value.node, nameSpan: this.span(target.range) });
  }

  private addEntry({ name, range }: Identifier, value: Extract<RaspValue, { kind: 's-op' }>): void {
    this.entriesByName.set(name, { name, kind: 's-op', output: value.node, nameSpan: this.span(range) });
  }

  private loop({ names, iterable, body }: ForStatement, scope: Scope): void {
    for (const element of this.iterate(iterable, scope)) {
      this.bindLoop(names, element, scope);
      for (const statement of body) this.statement(statement, scope);
    }
  }

  protected override runBody({ body }: FunctionValue, scope: Scope): RaspValue {
    if (body === 'width') throw new RangeError('selector_width has no body');
    for (const statement of body) {
      if (statement.kind !== 'return') {
        this.statement(statement, scope);
        continue;
      }
      const values = statement.values.map((value) => this.evaluate(value, scope));
      return values.length === 1 && values[0] !== undefined ? values[0] : list(values);
    }
    // The parser has said that the return statement is missing.
    throw new SilentFailure();
  }

  protected draw({ expression, input }: DrawStatement, scope: Scope): void {
    const value = this.evaluate(expression, scope);
    if (value.kind !== 's-op') this.fail('type', `draw expects an s-op, and this is ${kindName(value)}`, expression.range);
    if (input !== null) this.exampleOf(input, scope);
  }

  protected setExample({ example, subset }: SetExampleStatement, scope: Scope): void {
    const input = this.exampleOf(example, scope);
    if (subset === 'selector') return;
    this.example = input;
    this.tryout.setExample(input);
  }

  protected exampleOf(expression: Expression, scope: Scope): Value[] {
    const value = this.evaluate(expression, scope);
    const input = inputOf(value);
    if (input !== undefined && input.length > 0) return input;
    return this.fail('type', `an example is a string or a list of values, not empty, and this is ${kindName(value)}`, expression.range);
  }

  protected load(statement: LoadStatement, scope: Scope): void {
    const { name, nameRange } = statement;
    const file = this.read(name, nameRange);
    const path = file.source.path;
    if (this.loading.includes(path)) {
      const cycle = [...this.loading.slice(this.loading.indexOf(path)), path].join(' → ');
      this.fail('cyclic-load', `files load each other in a circle: ${cycle}; remove one of these loads`, nameRange);
    }
    if (this.loading.length > maxLoads) this.fail('limit', `files load each other more than ${maxLoads} deep`, nameRange);
    this.loading.push(path);
    const before = this.diagnostics.length;
    try {
      this.diagnostics.push(...file.diagnostics);
      this.runFile(file, new Scope(this.base, this.libraryNames, scope));
    } finally {
      this.loading.pop();
    }
    this.reportLoaded(path, before, this.span(nameRange));
  }

  protected reportLoaded(path: string, before: number, span: Span): void {
    const errors = this.diagnostics.slice(before).filter(({ severity, span: { file } }) => severity === 'error' && file === path);
    const [first] = errors;
    if (first === undefined) return;
    const count = errors.length === 1 ? 'an error' : `${errors.length} errors`;
    this.report('load', 'warning', `${path} has ${count}; the first: ${first.message}`, span);
  }

  protected read(name: string, range: Expression['range']): ParsedFile {
    for (const path of candidatePaths(this.file, name)) {
      const known = this.parsed.get(path);
      if (known !== undefined) return known;
      if (path === this.mainFile) return this.main;
      const text = this.options.readSource?.(path);
      if (text === undefined) continue;
      const source: SourceFile = { path, text };
      const file = parse(source);
      this.parsed.set(path, file);
      return file;
    }
    return this.fail('missing-file', `could not find file: ${name}.rasp`, range);
  }
}

/** The names that a statement defines in its own scope. */
function definedNames(statement: Statement): readonly Identifier[] {
  switch (statement.kind) {
    case 'assign':
      return statement.targets;
    case 'function':
      return [statement.name];
    case 'for':
      return [...statement.names, ...statement.body.flatMap(definedNames)];
    default:
      return [];
  }
}
