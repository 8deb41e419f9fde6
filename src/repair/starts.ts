// Where training of weights starts from: short trials say from which block on weights have to move, and how soft attention has to be.
import { blocksOf } from '../numeric/weights/graph.ts';
import type { WeightTrainingOptions, WeightTrainingResult } from '../numeric/weights/train.ts';
import { hasConverged, isBetter } from '../numeric/weights/train.ts';
import type { TransformerWeights } from '../numeric/weights/transformer.ts';

/** The largest attention logit of the trials: nothing moves a mistake in a selector that is as sharp as it was compiled. */
export const SOFT = 6;
/** From which training starts again where none led to the end. */
export const SOFTEST = 3;

/** Share of the time that the trials have together, and at least so many milliseconds each: with less time there are fewer. */
const TRIALS = 0.35;
const SHORTEST_TRIAL = 1000;
/** So many of the best are tried once more, each with this share of the time. */
const FINALISTS = 3;
const FINAL = 0.1;
/** What the learning rate is divided by where every held-out row is right already. */
const GENTLE = 10;

export interface Course {
  readonly weights: TransformerWeights;
  readonly recipe: WeightTrainingOptions;
  /** performance.now() at which it ends; its schedules end in that time. */
  readonly deadline: number;
}

export interface Race extends Course {
  readonly train: (course: Course) => Promise<WeightTrainingResult>;
}

type Start = Pick<WeightTrainingOptions, 'frozen' | 'largestLogit'>;

interface Trial {
  readonly start: Start;
  readonly result: WeightTrainingResult;
}

/**
 * Short trials from several starts; the best ones go on, and the very best is trained until the recipe ends. Where rows
 * still come out wrong and there is time for as much again, training starts again, softer: it hangs on its draws as well.
 * @throws what `train` throws
 */
export async function bestOfStarts(race: Race): Promise<WeightTrainingResult> {
  return new Starts(race).best();
}

/**
 * At most so many starts, two at least. From each block on to the output, the last one first: what comes before stays
 * exact, and is likely to be right, as mistakes are in few places. Then everything with attention as sharp as it was
 * compiled, which a mistake elsewhere needs.
 */
export function startsOf(blocks: number, most: number): readonly Start[] {
  const count = Math.max(1, Math.min(blocks, most - 1));
  // Evenly over the blocks; the last one trains all.
  const trained = Array.from({ length: count }, (_, i) => Math.ceil(((i + 1) * blocks) / count));
  return [...trained.map((from): Start => ({ frozen: 1 - from / blocks, largestLogit: SOFT })), { frozen: 0, largestLogit: null }];
}

class Starts {
  private readonly began = performance.now();
  private epochs = 0;
  private steps = 0;

  constructor(private readonly race: Race) {}

  async best(): Promise<WeightTrainingResult> {
    const { weights, recipe, deadline } = this.race;
    const { start, result } = await this.chosen();
    if (hasConverged(result.validation) || performance.now() > deadline) return this.counted(result);
    const began = performance.now();
    let best = await this.goneOn({ start, result }, deadline);
    const took = performance.now() - began;
    while (best.validation.exact < 1 && deadline - performance.now() > took) {
      best = better(best, await this.train(weights, { ...recipe, frozen: start.frozen, largestLogit: SOFTEST }, deadline));
    }
    return this.counted(best);
  }

  /** The best start after two rounds, or the first one that leads to the end. */
  private async chosen(): Promise<Trial> {
    const trials = byLoss(await this.tried());
    for (const [i, trial] of trials.slice(0, FINALISTS).entries()) {
      if (hasConverged(trial.result.validation)) break;
      trials[i] = { ...trial, result: await this.goneOn(trial, this.until(TRIALS + FINAL * (i + 1))) };
    }
    const [first, ...others] = trials;
    if (!first) throw new RangeError('nothing was tried');
    return others.reduce((best, trial) => (isBetter(trial.result.validation, best.result.validation) ? trial : best), first);
  }

  /** All starts, or those up to the first one that leads to the end. */
  private async tried(): Promise<Trial[]> {
    const { weights, recipe } = this.race;
    const starts = startsOf(blocksOf(weights).length, Math.floor((TRIALS * this.millis) / SHORTEST_TRIAL));
    const trials: Trial[] = [];
    for (const [i, start] of starts.entries()) {
      const result = await this.train(weights, { ...recipe, ...start }, this.until((TRIALS * (i + 1)) / starts.length));
      trials.push({ start, result });
      if (hasConverged(result.validation)) break;
    }
    return trials;
  }

  /** What gets every row right is not shaken again. */
  private async goneOn({ start, result }: Trial, deadline: number): Promise<WeightTrainingResult> {
    const { recipe } = this.race;
    const learningRate = result.validation.exact === 1 ? recipe.learningRate / GENTLE : recipe.learningRate;
    return better(result, await this.train(result.weights, { ...recipe, frozen: start.frozen, largestLogit: null, learningRate }, deadline));
  }

  private get millis(): number {
    return this.race.deadline - this.began;
  }

  private until(share: number): number {
    return this.began + share * this.millis;
  }

  private async train(weights: TransformerWeights, recipe: WeightTrainingOptions, deadline: number): Promise<WeightTrainingResult> {
    const result = await this.race.train({ weights, recipe, deadline });
    this.epochs += result.epochs;
    this.steps += result.steps;
    return result;
  }

  /** With the epochs and steps of all. */
  private counted({ weights, validation }: WeightTrainingResult): WeightTrainingResult {
    return { weights, validation, epochs: this.epochs, steps: this.steps };
  }
}

/** After few steps the loss tells more than the share of rows that are right as a whole. */
const byLoss = (trials: readonly Trial[]): Trial[] => [...trials].sort((a, b) => a.result.validation.loss - b.result.validation.loss);

const better = (a: WeightTrainingResult, b: WeightTrainingResult): WeightTrainingResult => (isBetter(b.validation, a.validation) ? b : a);
