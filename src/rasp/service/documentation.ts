// What is told about a name: its signature or kind in one line, and its documentation.
import { builtInFunction, builtInValue, signatureOf } from './builtins.ts';
import type { Kind, Kinds } from './kinds.ts';
import type { LanguageFile } from './languageFile.ts';
import type { Definition, RaspSymbol } from './symbols.ts';

const kindTexts: Readonly<Record<Kind, string>> = {
  's-op': 's-op',
  selector: 'selector',
  function: 'function',
  value: 'value',
  list: 'list',
  dict: 'dict',
  unknown: 'name',
};

export const kindText = (kind: Kind): string => kindTexts[kind];

/** `def shift(seq, n)`, `selector smaller`, `parameter seq of shift`. */
export function headline(symbol: RaspSymbol, kinds: Kinds): string {
  const { name, origin, definitions, container } = symbol;
  if (origin !== 'file') {
    const known = builtInFunction(name);
    return known ? signatureOf(known) : `${kindText(builtInValue(name)?.kind ?? 'unknown')} ${name}`;
  }
  const form = definitions.at(-1)?.form;
  if (form?.kind === 'function') return `def ${functionSignature(definitions.at(-1)) ?? name}`;
  if (form?.kind === 'parameter') return `parameter ${name}${container === null ? '' : ` of ${container}`}`;
  if (form?.kind === 'loop') return `loop name ${name}`;
  return `${kindText(kinds.ofSymbol(symbol))} ${name}`;
}

export function functionSignature(definition: Definition | undefined): string | undefined {
  if (definition?.form.kind !== 'function') return undefined;
  const { name, parameters } = definition.form.statement;
  return `${name.name}(${parameters.map((parameter) => parameter.name).join(', ')})`;
}

/** What the language says about a name of its own, or the comment above the definition. */
export function documentationOf(symbol: RaspSymbol, file: LanguageFile): string {
  if (symbol.origin !== 'file') return builtInFunction(symbol.name)?.doc ?? builtInValue(symbol.name)?.doc ?? '';
  return symbol.definitions.map(({ whole }) => commentAbove(file.textOf(whole.file), whole.start)).find((text) => text !== '') ?? '';
}

/** The comment lines directly above an offset, and the one behind the statement's first line if there are none. */
export function commentAbove(text: string, offset: number): string {
  const lines: string[] = [];
  let start = text.lastIndexOf('\n', offset - 1) + 1;
  while (start > 0) {
    const previous = text.lastIndexOf('\n', start - 2) + 1;
    const line = text.slice(previous, start - 1).trim();
    if (!line.startsWith('#') || line.startsWith('#:')) break;
    lines.unshift(line.replace(/^#+ ?/u, ''));
    start = previous;
  }
  if (lines.length > 0) return lines.join('\n').trim();
  const end = text.indexOf('\n', offset);
  const behind = /;\s*#(?!:)\s*(.*)$/u.exec(text.slice(offset, end < 0 ? text.length : end));
  return behind?.[1]?.trim() ?? '';
}
