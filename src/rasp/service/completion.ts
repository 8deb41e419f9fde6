// Completion: what can be written at an offset, with its signature and one sentence about it.
import { builtInFunction, builtInFunctions, builtInValue, expressionWords, selectOperators, signatureOf, statementWords } from './builtins.ts';
import type { BuiltInFunction } from './builtins.ts';
import type { CallContext } from './callAt.ts';
import { callAt, tokenBefore } from './callAt.ts';
import { documentationOf, headline } from './documentation.ts';
import type { Kind } from './kinds.ts';
import { Kinds } from './kinds.ts';
import type { LanguageFile } from './languageFile.ts';
import type { VisibleName } from './symbols.ts';
import type { Range } from '../rasp/syntax.ts';
import type { Token } from '../rasp/tokens.ts';

export type CompletionKind = Kind | 'parameter' | 'keyword' | 'operator' | 'file' | 'folder' | 'directive';

export interface Completion {
  readonly label: string;
  readonly kind: CompletionKind;
  readonly detail: string;
  readonly documentation: string;
  /** In snippet syntax where `isSnippet`. */
  readonly insert: string;
  readonly isSnippet: boolean;
  /** The text that it takes the place of. */
  readonly range: Range;
  /** Smaller comes first. */
  readonly rank: number;
}

/** A `.rasp` file or a folder beside a file, by its name. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface CompletionOptions {
  /** What lies in a folder named relative to the file: `''` for its own. */
  readonly list?: (folder: string) => readonly FolderEntry[];
}

/** Everything that may be written at the offset; the editor filters by what is written already. */
export function completionsAt(file: LanguageFile, offset: number, options: CompletionOptions = {}): Completion[] {
  const { text } = file.source;
  const { tokens, comments } = file.tokens;
  const comment = comments.find(({ start, end }) => start < offset && offset <= Math.max(end, lineEnd(text, start)));
  if (comment) return directives(text, comment.start, offset);
  const before = tokens[tokenBefore(tokens, offset)];
  if (before !== undefined && before.text.startsWith('"') && offset <= before.end && !(before.kind === 'string' && offset === before.end)) {
    return fileNames(text, tokens, before, offset, options);
  }
  const word = wordAt(text, offset);
  if (/^\d/u.test(text.slice(word.start, word.end))) return [];
  const index = tokenBefore(tokens, word.start);
  return atPlace(file, word, tokens, index, options);
}

const lineEnd = (text: string, start: number): number => {
  const end = text.indexOf('\n', start);
  return end < 0 ? text.length : end;
};

function wordAt(text: string, offset: number): Range {
  let [start, end] = [offset, offset];
  while (start > 0 && /\w/u.test(text[start - 1] ?? '')) start -= 1;
  while (end < text.length && /\w/u.test(text[end] ?? '')) end += 1;
  return { start, end };
}

function atPlace(file: LanguageFile, word: Range, tokens: readonly Token[], index: number, options: CompletionOptions): Completion[] {
  const previous = tokens[index];
  const call = callAt(tokens, word.start);
  if (namesSomethingNew(tokens, index)) return [];
  if (previous?.text === 'load') return loadable(word, options, '', (name) => `"${name}";`);
  if (call?.name === 'select' && call.argument === 2) return operators(word);
  if (endsOperand(previous) && !startsStatement(tokens, index, file.source.text, word.start)) return words(expressionWords.filter(({ name }) => name !== 'not'), word);
  const atStart = startsStatement(tokens, index, file.source.text, word.start);
  const found = [...names(file, word, call), ...openersAt(file, word, call), ...words(expressionWords.filter(({ name }) => name === 'not'), word)];
  return atStart && call === null ? [...found, ...words(statementWords, word)] : found;
}

/** Behind `def`, in a list of parameters, between `for` and `in`: names of the writer's own. */
function namesSomethingNew(tokens: readonly Token[], index: number): boolean {
  for (let i = index; i >= 0; i--) {
    const token = tokens[i];
    if (token === undefined) return false;
    if (token.text === 'def' || (token.text === 'for' && token.kind === 'name')) return true;
    if (token.kind !== 'name' && token.text !== ',' && token.text !== '(') return false;
    if (token.text === 'in') return false;
  }
  return false;
}

function endsOperand(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === 'int' || token.kind === 'float' || token.kind === 'string') return true;
  if (token.kind === 'name') return !operatorWords.has(token.text);
  return token.text === ')' || token.text === ']';
}

const operatorWords: ReadonlySet<string> = new Set(['and', 'or', 'not', 'if', 'else', 'in', 'return', 'for', 'def', 'load', 'draw', 'example']);

function startsStatement(tokens: readonly Token[], index: number, text: string, at: number): boolean {
  const previous = tokens[index];
  if (previous === undefined || previous.text === ';' || previous.text === '{' || previous.text === '}') return true;
  // A line of its own behind an operand is a new statement whose predecessor lacks its semicolon.
  return endsOperand(previous) && text.slice(previous.end, at).includes('\n');
}

/** Kinds that an argument of the call should have; everything else is offered behind them. */
function expectedKind(call: CallContext | null): Kind | null {
  if (!call?.name) return null;
  if (call.name === 'aggregate') return call.argument === 0 ? 'selector' : 's-op';
  if (call.name === 'select' || call.name === 'round' || call.name === 'indicator') return 's-op';
  const parameter = builtInFunction(call.name)?.parameters[call.argument];
  if (parameter?.label === 'sel') return 'selector';
  return parameter === undefined ? null : 's-op';
}

