// The literals that a form may write into a program.
import type { Dialect, Value } from '../../rasp/program.ts';
import type { BinaryOperator } from '../../rasp/scalar.ts';
import { describe, isNumeric } from '../../rasp/scalar.ts';

export const comparisonsFor = (value: Value): readonly BinaryOperator[] =>
  isNumeric(value) ? ['==', '!=', '<', '<=', '>', '>='] : ['==', '!='];

/** Literals worth writing into a program: all of a small set, else the small integers. */
export function literals(domain: readonly Value[]): readonly Value[] {
  const known = domain.filter((value) => value !== null);
  if (known.length <= 12) return known.every(isNumeric) ? [...new Set([0, 1, ...known.map(Number)])] : known;
  const numbers = known.filter(isNumeric).map(Number);
  return [...new Set([0, 1, ...numbers.filter((x) => Number.isInteger(x) && Math.abs(x) <= 4)])];
}

export function literalText(value: Value, dialect: Dialect): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return dialect === 'rasp' ? `"${value}"` : JSON.stringify(value);
  return describe(value);
}
