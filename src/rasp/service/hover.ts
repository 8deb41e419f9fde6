// What is told about the name, operator or word at an offset, values apart.
import { builtInFunction, expressionWords, selectOperators, signatureOf, statementWords } from './builtins.ts';
import { documentationOf, headline } from './documentation.ts';
import { Kinds } from './kinds.ts';
import type { LanguageFile } from './languageFile.ts';
import { tokenBefore } from './callAt.ts';
import type { Range } from '../rasp/syntax.ts';
import type { Token } from '../rasp/tokens.ts';

export interface Told {
  readonly range: Range;
  /** One line of RASP, or nearly. */
  readonly headline: string;
  /** Markdown. */
  readonly documentation: string;
}

/** Null in comments, strings, numbers and brackets. */
export function toldAt(file: LanguageFile, offset: number): Told | null {
  const occurrence = file.occurrenceAt(offset);
  if (occurrence) {
    const { span, symbol } = occurrence;
    return { range: { start: span.start, end: span.end }, headline: headline(symbol, new Kinds(file)), documentation: documentationOf(symbol, file) };
  }
  const { tokens } = file.tokens;
  const index = tokenBefore(tokens, offset + 1);
  const token = tokens[index];
  if (token === undefined || offset >= token.end) return null;
  return wordTold(token) ?? operatorTold(token, tokens, index);
}

function wordTold({ text, kind, start, end }: Token): Told | null {
  if (kind === 'string' || kind === 'unknown') return null;
  const name = text.endsWith('(') ? text.slice(0, -1) : text;
  const known = name === '' ? undefined : builtInFunction(name);
  if (known) return { range: { start, end: start + name.length }, headline: signatureOf(known), documentation: known.doc };
  const word = [...statementWords, ...expressionWords].find((entry) => entry.name === text);
  return word ? { range: { start, end }, headline: word.name, documentation: word.doc } : null;
}

/** The comparison of a select stands between a comma and its parenthesis. */
function operatorTold({ text, start, end }: Token, tokens: readonly Token[], index: number): Told | null {
  const range = { start, end };
  if (tokens[index - 1]?.text === ',') {
    const known = selectOperators.find(({ name }) => name === text);
    return known ? { range, headline: `key ${text} query`, documentation: `Selects ${known.doc}.` } : null;
  }
  return operatorDocs.has(text) ? { range, headline: `a ${text} b`, documentation: operatorDocs.get(text) ?? '' } : null;
}

const operatorDocs: ReadonlyMap<string, string> = new Map([
  ['+', 'The sum, position by position.'],
  ['-', 'The difference, position by position.'],
  ['*', 'The product, position by position.'],
  ['/', 'The quotient, always a float.'],
  ['%', 'The remainder, with the sign of the divisor.'],
  ['^', 'The power.'],
  ['==', 'Whether both are equal, position by position.'],
  ['<', 'Whether the left is below the right, position by position.'],
  ['<=', 'Whether the left is below the right or equal, position by position.'],
  ['>', 'Whether the left is above the right, position by position.'],
  ['>=', 'Whether the left is above the right or equal, position by position.'],
]);
