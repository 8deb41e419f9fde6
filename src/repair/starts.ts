// Where training of all weights starts from: short trials say how soft attention has to be.
import type { WeightTrainingOptions, WeightTrainingResult } from '../numeric/weights/train.ts';
import { hasConverged, isBetter } from '../numeric/weights/train.ts';
import type { TransformerWeights } from '../numeric/weights/transformer.ts';

/**
 * The largest attention logit of the first trial; the second leaves them as compiled. A mistake in a selector needs soft
 * attention, else nothing moves it; a mistake elsewhere needs the attention as it was compiled, else what was right has
 * to be learned anew.
 */
export const SOFT = 6;
/** From which training starts again where neither led to the end. */
export const SOFTEST = 3;

/** Share of the time that each trial has. */
const TRIAL = 0.15;

export interface Course {
  readonly weights: TransformerWeights;
  readonly recipe: WeightTrainingOptions;
  /** performance.now() at which it ends; its schedules end in that time. */
  readonly deadline: number;
}

export interface Race {
  readonly weights: TransformerWeights;
  readonly recipe: WeightTrainingOptions;
  readonly deadline: number;
  readonly train: (course: Course) => Promise<WeightTrainingResult>;
}

/**
 * A short trial of each; the best one is trained on until the recipe ends. Where rows still come out wrong and
 * there is time for as much again, training starts again, softer: it hangs on its draws as well.
 * @throws what `train` throws
 */
export async function bestOfStarts(race: Race): Promise<WeightTrainingResult> {
  const { weights, recipe, deadline, train } = race;
  const trial = await trials(race);
  if (hasConverged(trial.validation) || performance.now() > deadline) return trial;
  const began = performance.now();
  let best = together(trial, await train({ weights: trial.weights, recipe: continued(recipe, trial), deadline }));
  const took = performance.now() - began;
  while (best.validation.exact < 1 && deadline - performance.now() > took) {
    best = together(best, await train({ weights, recipe: { ...recipe, largestLogit: SOFTEST }, deadline }));
  }
  return best;
}

/** What gets every row right is not shaken again. */
function continued(recipe: WeightTrainingOptions, { validation }: WeightTrainingResult): WeightTrainingOptions {
  return { ...recipe, largestLogit: null, learningRate: validation.exact === 1 ? recipe.learningRate / 3 : recipe.learningRate };
}

/** The best one's result, with the steps of all. */
async function trials({ weights, recipe, deadline, train }: Race): Promise<WeightTrainingResult> {
  const began = performance.now();
  const trial = (largestLogit: number | null, end: number): Promise<WeightTrainingResult> =>
    train({ weights, recipe: { ...recipe, largestLogit }, deadline: began + end * (deadline - began) });
  const soft = await trial(SOFT, TRIAL);
  return hasConverged(soft.validation) ? soft : together(soft, await trial(null, 2 * TRIAL));
}

/** The better of two trainings, with the epochs and steps that both took. */
function together(a: WeightTrainingResult, b: WeightTrainingResult): WeightTrainingResult {
  const { weights, validation } = isBetter(b.validation, a.validation) ? b : a;
  return { weights, validation, epochs: a.epochs + b.epochs, steps: a.steps + b.steps };
}
