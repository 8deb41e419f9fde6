// What both sides train: a base program's transformer as a repair would train it, its rows, and the order of the batches.
import type { BaseProgram } from '../raspbugs/programs.ts';
import { fileNameOf, sourceOf } from '../raspbugs/programs.ts';
import { compileWeights } from '../../src/numeric/weights/compile.ts';
import { perturbed, withClasses } from '../../src/numeric/weights/relax.ts';
import { withRoom } from '../../src/numeric/weights/room.ts';
import { defaultRecipe, relaxed } from '../../src/numeric/weights/train.ts';
import { TrainingData } from '../../src/numeric/weights/trainingData.ts';
import { flatten, unflatten } from '../../src/numeric/weights/trainingGraph.ts';
import type { TransformerWeights } from '../../src/numeric/weights/transformer.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { distinctValues } from '../../src/rasp/valueSets.ts';
import { Random } from '../../src/shared/random.ts';

/** Tokens of every row, BOS not counted. */
export const LENGTH = 10;
const ROWS = 4096;
/**
 * Standard deviation of the noise on the first weights. A correct program has gradients of nothing but rounding errors,
 * which Adam makes full steps of: without noise torch on one thread parts from torch on two after a step.
 */
const NOISE = 0.01;

export interface Problem {
  readonly name: string;
  readonly weights: TransformerWeights;
  readonly data: TrainingData;
}

/** The transformer that training starts from: with room, softened, balanced, and with noise. */
export function problemOf(base: BaseProgram, seed: number): Problem {
  const random = new Random(seed);
  const program = programOf(analyse({ path: fileNameOf(base.name, 'rasp'), text: sourceOf(base.name, 'rasp') }));
  if (!program) throw new RangeError(`${base.name} has no entry`);
  const compiled = compileWeights(program, { vocabulary: base.vocabulary, maxLength: LENGTH, gradual: true });
  if (!compiled.ok) throw new RangeError(compiled.problem.message);
  const rows = Array.from({ length: ROWS }, () => base.sample(random, LENGTH)).map((input) => ({ input, output: base.reference(input) }));
  const classed = withClasses(compiled.weights, distinctValues(rows.flatMap(({ output }) => output)));
  const soft = relaxed(defaultRecipe.room ? withRoom(classed, defaultRecipe.room, program.output, random) : classed, defaultRecipe);
  const weights = unflatten(soft, perturbed(flatten(soft), NOISE, random));
  return { name: base.name, weights, data: new TrainingData(rows, weights) };
}

/** Row numbers, epoch by epoch in a new order. */
export function batchesOf(size: number, count: number, random: Random): number[][] {
  const batches: number[][] = [];
  while (batches.length < count) {
    const order = random.shuffle(Array.from({ length: ROWS }, (_, i) => i));
    for (let from = 0; from + size <= ROWS && batches.length < count; from += size) batches.push(order.slice(from, from + size));
  }
  return batches;
}
