// What the RASP language and its library offer, as data: signatures and one sentence each.
import type { Kind } from './kinds.ts';

export interface BuiltInParameter {
  readonly label: string;
  readonly doc: string;
}

export interface BuiltInFunction {
  readonly name: string;
  /** `opener`: part of the grammar, with the parenthesis; `library`: written in RASP itself. */
  readonly group: 'opener' | 'library';
  readonly parameters: readonly BuiltInParameter[];
  /** How many of the parameters may be left out, at the end. */
  readonly optional: number;
  /** Takes any number of arguments like its last. */
  readonly variadic?: boolean;
  readonly result: Kind;
  readonly doc: string;
}

export interface BuiltInName {
  readonly name: string;
  readonly kind: Kind;
  readonly doc: string;
}

type Row = readonly [label: string, doc: string];

function fn(group: BuiltInFunction['group'], name: string, rows: readonly Row[], result: Kind, doc: string, more: Partial<BuiltInFunction> = {}): BuiltInFunction {
  return { name, group, parameters: rows.map(([label, text]) => ({ label, doc: text })), optional: 0, result, doc, ...more };
}

const sequence: Row = ['seq', 'an s-op'];
const value: Row = ['atom', 'the value to look for'];
const wanted: Row = ['val', 'the value to look for'];

export const builtInFunctions: readonly BuiltInFunction[] = [
  fn('opener', 'select', [
    ['key', 'an s-op or a value: what each position offers'],
    ['query', 'an s-op or a value: what each position looks for'],
    ['operator', 'one of == != < > <= >=, read as key OPERATOR query'],
  ], 'selector', 'The selector in which the query at a position selects every key for which `key OPERATOR query` holds.'),
  fn('opener', 'aggregate', [
    ['selector', 'which positions each position selects'],
    ['values', 'an s-op or a value: what is taken from them'],
    ['default', 'the value where nothing is selected; 0 if left out'],
  ], 's-op', 'The average of the selected values; the value itself where exactly one is selected; the default where none is.', { optional: 1 }),
  fn('opener', 'range', [['start', 'where to begin; 0 if left out'], ['stop', 'where to end, not included'], ['step', 'the distance of neighbours; 1 if left out']], 'list', 'A list of integers: `range(stop)`, `range(start, stop)` or `range(start, stop, step)`.', { optional: 2 }),
  fn('opener', 'zip', [['lists', 'lists of one length']], 'list', 'The list of the first elements, of the second elements, and so on.', { variadic: true }),
  fn('opener', 'len', [['list', 'a list']], 'value', 'How many elements a list has.'),
  fn('opener', 'round', [['x', 'an s-op or a number']], 's-op', 'The nearest integer; halves go to the even one, as in Python.'),
  fn('opener', 'indicator', [['condition', 'an s-op']], 's-op', '1 where the s-op is true, else 0.'),
  fn('library', 'selector_width', [['sel', 'a selector']], 's-op', 'How many positions each position selects.'),
  fn('library', 'has_focus', [['sel', 'a selector']], 's-op', 'Whether a position selects anything.'),
  fn('library', 'count', [sequence, value], 's-op', 'How often the value occurs in the sequence, at every position.'),
  fn('library', 'contains', [sequence, value], 's-op', 'Whether the value occurs in the sequence, at every position.'),
  fn('library', 'max', [['a', 'an s-op or a number'], ['b', 'an s-op or a number']], 's-op', 'The greater of two, position by position.'),
  fn('library', 'min', [['a', 'an s-op or a number'], ['b', 'an s-op or a number']], 's-op', 'The smaller of two, position by position.'),
  fn('library', 'average', [['a', 'an s-op of numbers']], 's-op', 'The mean of the whole sequence, at every position.'),
  fn('library', 'load_from_location', [sequence, ['loc', 'an s-op or a number: the position to read']], 's-op', 'The value at another position; 0 where there is no such position.'),
  fn('library', 'shift', [sequence, ['n', 'how many positions to the right'], ['filler', 'the value of the positions that nothing is moved to']], 's-op', 'The sequence moved to the right.'),
  fn('library', 'mark_last_instance', [sequence, wanted], 's-op', 'True at the last position that holds the value.'),
  fn('library', 'mark_first_instance', [sequence, wanted], 's-op', 'True at the first position that holds the value.'),
  fn('library', 'select_from_last', [sequence, wanted], 'selector', 'The selector of the last position that holds the value.'),
  fn('library', 'select_from_first', [sequence, wanted], 'selector', 'The selector of the first position that holds the value.'),
  fn('library', 'sort', [['seq', 'the s-op to sort'], ['key', 'an s-op of numbers to sort by']], 's-op', 'The sequence in the order of its keys, smallest first; equal keys keep their order.'),
  fn('library', 'select_next_identical', [sequence], 'selector', 'The selector of the next position that holds the same value.'),
];

