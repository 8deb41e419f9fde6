// models/tiny-code: its sizes, its corpus as batches, its training.
import type { LlamaConfig } from './llama.ts';
import { initialWeights, parameterCount, weightShapes } from './llama.ts';
import { trainingGraph } from './llamaGraphs.ts';
import { BytePairEncoding, trainMerges } from './bpe.ts';
import type { PackedBatch, RowShape, TokenisedDocument } from './packing.ts';
import { GIVEN_WEIGHT, packed } from './packing.ts';
import { askingShare, documentAt, faithfulShare, labelledShare, mixture, temptedShare } from './corpus/documents.ts';
import { languagePrior } from './corpus/programTasks.ts';
import { verbatimShare } from './corpus/statements.ts';
import type { Split } from './corpus/split.ts';
import type { Schedule, TrainedModel } from './training.ts';
import { train } from './training.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

export const tinyCode: LlamaConfig = { vocabulary: 1536, hidden: 128, layers: 5, heads: 4, keyValueHeads: 2, neurons: 352, ropeTheta: 10000, normEpsilon: 1e-5 };
export const rows: RowShape = { rows: 12, length: 192 };
export const STEPS = 9400;
/** Of the corpus, the weights and all that is drawn. */
export const SEED = 20261125;

/** Documents that the vocabulary is learned from; they come before all others. */
const VOCABULARY_DOCUMENTS = 30_000;
/** Numbers of documents set aside for each step. */
const STEP_DOCUMENTS = 1000;

export const schedule = (steps: number): Schedule => ({ steps, warmup: Math.min(200, Math.ceil(steps / 10)), peak: 2e-3, floor: 0.05, weightDecay: 0.02, beta2: 0.98, clipNorm: 1 });

export function tinyCodeVocabulary(): BytePairEncoding {
  const texts = Array.from({ length: VOCABULARY_DOCUMENTS }, (_, i) => documentAt(SEED, i, 'training').text);
  return new BytePairEncoding(trainMerges(texts, tinyCode.vocabulary));
}

function* tokenised(bpe: BytePairEncoding, split: Split, from: number, count: number): Generator<TokenisedDocument> {
  for (let i = from; i < from + count; i++) {
    const { text, start } = documentAt(SEED, i, split);
    const given = bpe.encode(text.slice(0, start));
    yield { ids: [...given, ...bpe.encode(text.slice(start))], given: given.length };
  }
}

/** The documents of a step of training: each is seen once. */
export const batchAt = (bpe: BytePairEncoding, index: number, shape = rows): PackedBatch =>
  packed(tokenised(bpe, 'training', VOCABULARY_DOCUMENTS + index * STEP_DOCUMENTS, STEP_DOCUMENTS), shape);

export interface TinyCodeTask {
  readonly host: ModelHost;
  readonly bpe: BytePairEncoding;
  readonly steps: number;
  readonly threads: number;
  readonly folder: string;
  readonly log: (line: string) => void;
}

/** Says what a checkpoint was trained on and how. */
const recipeOf = (steps: number): string => JSON.stringify({ tinyCode, rows, SEED, schedule: schedule(steps), mixture, languagePrior, askingShare, faithfulShare, labelledShare, temptedShare, verbatimShare, GIVEN_WEIGHT });

export function trainTinyCode({ host, bpe, steps, threads, folder, log }: TinyCodeTask): Promise<TrainedModel> {
  const shapes = weightShapes(tinyCode);
  log(`tiny-code: ${parameterCount(shapes)} parameters, ${steps} steps of ${rows.rows} rows of ${rows.length} positions`);
  return train({
    graph: trainingGraph(tinyCode), shapes, initial: initialWeights(shapes, new Random(SEED)), batchAt: (index) => batchAt(bpe, index),
    samples: [batchAt(bpe, 0, { ...rows, rows: 2 }).feeds, batchAt(bpe, 0, { ...rows, rows: 3 }).feeds],
    schedule: schedule(steps), host, threads, folder, recipe: recipeOf(steps), log,
  });
}
