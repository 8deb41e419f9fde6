// Go to definition, references and highlights: the places of what a name stands for.
import type { Span } from '../diagnostic.ts';
import { libraryPath } from '../rasp/library.ts';
import type { LanguageFile } from './languageFile.ts';
import { sameSpan } from './scopes.ts';
import type { Definition, RaspSymbol } from './symbols.ts';

export interface Target {
  /** The name that was asked about. */
  readonly from: Span;
  readonly span: Span;
  /** The whole statement there. */
  readonly whole: Span;
}

/** Where the name at the offset is defined: the definition before it if there are several, and the file of a `load`. */
export function definitionAt(file: LanguageFile, offset: number): Target | null {
  const load = file.loads.find(({ statement: { nameRange } }) => nameRange.start <= offset && offset <= nameRange.end);
  if (load) {
    if (load.path === null) return null;
    const start = { file: load.path, start: 0, end: 0 };
    return { from: { file: file.source.path, ...load.statement.nameRange }, span: start, whole: start };
  }
  const occurrence = file.occurrenceAt(offset);
  const definition = occurrence && definitionBefore(occurrence.symbol, occurrence.span);
  return definition ? { from: occurrence.span, span: definition.span, whole: definition.whole } : null;
}

function definitionBefore({ definitions }: RaspSymbol, use: Span): Definition | undefined {
  const itself = definitions.find(({ span }) => sameSpan(span, use));
  const before = definitions.filter(({ span, whole, form }) => span.file === use.file && (form.kind === 'variable' ? whole.end : span.start) <= use.start);
  return itself ?? before.sort((a, b) => a.span.start - b.span.start).at(-1) ?? definitions[0];
}

export interface Place {
  readonly span: Span;
  readonly role: 'definition' | 'reference';
}

/** Every place of the name at the offset, in this file and those it loads, and in `others`, which may load them. */
export function placesAt(file: LanguageFile, offset: number, others: readonly LanguageFile[] = []): Place[] {
  const symbol = file.occurrenceAt(offset)?.symbol;
  return symbol ? placesOf(symbol, others) : [];
}

/** The symbols of all files that are one with this one, because they share a definition. */
export function sharedSymbols(symbol: RaspSymbol, others: readonly LanguageFile[]): Set<RaspSymbol> {
  const shared = new Set([symbol]);
  if (symbol.container !== null) return shared;
  for (let before = 0; before < shared.size; ) {
    before = shared.size;
    const keys = new Set([...shared].flatMap(({ definitions }) => definitions.map(({ span }) => keyOf(span))));
    for (const other of others) {
      for (const path of other.files()) {
        for (const { symbol: candidate, span, role } of other.occurrencesIn(path)) {
          if (role === 'definition' && candidate.name === symbol.name && keys.has(keyOf(span))) shared.add(candidate);
        }
      }
    }
  }
  return shared;
}

export function placesOf(symbol: RaspSymbol, others: readonly LanguageFile[]): Place[] {
  const places = new Map<string, Place>();
  for (const { definitions, references } of sharedSymbols(symbol, others)) {
    for (const { span } of definitions) places.set(keyOf(span), { span, role: 'definition' });
    for (const span of references) if (!places.has(keyOf(span))) places.set(keyOf(span), { span, role: 'reference' });
  }
  const visible = [...places.values()].filter(({ span }) => span.file !== libraryPath);
  return visible.sort((a, b) => (a.span.file < b.span.file ? -1 : a.span.file > b.span.file ? 1 : a.span.start - b.span.start));
}

const keyOf = ({ file, start }: Span): string => `${start} ${file}`;

/** The places in this file. */
export function highlightsAt(file: LanguageFile, offset: number): Place[] {
  const symbol = file.occurrenceAt(offset)?.symbol;
  if (!symbol) return [];
  return file.occurrences.filter((occurrence) => occurrence.symbol === symbol).map(({ span, role }) => ({ span, role }));
}
