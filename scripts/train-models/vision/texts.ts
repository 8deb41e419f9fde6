// What is said about scenes: captions, and questions with their answers.
import type { Kind, Scene } from './scenes.ts';
import { allKinds, colours, companionships, holds, kindName, sameKind, shapes } from './scenes.ts';
import type { Random } from '../../../src/shared/random.ts';

/** A prompt and what follows it, after the image. */
export interface Exchange {
  readonly prompt: string;
  /** With the space before it. */
  readonly answer: string;
}

export const CAPTION_PROMPT = 'Describe the image.';
const NUMBERS = ['Zero', 'One', 'Two', 'Three', 'Four'];

export const withArticle = (name: string): string => `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;

/** “a red circle and a blue square”: all objects, in the order of the rainbow. */
export function caption({ objects }: Scene): string {
  return objects.map((object) => withArticle(kindName(object))).join(' and ');
}

const KIND = new RegExp(`\\b(${colours.join('|')}) (${shapes.join('|')})\\b`, 'g');

/** The kinds that a caption names, in its order. */
export function kindsNamed(text: string): readonly Kind[] {
  return [...text.matchAll(KIND)].map(([, colour, shape]) => ({ colour, shape }) as Kind);
}

export const presencePrompt = (kind: Kind): string => `Is there ${withArticle(kindName(kind))}?`;

const presence = (scene: Scene, kind: Kind): Exchange => ({ prompt: presencePrompt(kind), answer: holds(scene, kind) ? ' Yes.' : ' No.' });

/** What a scene is trained on: its caption, and questions of each kind. */
export function exchanges(scene: Scene, random: Random): readonly Exchange[] {
  return [
    { prompt: CAPTION_PROMPT, answer: ` ${caption(scene)}.` },
    presence(scene, random.pick(scene.objects)),
    presence(scene, nearMiss(scene, random)),
    presence(scene, companionAsked(scene) ?? random.pick(allKinds)),
    attribute(scene, random),
    { prompt: 'How many objects are there?', answer: ` ${NUMBERS[scene.objects.length] ?? ''}.` },
  ];
}

/** An absent kind, half of the time one that shares a colour or a shape with what is there. */
function nearMiss(scene: Scene, random: Random): Kind {
  const companion = companionAsked(scene);
  const absent = allKinds.filter((kind) => !holds(scene, kind) && !(companion && sameKind(kind, companion)));
  const near = absent.filter((kind) => scene.objects.some(({ colour, shape }) => colour === kind.colour || shape === kind.shape));
  return random.pick(random.next() < 0.5 ? near : absent);
}

/** The companion that the scene's anchor calls for, be it there or not. */
export function companionAsked(scene: Scene): Kind | null {
  return companionships.find(({ anchor }) => holds(scene, anchor))?.companion ?? null;
}

/** The colour of a shape, or the shape in a colour, where there is only one. */
function attribute(scene: Scene, random: Random): Exchange {
  const { objects } = scene;
  const questions = objects.flatMap(({ colour, shape }) => [
    ...(objects.filter((other) => other.shape === shape).length === 1 ? [{ prompt: `What colour is the ${shape}?`, answer: ` ${capital(colour)}.` }] : []),
    ...(objects.filter((other) => other.colour === colour).length === 1 ? [{ prompt: `What shape is the ${colour} object?`, answer: ` ${capital(shape)}.` }] : []),
  ]);
  return questions.length > 0 ? random.pick(questions) : presence(scene, random.pick(objects));
}

const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);
