// Which tokens of a prompt make a model prefer one response to another: attribution of a contrast of log-probabilities to
// the prompt's embeddings (GrAInS, Nguyen et al. 2025, section 3), for text and images.
//
//   const opened = await openAttributor(folder, host);
//   const result = await opened.attributor.attribute({ prompt, preferred, dispreferred });
import type { Baseline } from './baseline.ts';
import { baselineEmbeddings } from './baseline.ts';
import type { ContrastRows } from './contrast.ts';
import { contrastRows } from './contrast.ts';
import type { ContrastModel } from './contrastFunction.ts';
import { contrastFunction, contrastLayers } from './contrastFunction.ts';
import { layerPath } from './layerPath.ts';
import type { Panel } from './panels.ts';
import { evenPanels, panelNodes } from './panels.ts';
import type { AttributionMethod, PathAnswer, PathEnds } from './path.ts';
import { attributePath, pointsOf } from './path.ts';
import type { RefinedAnswer } from './refinedPath.ts';
import { refinedPath } from './refinedPath.ts';
import type { AttributionProblem } from './requestProblem.ts';
import { AttributionError, memoryProblem, requestProblem } from './requestProblem.ts';
import type { DerivativeProblem, Derivatives } from '../lm/derivatives.ts';
import { openDerivatives } from '../lm/derivatives.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { EmbeddingRows } from '../lm/session.ts';
import { covers } from '../lm/session.ts';
import type { ModelHost } from '../runtime/client.ts';
import { budgetOf, freeMemory } from '../runtime/memoryBudget.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';
import { Random } from '../shared/random.ts';

export interface AttributionRequest {
  /** Token ids; those of an image as often as it has rows, as `imagePrompt` makes them. */
  readonly prompt: readonly number[];
  /** Rows of images in the place of their tokens. They are attributed to like tokens. */
  readonly images?: readonly EmbeddingRows[] | undefined;
  /** y⁺ and y⁻, token ids; without y⁻ it is log p(y⁺ | prompt) that is attributed. */
  readonly preferred: readonly number[];
  readonly dispreferred?: readonly number[] | null | undefined;
  /** What a response's log-probability is over its tokens; default sum. */
  readonly over?: 'sum' | 'mean' | undefined;
  /** Default ig. */
  readonly method?: AttributionMethod | undefined;
  /** Points of the path, or noisy samples; default 20. */
  readonly steps?: number | undefined;
  /** Of `ig`: more points where the contrast bends, until the error is small; `steps` is what it begins with. */
  readonly refine?: Refinement | undefined;
  /** Default zero. */
  readonly baseline?: Baseline | undefined;
  /** Places of the prompt that are the same at both ends of the path, and get nothing: special tokens. */
  readonly fixed?: readonly number[] | undefined;
  /** Sites beside the embeddings, `layers.3.resid_post`, … */
  readonly layers?: readonly string[] | undefined;
  /** Standard deviation of SmoothGrad's noise as a share of the range of the embeddings; default 0.01. */
  readonly noise?: number | undefined;
  readonly seed?: number | undefined;
  /** Points that go together at most; default: what is quick and fits the memory. */
  readonly chunk?: number | undefined;
  /** Bytes that a run may take beside the weights; default: what the machine has to spare, 2 GiB at most. */
  readonly memoryBudget?: number | undefined;
}

export interface Refinement {
  /** Of |F(E) − F(E′)|; default 0.01. */
  readonly tolerance?: number;
  /** Points at most; default 400. */
  readonly mostSteps?: number;
}

/** What an attribution will take; known before it starts. */
export interface AttributionPlan {
  /** Points whose gradients are computed, as many as refinement may take, and rows of the model for each. */
  readonly points: number;
  readonly mostPoints: number;
  readonly rowsPerPoint: number;
  /** Points that go together. */
  readonly chunk: number;
  /** Tokens of a row. */
  readonly length: number;
  /** Expected beside the weights. */
  readonly bytes: number;
  readonly memoryBudget: number;
}

/**
 * What of F(E) − F(E′) passes through a layer at each place while the prompt's embeddings move along the path: with the
 * response's part it sums up to that difference in every layer.
 */
export interface LayerAttribution {
  /** Of each token of the prompt, nats. */
  readonly tokens: readonly number[];
  /** Through the response's own tokens, which read the prompt in lower layers. */
  readonly response: number;
  readonly completeness: Completeness;
}

