// The six base programs with their vocabularies, oracles and input samplers.
import { readFileSync } from 'node:fs';
import type { Dialect, Value } from '../../src/rasp/program.ts';
import type { Random } from '../../src/shared/random.ts';

export interface BaseProgram {
  readonly name: string;
  readonly vocabulary: readonly Value[];
  readonly maxLength: number;
  /** What the program should give, computed without RASP. */
  reference(input: readonly Value[]): readonly Value[];
  /** A random input of a given length, or of a random one from 2 to maxLength. */
  sample(random: Random, length?: number): readonly Value[];
}

const MAX_LENGTH = 10;

const uniform =
  (vocabulary: readonly Value[]) =>
  (random: Random, length = random.integer(2, MAX_LENGTH)): Value[] =>
    Array.from({ length }, () => random.pick(vocabulary));

/** Half uniform, half balanced (of even length; an odd length is always uniform). */
const halfBalanced =
  (pairs: readonly string[]) =>
  (random: Random, length = random.integer(2, MAX_LENGTH)): Value[] =>
    random.next() < 0.5 || length % 2 === 1 ? uniform(pairs.flatMap((pair) => [...pair]))(random, length) : shuffledBalanced(pairs, random, length);

/** A balanced input: every pair's brackets in a valid order, the pairs interleaved at random. */
function shuffledBalanced(pairs: readonly string[], random: Random, length: number): Value[] {
  const result: Value[] = [];
  const open = pairs.map(() => 0);
  while (result.length < length) {
    const left = length - result.length;
    const depth = open.reduce((a, b) => a + b, 0);
    const closing = depth > 0 && (depth >= left || random.next() < 0.5);
    const choices = pairs.map((_, i) => i).filter((i) => !closing || (open[i] ?? 0) > 0);
    const i = random.pick(choices);
    result.push(pairs[i]?.charAt(closing ? 1 : 0) ?? '');
    open[i] = (open[i] ?? 0) + (closing ? -1 : 1);
  }
  return result;
}

function balanced(pairs: readonly string[], input: readonly Value[]): boolean {
  return pairs.every((pair) => {
    let depth = 0;
    for (const token of input) {
      if (token === pair.charAt(0)) depth++;
      if (token === pair.charAt(1)) depth--;
      if (depth < 0) return false;
    }
    return depth === 0;
  });
}

const dyck = (name: string, pairs: readonly string[]): BaseProgram => ({
  name,
  vocabulary: pairs.flatMap((pair) => [...pair]),
  maxLength: MAX_LENGTH,
  reference: (input) => input.map(() => (balanced(pairs, input) ? 1 : 0)),
  sample: halfBalanced(pairs),
});

const count = (input: readonly Value[], token: Value): number => input.filter((other) => other === token).length;

const plain = (name: string, vocabulary: readonly Value[], reference: BaseProgram['reference']): BaseProgram => ({
  name,
  vocabulary,
  maxLength: MAX_LENGTH,
  reference,
  sample: uniform(vocabulary),
});

export const basePrograms: readonly BaseProgram[] = [
  plain('hist', [...'abcd'], (input) => input.map((token) => count(input, token))),
  plain('reverse', [...'abcde'], (input) => [...input].reverse()),
  plain('sort', [1, 2, 3, 4, 5, 6], (input) => [...input].sort((a, b) => Number(a) - Number(b))),
  plain('most_freq', [1, 2, 3, 4, 5], (input) => [...input].sort((a, b) => count(input, b) - count(input, a))),
  dyck('shuffle_dyck', ['()']),
  dyck('shuffle_dyck2', ['()', '{}']),
];

export const fileNameOf = (name: string, dialect: Dialect): string => `${name}.${dialect === 'rasp' ? 'rasp' : 'py'}`;

/** The correct source of a base program. */
export function sourceOf(name: string, dialect: Dialect): string {
  return readFileSync(new URL(`programs/${fileNameOf(name, dialect)}`, import.meta.url), 'utf8');
}
