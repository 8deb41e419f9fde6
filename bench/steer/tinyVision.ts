// Part two: companions that tiny-vision makes up, because they usually come along.
import { fileURLToPath } from 'node:url';
import { methods, REFINED } from './methods.ts';
import { openedModel } from './openedModel.ts';
import type { Outcome, SteerItem } from './protocol.ts';
import type { Count, PartReport } from './report.ts';
import type { Run } from './setting.ts';
import { runSetting } from './setting.ts';
import { drawScene } from '../../scripts/train-models/vision/draw.ts';
import { heldOutQuestions, heldOutScenes, isClear } from '../../scripts/train-models/vision/evaluate.ts';
import type { Kind, Scene } from '../../scripts/train-models/vision/scenes.ts';
import { allKinds, holds, IMAGE_SIZE, sameKind, sampleScene } from '../../scripts/train-models/vision/scenes.ts';
import { companionAsked, presencePrompt } from '../../scripts/train-models/vision/texts.ts';
import { IMAGE_TOKEN } from '../../scripts/train-models/vision/visionModel.ts';
import type { ModelFolder } from '../../src/lm/folder.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import type { ImageFeatures } from '../../src/lm/visionEncoder.ts';
import { openVisionEncoder } from '../../src/lm/visionEncoder.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import { leaksOf } from '../../src/steering/splits.ts';
import type { TokenPair } from '../../src/steering/tokenPairs.ts';
import { tokenPair } from '../../src/steering/tokenPairs.ts';

export const PART = 'tiny-vision: companions that are not there';
export const SIZES = { build: 50, validation: 120, test: 750 } as const;
const STRENGTHS = [0.2, 0.5, 1, 2] as const;
/** Neither of training, whose seeds begin at 0, nor held out. */
const BUILD_SEED = 0x2000_0000;

interface Asked {
  readonly kind: 'companion' | 'present' | 'absent';
  readonly scene: Scene;
  readonly asked: Kind;
}

export async function benchTinyVision(run: Run, seed: number): Promise<PartReport> {
  const started = performance.now();
  const { folder, tokenizer } = openedModel(fileURLToPath(new URL('../../models/tiny-vision', import.meta.url)));
  const [build, validation] = [drawn(SIZES.build, BUILD_SEED + 100_000 * seed, ['companion', 'present']), drawn(SIZES.validation, BUILD_SEED + 100_000 * seed + 50_000, ['companion', 'present', 'absent'])];
  const test = heldOut(SIZES.test / 3);
  const features = await featuresOf(run.host, folder, [...build, ...validation, ...test]);
  const prepared = (questions: readonly Asked[]) => questions.map((question) => preparedQuestion(question, features, folder, tokenizer));
  const left = await runSetting({
    part: PART, setting: 'yes or no', key: `seed ${seed}, by thirds, ${SIZES.build}/${SIZES.validation}/${SIZES.test}, α ${STRENGTHS.join(' ')}`, folder, tokenizer, seed,
    pairs: prepared(build).map(({ pair }) => pair), validation: prepared(validation).map(({ item }) => item), test: prepared(test).map(({ item }) => item),
    strengths: STRENGTHS, figures, methods: methods.map(({ name }) => name).filter((name) => name !== REFINED && name !== 'GrAInS, v⁺ alone'),
  }, run);
  const leaks = leaksOf({ build, validation, test }, ({ scene }) => [JSON.stringify(scene)]).length;
  const notes = [`Leak check: ${leaks} scenes in two parts.`, ...(left.length > 0 ? [`Not measured, for want of time: ${left.join(', ')}.`] : [])];
  return { part: PART, about: about(), notes: { 'yes or no': notes }, minutes: (performance.now() - started) / 60_000 };
}