export interface Completeness {
  /** |Σ Aₜ − (F(E) − F(E′))|, nats. */
  readonly absolute: number;
  /** Of |F(E) − F(E′)|. */
  readonly relative: number;
}

export interface Attribution {
  readonly method: AttributionMethod;
  readonly baseline: Baseline;
  readonly steps: number;
  /** Of each token of the prompt, nats: positive speaks for the preferred response. */
  readonly tokens: readonly number[];
  /** By the name of the site. */
  readonly layers: ReadonlyMap<string, LayerAttribution>;
  /** F(E), with the prompt, and F(E′), with the baseline in its place; nats. */
  readonly value: number;
  readonly baselineValue: number;
  readonly completeness: Completeness;
  /** Where the numbers do not add up: by how much, and what to do. */
  readonly warning: string | null;
  /** Points and rows whose gradients were computed, for layers too. */
  readonly spent: { readonly points: number; readonly rows: number; readonly chunk: number; readonly millis: number };
}

/** Points done so far, and of how many. */
export type AttributionProgress = (done: number, total: number) => void;

export interface AttributeOptions {
  readonly token?: CancellationToken;
  readonly onProgress?: AttributionProgress;
}

export interface AttributorOptions {
  readonly session?: Partial<SessionOptions>;
  readonly token?: CancellationToken;
}

export type OpenedAttributor = { readonly ok: true; readonly attributor: Attributor } | { readonly ok: false; readonly problem: DerivativeProblem };

/** Beyond it a result carries a warning. */
export const COMPLETENESS_LIMIT = 0.05;
export const DEFAULT_STEPS = 20;
export const DEFAULT_TOLERANCE = 0.01;
export const DEFAULT_MOST_STEPS = 400;
const DEFAULT_NOISE = 0.01;
const MOST_MEMORY = 2 * 2 ** 30;
/** What a layer holds and its gradient, of each number. */
const BYTES_OF_LAYER = 8;
/** More tokens at once are no faster (measured, bench/results/attribution.md), only larger. */
const TOKENS_AT_ONCE = 512;

/** Opens a model folder for attributions of many prompts. Release it. @throws RuntimeError, HostDiedError, CancelledError */
export async function openAttributor(folder: ModelFolder, host: ModelHost, options: AttributorOptions = {}): Promise<OpenedAttributor> {
  const opened = await openDerivatives(folder, host, { sites: ['embed'], target: 'logProbabilities', ...options });
  return opened.ok ? { ok: true, attributor: new Attributor(folder, host, opened.derivatives, options) } : opened;
}

interface Prepared {
  readonly rows: ContrastRows;
  readonly plan: AttributionPlan;
  readonly derivatives: Derivatives;
}

export class Attributor {
  /** The model with layers to differentiate by as well: the ones asked for last. */
  private layered: { readonly key: string; readonly derivatives: Derivatives } | null = null;

  constructor(
    readonly folder: ModelFolder,
    private readonly host: ModelHost,
    private readonly plain: Derivatives,
    private readonly options: AttributorOptions,
  ) {}

  /** Why a request makes no sense for this model; null where it does. */
  problem(request: AttributionRequest): AttributionProblem | null {
    return requestProblem(request, this.folder);
  }

  /** Costs two small runs of the model the first time. @throws AttributionError, RuntimeError, HostDiedError, CancelledError */
  async plan(request: AttributionRequest, token: CancellationToken = neverCancelled): Promise<AttributionPlan> {
    return (await this.prepared(request, token)).plan;
  }

  /**
   * Attributes F(E) − F(E′) to the prompt's tokens. Cancelling takes effect within a chunk; a host that dies is started
   * again and only the chunk is repeated.
   * @throws AttributionError for a request that makes no sense or does not fit the memory, RuntimeError, HostDiedError, CancelledError
   */
  async attribute(request: AttributionRequest, { token = neverCancelled, onProgress }: AttributeOptions = {}): Promise<Attribution> {
    const started = performance.now();
    const { rows, plan, derivatives } = await this.prepared(request, token);
    const ends = { ...(await this.ends(request, derivatives, token)), width: derivatives.hidden };
    const model = { derivatives, rows, promptLength: request.prompt.length, filler: await this.filler(derivatives, rows, request, token), token };
    const work = { model, ends, chunk: plan.chunk, onProgress: checking(onProgress, token) };
    const answer = await pathOf(request, work);
    const layers = await layersOf(request, work, answer);
    const points = answer.points + (layers.size > 0 ? layerPoints(answer.panels) : 0);
    return { ...resultOf(request, answer), layers, spent: { points, rows: points * plan.rowsPerPoint, chunk: plan.chunk, millis: performance.now() - started } };
  }

