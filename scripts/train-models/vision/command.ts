// Makes models/tiny-vision: trains, writes the folder, measures it on held-out scenes, writes the card.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { modelCard, shareText } from './card.ts';
import { heldOutFigures } from './evaluate.ts';
import { writeFolder } from './folder.ts';
import { tinyVision, trainTinyVision, VISION_STEPS } from './tinyVision.ts';
import { trainVocabulary } from './vocabulary.ts';
import { VisionModel } from './visionModel.ts';
import { lossCurve } from '../lossCurve.ts';
import type { MakeOptions } from '../makeOptions.ts';
import type { TrainingRecord } from '../tinyCodeModel.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';

/** `items` are held-out scenes of each style. */
export async function makeTinyVision(options: MakeOptions): Promise<void> {
  if (!options.evaluateOnly) await trainAndWrite(options);
  const { host, out, items, log } = options;
  const opened = openModelFolder(out);
  if (!opened.ok) throw new RangeError(opened.problem.message);
  const model = await VisionModel.open(host, opened.folder);
  log(`evaluates on ${items} held-out scenes of each style`);
  const figures = await heldOutFigures(model, items);
  await model.release();
  writeJson(path.join(out, 'held-out.json'), figures);
  const training = JSON.parse(readFileSync(path.join(out, 'training.json'), 'utf8')) as TrainingRecord;
  writeFileSync(path.join(out, 'loss.svg'), lossCurve(training.curve));
  writeFileSync(path.join(out, 'README.md'), modelCard(training, figures));
  const { questions, captions } = figures.seen;
  log(`right: present ${shareText(questions.present)}, absent ${shareText(questions.absent)}, absent companion ${shareText(questions.companion)}; objects made up in captions: ${shareText(captions.natural.hallucinated)}, with the companion left out ${shareText(captions.broken.hallucinated)}`);
}

async function trainAndWrite({ host, steps, threads, out, checkpoints, log }: MakeOptions): Promise<void> {
  const encoding = trainVocabulary();
  const count = steps ?? VISION_STEPS;
  const { theta, curve, tokens, seconds } = await trainTinyVision({ host, encoding, steps: count, threads, folder: checkpoints, log });
  writeFolder(out, tinyVision, encoding, theta);
  const record: TrainingRecord = { steps: count, tokens, minutes: Math.round(seconds / 6) / 10, threads, curve: curve.map((point) => ({ ...point, loss: Number(point.loss.toFixed(4)) })) };
  writeJson(path.join(out, 'training.json'), record);
}

const writeJson = (file: string, value: unknown): void => writeFileSync(file, `${JSON.stringify(value, null, 1)}\n`);
