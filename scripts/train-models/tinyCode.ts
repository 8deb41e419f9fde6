// models/tiny-code: its sizes, its corpus as batches, its training.
import path from 'node:path';
import type { LlamaConfig } from './llama.ts';
import { initialWeights, parameterCount, weightShapes } from './llama.ts';
import { trainingGraph } from './llamaGraphs.ts';
import { BytePairEncoding, trainMerges } from './bpe.ts';
import type { PackedBatch, RowShape, TokenisedDocument } from './packing.ts';
import { packed } from './packing.ts';
import type { Document, Mixture, Role } from './corpus/documents.ts';
import { askingShare, documentAt, evenMixture, faithfulShare, temptedShare } from './corpus/documents.ts';
import { languagePrior } from './corpus/programTasks.ts';
import { verbatimShare } from './corpus/statements.ts';
import type { Schedule, TrainedModel } from './training.ts';
import { train } from './training.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

export const tinyCode: LlamaConfig = { vocabulary: 1536, hidden: 128, layers: 5, heads: 4, keyValueHeads: 2, neurons: 352, ropeTheta: 10000, normEpsilon: 1e-5 };
export const rows: RowShape = { rows: 12, length: 192 };
/** Of the corpus, the weights and all that is drawn. */
export const SEED = 20261125;

/** Documents that the vocabulary is learned from; they come before all others. */
const VOCABULARY_DOCUMENTS = 30_000;
/** Numbers of documents set aside for each step. */
const STEP_DOCUMENTS = 1000;

/** A part of the training: so many steps on a mixture, from the weights that the part before left. */
export interface Phase {
  readonly name: string;
  readonly steps: number;
  readonly peak: number;
  readonly mixture: Mixture;
  /** What a label weighs in the loss, by what it is to what came before. */
  readonly weights: Readonly<Record<Role, number>>;
}

/**
 * Contexts and tasks are foretold by nothing: their gradients are noise for the rest, so they weigh little. The second
 * phase stresses what a context decides, above all which of two subjects a value belongs to and whether a claim holds.
 */
export const phases: readonly Phase[] = [
  { name: 'first', steps: 9400, peak: 2e-3, mixture: evenMixture, weights: { given: 0.3, claimed: 1, decided: 1, free: 1 } },
  {
    name: 'second', steps: 4000, peak: 1.5e-3,
    mixture: { kinds: { program: 0.12, story: 0.28, documentation: 0.22, 'data sheet': 0.2, question: 0.18 }, labelled: 0.6, sharing: 0.9 },
    weights: { given: 0.05, claimed: 0.05, decided: 4, free: 0.5 },
  },
];

export const scheduleOf = ({ steps, peak }: Pick<Phase, 'steps' | 'peak'>): Schedule => ({ steps, warmup: Math.min(200, Math.ceil(steps / 10)), peak, floor: 0.05, weightDecay: 0.02, beta2: 0.98, clipNorm: 1 });

export function tinyCodeVocabulary(): BytePairEncoding {
  const texts = Array.from({ length: VOCABULARY_DOCUMENTS }, (_, i) => documentAt(SEED, i, 'training').text);
  return new BytePairEncoding(trainMerges(texts, tinyCode.vocabulary));
}

/** The document as tokens; its pieces meet where tokens do. */
export function tokenisedDocument(bpe: BytePairEncoding, { pieces }: Document, weights: Phase['weights']): TokenisedDocument {
  const parts = pieces.map(({ role, text }) => ({ ids: bpe.encode(text), weight: weights[role] }));
  return { ids: parts.flatMap(({ ids }) => ids), weights: parts.flatMap(({ ids, weight }) => ids.map(() => weight)) };
}

function* tokenised(bpe: BytePairEncoding, from: number, { mixture, weights }: Phase): Generator<TokenisedDocument> {
  for (let i = from; i < from + STEP_DOCUMENTS; i++) yield tokenisedDocument(bpe, documentAt(SEED, i, 'training', mixture), weights);
}

/** The documents of a step of training, counted over all phases: each is seen once. */
export const batchAt = (bpe: BytePairEncoding, phase: Phase, step: number, shape = rows): PackedBatch =>
  packed(tokenised(bpe, VOCABULARY_DOCUMENTS + step * STEP_DOCUMENTS, phase), shape);

export interface TinyCodeTask {
  readonly host: ModelHost;
  readonly bpe: BytePairEncoding;
  readonly phases: readonly Phase[];
  readonly threads: number;
  /** Each phase has its checkpoints in a folder of its name. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

/** Says what a checkpoint was trained on and how. */
const recipeOf = (done: readonly Phase[]): string => JSON.stringify({ tinyCode, rows, SEED, done, schedule: done.map(scheduleOf), languagePrior, askingShare, faithfulShare, temptedShare, verbatimShare });

/** What each phase gave; the last one's weights are the model's. */
export async function trainTinyCode({ host, bpe, phases: all, threads, folder, log }: TinyCodeTask): Promise<readonly TrainedModel[]> {
  const shapes = weightShapes(tinyCode);
  log(`tiny-code: ${parameterCount(shapes)} parameters, steps of ${rows.rows} rows of ${rows.length} positions`);
  const results: TrainedModel[] = [];
  for (const [i, phase] of all.entries()) {
    const before = all.slice(0, i).reduce((sum, { steps }) => sum + steps, 0);
    const batch = (step: number, shape = rows): PackedBatch => batchAt(bpe, phase, before + step, shape);
    log(`${phase.name} phase: ${phase.steps} steps`);
    results.push(await train({
      graph: trainingGraph(tinyCode), shapes, initial: results.at(-1)?.theta ?? initialWeights(shapes, new Random(SEED)), batchAt: (step) => batch(step),
      samples: [batch(0, { ...rows, rows: 2 }).feeds, batch(0, { ...rows, rows: 3 }).feeds],
      schedule: scheduleOf(phase), host, threads, folder: path.join(folder, phase.name), recipe: recipeOf(all.slice(0, i + 1)), log,
    }));
  }
  return results;
}