  /** The likeliest next tokens, the likeliest first. @throws AttributionError, RuntimeError, HostDiedError, CancelledError */
  async nextTokens({ prompt, images = [], token = neverCancelled }: Pick<AttributionRequest, 'prompt' | 'images'> & { readonly token?: CancellationToken | undefined }, count: number): Promise<readonly number[]> {
    const problem = this.problem({ prompt, images, preferred: [0] });
    if (problem) throw new AttributionError(problem);
    const embeddings = await this.plain.embed({ ids: [prompt], images }, token);
    const outcomes = Array.from({ length: this.folder.sizes.vocabulary ?? 0 }, (_, id) => ({ row: 0, position: prompt.length - 1, token: id }));
    const { values } = await this.plain.evaluate({ ids: [prompt], embeddings, outcomes }, token);
    return outcomes.map(({ token: id }) => id).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0)).slice(0, count);
  }

  async release(): Promise<void> {
    await this.plain.release();
    await this.layered?.derivatives.release();
    this.layered = null;
  }

  private async prepared(request: AttributionRequest, token: CancellationToken): Promise<Prepared> {
    const problem = this.problem(request);
    if (problem) throw new AttributionError(problem);
    const { prompt, preferred, dispreferred = null, over = 'sum' } = request;
    const derivatives = await this.derivativesFor(request.layers ?? [], token);
    const rows = contrastRows({ prompt, preferred, dispreferred, over });
    return { rows, derivatives, plan: await this.planned(request, rows, derivatives, token) };
  }

  private async planned(request: AttributionRequest, rows: ContrastRows, derivatives: Derivatives, token: CancellationToken): Promise<AttributionPlan> {
    const { method = 'ig', steps = DEFAULT_STEPS, memoryBudget = Math.min(MOST_MEMORY, budgetOf(freeMemory(), 0)) } = request;
    const [rowsPerPoint, length] = [rows.ids.length, rows.ids[0]?.length ?? 0];
    const run = await derivatives.estimate({ batch: rowsPerPoint, length, positions: rows.positions, outcomes: rows.outcomes.length }, token);
    const { bytesPerRow } = run;
    const bytes = run.bytes + (request.layers ?? []).length * panelNodes.length * rowsPerPoint * length * derivatives.hidden * BYTES_OF_LAYER;
    const problem = memoryProblem({ bytes, memoryBudget, length });
    if (problem) throw new AttributionError(problem);
    const refined = method === 'ig' ? request.refine : undefined;
    const layered = (request.layers ?? []).length > 0 ? layerPoints(evenPanels(steps)) : 0;
    const points = layered + (refined ? layerPoints(evenPanels(steps)) : pointsOf(method, steps));
    const fitting = 1 + Math.floor((memoryBudget - bytes) / (bytesPerRow * rowsPerPoint));
    const wanted = request.chunk ?? Math.max(1, Math.floor(TOKENS_AT_ONCE / (rowsPerPoint * length)));
    const chunk = Math.max(1, Math.min(points, fitting, wanted));
    return { points, mostPoints: Math.max(points, (refined?.mostSteps ?? (refined ? DEFAULT_MOST_STEPS : 0)) * (layered > 0 ? 2 : 1)), rowsPerPoint, chunk, length, bytes: bytes + (chunk - 1) * rowsPerPoint * bytesPerRow, memoryBudget };
  }

  /** The plain derivatives, or ones that know the layers too. */
  private async derivativesFor(layers: readonly string[], token: CancellationToken): Promise<Derivatives> {
    const key = layers.join();
    if (key === '') return this.plain;
    if (this.layered?.key === key) return this.layered.derivatives;
    await this.layered?.derivatives.release();
    this.layered = null;
    const opened = await openDerivatives(this.folder, this.host, { sites: [...new Set(['embed', ...layers])], target: 'logProbabilities', ...this.options, token });
    if (!opened.ok) throw new AttributionError({ code: 'unknownLayer', message: opened.problem.message });
    this.layered = { key, derivatives: opened.derivatives };
    return opened.derivatives;
  }

  private async ends({ prompt, images = [], baseline = 'zero', fixed = [] }: AttributionRequest, derivatives: Derivatives, token: CancellationToken): Promise<{ readonly from: Float64Array; readonly to: Float64Array }> {
    const { sizes, tokens } = this.folder;
    const to = Float64Array.from(await derivatives.embed({ ids: [prompt], images }, token));
    const kept = new Set(fixed.filter((place) => !covers(images, place)));
    const pad = tokens.pad ?? tokens.eos[0] ?? 0;
    const from = await baselineEmbeddings(derivatives, { baseline, ids: prompt, embeddings: to, fixed: kept, pad, vocabulary: sizes.vocabulary ?? 0 }, token);
    return { from, to };
  }

  /** What the rows are embedded as; the prompt's part is replaced by each point. */
  private filler(derivatives: Derivatives, rows: ContrastRows, { images = [] }: AttributionRequest, token: CancellationToken): Promise<Float32Array> {
    return derivatives.embed({ ids: rows.ids, mask: rows.mask, images: rows.ids.flatMap((_, batch) => images.map((part) => ({ ...part, batch }))) }, token);
  }
}

