// The judge of every method alike: how a program does on inputs that no example has.
import type { BaseProgram } from './programs.ts';
import type { Example } from '../../src/repair/types.ts';
import { isExact } from '../../src/repair/verify.ts';
import type { Program } from '../../src/rasp/program.ts';
import { Random } from '../../src/shared/random.ts';

export interface Verdict {
  /** Share of fresh inputs exactly right, 0 to 1. */
  readonly fresh: number;
  /** Mean of the shares among balanced and among other inputs; null but for the bracket programs. */
  readonly balanced: number | null;
}

/**
 * `fresh` counts inputs that no example has. The bracket programs have few balanced inputs, which many examples use up:
 * the balanced accuracy is taken over as many inputs as they come, known or not.
 */
export function judge(program: Program | undefined, base: BaseProgram, examples: readonly Example[], { seed, fresh }: { readonly seed: number; readonly fresh: number }): Verdict {
  const known = new Set(examples.map(({ input }) => JSON.stringify(input)));
  // Far from the examples' seed, so that no stream is shared.
  const random = new Random(seed + 0x5eed);
  const classes = [new Tally(), new Tally()];
  const unseen = new Tally();
  // Examples may use up all inputs of a small program; then what was drawn until here must do.
  for (let drawn = 0; drawn < fresh || (unseen.total < fresh && drawn < 40 * fresh); drawn++) {
    const input = base.sample(random);
    const isNew = !known.has(JSON.stringify(input));
    if (!isNew && drawn >= fresh) continue;
    const output = base.reference(input);
    const right = program !== undefined && isExact(program, { input, output });
    if (drawn < fresh) classes[output[0] === 1 ? 1 : 0]?.count(right);
    if (isNew && unseen.total < fresh) unseen.count(right);
  }
  const balanced = classes.reduce((sum, { share }) => sum + share, 0) / classes.length;
  return { fresh: unseen.share, balanced: base.name.startsWith('shuffle_dyck') ? balanced : null };
}

class Tally {
  private right = 0;
  total = 0;

  count(isRight: boolean): void {
    this.total++;
    this.right += isRight ? 1 : 0;
  }

  get share(): number {
    return this.right / Math.max(1, this.total);
  }
}
