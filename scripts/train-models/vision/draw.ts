// Draws scenes: 32 × 32 pixels of red, green and blue, edges smoothed by counting 4 × 4 points in each pixel.
import type { Background, Box, Colour, Scene, SceneObject, Shape } from './scenes.ts';
import { boxOf, IMAGE_SIZE } from './scenes.ts';
import { Random } from '../../../src/shared/random.ts';

const palette: Readonly<Record<Colour, readonly [number, number, number]>> = {
  red: [220, 40, 40],
  orange: [240, 135, 30],
  yellow: [240, 225, 60],
  green: [50, 180, 70],
  blue: [50, 90, 220],
  purple: [160, 60, 190],
};

const STAR_POINTS = 5;
const STAR_INNER = 0.4;

/** Lies the point in the shape? `x` to the right and `y` downwards, in radii from the centre. */
const covers: Readonly<Record<Shape, (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.88,
  triangle: (x, y) => y <= 0.8 && Math.abs(x) <= (0.55 * (y + 0.95)) / 0.95,
  star: inStar,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.32 && Math.max(Math.abs(x), Math.abs(y)) <= 1,
  ring: (x, y) => x * x + y * y <= 1 && x * x + y * y >= 0.3,
};

/** Within the edge between a point of the star and the notch beside it. */
function inStar(x: number, y: number): boolean {
  const half = Math.PI / STAR_POINTS;
  const turn = Math.atan2(x, -y) / (2 * half);
  const angle = Math.abs(turn - Math.round(turn)) * 2 * half;
  const [notchX, notchY] = [STAR_INNER * Math.sin(half), STAR_INNER * Math.cos(half)];
  const distance = Math.hypot(x, y);
  const [across, along] = [distance * Math.sin(angle), distance * Math.cos(angle)];
  return across * (1 - notchY) <= notchX * (1 - along);
}

const POINTS = 4;

/** Share of the pixel that the object covers, 0 to 1. */
export function coverage({ shape, x, y, radius }: SceneObject, column: number, row: number): number {
  let inside = 0;
  for (let i = 0; i < POINTS * POINTS; i++) {
    const [u, v] = [column + ((i % POINTS) + 0.5) / POINTS, row + (Math.floor(i / POINTS) + 0.5) / POINTS];
    if (covers[shape]((u - x) / radius, (v - y) / radius)) inside++;
  }
  return inside / (POINTS * POINTS);
}

/** Red, green and blue of each pixel, [row][column][channel], of 255. */
export function drawScene({ objects, background }: Scene): Uint8Array {
  const pixels = drawBackground(background);
  for (const object of objects) drawObject(pixels, object);
  return Uint8Array.from(pixels, (value) => Math.min(255, Math.max(0, Math.round(value))));
}

function drawBackground({ texture, colour, strength, seed }: Background): Float32Array {
  const random = new Random(seed);
  const [dx, dy] = [random.next() * 2 - 1, random.next() * 2 - 1];
  const pixels = new Float32Array(IMAGE_SIZE * IMAGE_SIZE * 3);
  for (let i = 0; i < pixels.length; i++) {
    const at = Math.floor(i / 3);
    const [right, down] = [(at % IMAGE_SIZE) / IMAGE_SIZE - 0.5, Math.floor(at / IMAGE_SIZE) / IMAGE_SIZE - 0.5];
    const shift = texture === 'grain' ? strength * grain(random) : texture === 'slope' ? strength * (dx * right + dy * down) : 0;
    pixels[i] = (colour[i % 3] ?? 0) + shift;
  }
  return pixels;
}

/** Of deviation 1, from two uniform numbers. */
const grain = (random: Random): number => Math.sqrt(6) * (random.next() + random.next() - 1);

function drawObject(pixels: Float32Array, object: SceneObject): void {
  for (const [column, row] of pixelsOf(boxOf(object))) {
    const share = object.opacity * coverage(object, column, row);
    for (let channel = 0; channel < 3; channel++) {
      const at = (row * IMAGE_SIZE + column) * 3 + channel;
      const own = (palette[object.colour][channel] ?? 0) + (object.tint[channel] ?? 0);
      pixels[at] = (1 - share) * (pixels[at] ?? 0) + share * own;
    }
  }
}

function* pixelsOf({ left, top, right, bottom }: Box): Generator<readonly [number, number]> {
  for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) yield [column, row];
}

/** The middle grey without objects: an image that tells nothing. */
export const greyImage = (): Uint8Array => new Uint8Array(IMAGE_SIZE * IMAGE_SIZE * 3).fill(75);

/** preprocessor_config.json's numbers: pixel values are divided by 255, then (value − mean) / deviation. */
export const PIXEL_MEAN = 0.5;
export const PIXEL_DEVIATION = 0.25;

/** The encoder's input of one image, [channel][row][column]. */
export function pixelValues(pixels: Uint8Array): Float32Array {
  const size = IMAGE_SIZE * IMAGE_SIZE;
  return Float32Array.from({ length: 3 * size }, (_, i) => ((pixels[(i % size) * 3 + Math.floor(i / size)] ?? 0) / 255 - PIXEL_MEAN) / PIXEL_DEVIATION);
}