function names(file: LanguageFile, word: Range, call: CallContext | null): Completion[] {
  const kinds = new Kinds(file);
  const expected = expectedKind(call);
  const callable = !file.source.text.startsWith('(', word.end);
  return file
    .visibleAt(word.start)
    .filter(({ symbol }) => symbol.origin === 'file' || builtInFunction(symbol.name)?.group === 'library' || builtInValue(symbol.name) !== undefined)
    .map((visible) => nameCompletion(visible, file, kinds, expected, word, callable));
}

function nameCompletion({ name, symbol, distance }: VisibleName, file: LanguageFile, kinds: Kinds, expected: Kind | null, range: Range, callable: boolean): Completion {
  const form = symbol.definitions.at(-1)?.form;
  const kind = kinds.ofSymbol(symbol);
  const parameters = form?.kind === 'function' ? form.statement.parameters.map((parameter) => parameter.name) : builtInFunction(name)?.parameters.map(({ label }) => label);
  const asCall = callable && kind === 'function' && parameters !== undefined;
  return {
    label: name,
    kind: form?.kind === 'parameter' ? 'parameter' : kind,
    detail: headline(symbol, kinds),
    documentation: documentationOf(symbol, file),
    insert: asCall ? callSnippet(name, parameters) : name,
    isSnippet: asCall,
    range,
    rank: (expected !== null && kind !== expected && kind !== 'unknown' ? 10 : 0) + (symbol.origin === 'file' ? distance : 5),
  };
}

const callSnippet = (name: string, parameters: readonly string[]): string => `${name}(${parameters.map((parameter, i) => `\${${i + 1}:${parameter}}`).join(', ')})`;

function openerSnippet(opener: BuiltInFunction): string {
  if (opener.name === 'select') return 'select(${1:key}, ${2:query}, ${3|==,<,>,<=,>=,!=|})';
  const required = opener.parameters.slice(0, opener.parameters.length - opener.optional).map(({ label }) => label);
  return opener.name === 'range' ? 'range(${1:stop})' : callSnippet(opener.name, required);
}

function openersAt(file: LanguageFile, range: Range, call: CallContext | null): Completion[] {
  const expected = expectedKind(call);
  const callable = !file.source.text.startsWith('(', range.end);
  return builtInFunctions
    .filter(({ group }) => group === 'opener')
    .map((opener) => ({
      label: opener.name,
      kind: 'function',
      detail: signatureOf(opener),
      documentation: opener.doc,
      insert: callable ? openerSnippet(opener) : opener.name,
      isSnippet: callable,
      range,
      rank: 4 + (expected !== null && opener.result !== expected ? 10 : 0),
    }));
}

function words(entries: readonly { readonly name: string; readonly doc: string }[], range: Range): Completion[] {
  return entries.map(({ name, doc }) => ({ label: name, kind: 'keyword', detail: '', documentation: doc, insert: name, isSnippet: false, range, rank: 8 }));
}

function operators(range: Range): Completion[] {
  return selectOperators.map(({ name, doc }, i) => ({ label: name, kind: 'operator', detail: doc, documentation: '', insert: name, isSnippet: false, range, rank: i }));
}

/** Inside quotes: the files that `load` may name. */
function fileNames(text: string, tokens: readonly Token[], quoted: Token, offset: number, options: CompletionOptions): Completion[] {
  if (tokens[tokens.indexOf(quoted) - 1]?.text !== 'load') return [];
  const written = text.slice(quoted.start + 1, offset);
  const folder = written.slice(0, written.lastIndexOf('/') + 1);
  const end = quoted.kind === 'string' ? quoted.end - 1 : offset;
  return loadable({ start: quoted.start + 1 + folder.length, end }, options, folder, (name) => name);
}

function loadable(range: Range, { list }: CompletionOptions, folder: string, insert: (name: string) => string): Completion[] {
  const entries = list?.(folder) ?? [];
  return entries.flatMap(({ name, isFolder }): Completion[] => {
    if (!isFolder && !name.endsWith('.rasp')) return [];
    const label = isFolder ? `${name}/` : name.slice(0, -'.rasp'.length);
    return [{ label, kind: isFolder ? 'folder' : 'file', detail: '', documentation: '', insert: insert(label), isSnippet: false, range, rank: isFolder ? 1 : 0 }];
  });
}

const directiveTexts = [
  { label: 'reference', insert: 'reference ${1:other.rasp}', doc: 'Another program gives the outputs of the examples.' },
  { label: 'vocabulary', insert: 'vocabulary [${1:1, 2, 3}]', doc: 'The tokens that inputs may hold.' },
  { label: 'input -> output', insert: '[${1}] -> [${2}]', doc: 'An example of right behaviour.' },
];

/** Behind `#:`. */
function directives(text: string, start: number, offset: number): Completion[] {
  const written = /^#:[ \t]*(\w*)$/u.exec(text.slice(start, offset));
  if (!written) return [];
  const range = { start: offset - (written[1]?.length ?? 0), end: offset };
  return directiveTexts.map(({ label, insert, doc }, i) => ({ label, kind: 'directive', detail: '', documentation: doc, insert, isSnippet: true, range, rank: i }));
}
