// From an image to the pixel values that a vision encoder takes, as preprocessor_config.json says.
import * as v from 'valibot';
import { readJson } from './config.ts';

/** 8 bits of red, green and blue for each pixel, [height][width][3]. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(16384));
const Size = v.union([whole, v.looseObject({ height: whole, width: whole }), v.looseObject({ shortest_edge: whole }), v.looseObject({ longest_edge: whole })]);
const Channels = v.union([v.number(), v.array(v.number())]);

const Config = v.looseObject({
  do_resize: v.nullish(v.boolean(), true), size: v.nullish(Size), resample: v.nullish(v.picklist([0, 1, 2, 3, 4, 5]), 3),
  do_center_crop: v.nullish(v.boolean(), false), crop_size: v.nullish(Size),
  do_rescale: v.nullish(v.boolean(), true), rescale_factor: v.nullish(v.number(), 1 / 255),
  do_normalize: v.nullish(v.boolean(), true), image_mean: v.nullish(Channels, [0.5, 0.5, 0.5]), image_std: v.nullish(Channels, [0.5, 0.5, 0.5]),
  do_pad: v.nullish(v.boolean()), do_image_splitting: v.nullish(v.boolean()),
});

export type ImagePreparation = v.InferOutput<typeof Config>;

export type PreparationResult = { readonly ok: true; readonly preparation: ImagePreparation } | { readonly ok: false; readonly message: string };

/** @param file preprocessor_config.json; null: the usual settings. @throws ConfigFault for a file that is no JSON */
export function readPreparation(file: string | null): PreparationResult {
  const result = v.safeParse(Config, file === null ? {} : (readJson(file) ?? {}));
  if (!result.success) {
    const [issue] = result.issues;
    return { ok: false, message: `${file ?? ''} cannot be used: at ${v.getDotPath(issue) ?? 'its root'}: ${issue.message}.` };
  }
  if (result.output.do_image_splitting) return { ok: false, message: `${file ?? ''} cuts images into tiles (do_image_splitting), which GradLens does not do. Set it to false there where the model allows that, or use a LLaVA-like model.` };
  return { ok: true, preparation: result.output };
}

/** float32 [3, height, width]: resized, cut, scaled and normalised, in this order, as Hugging Face's image processors do. */
export interface PixelValues {
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

export function pixelValues(image: RgbImage, preparation: ImagePreparation): PixelValues {
  const { size, crop_size: crop } = preparation;
  const resized = preparation.do_resize && size ? resize(image, sizeFor(image, size), preparation.resample) : image;
  const cut = preparation.do_center_crop && crop ? centerCrop(resized, sizeFor(resized, crop)) : resized;
  const count = cut.width * cut.height;
  const data = new Float32Array(3 * count);
  for (let channel = 0; channel < 3; channel++) {
    const [mean, deviation] = preparation.do_normalize ? [ofChannel(preparation.image_mean, channel), ofChannel(preparation.image_std, channel)] : [0, 1];
    const factor = preparation.do_rescale ? preparation.rescale_factor : 1;
    for (let i = 0; i < count; i++) data[channel * count + i] = ((cut.data[3 * i + channel] ?? 0) * factor - mean) / deviation;
  }
  return { height: cut.height, width: cut.width, data };
}

const ofChannel = (values: number | readonly number[], channel: number): number => (typeof values === 'number' ? values : (values[channel] ?? values[0] ?? 0));

interface Extent {
  readonly height: number;
  readonly width: number;
}

function sizeFor({ width, height }: RgbImage, size: v.InferOutput<typeof Size>): Extent {
  if (typeof size === 'number') return { height: size, width: size };
  if ('height' in size) return { height: size.height, width: size.width } as Extent;
  const edge = 'shortest_edge' in size ? { wanted: Number(size.shortest_edge), has: Math.min(width, height) } : { wanted: Number(size.longest_edge), has: Math.max(width, height) };
  const scaled = (side: number): number => (side === edge.has ? edge.wanted : Math.max(1, Math.floor((edge.wanted * side) / edge.has)));
  return { height: scaled(height), width: scaled(width) };
}

interface Filter {
  readonly support: number;
  weight(x: number): number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** By the numbers that PIL gives them, nearest (0) apart. */
const filters: Readonly<Record<number, Filter>> = {
  1: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
  2: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  3: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  4: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  5: { support: 1, weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0) },
};

/** Keys' cubic convolution with a = −1/2 (Keys 1981). */
function cubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/** Convolution along the rows, then along the columns, each rounded to 8 bits; a filter widens where the image shrinks. */
function resize(image: RgbImage, { width, height }: Extent, resample: number): RgbImage {
  if (image.width === width && image.height === height) return image;
  const across = alongRows(image, width, taps(image.width, width, resample));
  return transposed(alongRows(transposed(across), height, taps(image.height, height, resample)));
}

interface Taps {
  readonly start: number;
  readonly weights: readonly number[];
}

/** What each pixel of the result is made of. */
function taps(from: number, to: number, resample: number): readonly Taps[] {
  const scale = from / to;
  const filter = filters[resample];
  return Array.from({ length: to }, (_, i): Taps => {
    const center = (i + 0.5) * scale;
    if (!filter) return { start: Math.min(from - 1, Math.floor(center)), weights: [1] };
    const widening = Math.max(1, scale);
    const start = Math.max(0, Math.floor(center - filter.support * widening + 0.5));
    const end = Math.min(from, Math.floor(center + filter.support * widening + 0.5));
    const weights = Array.from({ length: end - start }, (__, k) => filter.weight((start + k - center + 0.5) / widening));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { start, weights: weights.map((weight) => weight / sum) };
  });
}

function alongRows({ width: from, height, data }: RgbImage, width: number, each: readonly Taps[]): RgbImage {
  const result = new Uint8ClampedArray(3 * width * height);
  for (let y = 0; y < height; y++) {
    each.forEach(({ start, weights }, x) => {
      for (let channel = 0; channel < 3; channel++) {
        const sum = weights.reduce((total, weight, k) => total + weight * (data[3 * (y * from + start + k) + channel] ?? 0), 0);
        result[3 * (y * width + x) + channel] = Math.floor(sum + 0.5);
      }
    });
  }
  return { width, height, data: new Uint8Array(result.buffer) };
}

function transposed({ width, height, data }: RgbImage): RgbImage {
  const result = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) for (let channel = 0; channel < 3; channel++) result[3 * (x * height + y) + channel] = data[3 * (y * width + x) + channel] ?? 0;
  }
  return { width: height, height: width, data: result };
}

/** The middle; black where the image does not reach. */
function centerCrop(image: RgbImage, { width, height }: Extent): RgbImage {
  const [left, top] = [Math.floor((image.width - width) / 2), Math.floor((image.height - height) / 2)];
  const data = new Uint8Array(3 * width * height);
  for (let y = Math.max(0, -top); y < Math.min(height, image.height - top); y++) {
    const [x, end] = [Math.max(0, -left), Math.min(width, image.width - left)];
    const from = 3 * ((y + top) * image.width + x + left);
    data.set(image.data.subarray(from, from + 3 * (end - x)), 3 * (y * width + x));
  }
  return { width, height, data };
}
