// Which examples the search looks at, and in which order.
import type { Example } from './types.ts';
import { isExact } from './verify.ts';
import type { Program } from '../rasp/program.ts';
import type { Random } from '../shared/random.ts';

/** The last of each input's rows: contradictions have been refused before. */
export function distinctExamples(examples: readonly Example[]): Example[] {
  const known = new Map<string, Example>();
  for (const example of examples) known.set(JSON.stringify(example.input), example);
  return [...known.values()];
}

/** Shuffled, the wrong ones spread among the right so that at least half of any head is wrong where possible. */
export function sampleExamples(program: Program, examples: readonly Example[], most: number, random: Random): Example[] {
  const shuffled = random.shuffle(examples).slice(0, 4 * most);
  const wrong = shuffled.filter((example) => !isExact(program, example));
  const isWrong = new Set(wrong);
  const right = shuffled.filter((example) => !isWrong.has(example));
  const mixed: Example[] = [];
  for (let i = 0; i < Math.max(wrong.length, right.length); i++) {
    mixed.push(...wrong.slice(i, i + 1), ...right.slice(i, i + 1));
  }
  return mixed;
}
