// Asks a vision-language model folder about images: its three graphs joined, many images at once, greedily.
import { pixelTensor } from './examples.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { folderDecoder, folderTokenizer } from '../../../src/lm/languageModel.ts';
import type { Decoder, EmbeddingRows } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';
import type { ImageFeatures } from '../../../src/lm/visionEncoder.ts';
import { imagePrompt } from '../../../src/lm/visionEncoder.ts';
import type { ModelHost, Session } from '../../../src/runtime/client.ts';
import { argmax } from '../../../src/shared/sampling.ts';

/** Stands for the image in a prompt. */
export const IMAGE_TOKEN = '<image>';

/** A question about an image, [row][column][channel] of 255; the image comes first. */
export interface ImageQuestion {
  readonly pixels: Uint8Array;
  readonly text: string;
}

const BATCH = 32;

/** Prompts of a batch, and the rows of their images among them. */
interface PlacedImages {
  readonly ids: readonly (readonly number[])[];
  readonly embeddings: readonly EmbeddingRows[];
}

export class VisionModel {
  private constructor(
    readonly tokenizer: Tokenizer,
    private readonly tokens: ModelFolder['tokens'],
    private readonly decoder: Decoder,
    private readonly encoder: Session,
  ) {}

  static async open(host: ModelHost, folder: ModelFolder): Promise<VisionModel> {
    const { vision, tokens } = folder;
    if (!vision || tokens.image === null) throw new RangeError(`${folder.name} is no vision-language model`);
    const tokenizer = folderTokenizer(folder);
    if (!tokenizer.ok) throw new RangeError(tokenizer.fault.message);
    const options = { provider: 'cpu', threads: 1 } as const;
    const opened = await openDecoder(host, { ...folderDecoder(folder), options });
    if (!opened.ok) throw new RangeError(opened.fault.message);
    return new VisionModel(tokenizer.value, tokens, opened.decoder, await host.createSession({ path: vision.visionEncoder }, options));
  }

  /** Of each prompt, the logits [vocabulary] after it. */
  async nextLogits(prompts: readonly ImageQuestion[]): Promise<readonly Float32Array[]> {
    return this.inBatches(prompts, async (batch) => {
      const { logits: { data } } = await this.decoder.run({ ...(await this.placed(batch)), past: 0, positions: [-1] });
      const width = data.length / batch.length;
      return batch.map((_, i) => data.slice(i * width, (i + 1) * width));
    });
  }

  /** Of each prompt, the likeliest continuation, token by token, to its end or at most so many tokens. */
  async continuations(prompts: readonly ImageQuestion[], maxTokens = 32): Promise<readonly string[]> {
    return this.inBatches(prompts, async (batch) => {
      const written = batch.map((): number[] => []);
      let { ids, embeddings }: PlacedImages = await this.placed(batch);
      let cache: number | null = null;
      for (let past = 0, step = 0; step < maxTokens; step++) {
        const to = this.decoder.host.newCache();
        const { logits: { data } } = await this.decoder.run({ ids, past, cache: { from: cache, to }, positions: [-1], embeddings });
        if (cache !== null) await this.decoder.host.forgetCaches([cache]);
        [cache, past, embeddings] = [to, past + (ids[0]?.length ?? 0), []];
        ids = chosen(data, batch.length).map((id) => [id]);
        written.forEach((row, i) => row.push(ids[i]?.[0] ?? 0));
        if (written.every((row) => row.some((id) => this.tokens.eos.includes(id)))) break;
      }
      if (cache !== null) await this.decoder.host.forgetCaches([cache]);
      return written.map((row) => this.tokenizer.decode(this.untilEnd(row)));
    });
  }

  async release(): Promise<void> {
    await this.decoder.release();
    await this.encoder.release();
  }

  private textIds(text: string): readonly number[] {
    return this.tokenizer.encode(`${IMAGE_TOKEN}${text}`).ids;
  }

  /** All texts are equally long. */
  private async placed(batch: readonly ImageQuestion[]): Promise<PlacedImages> {
    const features = await this.featuresOf(batch);
    const prompts = batch.map(({ text }, i) => imagePrompt(this.textIds(text), features.slice(i, i + 1), this.tokens));
    return { ids: prompts.map(({ ids }) => ids), embeddings: prompts.flatMap(({ embeddings }, i) => embeddings.map((rows) => ({ ...rows, batch: i }))) };
  }

  /** One pass for all images. */
  private async featuresOf(batch: readonly ImageQuestion[]): Promise<readonly ImageFeatures[]> {
    const { image_features: found } = await this.encoder.run({ pixel_values: pixelTensor(batch.map(({ pixels }) => pixels)) });
    const [, patches = 0, width = 0] = found?.dims ?? [];
    return batch.map((_, i) => ({ rows: (found?.data as Float32Array).subarray(i * patches * width, (i + 1) * patches * width), width }));
  }

  /** In batches of equally long prompts; the results in the order of the prompts. */
  private async inBatches<T>(prompts: readonly ImageQuestion[], run: (batch: readonly ImageQuestion[]) => Promise<readonly T[]>): Promise<readonly T[]> {
    const lengths = prompts.map(({ text }) => this.textIds(text).length);
    const results = new Array<T>(prompts.length);
    for (const length of new Set(lengths)) {
      const own = prompts.flatMap((_, i) => (lengths[i] === length ? [i] : []));
      for (let at = 0; at < own.length; at += BATCH) {
        const places = own.slice(at, at + BATCH);
        const found = await run(places.flatMap((i) => prompts[i] ?? []));
        places.forEach((i, k) => (results[i] = found[k] as T));
      }
    }
    return results;
  }

  private untilEnd(ids: readonly number[]): readonly number[] {
    const end = ids.findIndex((id) => this.tokens.eos.includes(id));
    return end < 0 ? ids : ids.slice(0, end);
  }
}

/** The likeliest token of each row. */
function chosen(logits: Float32Array, rows: number): readonly number[] {
  const width = logits.length / rows;
  return Array.from({ length: rows }, (_, row) => argmax(logits.subarray(row * width, (row + 1) * width)));
}
