// Trains tiny-vision, writes its folder, measures the folder and writes its card.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Evaluation } from './card.ts';
import { lossChart, modelCard } from './card.ts';
import { allShapes } from './graphs.ts';
import { companionFigures, heldOutFigures } from './evaluate.ts';
import { writeFolder } from './folder.ts';
import type { TinyVisionTask } from './tinyVision.ts';
import { tinyVision, trainTinyVision } from './tinyVision.ts';
import { trainVocabulary } from './vocabulary.ts';
import { VisionModel } from './visionModel.ts';
import { parameterCount } from '../llama.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';

export { VISION_STEPS } from './tinyVision.ts';

/** Held-out scenes of each style. */
const SCENES = 1500;

export interface VisionCommand extends Omit<TinyVisionTask, 'encoding'> {
  /** The model's folder. */
  readonly out: string;
}

/** Goes on from a checkpoint, or only measures and writes where training has come to its end. */
export async function makeTinyVision({ out, ...task }: VisionCommand): Promise<void> {
  const encoding = trainVocabulary();
  const { theta, curve, tokens, seconds } = await trainTinyVision({ ...task, encoding });
  writeFolder(out, tinyVision, encoding, theta);
  const opened = openModelFolder(out);
  if (!opened.ok) throw new RangeError(opened.problem.message);
  const model = await VisionModel.open(task.host, opened.folder);
  const figures = await heldOutFigures(model, SCENES);
  const companions = await companionFigures(model, SCENES);
  await model.release();
  const evaluation: Evaluation = { parameters: parameterCount(allShapes(tinyVision)), steps: task.steps, tokens, seconds: Math.round(seconds), curve, figures, companions };
  writeFileSync(path.join(out, 'evaluation.json'), `${JSON.stringify(evaluation, null, 1)}\n`);
  writeFileSync(path.join(out, 'README.md'), modelCard(evaluation));
  writeFileSync(path.join(out, 'loss.svg'), lossChart(evaluation));
  task.log(`wrote ${path.relative(process.cwd(), out)}`);
}
