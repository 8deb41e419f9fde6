// The behaviour of one op as a table of numbers, and the numbers of a given behaviour.
import type { Node, Value } from '../rasp/program.ts';
import { equals, isNumeric, ScalarError } from '../rasp/scalar.ts';

/** The behaviour of one op as numbers. */
export interface TableParameter {
  /** The graph input's name. */
  readonly name: string;
  readonly node: Node;
  /**
   * table: [product of argument domains, output domain], rows sum to 1 (0 where the op fails or leaves its domain);
   * select: [keys, queries] in [0, 1]; affine: one coefficient an argument and a constant.
   */
  readonly role: 'table' | 'select' | 'affine';
  readonly dims: readonly number[];
  readonly args: readonly (readonly Value[])[];
  readonly values: readonly Value[];
  /** The op's own behaviour. */
  readonly initial: Float32Array;
}

export const valueIndex = (values: readonly Value[], value: Value): number => {
  const exact = values.indexOf(value);
  if (exact >= 0) return exact;
  return values.findIndex((v) => equals(v, value) || (isNumeric(v) && isNumeric(value) && near(Number(v), Number(value))));
};

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));

/**
 * The numbers of a parameter for a given behaviour, or null where the parameter cannot express it (an affine op for a
 * function that is not affine). `fn` may throw ScalarError: such entries stay empty.
 */
export function parameterFor(parameter: TableParameter, fn: (args: readonly Value[]) => Value): Float32Array | null {
  if (parameter.role === 'affine') return affineCoefficients(parameter.args, fn);
  const [first = [], second = []] = parameter.args;
  if (parameter.role === 'select') {
    const table = new Float32Array(first.length * second.length);
    first.forEach((key, k) => {
      second.forEach((query, q) => {
        table[k * second.length + q] = attempt(() => fn([key, query])) === true ? 1 : 0;
      });
    });
    return table;
  }
  const width = parameter.values.length;
  const table = new Float32Array((parameter.dims[0] ?? 0) * width);
  const index = new Map(parameter.values.map((value, i) => [value, i]));
  forEachCombination(parameter.args, (combination, row) => {
    const value = attempt(() => (combination.includes(null) ? null : fn(combination)));
    if (value === undefined) return;
    const column = index.get(value) ?? valueIndex(parameter.values, value);
    if (column >= 0) table[row * width + column] = 1;
  });
  return table;
}

/** The value; undefined where the op fails. */
export function attempt(compute: () => Value): Value | undefined {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ScalarError) return undefined;
    throw error;
  }
}

export function forEachCombination(
  domains: readonly (readonly Value[])[],
  visit: (combination: readonly Value[], row: number) => void,
): void {
  const total = domains.reduce((size, domain) => size * domain.length, 1);
  const combination: Value[] = domains.map(([first = null]) => first);
  for (let row = 0; row < total; row++) {
    let rest = row;
    for (let d = domains.length - 1; d >= 0; d--) {
      const domain = domains[d] ?? [];
      combination[d] = domain[rest % domain.length] ?? null;
      rest = Math.floor(rest / domain.length);
    }
    visit(combination, row);
  }
}

/** [c1 … ck, constant] if fn(x) = Σ c·x + constant on (a sample of) the domains, else null. */
export function affineCoefficients(
  domains: readonly (readonly Value[])[],
  fn: (args: readonly Value[]) => Value,
): Float32Array | null {
  if (domains.some((domain) => domain.some((value) => !isNumeric(value)))) return null;
  const probe = (at: readonly number[]): number => {
    const value = attempt(() => fn(at));
    return value !== undefined && isNumeric(value) ? Number(value) : Number.NaN;
  };
  const zero = domains.map(() => 0);
  const constant = probe(zero);
  const slopes = domains.map((_, d) => probe(zero.map((_z, i) => (i === d ? 1 : 0))) - constant);
  if (![constant, ...slopes].every(Number.isFinite)) return null;
  let affine = true;
  const thin = domains.map((domain) => domain.filter((_, i) => i % Math.ceil(domain.length / 24) === 0));
  forEachCombination(thin, (combination) => {
    const expected = combination.reduce<number>((sum, x, d) => sum + (slopes[d] ?? 0) * Number(x), constant);
    affine &&= Math.abs(probe(combination.map(Number)) - expected) < 1e-9;
  });
  return affine ? Float32Array.from([...slopes, constant]) : null;
}