export const builtInValues: readonly BuiltInName[] = [
  { name: 'tokens', kind: 's-op', doc: 'The input, each token as a string. `tokens = tokens_int;` reads it as integers from there on.' },
  { name: 'tokens_str', kind: 's-op', doc: 'The input, each token as a string.' },
  { name: 'tokens_int', kind: 's-op', doc: 'The input, each token as an integer.' },
  { name: 'tokens_float', kind: 's-op', doc: 'The input, each token as a float.' },
  { name: 'tokens_bool', kind: 's-op', doc: 'The input, each token as True or False.' },
  { name: 'tokens_asis', kind: 's-op', doc: 'The input as it is, no token converted.' },
  { name: 'indices', kind: 's-op', doc: 'The positions, from 0.' },
  { name: 'length', kind: 's-op', doc: 'The length of the input, at every position.' },
  { name: 'full_s', kind: 'selector', doc: 'The selector in which every position selects every position.' },
  { name: 'True', kind: 'value', doc: 'The truth value true.' },
  { name: 'False', kind: 'value', doc: 'The truth value false.' },
  { name: 'out', kind: 'unknown', doc: 'The result of the last statement. It cannot be assigned to.' },
];

/** Words of the language that stand where a statement begins. */
export const statementWords: readonly { readonly name: string; readonly doc: string }[] = [
  { name: 'def', doc: 'Defines a function; its last statement is its return.' },
  { name: 'for', doc: 'Goes through a list or the keys of a dict.' },
  { name: 'return', doc: 'Ends a function with its results.' },
  { name: 'load', doc: 'Reads another file; its names, private ones (`_name`) apart, can be used from here on.' },
  { name: 'draw', doc: 'Draws the computation flow of an s-op.' },
  { name: 'set example', doc: 'What is defined from here on is tried on this input.' },
];

/** Words of the language that stand inside expressions. */
export const expressionWords: readonly { readonly name: string; readonly doc: string }[] = [
  { name: 'and', doc: 'Both; of two selectors, the positions that both select. Binds as tightly as `or`.' },
  { name: 'or', doc: 'Either; of two selectors, the positions that either selects. Binds as tightly as `and`.' },
  { name: 'not', doc: 'The opposite; of a selector, the positions that it leaves out. Binds tighter than comparisons: write `not (a == b)`.' },
  { name: 'if', doc: '`a if condition else b`, position by position where the condition is an s-op.' },
  { name: 'else', doc: '`a if condition else b`, position by position where the condition is an s-op.' },
  { name: 'in', doc: '`s in [1, 2]` position by position; `"e" in s` for the whole sequence.' },
];

export const selectOperators: readonly { readonly name: string; readonly doc: string }[] = [
  { name: '==', doc: 'keys that equal the query' },
  { name: '!=', doc: 'keys that differ from the query' },
  { name: '<', doc: 'keys below the query: on indices, earlier positions' },
  { name: '<=', doc: 'keys below the query or equal: on indices, the position itself and earlier ones' },
  { name: '>', doc: 'keys above the query: on indices, later positions' },
  { name: '>=', doc: 'keys above the query or equal: on indices, the position itself and later ones' },
];

const functionsByName = new Map(builtInFunctions.map((entry) => [entry.name, entry]));
const valuesByName = new Map(builtInValues.map((entry) => [entry.name, entry]));

export const builtInFunction = (name: string): BuiltInFunction | undefined => functionsByName.get(name);
export const builtInValue = (name: string): BuiltInName | undefined => valuesByName.get(name);

/** `shift(seq, n, filler)`, optional parameters in brackets. */
export function signatureOf({ name, parameters, optional, variadic }: BuiltInFunction): string {
  if (name === 'range') return 'range([start,] stop [, step])';
  const required = parameters.slice(0, parameters.length - optional).map(({ label }) => label);
  const rest = parameters.slice(parameters.length - optional).map(({ label }) => ` [, ${label}]`);
  return `${name}(${required.join(', ')}${rest.join('')}${variadic ? ', …' : ''})`;
}
