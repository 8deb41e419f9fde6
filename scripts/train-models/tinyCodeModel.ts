// Makes models/tiny-code: trains, writes the folder, evaluates on held-out text, writes the card.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { modelCard } from './card.ts';
import type { Evaluation } from './evaluation.ts';
import { evaluate } from './evaluation.ts';
import { lossCurve } from './lossCurve.ts';
import type { MakeOptions } from './makeOptions.ts';
import { openWritten, writeModelFolder } from './modelFolder.ts';
import { rows, STEPS, tinyCode, tinyCodeVocabulary, trainTinyCode } from './tinyCode.ts';
import type { LossPoint } from './training.ts';

/** Of the held-out items: none of the corpus' own. */
const EVALUATION_SEED = 7;

/** How the model in the folder was trained: training.json. */
export interface TrainingRecord {
  readonly steps: number;
  readonly tokens: number;
  readonly minutes: number;
  readonly threads: number;
  readonly curve: readonly LossPoint[];
}

export async function makeTinyCode(options: MakeOptions): Promise<void> {
  if (!options.evaluateOnly) await trainAndWrite(options);
  const { host, out, items, log } = options;
  const model = await openWritten(host, out);
  log(`evaluates on ${items} held-out items an ability`);
  const found = await evaluate(model, { seed: EVALUATION_SEED, items });
  await model.decoder.release();
  writeJson(path.join(out, 'held-out.json'), found);
  const training = JSON.parse(readFileSync(path.join(out, 'training.json'), 'utf8')) as TrainingRecord;
  writeFileSync(path.join(out, 'loss.svg'), lossCurve(training.curve));
  writeFileSync(path.join(out, 'README.md'), modelCard(training, found));
  log(summary(found));
}

async function trainAndWrite({ host, steps, threads, out, checkpoints, log }: MakeOptions): Promise<void> {
  log('learns the vocabulary');
  const bpe = tinyCodeVocabulary();
  const count = steps ?? STEPS;
  const { theta, curve, tokens, seconds } = await trainTinyCode({ host, bpe, steps: count, threads, folder: checkpoints, log });
  writeModelFolder(out, { config: tinyCode, theta, bpe, contextLength: rows.length });
  const record: TrainingRecord = { steps: count, tokens, minutes: Math.round(seconds / 6) / 10, threads, curve: curve.map((point) => ({ ...point, loss: Number(point.loss.toFixed(4)) })) };
  writeJson(path.join(out, 'training.json'), record);
}

const writeJson = (file: string, value: unknown): void => writeFileSync(file, `${JSON.stringify(value, null, 1)}\n`);

function summary({ programs, statements, judged, questions }: Evaluation): string {
  const percent = (share: number | undefined): string => `${(100 * (share ?? 0)).toFixed(1)} %`;
  return [
    `language identifiable ${percent(programs.identifiable.share)}`, `faithful statement likelier ${percent(statements['all']?.share)}`,
    `statements judged ${percent(judged['all']?.share)}`, `true answer likelier ${percent(questions.withContext.share)} (${percent(questions.withoutContext.share)} without the context)`,
  ].join(', ');
}
