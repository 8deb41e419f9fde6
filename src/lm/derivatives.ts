// Derivatives of what a model folder's decoder says, by its embeddings and its residual stream: what attribution is made of.
//
//   const opened = await openDerivatives(folder, host, { sites: ['embed'], target: 'logProbabilities' });
//   const { values, gradients } = await opened.derivatives.differentiate({ ids, outcomes });
import type { Feeds, Outcome, TokenRows } from './derivativeFeeds.ts';
import { EMBEDDINGS, outcomeFeeds } from './derivativeFeeds.ts';
import { derivativeGraph, embeddingGraph, inputsOf, targetGraph } from './derivativeGraphs.ts';
import { readName } from './edits.ts';
import type { ModelFolder } from './folder.ts';
import { unknownInput } from './gradientSupport.ts';
import { integers, needsRightPadding, promptFeeds } from './interface.ts';
import type { MemoryEstimate, RunSizes } from './memoryEstimate.ts';
import { estimateMemory, measuredSizes } from './memoryEstimate.ts';
import { siteGradientName } from './siteGradients.ts';
import type { EmbeddingRows } from './session.ts';
import { asFloats, covers } from './session.ts';
import type { Site } from './sites.ts';
import { findSites } from './sites.ts';
import type { TargetKind } from './target.ts';
import { targetValues } from './target.ts';
import { NoGradientError } from '../onnx/differentiate.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { ModelFile } from '../onnx/file.ts';
import type { Graph, Tensor } from '../onnx/graph.ts';
import { RuleRefusal } from '../onnx/rules/context.ts';
import type { Execute } from '../onnx/shapes.ts';
import { OpsetError } from '../onnx/upgrade.ts';
import type { ModelHost, Session } from '../runtime/client.ts';
import { survivingDeaths } from '../runtime/client.ts';
import type { HostTensor, SessionOptions } from '../runtime/protocol.ts';
import { floatToHalf } from '../shared/float16.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';

export interface DerivativeOptions {
  /** Names of the sites to differentiate by: `embed`, `layers.3.resid_post`, … */
  readonly sites: readonly string[];
  readonly target: TargetKind;
  readonly session?: Partial<SessionOptions>;
  readonly token?: CancellationToken;
}

export interface DerivativeProblem {
  readonly code: 'noResidualStream' | 'unknownSite' | 'noGradient' | 'oldOperators' | 'missingInput';
  /** What is wrong, where, and what to do. */
  readonly message: string;
}

export type OpenedDerivatives = { readonly ok: true; readonly derivatives: Derivatives } | { readonly ok: false; readonly problem: DerivativeProblem };

export interface DerivativeRows extends TokenRows {
  /** float32 [batch, sequence, hidden], as `embed` gives them, in place of the embeddings of the ids. */
  readonly embeddings?: Float32Array | undefined;
  readonly outcomes: readonly Outcome[];
}

export interface DifferentiateOptions {
  readonly token?: CancellationToken;
  /** Is what the sites held wanted as well? */
  readonly activations?: boolean;
  /** Names of the sites that are wanted, of those that were opened; default: all. */
  readonly only?: readonly string[];
}

export interface DerivativeResult {
  /** Σ weightₙ · valueₙ over all rows. */
  readonly target: number;
  /** Of each outcome, unweighted: its logit, or its log-probability in nats. */
  readonly values: Float32Array;
  /** By the name of the site: d target / d site, float32 in the site's shape. Rows do not mix: each has its own outcomes' gradient. */
  readonly gradients: ReadonlyMap<string, HostTensor>;
  /** What the sites held, where asked for. */
  readonly activations: ReadonlyMap<string, HostTensor>;
}

/**
 * Opens a model for derivatives of its logits or log-probabilities. Its weights stay in its files. Takes two or three
 * small runs of the model, to see shapes.
 * @throws RuntimeError, HostDiedError, CancelledError
 */
