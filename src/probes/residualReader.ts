// Reads a decoder's residual stream in one forward pass, without the layers above the last site and without logits.
import { inputsOf } from '../lm/derivativeGraphs.ts';
import { readName, readSites } from '../lm/edits.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { unknownInput } from '../lm/gradientSupport.ts';
import type { CacheEntry, ModelInterface, TokenPass } from '../lm/interface.ts';
import { cacheCarry, emptyCache, integers, passFeeds } from '../lm/interface.ts';
import { runnableModel } from '../lm/runnableModel.ts';
import type { FloatTensor } from '../lm/session.ts';
import { asFloats } from '../lm/session.ts';
import type { Site } from '../lm/sites.ts';
import { findSites } from '../lm/sites.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { Graph } from '../onnx/graph.ts';
import { pruned } from '../onnx/prune.ts';
import type { ModelHost, Session } from '../runtime/client.ts';
import type { HostTensor, SessionOptions } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

/** Where a probe can read: the stream after a layer, or between its attention and its MLP. */
export type ProbeSite = 'resid_post' | 'resid_mid';

export interface ReadingProblem {
  readonly code: 'noResidualStream' | 'unknownSite' | 'missingInput';
  readonly message: string;
}

export type OpenedReader = { readonly ok: true; readonly reader: ResidualReader } | { readonly ok: false; readonly problem: ReadingProblem };

/** A pass over a rectangle of tokens; what the sites hold at the positions [start, end) of it comes back. */
export interface ReadingPass extends Pick<TokenPass, 'ids' | 'mask' | 'past'> {
  readonly positions: readonly [start: number, end: number];
  readonly cache?: { readonly from: number | null; readonly to: number | null };
  readonly token?: CancellationToken | undefined;
}

/** The sites of a kind, layer by layer. */
export function probeSites(folder: ModelFolder, kind: ProbeSite = 'resid_post'): readonly Site[] {
  const found = findSites(folder.file.graph);
  return found.ok ? found.sites.filter((site) => site.kind === kind) : [];
}

/**
 * Opens a model to read sites of its residual stream. Release the reader when done.
 * @param names `layers.3.resid_post`, …
 * @throws RuntimeError, HostDiedError
 */
export async function openResidualReader(host: ModelHost, folder: ModelFolder, names: readonly string[], session: Partial<SessionOptions> = {}): Promise<OpenedReader> {
  const refused = (code: ReadingProblem['code'], message: string): OpenedReader => ({ ok: false, problem: { code, message } });
  const found = findSites(folder.file.graph);
  if (!found.ok) return refused('noResidualStream', `${folder.variant.path}: ${found.message}. A probe reads the residual stream: give another model.`);
  const sites = names.flatMap((name) => found.sites.find((site) => site.name === name) ?? []);
  const unknown = names.find((name) => !sites.some((site) => site.name === name));
  if (unknown !== undefined) return refused('unknownSite', `${folder.name} has no site “${unknown}”. It has: ${found.sites.filter(({ kind }) => kind.startsWith('resid')).map(({ name }) => name).join(', ')}.`);
  const missing = unknownInput(folder);
  if (missing !== null) return refused('missingInput', `${folder.variant.path} wants an input “${missing}” that a probe does not know. Give a variant that is exported for text generation alone.`);
  const { graph, cache } = readingGraph(folder.file.graph, folder.io, sites);
  const { dataFolder, dataBytes } = folder.file;
  const opened = await host.createSession(runnableModel({ graph: encodeGraph(graph), dataFolder, dataBytes }), { ...session, onDevice: cache.map(({ output }) => output) });
  const embed = folder.io.ids === null && folder.embedding !== null ? await host.createSession({ path: folder.embedding }, session) : null;
  return { ok: true, reader: new ResidualReader(host, opened, embed, graph, { ...folder.io, cache }, sites) };
}

/** From the tokens to the sites, with the cache of the layers that are run. */
function readingGraph(graph: Graph, io: ModelInterface, sites: readonly Site[]): { readonly graph: Graph; readonly cache: readonly CacheEntry[] } {
  const read = readSites(graph, sites);
  const keeping = (outputs: ReadonlySet<string>): Graph => pruned({ ...read, outputs: read.outputs.filter(({ name }) => outputs.has(name)) });
  const reads = new Set(sites.map(readName));
  const needed = new Set(keeping(reads).inputs.map(({ name }) => name));
  const cache = io.cache.filter(({ input }) => needed.has(input));
  return { graph: keeping(new Set([...reads, ...cache.map(({ output }) => output)])), cache };
}

/** An open model. Passes of several texts may be mixed: each names the cache that it goes on from. */
export class ResidualReader {
  constructor(
    private readonly host: ModelHost,
    private readonly session: Session,
    private readonly embed: Session | null,
    private readonly graph: Graph,
    private readonly io: ModelInterface,
    readonly sites: readonly Site[],
  ) {}

  /** Can passes go on from what earlier ones left? */
  get hasCache(): boolean {
    return this.io.cache.length > 0;
  }

  newCache(): number {
    return this.host.newCache();
  }

  /** Frees caches. @throws HostDiedError */
  async forget(caches: readonly number[]): Promise<void> {
    await this.host.forgetCaches(caches);
  }

  /**
   * What each site holds, by its name, float32 [batch, positions, hidden].
   * @throws RuntimeError, HostDiedError, CacheLostError, CancelledError
   */
  async read({ positions, cache, token, ...pass }: ReadingPass): Promise<ReadonlyMap<string, FloatTensor>> {
    const feeds: Record<string, HostTensor> = { ...passFeeds(this.io, pass), ...(await this.embedded(pass.ids)) };
    const from = cache?.from ?? null;
    if (from === null) Object.assign(feeds, emptyCache(this.io, pass.ids.length));
    const outputs = this.sites.map(readName);
    const use = cache && this.hasCache ? { cache: { ...(from === null ? {} : { from }), ...(cache.to === null ? {} : { to: cache.to }), carry: cacheCarry(this.io) } } : {};
    const slices = Object.fromEntries(outputs.map((name) => [name, positions]));
    const results = await this.session.run(inputsOf(this.graph, feeds), { outputs, slices, ...use, ...(token ? { token } : {}) });
    return new Map(this.sites.flatMap((site): [string, FloatTensor][] => {
      const tensor = results[readName(site)];
      return tensor ? [[site.name, { ...tensor, type: 'float32', data: asFloats(tensor) }]] : [];
    }));
  }

  private async embedded(ids: readonly (readonly number[])[]): Promise<Readonly<Record<string, HostTensor>>> {
    const [input, output] = [this.embed?.inputs[0], this.embed?.outputNames[0] ?? ''];
    if (!this.embed || !this.io.embeds || !input) return {};
    const vectors = (await this.embed.run({ [input.name]: integers(input.type, [ids.length, ids[0]?.length ?? 0], ids.flat()) }, { outputs: [output] }))[output];
    return vectors ? { [this.io.embeds.name]: vectors } : {};
  }

  async release(): Promise<void> {
    await this.embed?.release();
    await this.session.release();
  }
}
