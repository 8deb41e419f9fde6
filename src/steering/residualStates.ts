// What the residual stream holds at the last token of texts, layer by layer, read in batches that fit the memory.
import type { Rows } from './directions.ts';
import type { TokenSequence } from './tokenPairs.ts';
import { readName, readSites } from '../lm/edits.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { folderDecoder } from '../lm/languageModel.ts';
import type { Decoder } from '../lm/session.ts';
import { openDecoder } from '../lm/session.ts';
import type { Site } from '../lm/sites.ts';
import { findSites } from '../lm/sites.ts';
import type { ModelHost } from '../runtime/client.ts';
import { survivingDeaths } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';

export interface StateOptions {
  readonly token?: CancellationToken;
  readonly onProgress?: (done: number, of: number) => void;
  /** Bytes that a batch's activations may take, as estimated. */
  readonly memory?: number;
}

/** Of each layer, in the order of the layers: [sequences, width]. */
export type LayerRows = readonly Rows[];

export type OpenedStates = { readonly ok: true; readonly states: ResidualStates } | { readonly ok: false; readonly message: string };

const MEMORY = 256 * 2 ** 20;
const MOST_ROWS = 32;

/** A residual stream's sizes. */
export interface ResidualWidth {
  readonly layers: number;
  readonly hidden: number;
}

type FoundSites = { readonly ok: true; readonly sites: readonly Site[]; readonly width: number } | { readonly ok: false; readonly message: string };

/** The sites `layers.{i}.resid_post`, by layer; or why there are none. */
export function residualSites({ file, name }: Pick<ModelFolder, 'file' | 'name'>): FoundSites {
  const found = findSites(file.graph);
  if (!found.ok) return { ok: false, message: `${name} cannot be steered: ${found.message}.` };
  const sites = found.sites.filter(({ kind }) => kind === 'resid_post');
  const width = sites[0]?.shape.at(-1);
  if (typeof width !== 'number') return { ok: false, message: `${name} cannot be steered: the width of its residual stream is not known. Export it again with its shapes.` };
  return { ok: true, sites, width };
}

/** A model whose residual stream is read. Release it when done. */
export class ResidualStates {
  private constructor(
    private readonly decoder: Decoder,
    private readonly sites: readonly Site[],
    readonly width: number,
  ) {}

  /** @throws RuntimeError, HostDiedError */
  static async open(host: ModelHost, folder: ModelFolder, session: Partial<SessionOptions> = {}): Promise<OpenedStates> {
    const found = residualSites(folder);
    if (!found.ok) return found;
    const opened = await openDecoder(host, { ...folderDecoder(folder, readSites(folder.file.graph, found.sites)), options: session });
    return opened.ok ? { ok: true, states: new ResidualStates(opened.decoder, found.sites, found.width) } : { ok: false, message: opened.fault.message };
  }

  get layers(): number {
    return this.sites.length;
  }

  /**
   * `layers.{i}.resid_post` at the last token of each sequence, in their order.
   * @throws CancelledError, LanguageModelError, RuntimeError, HostDiedError
   */
  async lastTokens(sequences: readonly TokenSequence[], { token = neverCancelled, onProgress, memory = MEMORY }: StateOptions = {}): Promise<LayerRows> {
    const rows = this.sites.map((): Rows => ({ width: this.width, data: new Float32Array(sequences.length * this.width) }));
    let done = 0;
    for (const batch of this.batches(sequences, memory)) {
      throwIfCancelled(token);
      await survivingDeaths(() => this.read(batch, sequences, rows));
      onProgress?.((done += batch.length), sequences.length);
    }
    return rows;
  }

  /** Places of sequences that are run together: alike in length, and equally long where the graph allows no padding on the left. */
  private batches(sequences: readonly TokenSequence[], memory: number): readonly (readonly number[])[] {
    const lengthAt = (i: number): number => sequences[i]?.ids.length ?? 0;
    const perToken = 4 * (this.width * (this.layers + 8) + (this.decoder.vocabularySize ?? 0));
    const equal = this.decoder.needsRightPadding();
    const batches: number[][] = [];
    for (const i of [...sequences.keys()].sort((a, b) => lengthAt(b) - lengthAt(a))) {
      const last = batches.at(-1);
      const longest = last ? lengthAt(last[0] ?? 0) : 0;
      const fits = last && last.length < MOST_ROWS && (last.length + 1) * longest * perToken <= memory && (!equal || lengthAt(i) === longest);
      if (fits) last.push(i);
      else batches.push([i]);
    }
    return batches;
  }

  private async read(batch: readonly number[], sequences: readonly TokenSequence[], rows: readonly Rows[]): Promise<void> {
    const given = batch.flatMap((i) => sequences[i] ?? []);
    const length = Math.max(...given.map(({ ids }) => ids.length));
    const before = given.map(({ ids }) => new Array<number>(length - ids.length).fill(0));
    const { reads } = await this.decoder.run({
      ids: given.map(({ ids }, b) => [...(before[b] ?? []), ...ids]),
      mask: given.map(({ ids }, b) => [...(before[b] ?? []), ...ids.map(() => 1)]),
      past: 0,
      positions: [-1],
      reads: this.sites.map(readName),
      embeddings: given.flatMap(({ embeddings }, b) => embeddings.map((part) => ({ ...part, at: part.at + (before[b]?.length ?? 0), batch: b }))),
    });
    this.sites.forEach((site, layer) => {
      const found = reads[readName(site)]?.data;
      batch.forEach((i, b) => found && rows[layer]?.data.set(found.subarray(b * this.width, (b + 1) * this.width), i * this.width));
    });
  }

  release(): Promise<void> {
    return this.decoder.release();
  }
}
