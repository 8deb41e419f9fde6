// The finite set of values that each s-op of a program can hold, for a vocabulary and a longest input.
import type { AggregateOp, MapOp, SOp, Value } from './program.ts';
import { isSelector, nodesBelow } from './program.ts';
import { castToken } from './interpret.ts';
import { isNumeric, ScalarError } from './scalar.ts';

export interface ValueSetOptions {
  readonly vocabulary: readonly Value[];
  /** Longest input, positions. */
  readonly maxLength: number;
  /** Combinations of argument values of one op above which it counts as an explosion; default 100,000. */
  readonly limit?: number;
  /**
   * Says, from the sets of what is below it, that an aggregate never selects more than one position: then its values
   * pass unchanged and nothing is averaged. Default: not known of any.
   */
  readonly selectsOne?: (node: AggregateOp, sets: ReadonlyMap<SOp, readonly Value[]>) => boolean;
}

export interface ValueSets {
  readonly sets: ReadonlyMap<SOp, readonly Value[]>;
  /** Aggregates whose sequence is numeric: several selected values are averaged. */
  readonly averaging: ReadonlySet<SOp>;
}

/** One op can hold too many values to list. */
export interface ValueSetExplosion {
  readonly node: SOp;
  /** Sizes of the sets that multiply. */
  readonly sizes: readonly number[];
  readonly limit: number;
}

export const isExplosion = (result: ValueSets | ValueSetExplosion): result is ValueSetExplosion => 'limit' in result;

/**
 * Forward propagation, inputs first: tokens hold the vocabulary, indices 0 to n − 1, a width 0 to n, a map the image of
 * the product of its arguments' sets (without combinations that fail), an aggregate its sequence's values, their means
 * where they are numbers, and its default. A superset of what occurs, never less.
 * Source: Tracr's basis inference (Lindner et al. 2023), with means for numbers that are not binary.
 */
export function inferValueSets(root: SOp, options: ValueSetOptions): ValueSets | ValueSetExplosion {
  const { limit = 100_000 } = options;
  const sets = new Map<SOp, readonly Value[]>();
  const averaging = new Set<SOp>();
  for (const node of nodesBelow(root)) {
    if (isSelector(node)) continue;
    const set = setOf(node, sets, options, averaging);
    if (set === null || set.length > limit) {
      return { node, sizes: sizesOf(node, sets), limit };
    }
    sets.set(node, set);
  }
  return { sets, averaging };
}

function sizesOf(node: SOp, sets: ReadonlyMap<SOp, readonly Value[]>): number[] {
  if (node.kind === 'map') return node.args.map((arg) => sets.get(arg)?.length ?? 0);
  return node.kind === 'aggregate' ? [sets.get(node.value)?.length ?? 0] : [];
}

function setOf(
  node: SOp,
  sets: ReadonlyMap<SOp, readonly Value[]>,
  options: ValueSetOptions,
  averaging: Set<SOp>,
): readonly Value[] | null {
  const { vocabulary, maxLength } = options;
  switch (node.kind) {
    case 'tokens':
      return distinctValues(vocabulary.map((token) => attempt(() => castToken(token, node.cast))));
    case 'indices':
      return Array.from({ length: maxLength }, (_, i) => i);
    case 'length':
    case 'width':
      return Array.from({ length: maxLength + 1 }, (_, i) => i);
    case 'constant':
      return [node.value];
    case 'map':
      return image(node, sets, options.limit ?? 100_000);
    case 'aggregate': {
      const values = sets.get(node.value) ?? [];
      if (options.selectsOne?.(node, sets)) return distinctValues([...values, node.default]);
      if (values.some(isNumeric)) averaging.add(node);
      return means(node, values, maxLength, options.limit ?? 100_000);
    }
  }
}

function image(node: MapOp, sets: ReadonlyMap<SOp, readonly Value[]>, limit: number): readonly Value[] | null {
  const domains = node.args.map((arg) => sets.get(arg) ?? []);
  const total = domains.reduce((size, domain) => size * domain.length, 1);
  if (total > limit) return null;
  const values: (Value | undefined)[] = [];
  for (let row = 0; row < total; row++) {
    let rest = row;
    const args = domains.map((domain) => {
      const value = domain[rest % domain.length] ?? null;
      rest = Math.floor(rest / domain.length);
      return value;
    });
    values.push(attempt(() => (args.includes(null) ? null : node.fn.apply(args))));
  }
  return distinctValues(values);
}

/** The values, the default, and every mean of up to n of the numbers among them. */
function means(node: AggregateOp, values: readonly Value[], n: number, limit: number): readonly Value[] | null {
  const numbers = [...new Set(values.filter(isNumeric).map(Number))];
  const found: Value[] = [...values, node.default];
  let sums: readonly number[] = numbers;
  for (let count = 2; count <= n && numbers.length > 0; count++) {
    if (sums.length * numbers.length > limit) return null;
    sums = distinctValues(sums.flatMap((sum) => numbers.map((x) => sum + x))) as readonly number[];
    found.push(...sums.map((sum) => sum / count));
  }
  return found.length > limit ? null : distinctValues(found);
}

function attempt(compute: () => Value): Value | undefined {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ScalarError) return undefined;
    throw error;
  }
}

/** Equal for equal values; numbers that differ by rounding alone share a key, True has that of 1. */
export const valueKey = (value: Value): string => {
  if (!isNumeric(value)) return JSON.stringify(value);
  const number = Number(value);
  return Number.isInteger(number) ? String(number + 0) : Number(number.toPrecision(12)).toString();
};

/** As valueKey, but numbers that differ by rounding alone, and which a program can tell apart, have different keys. */
export const exactKey = (value: Value): string => (isNumeric(value) ? String(Number(value) + 0) : JSON.stringify(value));

/** One of each value; numbers that differ by rounding alone count as one, True counts as 1. */
export function distinctValues(values: readonly (Value | undefined)[]): readonly Value[] {
  const known = new Map<string, Value>();
  for (const value of values) {
    if (value === undefined) continue;
    const key = valueKey(value);
    if (!known.has(key)) known.set(key, value);
  }
  return [...known.values()];
}
