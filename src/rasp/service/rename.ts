// Rename: gives a name another one everywhere it is meant, or says why that cannot be.
import type { ReadSource } from '../analyse.ts';
import type { TextEdit } from '../diagnostic.ts';
import { lineAt } from '../diagnostic.ts';
import { builtInNames, libraryFile } from '../rasp/library.ts';
import { keywords } from '../rasp/parseExpression.ts';
import { reservedNames } from '../rasp/scope.ts';
import type { LanguageFile } from './languageFile.ts';
import { openLanguageFile } from './languageFile.ts';
import type { Place } from './navigation.ts';
import { placesOf } from './navigation.ts';
import type { Occurrence, RaspSymbol } from './symbols.ts';
import type { Range } from '../rasp/syntax.ts';

export type Refusal = { readonly refusal: string };
export type RenameStart = { readonly range: Range; readonly name: string } | Refusal;
export type Rename = { readonly edits: readonly TextEdit[] } | Refusal;

/** Whether the name at the offset can be renamed. */
export function prepareRename(file: LanguageFile, offset: number): RenameStart {
  const occurrence = file.occurrenceAt(offset);
  if (!occurrence) return { refusal: 'There is no name here that could be renamed.' };
  const reason = fixed(occurrence.symbol);
  if (reason !== null) return { refusal: reason };
  const { span, symbol } = occurrence;
  return { range: { start: span.start, end: span.end }, name: symbol.name };
}

function fixed({ name, origin }: RaspSymbol): string | null {
  if (origin === 'library') return `“${name}” belongs to the library, or may mean the library's here, and keeps its name.`;
  return origin === 'built-in' ? `“${name}” is built into the language and keeps its name.` : null;
}

const libraryNames: ReadonlySet<string> = new Set([
  ...builtInNames,
  ...libraryFile().statements.flatMap((statement) => (statement.kind === 'function' ? [statement.name.name] : statement.kind === 'assign' ? statement.targets.map(({ name }) => name) : [])),
]);

function unusable(name: string, symbol: RaspSymbol): string | null {
  if (!/^[A-Za-z_]\w*$/u.test(name)) return `“${name}” is no name: write letters, digits and _, and no digit first.`;
  if (keywords.has(name)) return `“${name}” is a word of the language.`;
  if (reservedNames.has(name)) return `“${name}” is reserved: nothing can be assigned to it.`;
  if (symbol.container === null && libraryNames.has(name) && name !== 'tokens') return `“${name}” is a name of the library and reserved at the top level.`;
  return null;
}

/**
 * The edits that rename what stands at the offset.
 * @param readSource reads the files that take part, as they are
 * @param others files that may load this one; they are renamed along
 */
export function renameAt(file: LanguageFile, offset: number, newName: string, readSource: ReadSource, others: readonly LanguageFile[] = []): Rename {
  const start = prepareRename(file, offset);
  if ('refusal' in start) return start;
  const symbol = file.occurrenceAt(offset)?.symbol;
  if (!symbol || start.name === newName) return { edits: [] };
  const reason = unusable(newName, symbol);
  if (reason !== null) return { refusal: reason };
  const places = placesOf(symbol, others);
  const concerned = [file, ...others.filter((other) => places.some(({ span }) => other.files().includes(span.file)))];
  return unread(places, concerned) ?? clash(places, newName, concerned, readSource) ?? { edits: places.map(({ span }) => ({ span, newText: newName })) };
}

/** A statement that cannot be read may use the name too. */
function unread(places: readonly Place[], files: readonly LanguageFile[]): Refusal | null {
  const paths = new Set(places.map(({ span }) => span.file));
  const broken = files.find(({ parsed, source }) => paths.has(source.path) && parsed.diagnostics.some(({ severity }) => severity === 'error'));
  return broken ? { refusal: `${broken.source.path} has syntax errors; mend them first, so that no use of the name is missed.` } : null;
}

/** Renames on a copy and looks whether every name still means what it meant. */
function clash(places: readonly Place[], newName: string, files: readonly LanguageFile[], readSource: ReadSource): Refusal | null {
  const renamed = new Map<string, string>();
  const read: ReadSource = (path) => {
    if (!renamed.has(path)) {
      const text = readSource(path);
      if (text === undefined) return undefined;
      renamed.set(path, rewritten(text, places.filter(({ span }) => span.file === path), newName));
    }
    return renamed.get(path);
  };
  for (const { source } of files) {
    renamed.set(source.path, rewritten(source.text, places.filter(({ span }) => span.file === source.path), newName));
  }
  for (const file of files) {
    const after = openLanguageFile({ path: file.source.path, text: read(file.source.path) ?? '' }, read);
    if (!sameMeaning(file, after, places, newName.length)) return { refusal: clashReason(file, newName) };
  }
  return null;
}

function clashReason(file: LanguageFile, newName: string): string {
  const other = file.occurrences.find(({ symbol }) => symbol.name === newName);
  if (!other) return `“${newName}” would mean something else in some of these places; choose another name.`;
  const line = lineAt(file.source.text, other.span.start);
  return `There is another “${newName}” (line ${line}) that would be meant in some of these places; choose another name.`;
}

function rewritten(text: string, places: readonly Place[], newName: string): string {
  let result = '';
  let end = 0;
  for (const { span } of [...places].sort((a, b) => a.span.start - b.span.start)) {
    result += text.slice(end, span.start) + newName;
    end = span.end;
  }
  return result + text.slice(end);
}

/** The names of both files, one for one, fall into the same symbols. */
function sameMeaning(before: LanguageFile, after: LanguageFile, places: readonly Place[], newLength: number): boolean {
  if (before.parsed.diagnostics.length !== after.parsed.diagnostics.length) return false;
  const [there, back] = [new Map<RaspSymbol, RaspSymbol>(), new Map<RaspSymbol, RaspSymbol>()];
  return before.files().every((path) => {
    const [old, now] = [before.occurrencesIn(path), after.occurrencesIn(path)];
    const shift = shifter(places, path, newLength);
    return old.length === now.length && old.every((occurrence, i) => isPair(occurrence, now[i], shift, there, back));
  });
}

function isPair(old: Occurrence, now: Occurrence | undefined, shift: (offset: number) => number, there: Map<RaspSymbol, RaspSymbol>, back: Map<RaspSymbol, RaspSymbol>): boolean {
  if (now === undefined || old.role !== now.role || shift(old.span.start) !== now.span.start) return false;
  if ((there.get(old.symbol) ?? now.symbol) !== now.symbol || (back.get(now.symbol) ?? old.symbol) !== old.symbol) return false;
  there.set(old.symbol, now.symbol);
  back.set(now.symbol, old.symbol);
  return true;
}

/** Where an offset lies after the renaming; asked in ascending order. */
function shifter(places: readonly Place[], path: string, newLength: number): (offset: number) => number {
  const own = places.filter(({ span }) => span.file === path).sort((a, b) => a.span.start - b.span.start);
  let [next, moved] = [0, 0];
  return (offset) => {
    for (let place = own[next]; place !== undefined && place.span.start < offset; place = own[next]) {
      moved += newLength - (place.span.end - place.span.start);
      next += 1;
    }
    return offset + moved;
  };
}