const about = (): readonly string[] => [
  `Beside an anchor whose companion is left out for once, the model says that the companion is there. ${SIZES.build} pairs, half of them about such companions (preferred “No.”), half about objects in plain sight (preferred “Yes.”), so that a vector which only says no gains nothing; image patches are attributed to and hidden like words. Validation and test items are a third each absent companions, objects in plain sight, and other absent objects, and the three weigh alike in the choice. “Balanced” is over the latter two: 50 % for a model that always says the same.`,
];

/** A question of each kind in turn, each about a scene of its own. */
function drawn(count: number, first: number, kinds: readonly Asked['kind'][]): readonly Asked[] {
  const questions: Asked[] = [];
  for (let scene = 0; questions.length < count; scene++) {
    const kind = kinds[questions.length % kinds.length] ?? 'companion';
    const random = new Random(first + scene);
    const found = askAbout(kind, sampleScene(random, kind === 'companion' ? 'broken' : 'natural'), random);
    if (found) questions.push(found);
  }
  return questions;
}

function askAbout(kind: Asked['kind'], scene: Scene, random: Random): Asked | null {
  const companion = companionAsked(scene);
  const candidates = kind === 'companion' ? [companion ?? []].flat() : kind === 'present' ? scene.objects.filter(isClear) : allKinds.filter((one) => !holds(scene, one) && !(companion && sameKind(one, companion)));
  return candidates.length > 0 ? { kind, scene, asked: random.pick(candidates) } : null;
}

/** The questions that the model's card is measured on, so many of each kind. */
function heldOut(each: number): readonly Asked[] {
  const questions = heldOutQuestions({ natural: heldOutScenes('natural', 2 * each), broken: heldOutScenes('broken', 2 * each) });
  return (['companion', 'present', 'absent'] as const).flatMap((kind) => questions.filter((question): question is Asked & typeof question => question.kind === kind).slice(0, each));
}

async function featuresOf(host: ModelHost, folder: ModelFolder, questions: readonly Asked[]): Promise<ReadonlyMap<Scene, ImageFeatures>> {
  const opened = await openVisionEncoder(host, folder, { provider: 'cpu', threads: 1 });
  if (!opened.ok) throw new Error(opened.fault.message);
  const features = new Map<Scene, ImageFeatures>();
  for (const { scene } of questions) if (!features.has(scene)) features.set(scene, await opened.encoder.encode({ width: IMAGE_SIZE, height: IMAGE_SIZE, data: drawScene(scene) }));
  await opened.encoder.release();
  return features;
}

function preparedQuestion({ kind, scene, asked }: Asked, features: ReadonlyMap<Scene, ImageFeatures>, folder: ModelFolder, tokenizer: Tokenizer): { readonly pair: TokenPair; readonly item: SteerItem } {
  const answers = holds(scene, asked) ? [' Yes', ' No'] : [' No', ' Yes'];
  const pair = tokenPair(tokenizer, folder, { prompt: `${IMAGE_TOKEN}${presencePrompt(asked)}`, preferred: answers[0] ?? '', dispreferred: answers[1] ?? '' }, features.get(scene));
  return { pair, item: { prompt: pair.prompt.ids, embeddings: pair.prompt.embeddings, answers: [pair.preferred, pair.dispreferred], group: kind } };
}

function figures(outcomes: readonly Outcome[], items: readonly SteerItem[]): Readonly<Record<string, Count>> {
  const of = (wanted: readonly string[], hit: (outcome: Outcome) => boolean): Count => {
    const own = outcomes.filter((_, i) => wanted.includes(items[i]?.group ?? ''));
    return { hits: own.filter(hit).length, items: own.length };
  };
  return {
    'right, three kinds alike': of(['companion', 'present', 'absent'], ({ overAll }) => overAll),
    '“yes” to absent companions': of(['companion'], ({ overAll }) => !overAll),
    'balanced yes/no right': of(['present', 'absent'], ({ overAll }) => overAll),
    '“yes” to objects in sight': of(['present'], ({ overAll }) => overAll),
    '“no” to other absent ones': of(['absent'], ({ overAll }) => overAll),
  };
}