export async function openDerivatives(folder: ModelFolder, host: ModelHost, options: DerivativeOptions): Promise<OpenedDerivatives> {
  const found = findSites(folder.file.graph);
  if (!found.ok) return refused('noResidualStream', `${folder.variant.path}: ${found.message}.`);
  const named = (name: string): Site | undefined => found.sites.find((site) => site.name === name);
  const unknown = options.sites.find((name) => !named(name) || name === 'logits');
  const embed = named('embed');
  if (unknown !== undefined || !embed) return refused('unknownSite', `${folder.name} has no site “${unknown ?? 'embed'}” to differentiate by. It has: ${found.sites.map(({ name }) => name).filter((name) => name !== 'logits').join(', ')}.`);
  const missing = unknownInput(folder);
  if (missing !== null) return refused('missingInput', `${folder.variant.path} wants an input “${missing}” that derivatives do not know. Give a variant that is exported for text generation alone.`);
  const parts = { folder, host, embed, sites: options.sites.flatMap((name) => named(name) ?? []), kind: options.target, session: options.session ?? {} };
  try {
    return { ok: true, derivatives: await Derivatives.open(parts, options.token ?? neverCancelled) };
  } catch (error) {
    if (error instanceof NoGradientError || error instanceof RuleRefusal) return refused('noGradient', `${folder.variant.path} cannot be differentiated: ${error.message}.`);
    if (error instanceof OpsetError) return refused('oldOperators', error.message);
    throw error;
  }
}

const refused = (code: DerivativeProblem['code'], message: string): OpenedDerivatives => ({ ok: false, problem: { code, message } });

interface Parts {
  readonly folder: ModelFolder;
  readonly host: ModelHost;
  readonly embed: Site;
  readonly sites: readonly Site[];
  readonly kind: TargetKind;
  readonly session: Partial<SessionOptions>;
}

/** An open model. Many rows go in one run, such as the points of a path; `estimate` says how many fit. */
export class Derivatives {
  private readonly sessions = new Map<Graph, Promise<Session>>();
  private words: Promise<Session> | null = null;
  private memory: Promise<MemoryEstimate> | null = null;
  private forward: Graph | null = null;
  private embedding: Graph | null = null;

  private constructor(
    private readonly parts: Parts,
    private readonly graph: Graph,
  ) {}

  /** @throws NoGradientError, OpsetError, RuleRefusal, RuntimeError, HostDiedError, CancelledError */
  static async open(parts: Parts, token: CancellationToken): Promise<Derivatives> {
    const measuring = new Measuring(parts, token);
    const feeds = sampleFeeds(parts);
    try {
      const graph = await survivingDeaths(() => derivativeGraph(parts.folder.file.graph, { ...parts, feeds, execute: measuring.execute }));
      return new Derivatives(parts, graph);
    } finally {
      await measuring.end();
    }
  }

  /** Width of the embeddings. */
  get hidden(): number {
    return hiddenOf(this.parts);
  }

  get needsRightPadding(): boolean {
    return needsRightPadding(this.parts.folder.file.graph);
  }

  /** What is differentiated by. */
  get sites(): readonly Site[] {
    return this.parts.sites;
  }

  /**
   * What tokens are embedded as, float32 [batch, sequence, hidden]: the value of the site `embed`.
   * @param rows with the rows of images, for a model that takes embeddings, in place of their tokens'
   */
  async embed(rows: TokenRows & { readonly images?: readonly EmbeddingRows[] }, token?: CancellationToken): Promise<Float32Array> {
    const { folder, embed } = this.parts;
    const feeds: Record<string, HostTensor> = promptFeeds(folder.io, rows.ids, rows.mask);
    if (folder.io.embeds) {
      const given = await this.given(rows, folder.io.embeds.type, token);
      if (embed.value === folder.io.embeds.name) return asFloats(given);
      feeds[folder.io.embeds.name] = given;
    } else if ((rows.images ?? []).length > 0) throw new RangeError('the model takes tokens only: there is no place for an image');
    this.embedding ??= embeddingGraph(folder.file.graph, embed);
    return (await this.run(this.embedding, feeds, [readName(embed)], token))[readName(embed)]?.data as Float32Array;
  }

  /** What makes embeddings of tokens, where the model does not do that itself. */
  private openedWords(): Promise<Session> {
    const { folder: { vision }, host, session } = this.parts;
    if (!vision) throw new RangeError('the model takes embeddings, and what makes them of tokens does not lie beside it');
    this.words ??= host.createSession({ path: vision.embedTokens }, session).catch((error: unknown) => {
      this.words = null;
      throw error;
    });
    return this.words;
  }

