// Which examples the search looks at, and in which order.
import type { Example } from './types.ts';
import { isExact } from './verify.ts';
import type { Program } from '../rasp/program.ts';
import { valueKey } from '../rasp/valueSets.ts';
import type { Random } from '../shared/random.ts';

/** Outputs of more kinds than that are not told apart. */
const KINDS = 8;
/** Examples looked at for each that is asked for. */
const LOOKED_AT = 4;

/** The last of each input's rows: contradictions have been refused before. */
export function distinctExamples(examples: readonly Example[]): Example[] {
  const known = new Map<string, Example>();
  for (const example of examples) known.set(JSON.stringify(example.input), example);
  return [...known.values()];
}

/**
 * Shuffled, so that any head of them holds as many of each kind of output as of the others, and of each kind as many
 * that the program gets wrong as right, as far as there are any: what says yes once in twenty times would else be
 * nearly right with a no.
 */
export function sampleExamples(program: Program, examples: readonly Example[], most: number, random: Random): Example[] {
  const kinds = kindsOf(random.shuffle(examples));
  const each = Math.ceil((LOOKED_AT * most) / kinds.length);
  return alternating(kinds.map((kind) => {
    const seen = kind.slice(0, each).map((example) => ({ example, right: isExact(program, example) }));
    const [wrong, right] = [false, true].map((wanted) => seen.filter((row) => row.right === wanted));
    return alternating([wrong ?? [], right ?? []]).map(({ example }) => example);
  }));
}

/** By the set of values that an output holds; all in one where there are many such sets. */
function kindsOf(examples: readonly Example[]): readonly (readonly Example[])[] {
  const kinds = new Map<string, Example[]>();
  for (const example of examples) {
    const key = [...new Set(example.output.map(valueKey))].sort().join();
    const kind = kinds.get(key);
    if (kind) kind.push(example);
    else kinds.set(key, [example]);
    if (kinds.size > KINDS) return [examples];
  }
  return [...kinds.values()];
}

/** One of each list in turn, until all are empty. */
function alternating<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
