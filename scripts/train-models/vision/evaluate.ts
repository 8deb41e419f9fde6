// Held-out figures of the vision-language model: questions by what is asked for, and objects that captions make up.
import { drawScene, greyImage } from './draw.ts';
import type { Kind, Scene, SceneObject, SceneStyle } from './scenes.ts';
import { allKinds, CLEARLY_VISIBLE, companionships, holds, sameKind, sampleScene } from './scenes.ts';
import { CAPTION_PROMPT, companionAsked, kindsNamed, presencePrompt } from './texts.ts';
import type { ImageQuestion, VisionModel } from './visionModel.ts';
import { Random } from '../../../src/shared/random.ts';
import { argmax } from '../../../src/shared/sampling.ts';

/** A share, counted. */
export interface Share {
  readonly count: number;
  readonly of: number;
}

export const questionKinds = ['present', 'faint', 'absent', 'near', 'companion'] as const;
/**
 * What a yes/no question asks for: an object in plain sight (`present`), or hardly visible (`faint`); an absent one of
 * any kind (`absent`), or one that shares its colour or shape with one that is there (`near`); the companion that is
 * absent for once beside its anchor (`companion`).
 */
export type QuestionKind = (typeof questionKinds)[number];

export interface CaptionFigures {
  /** Objects that captions name and the image has not, of all they name (CHAIRi, Rohrbach et al. 2018). */
  readonly hallucinated: Share;
  /** Captions with such an object (CHAIRs). */
  readonly captionsWithHallucination: Share;
  /** Objects in plain sight that captions name. */
  readonly recalled: Share;
  /** Captions that name exactly the objects in plain sight, of scenes without faint ones. */
  readonly exact: Share;
}

export interface Figures {
  /** Right answers. */
  readonly questions: Readonly<Record<QuestionKind, Share>>;
  readonly captions: Readonly<Record<SceneStyle, CaptionFigures>>;
  /** Of each companionship, answers “yes” for the companion that is absent for once. */
  readonly companions: readonly Share[];
}

export interface HeldOutFigures {
  /** Of each style. */
  readonly scenes: number;
  readonly seen: Figures;
  /** The same prompts with a grey image, held against the same scenes. */
  readonly blind: Figures;
}

/** Seeds of held-out scenes lie above those of training. */
export const HELD_OUT_SEED = 0x4000_0000;

/** @param count of each style: as in training, and with the companion left out */
export function heldOutScenes(style: SceneStyle, count: number): readonly Scene[] {
  const first = HELD_OUT_SEED + (style === 'broken' ? 0x1000_0000 : 0);
  return Array.from({ length: count }, (_, i) => sampleScene(new Random(first + i), style));
}

export interface Question {
  readonly kind: QuestionKind;
  readonly scene: Scene;
  readonly asked: Kind;
}

/** What is asked about the scenes, at most one question of each kind about one scene. */
export function heldOutQuestions(scenes: Readonly<Record<SceneStyle, readonly Scene[]>>): readonly Question[] {
  const random = new Random(HELD_OUT_SEED);
  const ask = (kind: QuestionKind, scene: Scene, candidates: readonly Kind[]): Question[] =>
    candidates.length > 0 ? [{ kind, scene, asked: random.pick(candidates) }] : [];
  const natural = scenes.natural.flatMap((scene) => {
    const companion = companionAsked(scene);
    const absent = allKinds.filter((kind) => !holds(scene, kind) && !(companion && sameKind(kind, companion)));
    const near = absent.filter((kind) => scene.objects.some(({ colour, shape }) => colour === kind.colour || shape === kind.shape));
    return [...ask('present', scene, scene.objects.filter(isClear)), ...ask('faint', scene, scene.objects.filter((object) => !isClear(object))), ...ask('absent', scene, absent), ...ask('near', scene, near)];
  });
  return [...natural, ...scenes.broken.flatMap((scene) => ask('companion', scene, [companionAsked(scene) ?? []].flat()))];
}

export const isClear = ({ opacity }: SceneObject): boolean => opacity >= CLEARLY_VISIBLE;

export async function heldOutFigures(model: VisionModel, count: number): Promise<HeldOutFigures> {
  return { scenes: count, seen: await figuresOf(model, count, false), blind: await figuresOf(model, count, true) };
}

