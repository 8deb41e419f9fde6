// One RASP file as the language service sees it: its tree, its tokens, and what every name in it stands for.
import type { ReadSource, SourceFile } from '../analyse.ts';
import type { ParsedFile } from '../rasp/parse.ts';
import { parse } from '../rasp/parse.ts';
import type { Tokens } from '../rasp/tokens.ts';
import { tokenize } from '../rasp/tokens.ts';
import type { LoadedName, ReadParsed } from './resolve.ts';
import { parsedReader, Resolver } from './resolve.ts';
import type { StaticScope } from './scopes.ts';
import { outward } from './scopes.ts';
import type { Occurrence, VisibleName } from './symbols.ts';

/** Everything that the services need to know of one version of a text; computed once. */
export class LanguageFile {
  /** In source order, the names of this file only. */
  readonly occurrences: readonly Occurrence[];
  readonly loads: readonly LoadedName[];
  private readonly scope: StaticScope;
  private readonly all: ReadonlyMap<string, readonly Occurrence[]>;
  private tokensOnce: Tokens | undefined;

  constructor(
    readonly parsed: ParsedFile,
    private readonly read: ReadParsed,
  ) {
    const resolver = new Resolver(parsed, read);
    this.scope = resolver.resolve();
    this.loads = resolver.loads;
    this.all = new Map([...resolver.uses].map(([path, uses]) => [path, sorted(uses)]));
    this.occurrences = this.all.get(parsed.source.path) ?? [];
  }

  get source(): SourceFile {
    return this.parsed.source;
  }

  get tokens(): Tokens {
    this.tokensOnce ??= tokenize(this.source.text);
    return this.tokensOnce;
  }

  /** The files that take part: this one, those that it loads, the library. */
  files(): readonly string[] {
    return [...this.all.keys()];
  }

  occurrencesIn(path: string): readonly Occurrence[] {
    return this.all.get(path) ?? [];
  }

  /** The text of one of `files()`. */
  textOf(path: string): string {
    return path === this.source.path ? this.source.text : (this.read(path)?.source.text ?? '');
  }

  /** The name at an offset, or that ends there. */
  occurrenceAt(offset: number): Occurrence | undefined {
    return this.occurrenceIn(this.source.path, offset);
  }

  occurrenceIn(path: string, offset: number): Occurrence | undefined {
    const occurrences = this.occurrencesIn(path);
    let [low, high] = [0, occurrences.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((occurrences[middle]?.span.end ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    const touching = occurrences.slice(low, low + 2).filter(({ span }) => span.start <= offset && offset <= span.end);
    return touching.find(({ span }) => offset < span.end) ?? touching[0];
  }

  /** Every name that an expression at the offset may use, each once, the innermost meaning of it. */
  visibleAt(offset: number): VisibleName[] {
    const names = new Map<string, VisibleName>();
    for (const step of outward(this.scope.at(offset), offset)) {
      for (const name of step.scope.names()) {
        const state = step.scope.state(name, step.offset, step.later);
        if (names.has(name) || !state?.possible) continue;
        names.set(name, { name, symbol: state.binding.asSymbol(), distance: step.distance });
      }
    }
    return [...names.values()];
  }
}

function sorted(uses: Resolver['uses'] extends Map<string, infer U> ? U : never): Occurrence[] {
  return uses
    .map(({ span, binding, role }) => ({ span, role, symbol: binding.asSymbol() }))
    .sort((a, b) => a.span.start - b.span.start);
}

/** Parses and resolves a text; never throws for any text. */
export function openLanguageFile(source: SourceFile, readSource: ReadSource = () => undefined): LanguageFile {
  return new LanguageFile(parse(source), parsedReader(readSource, parse));
}
