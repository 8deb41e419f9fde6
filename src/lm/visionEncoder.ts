// The vision encoder of a model folder: images to rows that stand in the place of the image's token.
import type { ModelFolder } from './folder.ts';
import type { ImagePreparation, RgbImage } from './imagePreparation.ts';
import { pixelValues, readPreparation } from './imagePreparation.ts';
import type { EmbeddingRows, LanguageModelFault } from './session.ts';
import { asFloats, LanguageModelError } from './session.ts';
import type { ModelHost, Session } from '../runtime/client.ts';
import type { HostTensor, SessionOptions } from '../runtime/protocol.ts';
import { floatToHalf } from '../shared/float16.ts';

export type OpenedVision = { readonly ok: true; readonly encoder: VisionEncoder } | { readonly ok: false; readonly fault: LanguageModelFault };

const PIXELS = 'pixel_values';

/** Opens the encoder of a vision-language model. @throws RuntimeError, ConfigFault */
export async function openVisionEncoder(host: ModelHost, { path, vision }: Pick<ModelFolder, 'path' | 'vision'>, options: Partial<SessionOptions> = {}): Promise<OpenedVision> {
  const refuse = (message: string): OpenedVision => ({ ok: false, fault: { code: 'noVision', message } });
  if (!vision) return refuse(`${path} is no vision-language model: it has no vision_encoder and embed_tokens. Leave the image out, or use a model that takes images.`);
  const preparation = readPreparation(vision.preprocessor);
  if (!preparation.ok) return refuse(preparation.message);
  const session = await host.createSession({ path: vision.visionEncoder }, options);
  const other = session.inputs.find(({ name, dims }) => name !== PIXELS || dims.length !== 4);
  if (!other && session.inputs.length === 1) return { ok: true, encoder: new VisionEncoder(session, preparation.preparation) };
  await session.release();
  return refuse(`${vision.visionEncoder} takes ${other?.name ?? 'nothing'} [${other?.dims.join(', ') ?? ''}]; encoders that take pixel_values [images, 3, height, width] alone are supported.`);
}

/** Rows of one image, [rows, hidden]. */
export type ImageFeatures = Pick<EmbeddingRows, 'rows' | 'width'>;

export class VisionEncoder {
  constructor(
    private readonly session: Session,
    private readonly preparation: ImagePreparation,
  ) {}

  /** One pass for one image. @throws LanguageModelError where the image does not fit the encoder; RuntimeError, HostDiedError */
  async encode(image: RgbImage): Promise<ImageFeatures> {
    const { height, width, data } = pixelValues(image, this.preparation);
    const [slot, output] = [this.session.inputs[0], this.session.outputNames.find((name) => name === 'image_features') ?? this.session.outputNames[0] ?? ''];
    const stated = slot?.dims.slice(-2) ?? [];
    if (stated.some((size, i) => typeof size === 'number' && size > 0 && size !== [height, width][i])) {
      throw new LanguageModelError({ code: 'badImage', message: `The vision encoder takes images of ${stated[1] ?? ''} × ${stated[0] ?? ''} pixels and preprocessor_config.json makes ones of ${width} × ${height}. Correct “size” or “crop_size” there.` });
    }
    const tensor: HostTensor = slot?.type === 'float16' ? { type: 'float16', dims: [1, 3, height, width], data: Uint16Array.from(data, floatToHalf) } : { type: 'float32', dims: [1, 3, height, width], data };
    const features = (await this.session.run({ [PIXELS]: tensor }, { outputs: [output] }))[output];
    if (!features) throw new RangeError('the vision encoder gave nothing');
    return { rows: asFloats(features), width: features.dims.at(-1) ?? 1 };
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

export interface ImagePrompt {
  /** With the image's token as often as an image has rows. */
  readonly ids: readonly number[];
  readonly embeddings: readonly EmbeddingRows[];
}

/** Tokens of a model that frame images and texts; null where it has none. */
export interface ImageTokens {
  readonly image: number | null;
  readonly bos: number | null;
}

/**
 * Puts images into a prompt: each token of an image becomes as many as the image has rows. A prompt without such tokens
 * gets them at its beginning, behind the token that begins a text; one that has them for every row already keeps them.
 * @throws LanguageModelError where images and tokens differ in number, or where it is not known how images are marked
 */
export function imagePrompt(ids: readonly number[], images: readonly ImageFeatures[], { image, bos }: ImageTokens): ImagePrompt {
  if (image === null && images.length === 0) return { ids, embeddings: [] };
  if (image === null) throw new LanguageModelError({ code: 'noVision', message: 'config.json names no image token (image_token_index), so it is not known where images belong in the text.' });
  const sizes = images.map(({ rows, width }) => rows.length / width);
  const given = ids.filter((id) => id === image).length;
  if (given > 0 && given === sizes.reduce((sum, size) => sum + size, 0)) return placed(ids, image, images);
  if (given !== 0 && given !== images.length) throw new LanguageModelError({ code: 'badImage', message: countMessage(given, images.length) });
  const start = bos !== null && ids[0] === bos ? 1 : 0;
  const marked = given === 0 ? [...ids.slice(0, start), ...images.map(() => image), ...ids.slice(start)] : ids;
  return placed(expanded(marked, image, sizes), image, images);
}

function countMessage(tokens: number, images: number): string {
  const found = `The prompt has ${tokens === 1 ? 'a token for an image' : `tokens for ${tokens} images`}`;
  if (images === 0) return `${found}, and no image is given. Give ${tokens === 1 ? 'the image' : 'the images'} too, or leave ${tokens === 1 ? 'the token' : 'the tokens'} out of the prompt.`;
  return `${found}, and ${images === 1 ? 'one image is' : `${images} images are`} given. Give as many images as the prompt has tokens for them, or leave the tokens out: then images come first.`;
}

function expanded(ids: readonly number[], image: number, sizes: readonly number[]): readonly number[] {
  let next = 0;
  return ids.flatMap((id) => (id === image ? new Array<number>(sizes[next++] ?? 1).fill(image) : [id]));
}

function placed(ids: readonly number[], image: number, images: readonly ImageFeatures[]): ImagePrompt {
  const places = ids.flatMap((id, at) => (id === image ? [at] : []));
  let next = 0;
  return { ids, embeddings: images.flatMap((one) => runsOf(one, places.slice(next, (next += one.rows.length / one.width)))) };
}

/** Rows that stand side by side, as one. */
function runsOf({ rows, width }: ImageFeatures, places: readonly number[]): readonly EmbeddingRows[] {
  const starts = places.flatMap((at, row) => (row === 0 || at !== (places[row - 1] ?? 0) + 1 ? [row] : []));
  return starts.map((row, i) => ({ at: places[row] ?? 0, rows: rows.subarray(row * width, (starts[i + 1] ?? places.length) * width), width }));
}