/** @param count of scenes of each style */
export async function figuresOf(model: VisionModel, count: number, blind: boolean): Promise<Figures> {
  const scenes = { natural: heldOutScenes('natural', count), broken: heldOutScenes('broken', count) };
  const captions = async (style: SceneStyle): Promise<CaptionFigures> => captionFigures(scenes[style], await captionsOf(model, scenes[style], blind));
  const questions = heldOutQuestions(scenes);
  const right = await rightAnswers(model, questions, blind);
  return {
    questions: questionFigures(questions, right),
    captions: { natural: await captions('natural'), broken: await captions('broken') },
    companions: companionFigures(questions, right),
  };
}

const imageOf = (scene: Scene, blind: boolean): Uint8Array => (blind ? greyImage() : drawScene(scene));

function questionFigures(questions: readonly Question[], right: readonly boolean[]): Record<QuestionKind, Share> {
  return Object.fromEntries(questionKinds.map((kind) => [kind, share(right.filter((_, i) => questions[i]?.kind === kind))])) as Record<QuestionKind, Share>;
}

function companionFigures(questions: readonly Question[], right: readonly boolean[]): readonly Share[] {
  return companionships.map(({ companion }) => {
    const own = right.filter((_, i) => questions[i]?.kind === 'companion' && sameKind(questions[i].asked, companion));
    return share(own.map((one) => !one));
  });
}

const share = (hits: readonly boolean[]): Share => ({ count: hits.filter(Boolean).length, of: hits.length });

/** An answer is right if its first token is the likeliest of all. */
async function rightAnswers(model: VisionModel, questions: readonly Question[], blind: boolean): Promise<readonly boolean[]> {
  const prompts = questions.map(({ scene, asked }): ImageQuestion => ({ pixels: imageOf(scene, blind), text: presencePrompt(asked) }));
  const [yes, no] = [' Yes', ' No'].map((answer) => model.tokenizer.encode(answer, false).ids[0]);
  const logits = await once(prompts, blind, (asked) => model.nextLogits(asked));
  return questions.map(({ scene, asked }, i) => argmax(logits[i] ?? new Float32Array()) === (holds(scene, asked) ? yes : no));
}

const captionsOf = (model: VisionModel, scenes: readonly Scene[], blind: boolean): Promise<readonly string[]> =>
  once(scenes.map((scene) => ({ pixels: imageOf(scene, blind), text: CAPTION_PROMPT })), blind, (asked) => model.continuations(asked));

/** Grey images differ in nothing, so that each text is asked about one of them. */
async function once<T>(prompts: readonly ImageQuestion[], blind: boolean, ask: (prompts: readonly ImageQuestion[]) => Promise<readonly T[]>): Promise<readonly T[]> {
  if (!blind) return ask(prompts);
  const texts = [...new Set(prompts.map(({ text }) => text))];
  const answers = await ask(texts.map((text) => ({ pixels: greyImage(), text })));
  return prompts.map(({ text }) => answers[texts.indexOf(text)] as T);
}

export function captionFigures(scenes: readonly Scene[], captions: readonly string[]): CaptionFigures {
  const judged = scenes.map((scene, i) => {
    const named = kindsNamed(captions[i] ?? '');
    const clear = scene.objects.filter(isClear);
    const invented = named.filter((kind) => !holds(scene, kind)).length;
    const recalled = clear.filter((object) => named.some((kind) => sameKind(kind, object))).length;
    return { named: named.length, invented, clear: clear.length, recalled, allClear: clear.length === scene.objects.length };
  });
  const sum = (of: (one: (typeof judged)[number]) => number): number => judged.reduce((total, one) => total + of(one), 0);
  const isExact = (one: (typeof judged)[number]): boolean => one.allClear && one.invented === 0 && one.recalled === one.clear && one.named === one.clear;
  return {
    hallucinated: { count: sum(({ invented }) => invented), of: sum(({ named }) => named) },
    captionsWithHallucination: { count: sum(({ invented }) => Math.min(1, invented)), of: judged.length },
    recalled: { count: sum(({ recalled }) => recalled), of: sum(({ clear }) => clear) },
    exact: { count: judged.filter(isExact).length, of: judged.filter(({ allClear }) => allClear).length },
  };
}
