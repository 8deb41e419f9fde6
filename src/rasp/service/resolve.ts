// Finds what every name of a RASP file means, through the files that it loads, without running anything.
import type { ReadSource } from '../analyse.ts';
import type { Span } from '../diagnostic.ts';
import { builtInNames, libraryFile, libraryPath } from '../rasp/library.ts';
import type { ParsedFile } from '../rasp/parse.ts';
import { candidatePaths } from '../rasp/paths.ts';
import { reservedNames } from '../rasp/scope.ts';
import type { Expression, ForStatement, FunctionStatement, Identifier, LoadStatement, Range, Statement } from '../rasp/syntax.ts';
import { expressionsOf, partsOf } from '../rasp/syntax.ts';
import type { Binding } from './scopes.ts';
import { bindingsAt, StaticScope } from './scopes.ts';
import type { DefinitionForm } from './symbols.ts';

/** Files that load each other in a longer chain are not followed. */
const maxLoads = 40;

const everywhere: Range = { start: 0, end: Infinity };

export interface Use {
  readonly span: Span;
  readonly binding: Binding;
  readonly role: 'definition' | 'reference';
}

export interface LoadedName {
  readonly statement: LoadStatement;
  /** Null where there is no such file. */
  readonly path: string | null;
}

/** Reads a file by its path, already parsed. */
export type ReadParsed = (path: string) => ParsedFile | undefined;

export class Resolver {
  readonly base = new StaticScope('base', null, everywhere, libraryPath);
  /** Of every file that was read, by path, in no particular order. */
  readonly uses = new Map<string, Use[]>();
  readonly loads: LoadedName[] = [];
  private readonly files = new Map<string, StaticScope>();
  private readonly loading: string[] = [];

  constructor(
    private readonly main: ParsedFile,
    private readonly read: ReadParsed,
  ) {
    this.defineBase();
  }

  /** The scope of the main file, everything in it resolved. */
  resolve(): StaticScope {
    return this.file(this.main);
  }

  private defineBase(): void {
    for (const name of [...reservedNames, ...builtInNames]) this.base.define(name, { from: -Infinity, sure: everywhere }, 'built-in');
    new FileResolver(this, this.base, libraryPath).statements(libraryFile().statements);
  }

  use(span: Span, binding: Binding, role: Use['role']): void {
    const known = this.uses.get(span.file);
    if (known) known.push({ span, binding, role });
    else this.uses.set(span.file, [{ span, binding, role }]);
  }

  private file(parsed: ParsedFile): StaticScope {
    const { path, text } = parsed.source;
    const known = this.files.get(path);
    if (known) return known;
    const scope = new StaticScope('file', this.base, { start: 0, end: text.length }, path);
    this.files.set(path, scope);
    this.loading.push(path);
    new FileResolver(this, scope, path).statements(parsed.statements);
    this.loading.pop();
    return scope;
  }

  /** The scope of a file that another one loads; undefined where there is none, or where files load each other in a circle. */
  loaded(statement: LoadStatement, from: string): StaticScope | undefined {
    const found = candidatePaths(from, statement.name)
      .map((path) => (path === this.main.source.path ? this.main : this.read(path)))
      .find((parsed) => parsed !== undefined);
    if (from === this.main.source.path) this.loads.push({ statement, path: found?.source.path ?? null });
    if (found === undefined || this.loading.includes(found.source.path) || this.loading.length > maxLoads) return undefined;
    return this.file(found);
  }
}

/** The text of a scope that its statements hold in for sure, and where loops may carry them back to. */
interface Place {
  readonly scope: StaticScope;
  /** Where the outermost loop around begins to repeat. */
  readonly loopStart: number | null;
  /** Where the innermost loop around ends. */
  readonly loopEnd: number;
}

/** Resolves the statements of one file: first what each scope defines, then what its expressions use. */
class FileResolver {
  private readonly origin: 'file' | 'library';

  constructor(
    private readonly resolver: Resolver,
    private readonly scope: StaticScope,
    private readonly path: string,
  ) {
    this.origin = path === libraryPath ? 'library' : 'file';
  }

  statements(statements: readonly Statement[]): void {
    this.inScope(statements, this.scope);
  }

  private inScope(statements: readonly Statement[], scope: StaticScope): void {
    this.defineAll(statements, { scope, loopStart: null, loopEnd: Infinity });
    this.useAll(statements, scope);
  }

  private span({ start, end }: Range): Span {
    return { file: this.path, start, end };
  }

