// Python's scalar arithmetic, comparison and truth on RASP values.
import type { Comparison, Predicate, ScalarFunction, Value } from './program.ts';

/**
 * A value error inside a program, as Python would raise it; the message is for the program's author. It carries no stack:
 * a search raises hundreds of thousands, and collecting stacks would take most of its time.
 */
export class ScalarError extends Error {
  override readonly name = 'ScalarError';
  /** @param fault `type`: the operation makes no sense for such values; `value`: only for these (division by zero …). */
  constructor(
    message: string,
    readonly fault: 'type' | 'value' = 'type',
  ) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
  }
}

export const isNumeric = (v: Value): v is number | boolean => typeof v === 'number' || typeof v === 'boolean';

export function truthy(v: Value): boolean {
  return typeof v === 'string' ? v.length > 0 : Boolean(v);
}

/** Python's ==: True equals 1, strings equal strings only. */
export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (isNumeric(a) && isNumeric(b)) return Number(a) === Number(b);
  return false;
}

export function describe(v: Value): string {
  if (v === null) return 'None';
  if (typeof v === 'boolean') return v ? 'True' : 'False';
  return typeof v === 'string' ? JSON.stringify(v) : String(v);
}

const typeName = (v: Value): string =>
  v === null ? 'None' : typeof v === 'string' ? 'a string' : typeof v === 'boolean' ? 'a bool' : 'a number';

function fail(op: string, a: Value, b: Value): never {
  throw new ScalarError(`cannot compute ${describe(a)} ${op} ${describe(b)}: ${typeName(a)} and ${typeName(b)}`);
}

function numbers(op: string, a: Value, b: Value): [number, number] {
  if (!isNumeric(a) || !isNumeric(b)) return fail(op, a, b);
  return [Number(a), Number(b)];
}

function ordered(op: string, a: Value, b: Value): number {
  // Code points, as Python compares strings: UTF-16 units order differently above the BMP.
  if (typeof a === 'string' && typeof b === 'string') return compareCodePoints(a, b);
  const [x, y] = numbers(op, a, b);
  return x - y;
}

function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const d = codePointOrder(a.charCodeAt(i)) - codePointOrder(b.charCodeAt(i));
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

/** Moves surrogates behind all other units, where their code points belong. */
function codePointOrder(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

const longestString = 1_000_000;

function joined(a: string, b: string): string {
  if (a.length + b.length > longestString) throw new ScalarError('the string grows too long', 'value');
  return a + b;
}

function repeated(text: string, times: number): string {
  if (!Number.isInteger(times)) throw new ScalarError(`cannot repeat a string ${times} times`);
  if (text.length * times > longestString) throw new ScalarError('the string grows too long', 'value');
  return text.repeat(Math.max(0, times));
}

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '^' | '==' | '!=' | '<' | '<=' | '>' | '>=';

/** a OP b as Python computes it (`^` is power, `%` takes the divisor's sign). Throws ScalarError. */
export function binary(op: BinaryOperator, a: Value, b: Value): Value {
  switch (op) {
    case '==':
      return equals(a, b);
    case '!=':
      return !equals(a, b);
    case '<':
      return ordered(op, a, b) < 0;
    case '<=':
      return ordered(op, a, b) <= 0;
    case '>':
      return ordered(op, a, b) > 0;
    case '>=':
      return ordered(op, a, b) >= 0;
    case '+':
      if (typeof a === 'string' && typeof b === 'string') return joined(a, b);
      break;
    case '*':
      if (typeof a === 'string' && isNumeric(b)) return repeated(a, Number(b));
      if (isNumeric(a) && typeof b === 'string') return repeated(b, Number(a));
      break;
    default:
  }
  const [x, y] = numbers(op, a, b);
  if (y === 0 && (op === '/' || op === '//' || op === '%')) {
    throw new ScalarError(`division by zero in ${describe(a)} ${op} ${describe(b)}`, 'value');
  }
  switch (op) {
    case '+':
      return x + y;
    case '-':
      return x - y;
    case '*':
      return x * y;
    case '/':
      return x / y;
    case '//':
      return Math.floor(x / y);
    case '%':
      return modulo(x, y);
    case '^':
      return power(x, y);
  }
}

/** The remainder with the divisor's sign. */
function modulo(x: number, y: number): number {
  const remainder = x % y;
  return remainder !== 0 && remainder < 0 !== y < 0 ? remainder + y : remainder + 0;
}

function power(x: number, y: number): number {
  if (x === 0 && y < 0) throw new ScalarError('0 cannot be raised to a negative power', 'value');
  const result = x ** y;
  if (Number.isNaN(result)) throw new ScalarError(`${x} ^ ${y} is not a real number`, 'value');
  return result;
}

export function negate(a: Value): number {
  if (!isNumeric(a)) throw new ScalarError(`cannot negate ${describe(a)}`);
  return 0 - Number(a);
}

/** Python's round: to the nearest integer, ties to even. */
export function roundHalfEven(a: Value): number {
  if (!isNumeric(a)) throw new ScalarError(`cannot round ${describe(a)}`);
  const x = Number(a);
  const floor = Math.floor(x);
  const diff = x - floor;
  if (diff !== 0.5) return Math.round(x) + 0;
  return floor % 2 === 0 ? floor : floor + 1;
}

export function scalarFunction(label: string, arity: number, apply: (args: readonly Value[]) => Value): ScalarFunction {
  return { label, arity, apply };
}

const comparisonOperators: Record<Exclude<Comparison, 'true' | 'false'>, true> = {
  '==': true,
  '!=': true,
  '<': true,
  '<=': true,
  '>': true,
  '>=': true,
};

export const comparisons: readonly Comparison[] = ['==', '!=', '<', '<=', '>', '>=', 'true', 'false'];

/** One of the eight predicates of RASP and Tracr; throws ScalarError on None or incomparable values, as theirs do. */
export function comparisonPredicate(comparison: Comparison): Predicate {
  if (!(comparison in comparisonOperators)) {
    const always = comparison === 'true';
    return { comparison, label: comparison, apply: () => always };
  }
  const op = comparison as BinaryOperator;
  return {
    comparison,
    label: comparison,
    apply(key, query) {
      if (typeof key === 'number' && typeof query === 'number') return compareNumbers(op, key, query);
      if (key === null || query === null) {
        throw new ScalarError(`a selector compares None (key ${describe(key)}, query ${describe(query)})`);
      }
      return binary(op, key, query) === true;
    },
  };
}

function compareNumbers(op: BinaryOperator, a: number, b: number): boolean {
  switch (op) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}
