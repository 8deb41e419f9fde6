// The scopes of a RASP file before it runs: which definition of a name can be meant at which place.
import type { Span } from '../diagnostic.ts';
import type { Range } from '../rasp/syntax.ts';
import type { Definition, RaspSymbol, SymbolOrigin } from './symbols.ts';

/** One name of one scope; bindings that a use cannot tell apart are joined into one symbol. */
export class Binding {
  private joined: Binding | null = null;
  private symbol: (RaspSymbol & { references: Span[] }) | null = null;
  readonly definitions: Definition[] = [];
  readonly references: Span[] = [];

  constructor(
    readonly name: string,
    readonly origin: SymbolOrigin,
    readonly container: string | null,
  ) {}

  private root(): Binding {
    return this.joined?.root() ?? this;
  }

  /** From now on both are one; what the language brings along wins. */
  join(other: Binding): void {
    const [a, b] = [this.root(), other.root()];
    if (a === b) return;
    const [kept, gone] = a.origin === 'file' && b.origin !== 'file' ? [b, a] : [a, b];
    kept.definitions.push(...gone.definitions);
    kept.references.push(...gone.references);
    gone.joined = kept;
  }

  define(definition: Definition): void {
    const { definitions } = this.root();
    if (!definitions.some(({ span }) => sameSpan(span, definition.span))) definitions.push(definition);
  }

  refer(span: Span): void {
    this.root().references.push(span);
  }

  /** To be asked for once everything is resolved. */
  asSymbol(): RaspSymbol {
    const root = this.root();
    const { name, origin, definitions, references, container } = root;
    root.symbol ??= { name, origin, definitions, references, container };
    return root.symbol;
  }
}

export const sameSpan = (a: Span, b: Span): boolean => a.start === b.start && a.end === b.end && a.file === b.file;

/** The places of a scope's own text at which a definition holds. */
interface Reach {
  /** From here on it may have happened: behind it, or anywhere in the loop around it. */
  readonly from: number;
  /** Here it has happened for sure: behind it, up to the end of the loop around it. */
  readonly sure: Range;
}

interface Entry {
  readonly binding: Binding;
  readonly reaches: Reach[];
}

export type ScopeKind = 'base' | 'file' | 'function' | 'comprehension';

export class StaticScope {
  private readonly entries = new Map<string, Entry>();
  readonly inner: StaticScope[] = [];

  /**
   * @param range the text in which names are looked up here first
   * @param entered where the scope's text is carried out, as an offset of the parent: a function's after its definition,
   *   when everything that the parent ever defines may be there
   */
  constructor(
    readonly kind: ScopeKind,
    readonly parent: StaticScope | null,
    readonly range: Range,
    readonly file: string,
    readonly functionName: string | null = null,
  ) {
    parent?.inner.push(this);
  }

  /** The binding of that name in this scope, made if need be. */
  bind(name: string, origin: SymbolOrigin = 'file'): Binding {
    return this.entry(name, origin).binding;
  }

  private entry(name: string, origin: SymbolOrigin): Entry {
    const known = this.entries.get(name);
    if (known) return known;
    const entry = { binding: new Binding(name, origin, this.functionName), reaches: [] };
    this.entries.set(name, entry);
    return entry;
  }

  define(name: string, reach: Reach, origin: SymbolOrigin = 'file'): Binding {
    const { binding, reaches } = this.entry(name, origin);
    reaches.push(reach);
    return binding;
  }

  names(): Iterable<string> {
    return this.entries.keys();
  }

  own(name: string): Binding | undefined {
    return this.entries.get(name)?.binding;
  }

  /** Whether the name may have, and whether it surely has, its value at an offset; `later`: or at any time after it. */
  state(name: string, offset: number, later: boolean): { readonly binding: Binding; readonly possible: boolean; readonly sure: boolean } | undefined {
    const entry = this.entries.get(name);
    if (entry === undefined) return undefined;
    return {
      binding: entry.binding,
      possible: later || entry.reaches.some(({ from }) => from <= offset),
      sure: entry.reaches.some(({ sure }) => sure.start <= offset && offset < sure.end),
    };
  }

  /** The innermost scope whose text holds the offset. */
  at(offset: number): StaticScope {
    const inner = this.inner.findLast(({ range, file }) => file === this.file && range.start <= offset && offset <= range.end);
    return inner?.at(offset) ?? this;
  }
}

export interface Found {
  readonly binding: Binding;
  readonly distance: number;
}

/**
 * The bindings that a use at the offset may mean, innermost first: one, unless a definition may not have happened yet
 * when the use is carried out. Where none can have happened, the first that the text has at all.
 */
export function bindingsAt(scope: StaticScope, name: string, offset: number): Found[] {
  const found: Found[] = [];
  const never: Found[] = [];
  for (const step of outward(scope, offset)) {
    const state = step.scope.state(name, step.offset, step.later);
    if (state === undefined) continue;
    (state.possible ? found : never).push({ binding: state.binding, distance: step.distance });
    if (state.sure) break;
  }
  return found.length > 0 ? found : never.slice(0, 1);
}

export interface Step {
  readonly scope: StaticScope;
  /** The place of this scope's text from which its names are seen. */
  readonly offset: number;
  /** The use may be carried out at any time after that. */
  readonly later: boolean;
  readonly distance: number;
}

/** The scopes that are seen from a place, innermost first. */
export function* outward(scope: StaticScope, offset: number): Generator<Step> {
  let step: Step = { scope, offset, later: false, distance: 0 };
  while (true) {
    yield step;
    const { parent, kind, range } = step.scope;
    if (parent === null) return;
    const later = step.later || kind === 'function';
    step = { scope: parent, offset: kind === 'function' ? range.end : step.offset, later, distance: step.distance + 1 };
    if (parent.kind === 'base') step = { ...step, offset: Infinity };
  }
}
