// models/tiny-vision: its sizes, its scenes as batches, its training.
import type { Example } from './examples.ts';
import { trainingFeeds } from './examples.ts';
import type { VisionModelConfig } from './graphs.ts';
import { allShapes, visionTrainingGraph } from './graphs.ts';
import { companionships, sampleScene } from './scenes.ts';
import { exchanges } from './texts.ts';
import { tokensOf, VOCABULARY } from './vocabulary.ts';
import type { BytePairEncoding } from '../bpe.ts';
import { initialWeights, parameterCount } from '../llama.ts';
import type { Batch, Schedule, TrainedModel } from '../training.ts';
import { train } from '../training.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { Random } from '../../../src/shared/random.ts';

const HIDDEN = 96;
const NORM_EPSILON = 1e-5;

export const tinyVision: VisionModelConfig = {
  text: { vocabulary: VOCABULARY, hidden: HIDDEN, layers: 3, heads: 4, keyValueHeads: 2, neurons: 256, ropeTheta: 10_000, normEpsilon: NORM_EPSILON },
  vision: { width: HIDDEN, layers: 1, heads: 4, neurons: 192, hidden: HIDDEN, normEpsilon: NORM_EPSILON },
};
/** Images of a step. */
export const BATCH = 8;
export const VISION_STEPS = 8000;
/** Share of the steps before the learning rate falls. */
const HELD = 0.6;
/** Of the first weights. Scenes have a seed each, counted from 0. */
const SEED = 20261125;

export const schedule = (steps: number): Schedule => ({ steps, warmup: Math.min(200, Math.ceil(steps / 10)), fallFrom: Math.round(steps * HELD), peak: 2e-3, floor: 0.02, weightDecay: 0.01, beta2: 0.98, clipNorm: 1 });

/** One scene of training and what is said about it; each is seen once. */
export function exampleAt(index: number): Example {
  const random = new Random(index);
  const scene = sampleScene(random);
  return { scene, exchanges: exchanges(scene, random) };
}

export function batchAt(encoding: BytePairEncoding, index: number): Batch {
  const feeds = trainingFeeds(Array.from({ length: BATCH }, (_, i) => exampleAt(index * BATCH + i)), tokensOf(encoding));
  return { feeds, tokens: feeds['labels']?.data.length ?? 0 };
}

/** The first examples, as two batches that differ in all their sizes. */
export function sampleFeeds(encoding: BytePairEncoding): readonly [Batch['feeds'], Batch['feeds']] {
  const tokens = tokensOf(encoding);
  return [trainingFeeds([0, 1].map(exampleAt), tokens), trainingFeeds([0, 1, 2].map(exampleAt), tokens, 1)];
}

export interface TinyVisionTask {
  readonly host: ModelHost;
  readonly encoding: BytePairEncoding;
  readonly steps: number;
  readonly threads: number;
  /** Where checkpoints lie. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

/** Says what a checkpoint was trained on and how. */
const recipeOf = (steps: number): string => JSON.stringify({ tinyVision, BATCH, SEED, schedule: schedule(steps), companionships });

export function trainTinyVision({ host, encoding, steps, threads, folder, log }: TinyVisionTask): Promise<TrainedModel> {
  const shapes = allShapes(tinyVision);
  log(`tiny-vision: ${parameterCount(shapes)} parameters, ${steps} steps of ${BATCH} images`);
  return train({
    graph: visionTrainingGraph(tinyVision), shapes, initial: initialWeights(shapes, new Random(SEED)), batchAt: (index) => batchAt(encoding, index),
    samples: sampleFeeds(encoding),
    schedule: schedule(steps), host, threads, folder, recipe: recipeOf(steps), log,
  });
}
