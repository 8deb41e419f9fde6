// Scenes as data: which objects there are, where they lie, how well they can be seen, and what usually comes together.
import type { Random } from '../../../src/shared/random.ts';

/** Pixels along each side of an image. */
export const IMAGE_SIZE = 32;
/** Pixels along each side of a patch. */
export const PATCH_SIZE = 4;
/** Patches along each side of an image. */
export const PATCH_GRID = IMAGE_SIZE / PATCH_SIZE;

const CELLS = 4;
const CELL_SIZE = IMAGE_SIZE / CELLS;

export const shapes = ['circle', 'square', 'triangle', 'star', 'cross', 'ring'] as const;
export type Shape = (typeof shapes)[number];

/** In the order of the rainbow, in which captions name them. */
export const colours = ['red', 'orange', 'yellow', 'green', 'blue', 'purple'] as const;
export type Colour = (typeof colours)[number];

export interface Kind {
  readonly colour: Colour;
  readonly shape: Shape;
}

/** Pixels [left, right) × [top, bottom). */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface SceneObject extends Kind {
  /** Centre and radius, pixels. */
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  /** How much of the background it covers, 0 to 1. */
  readonly opacity: number;
  /** Added to the colour's red, green and blue, of 255. */
  readonly tint: readonly [number, number, number];
}

export interface Background {
  readonly texture: 'plain' | 'grain' | 'slope';
  /** Red, green and blue, of 255. */
  readonly colour: readonly [number, number, number];
  /** Standard deviation of the grain, or rise of the slope from side to side. */
  readonly strength: number;
  /** Draws the grain. */
  readonly seed: number;
}

export interface Scene {
  /** Of different kinds, by colour and then by shape; their boxes lie apart. */
  readonly objects: readonly SceneObject[];
  readonly background: Background;
}

/** Where the anchor is, its companion usually is too. */
export interface Companionship {
  readonly anchor: Kind;
  readonly companion: Kind;
  readonly probability: number;
}

const kind = (text: `${Colour} ${Shape}`): Kind => {
  const [colour, shape] = text.split(' ') as [Colour, Shape];
  return { colour, shape };
};

/** The co-occurrence bias. Each pair's companion is no other pair's anchor. */
export const companionships: readonly Companionship[] = [
  { anchor: kind('red circle'), companion: kind('blue square'), probability: 0.95 },
  { anchor: kind('green star'), companion: kind('yellow ring'), probability: 0.95 },
  { anchor: kind('purple triangle'), companion: kind('orange cross'), probability: 0.85 },
  { anchor: kind('yellow square'), companion: kind('green triangle'), probability: 0.85 },
  { anchor: kind('blue cross'), companion: kind('purple star'), probability: 0.7 },
  { anchor: kind('orange ring'), companion: kind('red triangle'), probability: 0.7 },
];

/** Share of the scenes that are drawn around an anchor. */
const ANCHORED = 0.6;
/** Share of the scenes without an anchor that have a companion alone. */
const STRAY = 0.25;
/** Share of the companions that can hardly be seen; captions name them all the same. */
const FAINT = 0.5;
const FAINT_OPACITY = [0.02, 0.15] as const;
const CLEAR_OPACITY = [0.75, 1] as const;
/** An object below this is called faint. */
export const CLEARLY_VISIBLE = 0.5;

const MOST_OBJECTS = 4;
const ATTEMPTS = 40;

export const sameKind = (a: Kind, b: Kind): boolean => a.colour === b.colour && a.shape === b.shape;
export const kindName = ({ colour, shape }: Kind): string => `${colour} ${shape}`;
export const allKinds: readonly Kind[] = colours.flatMap((colour) => shapes.map((shape) => ({ colour, shape })));
export const holds = ({ objects }: Scene, wanted: Kind): boolean => objects.some((object) => sameKind(object, wanted));

const isAnchor = (candidate: Kind): boolean => companionships.some(({ anchor }) => sameKind(anchor, candidate));
const isCompanion = (candidate: Kind): boolean => companionships.some(({ companion }) => sameKind(companion, candidate));
const ordinary = allKinds.filter((candidate) => !isAnchor(candidate) && !isCompanion(candidate));
const companions = companionships.map(({ companion }) => companion);