  private define({ name, range }: Identifier, whole: Range, form: DefinitionForm, from: number, { scope, loopStart, loopEnd }: Place): void {
    const binding = scope.define(name, { from: Math.min(from, loopStart ?? from), sure: { start: from, end: loopEnd } }, this.origin);
    binding.define({ span: this.span(range), whole: this.span(whole), form });
    this.resolver.use(this.span(range), binding, 'definition');
  }

  private defineAll(statements: readonly Statement[], place: Place): void {
    for (const statement of statements) this.defineOne(statement, place);
  }

  private defineOne(statement: Statement, place: Place): void {
    const { range } = statement;
    switch (statement.kind) {
      case 'assign': {
        const { targets, values } = statement;
        const matched = targets.length === values.length;
        targets.forEach((target, i) => this.define(target, range, { kind: 'variable', value: (matched ? values[i] : null) ?? null }, range.end, place));
        return;
      }
      case 'function':
        return this.define(statement.name, range, { kind: 'function', statement }, range.end, place);
      case 'for':
        return this.defineLoop(statement, place);
      case 'load':
        return this.load(statement, place);
      default:
        return;
    }
  }

  private defineLoop({ names, iterable, body, range }: ForStatement, place: Place): void {
    const start = iterable.range.end;
    const inner: Place = { scope: place.scope, loopStart: place.loopStart ?? start, loopEnd: range.end };
    for (const name of names) this.define(name, range, { kind: 'loop' }, start, inner);
    this.defineAll(body, inner);
  }

  /** What the loaded file defines is also defined here, private names apart. */
  private load(statement: LoadStatement, { scope, loopStart, loopEnd }: Place): void {
    const from = statement.range.end;
    const loaded = this.resolver.loaded(statement, this.path);
    for (const name of loaded?.names() ?? []) {
      const binding = loaded?.own(name);
      if (binding === undefined || name.startsWith('_')) continue;
      scope.define(name, { from: Math.min(from, loopStart ?? from), sure: { start: from, end: loopEnd } }).join(binding);
    }
  }

  private useAll(statements: readonly Statement[], scope: StaticScope): void {
    for (const statement of statements) {
      for (const expression of expressionsOf(statement)) this.expression(expression, scope);
      if (statement.kind === 'function') this.functionBody(statement, scope);
      if (statement.kind === 'for') this.useAll(statement.body, scope);
    }
  }

  private functionBody(statement: FunctionStatement, parent: StaticScope): void {
    const { name, parameters, body, range } = statement;
    const scope = new StaticScope('function', parent, { start: name.range.end, end: range.end }, this.path, name.name);
    const place: Place = { scope, loopStart: null, loopEnd: Infinity };
    for (const parameter of parameters) this.define(parameter, range, { kind: 'parameter', statement }, name.range.end, place);
    this.inScope(body, scope);
  }

  private expression(expression: Expression, scope: StaticScope): void {
    switch (expression.kind) {
      case 'name':
        return this.name(expression.name, expression.range, scope);
      case 'list-comprehension':
        return this.comprehension([expression.value], expression, scope);
      case 'dict-comprehension':
        return this.comprehension([expression.key, expression.value], expression, scope);
      default:
        for (const part of partsOf(expression)) this.expression(part, scope);
    }
  }

  private comprehension(
    parts: readonly Expression[],
    { names, iterable, range }: { readonly names: readonly Identifier[]; readonly iterable: Expression; readonly range: Range },
    parent: StaticScope,
  ): void {
    this.expression(iterable, parent);
    const scope = new StaticScope('comprehension', parent, range, this.path);
    const place: Place = { scope, loopStart: null, loopEnd: Infinity };
    for (const name of names) this.define(name, range, { kind: 'loop' }, range.start, place);
    for (const part of parts) this.expression(part, scope);
  }

  private name(name: string, range: Range, scope: StaticScope): void {
    const [first, ...others] = bindingsAt(scope, name, range.start);
    if (first === undefined) return;
    for (const other of others) first.binding.join(other.binding);
    first.binding.refer(this.span(range));
    this.resolver.use(this.span(range), first.binding, 'reference');
  }
}

/** Remembers parsed files for as long as it lives. */
export function parsedReader(readSource: ReadSource, parse: (source: { path: string; text: string }) => ParsedFile): ReadParsed {
  const known = new Map<string, ParsedFile | undefined>();
  return (path) => {
    if (!known.has(path)) {
      const text = readSource(path);
      known.set(path, text === undefined ? undefined : parse({ path, text }));
    }
    return known.get(path);
  };
}