  /** What a model that takes embeddings is given for tokens and images. */
  private async given({ ids, images = [] }: TokenRows & { readonly images?: readonly EmbeddingRows[] }, type: HostTensor['type'], token: CancellationToken | undefined): Promise<HostTensor> {
    const words = await this.openedWords();
    const length = ids[0]?.length ?? 0;
    // An image's token need not be one that the embedding knows.
    const known = ids.flatMap((row, b) => row.map((id, i) => (covers(images, i, b) ? 0 : id)));
    const [slot, name] = [words.inputs[0], words.outputNames[0] ?? ''];
    const { [name]: vectors } = await survivingDeaths(() => words.run({ [slot?.name ?? 'input_ids']: integers(slot?.type ?? 'int64', [ids.length, length], known) }, { outputs: [name], ...(token ? { token } : {}) }));
    if (!vectors) throw new RangeError('the embedding gave nothing');
    const data = Float32Array.from(asFloats(vectors));
    for (const { at, rows, width, batch = 0 } of images) data.set(rows, (batch * length + at) * width);
    return { type, dims: vectors.dims, data: type === 'float16' ? Uint16Array.from(data, floatToHalf) : data };
  }

  /** The target's values without its gradients, in less than half of the time. @throws RuntimeError, HostDiedError, CancelledError */
  async evaluate(rows: DerivativeRows, token?: CancellationToken): Promise<Pick<DerivativeResult, 'target' | 'values'>> {
    this.forward ??= targetGraph(this.parts.folder.file.graph, this.parts);
    const results = await this.run(this.forward, await this.feedsOf(rows, token), [targetValues.sum, targetValues.each], token);
    return valuesOf(results);
  }

  /**
   * The target's values and its gradients by the sites. Survives the death of the host; cancelling takes effect at once.
   * @throws RuntimeError, HostDiedError, CancelledError
   */
  async differentiate(rows: DerivativeRows, { token, activations = false, only }: DifferentiateOptions = {}): Promise<DerivativeResult> {
    const sites = this.parts.sites.filter(({ name }) => only?.includes(name) ?? true);
    const wanted = [targetValues.sum, targetValues.each, ...sites.map(siteGradientName), ...(activations ? sites.map(readName) : [])];
    const results = await this.run(this.graph, await this.feedsOf(rows, token), wanted, token);
    const bySite = (nameOf: (site: Site) => string): ReadonlyMap<string, HostTensor> => new Map(sites.flatMap((site) => {
      const tensor = results[nameOf(site)];
      return tensor ? [[site.name, tensor]] : [];
    }));
    return { ...valuesOf(results), gradients: bySite(siteGradientName), activations: bySite(readName) };
  }

  /**
   * Bytes that a run of `differentiate` takes beside the weights, and that each further row adds: what lives at once,
   * and a little for what the runtime's arena holds free. Costs two small runs the first time.
   * @throws RuntimeError, HostDiedError, CancelledError
   */
  async estimate(sizes: RunSizes, token: CancellationToken = neverCancelled): Promise<{ readonly bytes: number; readonly bytesPerRow: number }> {
    this.memory ??= this.measured(token);
    const memory = await this.memory.catch((error: unknown) => {
      this.memory = null;
      throw error;
    });
    const bytes = ARENA * memory(sizes);
    const twice = ARENA * memory({ ...sizes, batch: 2 * sizes.batch, positions: 2 * sizes.positions, outcomes: 2 * sizes.outcomes });
    return { bytes, bytesPerRow: (twice - bytes) / sizes.batch };
  }

  async release(): Promise<void> {
    const opened = [...this.sessions.values(), ...(this.words ? [this.words] : [])];
    this.sessions.clear();
    this.words = null;
    for (const session of opened) await (await session.catch(() => null))?.release();
  }

  private async measured(token: CancellationToken): Promise<MemoryEstimate> {
    const measuring = new Measuring(this.parts, token);
    const [small, large] = sampleFeeds(this.parts).map((feeds, i) => inputsOf(this.graph, { ...feeds, [EMBEDDINGS]: zeroEmbeddings(measuredSizes[i] ?? measuredSizes[0], this.hidden) }));
    try {
      return await survivingDeaths(() => estimateMemory(this.graph, [small ?? {}, large ?? {}], measuring.execute));
    } finally {
      await measuring.end();
    }
  }

