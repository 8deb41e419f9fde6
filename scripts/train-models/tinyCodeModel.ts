// Makes models/tiny-code: trains, writes the folder, evaluates on held-out text, writes the card.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { modelCard } from './card.ts';
import type { Evaluation } from './evaluation.ts';
import { evaluate } from './evaluation.ts';
import { lossCurve } from './lossCurve.ts';
import type { MakeOptions } from './makeOptions.ts';
import { openWritten, writeModelFolder } from './modelFolder.ts';
import type { Phase } from './tinyCode.ts';
import { phases, rows, tinyCode, tinyCodeVocabulary, trainTinyCode } from './tinyCode.ts';
import type { LossPoint, TrainedModel } from './training.ts';

/** Of the held-out items: none of the corpus' own. */
const EVALUATION_SEED = 7;

/** One training from start to end. */
export interface TrainingRecord {
  readonly steps: number;
  readonly tokens: number;
  readonly minutes: number;
  readonly threads: number;
  readonly curve: readonly LossPoint[];
}

export interface PhaseRecord extends TrainingRecord {
  readonly name: string;
}

/** How the model in the folder was trained, phase by phase: training.json. */
export interface PhasedTraining {
  readonly phases: readonly PhaseRecord[];
}

export async function makeTinyCode(options: MakeOptions): Promise<void> {
  if (!options.evaluateOnly) await trainAndWrite(options);
  const { host, out, items, log } = options;
  const model = await openWritten(host, out);
  log(`evaluates on ${items} held-out items an ability`);
  const found = await evaluate(model, { seed: EVALUATION_SEED, items });
  await model.decoder.release();
  writeJson(path.join(out, 'held-out.json'), found);
  const training = JSON.parse(readFileSync(path.join(out, 'training.json'), 'utf8')) as PhasedTraining;
  writeFileSync(path.join(out, 'loss.svg'), lossCurve(...training.phases.map(({ curve }) => curve)));
  writeFileSync(path.join(out, 'README.md'), modelCard(training, found));
  log(summary(found));
}

async function trainAndWrite({ host, steps, threads, out, checkpoints, log }: MakeOptions): Promise<void> {
  log('learns the vocabulary');
  const bpe = tinyCodeVocabulary();
  const chosen = steps === null ? phases : shortened(steps);
  const trained = await trainTinyCode({ host, bpe, phases: chosen, threads, folder: checkpoints, log });
  writeModelFolder(out, { config: tinyCode, theta: trained.at(-1)?.theta ?? new Float32Array(), bpe, contextLength: rows.length });
  const record: PhasedTraining = { phases: trained.map((part, i) => recordOf(chosen[i], threads, part)) };
  writeJson(path.join(out, 'training.json'), record);
}

/** So many steps in all, shared as the phases share theirs. */
function shortened(steps: number): readonly Phase[] {
  const all = phases.reduce((sum, phase) => sum + phase.steps, 0);
  return phases.map((phase) => ({ ...phase, steps: Math.max(1, Math.round((phase.steps * steps) / all)) }));
}

function recordOf(phase: Phase | undefined, threads: number, { curve, tokens, seconds }: TrainedModel): PhaseRecord {
  return { name: phase?.name ?? '', steps: phase?.steps ?? 0, tokens, minutes: Math.round(seconds / 6) / 10, threads, curve: curve.map((point) => ({ ...point, loss: Number(point.loss.toFixed(4)) })) };
}

const writeJson = (file: string, value: unknown): void => writeFileSync(file, `${JSON.stringify(value, null, 1)}\n`);

function summary({ programs, statements, judged, questions }: Evaluation): string {
  const percent = (share: number | undefined): string => `${(100 * (share ?? 0)).toFixed(1)} %`;
  return [
    `language identifiable ${percent(programs.identifiable.share)}`, `faithful statement likelier ${percent(statements['all']?.share)}`,
    `statements judged ${percent(judged['all']?.share)}`, `true answer likelier ${percent(questions.withContext.share)} (${percent(questions.withoutContext.share)} without the context)`,
  ].join(', ');
}