interface Work {
  readonly model: ContrastModel;
  readonly ends: PathEnds;
  readonly chunk: number;
  readonly onProgress: AttributionProgress;
}

/** Reports, and takes the chance to stop. */
const checking = (onProgress: AttributionProgress | undefined, token: CancellationToken): AttributionProgress => (done, total) => {
  onProgress?.(done, total);
  throwIfCancelled(token);
};

/** With the panels that layers are integrated over. */
async function pathOf({ method = 'ig', steps = DEFAULT_STEPS, noise = DEFAULT_NOISE, seed = 1, refine }: AttributionRequest, { model, ends, chunk, onProgress }: Work): Promise<RefinedAnswer> {
  const f = contrastFunction(model);
  if (method === 'ig' && refine) return refinedPath(f, { ...ends, steps, chunk, onProgress, tolerance: refine.tolerance ?? DEFAULT_TOLERANCE, mostSteps: refine.mostSteps ?? DEFAULT_MOST_STEPS });
  const answer = await attributePath(f, { ...ends, method, steps, noise, chunk, onProgress, random: new Random(seed) });
  return { ...answer, panels: evenPanels(steps) };
}

/** Layers are integrated along the path, whatever the method for the tokens. */
async function layersOf({ layers = [], prompt }: AttributionRequest, { model, ends, chunk, onProgress }: Work, { panels, start, end }: RefinedAnswer): Promise<ReadonlyMap<string, LayerAttribution>> {
  if (layers.length === 0) return new Map();
  const { ids } = model.rows;
  const length = ids[0]?.length ?? 0;
  const sums = await layerPath(contrastLayers(model, layers), { ends, panels, rows: ids.length * length, chunk, onProgress });
  return new Map(sums.map((rows, i) => {
    const at = (place: number): number => ids.reduce((sum, _, row) => sum + (rows[row * length + place] ?? 0), 0);
    const response = Array.from({ length: length - prompt.length }, (_, place) => at(prompt.length + place)).reduce((sum, value) => sum + value, 0);
    return [layers[i] ?? '', { tokens: prompt.map((_, place) => at(place)), response, completeness: completenessOf(rows, end - start) }];
  }));
}

const layerPoints = (panels: readonly Panel[]): number => 1 + panels.length * (panelNodes.length - 1);

function resultOf({ method = 'ig', baseline = 'zero', steps = DEFAULT_STEPS }: AttributionRequest, { rows, start, end }: PathAnswer): Omit<Attribution, 'spent' | 'layers'> {
  const completeness = completenessOf(rows, end - start);
  return { method, baseline, steps, tokens: [...rows], value: end, baselineValue: start, completeness, warning: warningOf(completeness, method) };
}

function completenessOf(tokens: Float64Array, change: number): Completeness {
  const absolute = Math.abs(tokens.reduce((sum, value) => sum + value, 0) - change);
  return { absolute, relative: absolute === 0 ? 0 : absolute / Math.abs(change) };
}

function warningOf({ absolute, relative }: Completeness, method: AttributionMethod): string | null {
  if (relative <= COMPLETENESS_LIMIT) return null;
  const share = Number.isFinite(relative) ? `${(100 * relative).toFixed(relative < 1 ? 1 : 0)} %` : 'more than all';
  const advice = method === 'ig' ? 'Take more steps, another baseline (mean or pad), or the method idgi, which adds up by construction.' : method === 'idgi' ? 'The gradient vanishes along the path; take another baseline.' : 'This method promises no such sum; ig and idgi do.';
  return `The tokens' numbers miss the change that they explain by ${absolute.toPrecision(2)} nats, ${share} of it. ${advice}`;
}
