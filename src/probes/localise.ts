// Where in a model a probe's score comes from: components, neurons and tokens of the context, by gradient × activation.
import { matrixOf } from './features.ts';
import { attributionGraph, attributionNames, removalGraph, removalInput, SCORE_GRADIENT } from './localisationGraph.ts';
import type { Probe } from './probe.ts';
import { gradientOf, probeScores } from './probe.ts';
import { inputsOf } from '../lm/derivativeGraphs.ts';
import { readName } from '../lm/edits.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { unknownInput } from '../lm/gradientSupport.ts';
import { promptFeeds } from '../lm/interface.ts';
import type { Site, SiteKind } from '../lm/sites.ts';
import { findSites } from '../lm/sites.ts';
import { NoGradientError } from '../onnx/differentiate.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { Graph } from '../onnx/graph.ts';
import { RuleRefusal } from '../onnx/rules/context.ts';
import type { Execute } from '../onnx/shapes.ts';
import { OpsetError } from '../onnx/upgrade.ts';
import type { ModelHost, Session } from '../runtime/client.ts';
import { survivingDeaths } from '../runtime/client.ts';
import type { HostTensor, SessionOptions } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

export interface ComponentShare {
  readonly site: string;
  readonly layer: number;
  readonly kind: SiteKind;
  /** ⟨∂s/∂m, m⟩ over all positions, in the score's unit. */
  readonly attribution: number;
}

export interface Neuron {
  readonly layer: number;
  readonly index: number;
}

export interface NeuronShare extends Neuron {
  readonly attribution: number;
}

export interface Localisation {
  /** Log odds at the statement's final token. */
  readonly score: number;
  /** Every `attn_out` and `mlp_out` up to the probe, layer by layer. */
  readonly components: readonly ComponentShare[];
  /** Every neuron of `mlp_act` up to the probe, the largest in magnitude first. */
  readonly neurons: readonly NeuronShare[];
  /** Gradient × embedding of each token. */
  readonly tokens: Float32Array;
  /** What the top 1 % of the neurons carry of Σ |attribution| over all. */
  readonly topPercentShare: number;
}

export interface LocaliserProblem {
  readonly code: 'noResidualStream' | 'unknownSite' | 'noGradient' | 'missingInput';
  readonly message: string;
}

export type OpenedLocaliser = { readonly ok: true; readonly localiser: Localiser } | { readonly ok: false; readonly problem: LocaliserProblem };

/**
 * Opens a model and a probe that fits it (see `misfit`). Takes two small runs of the model, to see shapes.
 * @throws RuntimeError, HostDiedError
 */
export async function openLocaliser(host: ModelHost, folder: ModelFolder, probe: Probe, session: Partial<SessionOptions> = {}): Promise<OpenedLocaliser> {
  const refused = (code: LocaliserProblem['code'], message: string): OpenedLocaliser => ({ ok: false, problem: { code, message } });
  const found = findSites(folder.file.graph);
  if (!found.ok) return refused('noResidualStream', `${folder.variant.path}: ${found.message}.`);
  const at = found.sites.findIndex(({ name }) => name === probe.site);
  const target = found.sites[at];
  if (!target) return refused('unknownSite', `${folder.name} has no site “${probe.site}”, which the probe reads.`);
  const missing = folder.io.ids === null ? 'inputs_embeds' : unknownInput(folder);
  if (missing !== null) return refused('missingInput', `${folder.variant.path} wants an input “${missing}” that a localisation does not know. Give a variant that takes input_ids.`);
  const sites = found.sites.slice(0, at).filter(({ kind }) => kind === 'embed' || kind === 'attn_out' || kind === 'mlp_out' || kind === 'mlp_act');
  try {
    const graph = await survivingDeaths(() => attributionGraph(folder.file.graph, folder.io, { target, sites, hidden: probe.weights.length, execute: measuringOn(host, folder) }));
    return { ok: true, localiser: new Localiser({ host, folder, probe, session, target, sites }, graph) };
  } catch (error) {
    if (error instanceof NoGradientError || error instanceof RuleRefusal) return refused('noGradient', `${folder.variant.path} cannot be differentiated: ${error.message}.`);
    if (error instanceof OpsetError) return refused('noGradient', error.message);
    throw error;
  }
}

function measuringOn(host: ModelHost, { file: { dataFolder, dataBytes } }: ModelFolder): Execute {
  return async (graph, feeds) => {
    const session = await host.createSession({ graph, dataFolder, dataBytes }, { provider: 'cpu', optimization: 'disabled', threads: 1 });
    try {
      return await session.run(feeds);
    } finally {
      await session.release();
    }
  };
}

