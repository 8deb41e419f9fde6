// Numbers, strings, lists and dicts as Python prints them, which is how RASP's transcripts show them.
import type { Value } from '../program.ts';
import { describe } from '../scalar.ts';
import type { Atom, RaspValue } from '../rasp/values.ts';

/** A float: always with a fraction or an exponent, exponents of two digits and more. */
export function floatText(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  const size = Math.abs(x);
  if (x !== 0 && (size >= 1e16 || size < 1e-4)) {
    return x.toExponential().replace(/e([+-])(\d)$/u, 'e$10$2');
  }
  const text = String(x);
  return /^-?\d+$/u.test(text) ? `${text}.0` : text;
}

/** An int; JavaScript's own form has an exponent where it is very large. */
const intText = (x: number): string => (Math.abs(x) >= 1e21 && Number.isFinite(x) ? BigInt(x).toString() : String(x));

export const numberText = (x: number, isFloat: boolean): string => (isFloat || !Number.isInteger(x) ? floatText(x) : intText(x));

/** A string in a list: in single quotes, or in double ones if it holds a single quote only. */
export function quoted(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n');
  if (text.includes("'") && !text.includes('"')) return `"${escaped}"`;
  return `'${escaped.replaceAll("'", "\\'")}'`;
}

/** A lone value: strings in double quotes. */
export function atomText({ value, type }: Atom): string {
  if (typeof value === 'string') return `"${value}"`;
  return typeof value === 'number' ? numberText(value, type === 'float') : describe(value);
}

/** Python's repr of a value inside a list or a dict. */
export function reprText(value: RaspValue): string {
  switch (value.kind) {
    case 'atom':
      return typeof value.value === 'string' ? quoted(value.value) : atomText(value);
    case 'list':
      return `[${value.items.map(reprText).join(', ')}]`;
    case 'dict':
      return `{${[...value.entries.values()].map(({ key, value: item }) => `${reprText(key)}: ${reprText(item)}`).join(', ')}}`;
    case 'function':
      return `${value.name}(${value.parameters.map(({ name }) => name).join(', ')})`;
    default:
      return value.kind;
  }
}

/** One token of an input. */
export const tokenText = (token: Value): string => (typeof token === 'string' ? token : describe(token));
