// Asks a vision-language model folder about images: its three graphs joined, many images at once, greedily.
import { readFileSync } from 'node:fs';
import { pixelTensor } from './examples.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import type { Decoder } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';
import { readTokenizer } from '../../../src/lm/tokenizer.ts';
import type { ModelHost, Session } from '../../../src/runtime/client.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';

/** Stands for the image in a prompt. */
export const IMAGE_TOKEN = '<image>';

/** A question about an image, [row][column][channel] of 255; the image comes first. */
export interface ImagePrompt {
  readonly pixels: Uint8Array;
  readonly text: string;
}

const BATCH = 32;

export class VisionModel {
  private constructor(
    readonly tokenizer: Tokenizer,
    private readonly imageToken: number,
    private readonly ends: readonly number[],
    private readonly decoder: Decoder,
    private readonly embedding: Session,
    private readonly encoder: Session,
  ) {}

  static async open(host: ModelHost, folder: ModelFolder): Promise<VisionModel> {
    const { vision, tokens, tokenizer: files } = folder;
    if (!vision || tokens.image === null) throw new RangeError(`${folder.name} is no vision-language model`);
    const json = (file: string | null): unknown => (file === null ? {} : JSON.parse(readFileSync(file, 'utf8')));
    const tokenizer = readTokenizer({ tokenizer: json(files.tokenizer), config: json(files.config) });
    if (!tokenizer.ok) throw new RangeError(tokenizer.fault.message);
    const options = { provider: 'cpu', threads: 1 } as const;
    const opened = await openDecoder(host, { graph: folder.file.graph, source: { path: folder.variant.path }, embedding: { path: vision.embedTokens }, options });
    if (!opened.ok) throw new RangeError(opened.fault.message);
    const [embedding, encoder] = [await host.createSession({ path: vision.embedTokens }, options), await host.createSession({ path: vision.visionEncoder }, options)];
    return new VisionModel(tokenizer.value, tokens.image, tokens.eos, opened.decoder, embedding, encoder);
  }

  /** Of each prompt, the logits [vocabulary] after it. */
  async nextLogits(prompts: readonly ImagePrompt[]): Promise<readonly Float32Array[]> {
    return this.inBatches(prompts, async (batch) => {
      const { ids, embeds } = await this.embedded(batch);
      const { logits: { data } } = await this.decoder.run({ ids, past: 0, feeds: { inputs_embeds: embeds }, positions: [-1] });
      const width = data.length / batch.length;
      return batch.map((_, i) => data.slice(i * width, (i + 1) * width));
    });
  }

  /** Of each prompt, the likeliest continuation, token by token, to its end or at most so many tokens. */
  async continuations(prompts: readonly ImagePrompt[], maxTokens = 32): Promise<readonly string[]> {
    return this.inBatches(prompts, async (batch) => {
      const written = batch.map((): number[] => []);
      let { ids, embeds }: { ids: readonly (readonly number[])[]; embeds: HostTensor | null } = await this.embedded(batch);
      let cache: number | null = null;
      for (let past = 0, step = 0; step < maxTokens; step++) {
        const to = this.decoder.host.newCache();
        const { logits: { data } } = await this.decoder.run({ ids, past, cache: { from: cache, to }, positions: [-1], ...(embeds ? { feeds: { inputs_embeds: embeds } } : {}) });
        if (cache !== null) await this.decoder.host.forgetCaches([cache]);
        [cache, past, embeds] = [to, past + (ids[0]?.length ?? 0), null];
        ids = chosen(data, batch.length).map((id) => [id]);
        written.forEach((row, i) => row.push(ids[i]?.[0] ?? 0));
        if (written.every((row) => row.some((id) => this.ends.includes(id)))) break;
      }
      if (cache !== null) await this.decoder.host.forgetCaches([cache]);
      return written.map((row) => this.tokenizer.decode(this.untilEnd(row)));
    });
  }

  /** Token ids of a prompt behind its image, which takes one place a patch. */
  promptIds(text: string, patches: number): readonly number[] {
    return this.tokenizer.encode(`${IMAGE_TOKEN}${text}`).ids.flatMap((id) => (id === this.imageToken ? new Array<number>(patches).fill(id) : [id]));
  }

  async release(): Promise<void> {
    await this.decoder.release();
    await this.embedding.release();
    await this.encoder.release();
  }

  /** The image's features in the places of the image tokens; all texts are equally long. */
  private async embedded(batch: readonly ImagePrompt[]): Promise<{ ids: readonly (readonly number[])[]; embeds: HostTensor }> {
    const { image_features: features } = await this.encoder.run({ pixel_values: pixelTensor(batch.map(({ pixels }) => pixels)) });
    const [, patches = 0, hidden = 0] = features?.dims ?? [];
    const ids = batch.map(({ text }) => this.promptIds(text, patches));
    const input_ids: HostTensor = { type: 'int64', dims: [ids.length, ids[0]?.length ?? 0], data: BigInt64Array.from(ids.flat(), BigInt) };
    const { inputs_embeds: embeds } = await this.embedding.run({ input_ids });
    if (!embeds || !features) throw new RangeError('the graphs gave no embeddings');
    const data = Float32Array.from(embeds.data as Float32Array);
    let next = 0;
    ids.flat().forEach((id, at) => {
      if (id === this.imageToken) data.set((features.data as Float32Array).subarray(next * hidden, ++next * hidden), at * hidden);
    });
    return { ids, embeds: { ...embeds, data } };
  }

  /** In batches of equally long prompts; the results in the order of the prompts. */
  private async inBatches<T>(prompts: readonly ImagePrompt[], run: (batch: readonly ImagePrompt[]) => Promise<readonly T[]>): Promise<readonly T[]> {
    const lengths = prompts.map(({ text }) => this.promptIds(text, 0).length);
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
    const end = ids.findIndex((id) => this.ends.includes(id));
    return end < 0 ? ids : ids.slice(0, end);
  }
}

/** The likeliest token of each row. */
function chosen(logits: Float32Array, rows: number): readonly number[] {
  const width = logits.length / rows;
  return Array.from({ length: rows }, (_, row) => argMax(logits.subarray(row * width, (row + 1) * width)));
}

export function argMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}