interface Parts {
  readonly host: ModelHost;
  readonly folder: ModelFolder;
  readonly probe: Probe;
  readonly session: Partial<SessionOptions>;
  readonly target: Site;
  readonly sites: readonly Site[];
}

export class Localiser {
  private opened: Promise<Session> | null = null;
  private removing: { readonly graph: Graph; readonly session: Promise<Session> } | null = null;

  constructor(
    private readonly parts: Parts,
    private readonly graph: Graph,
  ) {}

  /** Of the score at the last token. @throws RuntimeError, HostDiedError, CancelledError */
  async localise(ids: readonly number[], token?: CancellationToken): Promise<Localisation> {
    const { folder, probe, sites } = this.parts;
    const hidden = probe.weights.length;
    const gradient = new Float32Array(ids.length * hidden);
    gradient.set(gradientOf(probe), (ids.length - 1) * hidden);
    const seed: HostTensor = { type: 'float32', dims: [1, ids.length, hidden], data: gradient };
    const feeds = inputsOf(this.graph, { ...promptFeeds(folder.io, [ids]), [SCORE_GRADIENT]: seed });
    this.opened ??= this.session(this.graph);
    const session = await this.opened;
    const results = await survivingDeaths(() => session.run(feeds, token ? { token } : {}));
    const floats = (name: string): Float32Array => (results[name]?.data ?? new Float32Array()) as Float32Array;
    const kinds = (...wanted: readonly SiteKind[]): readonly Site[] => sites.filter(({ kind }) => wanted.includes(kind));
    const components = kinds('attn_out', 'mlp_out').map(({ name, layer, kind, ...site }): ComponentShare => ({ site: name, layer: layer ?? 0, kind, attribution: sumOf(floats(attributionNames.byPosition({ ...site, name }))) }));
    const neurons = kinds('mlp_act').flatMap((site) => Array.from(floats(attributionNames.byNeuron(site)), (attribution, index): NeuronShare => ({ layer: site.layer ?? 0, index, attribution })));
    neurons.sort((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution));
    return { score: this.scoreOf(results, ids.length), components, neurons, tokens: floats(attributionNames.byPosition({ name: 'embed' })), topPercentShare: topShare(neurons, 0.01) };
  }

  /** The score at the last token with these neurons set to 0 at every position. @throws RuntimeError, HostDiedError, CancelledError */
  async scoreWithout(ids: readonly number[], neurons: readonly Neuron[], token?: CancellationToken): Promise<number> {
    const { folder, target, sites } = this.parts;
    const places = sites.filter(({ kind }) => kind === 'mlp_act');
    if (!this.removing) {
      const graph = removalGraph(folder.file.graph, target, places);
      this.removing = { graph, session: this.session(graph) };
    }
    const { graph, session } = this.removing;
    const removals = places.map((site): [string, HostTensor] => {
      const width = Number(site.shape.at(-1));
      const data = new Float32Array(width);
      for (const { layer, index } of neurons) if (layer === site.layer) data[index] = -1;
      return [removalInput(site), { type: 'float32', dims: [width], data }];
    });
    const open = await session;
    const results = await survivingDeaths(() => open.run(inputsOf(graph, { ...promptFeeds(folder.io, [ids]), ...Object.fromEntries(removals) }), token ? { token } : {}));
    return this.scoreOf(results, ids.length);
  }

  private scoreOf(results: Readonly<Record<string, HostTensor>>, length: number): number {
    const { probe, target } = this.parts;
    const hidden = probe.weights.length;
    const read = results[readName(target)]?.data as Float32Array;
    return probeScores(probe, matrixOf([read.subarray((length - 1) * hidden, length * hidden)]))[0] ?? Number.NaN;
  }

  private session(graph: Graph): Promise<Session> {
    const { host, folder: { file: { dataFolder, dataBytes } }, session } = this.parts;
    return host.createSession({ graph: encodeGraph(graph), dataFolder, dataBytes }, session);
  }

  async release(): Promise<void> {
    for (const session of [this.opened, this.removing?.session]) await (await session)?.release();
    [this.opened, this.removing] = [null, null];
  }
}

const sumOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0);

/** What the first share of the neurons, at least one, carry of all. */
function topShare(neurons: readonly NeuronShare[], share: number): number {
  const magnitudes = neurons.map(({ attribution }) => Math.abs(attribution));
  const total = magnitudes.reduce((sum, value) => sum + value, 0);
  const top = magnitudes.slice(0, Math.max(1, Math.round(share * neurons.length))).reduce((sum, value) => sum + value, 0);
  return total === 0 ? 0 : top / total;
}
