// The program that a place in a text is about: of several that a file defines, the one under the cursor.
import type { Analysis, Entry } from './analyse.ts';

/** What may stand between a program's name and a place that still belongs to it. */
const next = { rasp: /;/u, tracr: /^(?:def|class|@|\S+\s*=)\b/mu } as const;

/** The entry whose name or text is at the offset, else the default one: the last. */
export function entryAt({ source: { text }, dialect, entries }: Analysis, offset: number): Entry | undefined {
  const word = wordAt(text, offset);
  const named = entries.findLast(({ name }) => name === word);
  if (named) return named;
  const above = entries.findLast(({ nameSpan }) => startOfLine(text, nameSpan.start) <= offset);
  if (above && !next[dialect].test(text.slice(above.nameSpan.end, offset))) return above;
  return entries.at(-1);
}

const startOfLine = (text: string, offset: number): number => text.lastIndexOf('\n', offset - 1) + 1;

function wordAt(text: string, offset: number): string {
  const before = /\w*$/u.exec(text.slice(0, offset))?.[0] ?? '';
  return before + (/^\w*/u.exec(text.slice(offset))?.[0] ?? '');
}
