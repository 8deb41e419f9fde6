// Which call an offset of a text stands in, and in which of its arguments; works on texts that do not parse.
import type { Token } from '../rasp/tokens.ts';
import { openers } from '../rasp/tokens.ts';

export interface CallContext {
  /** The name that is called, or null where something else is. */
  readonly name: string | null;
  readonly nameStart: number;
  /** From 0. */
  readonly argument: number;
}

/** The index of the last token that begins before the offset; -1 where there is none. */
export function tokenBefore(tokens: readonly Token[], offset: number): number {
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle]?.start ?? Infinity) < offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const isOpener = (token: Token): boolean => token.text.length > 1 && token.text.endsWith('(') && openers.has(token.text.slice(0, -1));

/** The innermost call whose parentheses are open at the offset; a statement's end ends the search. */
export function callAt(tokens: readonly Token[], offset: number): CallContext | null {
  let [argument, depth] = [0, 0];
  for (let i = tokenBefore(tokens, offset); i >= 0; i--) {
    const token = tokens[i];
    if (token === undefined || token.kind !== 'symbol') continue;
    if (token.end > offset) continue;
    const { text } = token;
    // A closing brace ends a dict, or a block, and then a semicolon stands before it.
    if (text === ')' || text === ']' || text === '}') depth += 1;
    else if (text === ';') return null;
    else if (text === ',' && depth === 0) argument += 1;
    else if (text === '(' || isOpener(token)) {
      const call = depth === 0 ? contextOf(tokens, i, argument) : 'grouping';
      if (call !== 'grouping') return call;
      // Commas inside parentheses that only group are not those of the call around them.
      if (depth === 0) argument = 0;
      else depth -= 1;
    } else if (text === '[' || text === '{') {
      if (depth > 0) depth -= 1;
      // A list or dict inside a call: its commas are not the call's.
      else if (text === '[') argument = 0;
      else return null;
    }
  }
  return null;
}

/** Null for a definition's parameters. */
function contextOf(tokens: readonly Token[], index: number, argument: number): CallContext | null | 'grouping' {
  const open = tokens[index];
  if (open === undefined) return null;
  if (open.text !== '(') return { name: open.text.slice(0, -1), nameStart: open.start, argument };
  const callee = tokens[index - 1];
  if (tokens[index - 2]?.text === 'def') return null;
  if (callee?.kind === 'name' && !words.has(callee.text)) return { name: callee.text, nameStart: callee.start, argument };
  return callee?.text === ')' || callee?.text === ']' ? { name: null, nameStart: callee.start, argument } : 'grouping';
}

/** Words before a parenthesis that call nothing. */
const words: ReadonlySet<string> = new Set(['and', 'or', 'not', 'if', 'else', 'in', 'return']);
