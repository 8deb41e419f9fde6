// Does an input to the interactive loop need another line before it can be read?
import { parse } from '../rasp/parse.ts';
import type { Token } from '../rasp/tokens.ts';
import { tokenize } from '../rasp/tokens.ts';

/** True where the text is empty or ends inside a statement; false where it is whole, and where more lines could not mend it. */
export function isUnfinished(text: string): boolean {
  const { tokens } = tokenize(text);
  if (tokens.length === 1) return true;
  const brackets = bracketsOf(tokens);
  if (brackets === 'broken') return false;
  return brackets === 'open' || parse({ path: '', text }).endsEarly;
}

const closerOf = (opener: string): string => (opener === '[' ? ']' : opener === '{' ? '}' : ')');

/** `broken`: one is closed that was not opened, or a statement ends inside parentheses. */
function bracketsOf(tokens: readonly Token[]): 'closed' | 'open' | 'broken' {
  const open: string[] = [];
  for (const { kind, text } of tokens) {
    if (kind !== 'symbol') continue;
    if (/[([{]$/u.test(text)) open.push(text);
    else if (/^[)\]}]$/u.test(text)) {
      const opener = open.pop();
      if (opener === undefined || closerOf(opener) !== text) return 'broken';
    } else if (text === ';' && !['{', undefined].includes(open.at(-1))) return 'broken';
  }
  return open.length > 0 ? 'open' : 'closed';
}