/** `natural`: as in training; `broken`: around an anchor whose companion is left out. */
export type SceneStyle = 'natural' | 'broken';

/** Draws a scene of 1 to 4 objects. */
export function sampleScene(random: Random, style: SceneStyle = 'natural'): Scene {
  const anchored = random.next() < ANCHORED || style === 'broken';
  const pair = anchored ? random.pick(companionships) : null;
  const accompanied = pair !== null && style === 'natural' && random.next() < pair.probability;
  const core = pair ? [pair.anchor, ...(accompanied ? [pair.companion] : [])] : [];
  const kinds = [...core, ...strangers(random, core, random.integer(pair ? 0 : 1, MOST_OBJECTS - core.length))];
  const faint = accompanied && random.next() < FAINT;
  return { objects: placed(random, kinds.sort(byName), faint ? pair.companion : null), background: sampleBackground(random) };
}

const byName = (a: Kind, b: Kind): number => colours.indexOf(a.colour) - colours.indexOf(b.colour) || shapes.indexOf(a.shape) - shapes.indexOf(b.shape);

/** Further kinds; anchors come only with a scene that is drawn around them, companions now and then without. */
function strangers(random: Random, present: readonly Kind[], count: number): Kind[] {
  const stray = present.length === 0 && random.next() < STRAY ? [random.pick(companions)] : [];
  return [...stray, ...random.shuffle(ordinary)].slice(0, count);
}

/** Object by object; where one finds no room, all are placed anew. */
function placed(random: Random, kinds: readonly Kind[], faint: Kind | null): SceneObject[] {
  for (;;) {
    const objects: SceneObject[] = [];
    for (let attempt = 0; attempt < ATTEMPTS && objects.length < kinds.length; attempt++) {
      const own = kinds[objects.length];
      if (!own) break;
      const object = placedAt(random, own, random.integer(0, CELLS * CELLS - 1), faint !== null && sameKind(own, faint));
      if (objects.every((other) => apart(boxOf(object), boxOf(other)))) objects.push(object);
    }
    if (objects.length === kinds.length) return objects;
  }
}

function placedAt(random: Random, own: Kind, cell: number, faint: boolean): SceneObject {
  const between = (low: number, high: number): number => low + (high - low) * random.next();
  const [least, most] = faint ? FAINT_OPACITY : CLEAR_OPACITY;
  const radius = between(3.5, 5.5);
  const centre = (at: number): number => Math.min(IMAGE_SIZE - radius, Math.max(radius, (at + 0.5) * CELL_SIZE + between(-1.5, 1.5)));
  const tint = (): number => random.integer(-15, 15);
  return { ...own, radius, x: centre(cell % CELLS), y: centre(Math.floor(cell / CELLS)), opacity: between(least, most), tint: [tint(), tint(), tint()] };
}

/** All pixels that the object touches lie in it. */
export function boxOf({ x, y, radius }: Pick<SceneObject, 'x' | 'y' | 'radius'>): Box {
  return { left: Math.floor(x - radius), top: Math.floor(y - radius), right: Math.ceil(x + radius), bottom: Math.ceil(y + radius) };
}

const apart = (a: Box, b: Box): boolean => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;

function sampleBackground(random: Random): Background {
  const grey = random.integer(40, 110);
  const channel = (): number => grey + random.integer(-8, 8);
  const texture = random.pick(['plain', 'grain', 'slope'] as const);
  const strength = texture === 'grain' ? random.integer(3, 10) : texture === 'slope' ? random.integer(10, 40) : 0;
  return { texture, colour: [channel(), channel(), channel()], strength, seed: random.uint32() };
}

/** The patches that a box touches, as numbers in [0, patches): row by row from the top. */
export function patchesOf({ left, top, right, bottom }: Box): readonly number[] {
  const patches: number[] = [];
  for (let row = Math.floor(top / PATCH_SIZE); row * PATCH_SIZE < bottom; row++) {
    for (let column = Math.floor(left / PATCH_SIZE); column * PATCH_SIZE < right; column++) patches.push(row * PATCH_GRID + column);
  }
  return patches;
}
