// The small symbolic changes that may be wrapped around a value: what they compute and how each syntax writes them.
import type { Dialect, Value } from '../rasp/program.ts';
import { binary, negate, truthy } from '../rasp/scalar.ts';

/** Where a wrapped text stands: an expression over s-ops, or the body of a lambda over scalars. */
export type Context = 'sop' | 'scalar';

export interface Transform {
  readonly label: string;
  readonly cost: number;
  apply(value: Value): Value;
  /** The text around an operand that is already safe to use as an operand. */
  write(dialect: Dialect, context: Context): readonly [open: string, close: string];
}

const shift = (by: number, cost: number): Transform => ({
  label: by < 0 ? `x - ${-by}` : `x + ${by}`,
  cost,
  apply: (x) => binary('+', x, by),
  write: () => ['', by < 0 ? ` - ${-by}` : ` + ${by}`],
});

const from = (c: number, cost: number): Transform => ({
  label: `${c} - x`,
  cost,
  apply: (x) => binary('-', c, x),
  write: () => [`${c} - `, ''],
});

export const negation: Transform = {
  label: '-x',
  cost: 1,
  apply: (x) => negate(x),
  write: () => ['-', ''],
};

export const complement: Transform = {
  label: 'not x',
  cost: 1,
  apply: (x) => !truthy(x),
  write: (dialect, context) => (dialect === 'tracr' && context === 'sop' ? ['~', ''] : ['not ', '']),
};

/** Around a numeric operand. */
export const numericTransforms: readonly Transform[] = [
  negation,
  shift(1, 1),
  shift(-1, 1),
  shift(2, 1.6),
  shift(-2, 1.6),
  from(1, 1.6),
  from(-1, 1.8),
];

/** Around any operand that has a truth value. */
export const allTransforms: readonly Transform[] = [complement, ...numericTransforms];

/** One token or one bracketed whole, so that no operator outside can bind into it. */
export function isAtomic(text: string): boolean {
  const trimmed = text.trim();
  if (/^[\w.]+$/.test(trimmed)) return true;
  const head = /^[\w.]*[([{]/.exec(trimmed);
  if (!head) return /^"[^"]*"$|^'[^']*'$/.test(trimmed);
  return closingBracket(trimmed, head[0].length - 1) === trimmed.length - 1;
}

function closingBracket(text: string, open: number): number {
  let depth = 0;
  let quote = '';
  for (let i = open; i < text.length; i++) {
    const c = text.charAt(i);
    if (quote !== '') {
      if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if ('([{'.includes(c)) depth++;
    else if (')]}'.includes(c) && --depth === 0) return i;
  }
  return -1;
}
