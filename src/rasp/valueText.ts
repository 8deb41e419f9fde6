// Values as text: sequences under their tokens, selectors as small matrices, one line for hints.
import type { ElementType, Value } from './program.ts';
import { describe } from './scalar.ts';
import type { ShownValue } from './shownValue.ts';

/** Positions that a picture shows; more do not fit beside code. */
const mostPositions = 24;

/** A token or value as a cell: strings without quotes, blanks visible, floats to 3 digits. */
export function cell(value: Value | undefined, type?: ElementType): string {
  if (value === undefined) return '';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'T' : 'F';
  if (typeof value === 'number') return numberText(value, type);
  const visible = value.replaceAll(' ', '␣').replaceAll('\n', '⏎').replaceAll('\t', '⇥');
  return visible === '' ? '∅' : visible.length > 12 ? `${visible.slice(0, 11)}…` : visible;
}

function numberText(value: number, type?: ElementType): string {
  if (!Number.isFinite(value)) return String(value);
  const rounded = Number.isInteger(value) ? String(value) : String(Number(value.toFixed(3)));
  return type === 'float' && /^-?\d+$/u.test(rounded) ? `${rounded}.0` : rounded;
}

/** The tokens, and the values under them. */
export function sequenceText(name: string, values: readonly Value[], type: ElementType, example: readonly Value[]): string {
  const shown = values.slice(0, mostPositions);
  const tokens = shown.map((_, i) => cell(example[i]));
  const cells = shown.map((value) => cell(value, type));
  const widths = shown.map((_, i) => Math.max(tokens[i]?.length ?? 0, cells[i]?.length ?? 0));
  const title = Math.max('input'.length, name.length);
  const row = (label: string, texts: readonly string[]): string => `${label.padEnd(title)}  ${texts.map((text, i) => text.padStart(widths[i] ?? 0)).join(' ')}`;
  const more = values.length > shown.length ? ' …' : '';
  return `${row('input', tokens)}${more}\n${row(name, cells)}${more}`;
}

/** Rows are queries, columns keys; ● where the query selects the key. */
export function matrixText(matrix: readonly (readonly boolean[])[], example: readonly Value[]): string {
  const positions = Math.min(matrix.length, mostPositions);
  const tokens = example.slice(0, positions).map((token) => cell(token));
  const side = Math.max(...tokens.map(({ length }) => length), 1);
  const margin = ' '.repeat('query '.length + side);
  const columns = (texts: readonly string[]): string => texts.map((text, k) => text.padStart(tokens[k]?.length ?? 1)).join(' ');
  const more = matrix.length > positions ? ' …' : '';
  const lines = tokens.map((token, q) => `${q === 0 ? 'query ' : '      '}${token.padStart(side)} ${columns(tokens.map((_, k) => (matrix[q]?.[k] ? '●' : '·')))}${more}`);
  return [`${margin} key`, `${margin} ${columns(tokens)}${more}`, ...lines, ...(more === '' ? [] : ['      ⋮'])].join('\n');
}

/** How many of the pairs a selector selects. */
export const selectedCount = (matrix: readonly (readonly boolean[])[]): number =>
  matrix.reduce((sum, row) => sum + row.filter(Boolean).length, 0);

const longestHint = 36;

/** One line: `[o, l, l, e, h]`, `5×5 selector, 9 selected`. */
export function oneLine(shown: ShownValue): string {
  switch (shown.kind) {
    case 's-op': {
      const { values, type } = shown;
      const [first] = values;
      if (values.length > 2 && values.every((value) => value === first)) return `[${cell(first, type)}]*${values.length}`;
      return shortened(`[${values.map((value) => cell(value, type)).join(', ')}]`);
    }
    case 'selector':
      return `${shown.matrix.length}×${shown.matrix.length} selector, ${selectedCount(shown.matrix)} selected`;
    case 'plain':
      return shortened(shown.text);
    case 'failure':
      return shortened(`fails: ${shown.message}`);
  }
}

/** A whole sequence as it is written in examples: `"hello"` where all are single characters, else a list. */
export function exampleText(values: readonly Value[]): string {
  const isText = values.length > 0 && values.every((value) => typeof value === 'string' && [...value].length === 1 && !/["\\\n]/u.test(value));
  return isText ? `"${values.join('')}"` : `[${values.map(describe).join(', ')}]`;
}

const shortened = (text: string): string => (text.length > longestHint ? `${text.slice(0, longestHint - 1)}…` : text);