  private async feedsOf(rows: DerivativeRows, token: CancellationToken | undefined): Promise<Feeds> {
    const { folder } = this.parts;
    checkRows(rows, this.hidden);
    if (this.needsRightPadding && rows.mask?.some((row) => row.some((one, i) => one > (row[i - 1] ?? 1)))) throw new RangeError('this model takes padding after the tokens only');
    const dims = [rows.ids.length, rows.ids[0]?.length ?? 0, this.hidden];
    const embeddings: HostTensor = { type: 'float32', dims, data: rows.embeddings ?? (await this.embed(rows, token)) };
    return { ...promptFeeds(folder.io, rows.ids, rows.mask), ...outcomeFeeds(rows.outcomes), [EMBEDDINGS]: embeddings };
  }

  private async run(graph: Graph, feeds: Feeds, outputs: readonly string[], token: CancellationToken | undefined): Promise<Feeds> {
    const opening = this.sessions.get(graph) ?? this.parts.host.createSession(sourceOf(graph, this.parts.folder.file), { memoryPattern: false, ...this.parts.session });
    this.sessions.set(graph, opening);
    const session = await opening.catch((error: unknown) => {
      this.sessions.delete(graph);
      throw error;
    });
    return survivingDeaths(() => session.run(inputsOf(graph, feeds), { outputs, ...(token ? { token } : {}) }));
  }
}

/** What a run takes, of what lives at once. The benchmark of attribution holds it against what is measured (bench/results/attribution.md, “Memory”). */
const ARENA = 1.15;

const hiddenOf = ({ embed, folder }: Pick<Parts, 'embed' | 'folder'>): number => {
  const width = embed.shape.at(-1);
  return typeof width === 'number' ? width : (folder.sizes.hidden ?? Number.NaN);
};

const valuesOf = (results: Feeds): Pick<DerivativeResult, 'target' | 'values'> =>
  ({ target: Number(results[targetValues.sum]?.data[0]), values: results[targetValues.each]?.data as Float32Array });

const sourceOf = (graph: Graph, { dataFolder, dataBytes }: ModelFile) => ({ graph: encodeGraph(graph), dataFolder, dataBytes });

const zeroEmbeddings = ({ batch, length }: RunSizes, hidden: number): Tensor => ({ type: 'float32', dims: [batch, length, hidden], data: new Float32Array(batch * length * hidden) });

/** For the measured sizes. */
function sampleFeeds(parts: Parts): readonly [Feeds, Feeds] {
  const { io } = parts.folder;
  const [small, large] = measuredSizes;
  const sample = (sizes: RunSizes): Feeds => {
    const ids = Array.from({ length: sizes.batch }, () => Array.from({ length: sizes.length }, (_, i) => i % 2));
    const outcomes = Array.from({ length: sizes.outcomes }, (_, i) => ({ row: 0, position: i % sizes.positions, token: 0 }));
    const given = io.embeds ? { [io.embeds.name]: zeroEmbeddings(sizes, hiddenOf(parts)) } : {};
    return { ...promptFeeds(io, ids), ...outcomeFeeds(outcomes), ...given };
  };
  return [sample(small), sample(large)];
}

/** @throws RangeError for rows that no caller of this project makes */
function checkRows({ ids, mask, embeddings, outcomes }: DerivativeRows, hidden: number): void {
  const length = ids[0]?.length ?? 0;
  const isRectangle = (rows: readonly (readonly number[])[]): boolean => rows.length === ids.length && rows.every((row) => row.length === length);
  if (length === 0 || !isRectangle(ids) || (mask && !isRectangle(mask))) throw new RangeError('rows of tokens must be equally long');
  if (embeddings && embeddings.length !== ids.length * length * hidden) throw new RangeError(`embeddings must have ${ids.length} × ${length} × ${hidden} numbers`);
  if (outcomes.length === 0 || outcomes.some(({ row, position }) => !ids[row] || position < 0 || position >= length)) throw new RangeError('an outcome lies outside of the rows');
}

/** Runs graphs once or twice to see shapes; the session of the last one stays open for the second run. */
class Measuring {
  private last: Session | null = null;

  constructor(
    private readonly parts: Parts,
    private readonly token: CancellationToken,
  ) {}

  readonly execute: Execute = async (graph, feeds) => {
    throwIfCancelled(this.token);
    const { host, folder: { file: { dataFolder, dataBytes } } } = this.parts;
    const session = await host.createSession({ graph, dataFolder, dataBytes }, { provider: 'cpu', optimization: 'disabled', threads: 1 });
    await this.last?.release();
    this.last = session;
    return session.run(feeds, { token: this.token });
  };

  async end(): Promise<void> {
    await this.last?.release();
    this.last = null;
  }
}
