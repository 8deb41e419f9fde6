// The graphs that say where a probe's score comes from: gradient × activation, and the score with neurons taken away.
import { inputsOf } from '../lm/derivativeGraphs.ts';
import { readName, readSites } from '../lm/edits.ts';
import { GraphDraft } from '../lm/graphDraft.ts';
import type { ModelInterface } from '../lm/interface.ts';
import { promptFeeds } from '../lm/interface.ts';
import { measuredSizes } from '../lm/memoryEstimate.ts';
import { differentiateBySites, siteGradientName } from '../lm/siteGradients.ts';
import type { Site } from '../lm/sites.ts';
import type { Graph } from '../onnx/graph.ts';
import { typeCode } from '../onnx/graph.ts';
import { pruned } from '../onnx/prune.ts';
import type { Execute } from '../onnx/shapes.ts';
import type { HostTensor } from '../runtime/protocol.ts';

/** float32 [batch, sequence, hidden]: d score / d what the probe reads, so the probe's gradient at one position and 0 elsewhere. */
export const SCORE_GRADIENT = 'probe/gradient';

/** Outputs of the attribution graph. */
export const attributionNames = {
  /** float32 [batch, sequence]: ⟨∂s/∂m, m⟩ at each position. */
  byPosition: (site: Pick<Site, 'name'>): string => `attribution/${site.name}/positions`,
  /** float32 [width]: summed over rows and positions. */
  byNeuron: (site: Pick<Site, 'name'>): string => `attribution/${site.name}/neurons`,
} as const;

export interface AttributionQuestion {
  /** What the probe reads. */
  readonly target: Site;
  readonly sites: readonly Site[];
  readonly hidden: number;
  readonly execute: Execute;
}

/**
 * From the tokens to ∂s/∂m · m for each site m, and to what the probe reads (`read/TARGET`). Only sums leave the graph, so
 * that no activation travels.
 * @throws NoGradientError, OpsetError, RuleRefusal
 */
export async function attributionGraph(graph: Graph, io: ModelInterface, { target, sites, hidden, execute }: AttributionQuestion): Promise<Graph> {
  const draft = new GraphDraft(readSites(graph, [target, ...sites]), 'probe/');
  draft.input({ name: SCORE_GRADIENT, type: 'float32', dims: ['batch', 'sequence', hidden] });
  const outputs = new Set([readName(target), ...sites.map(readName)]);
  const whole = draft.graph();
  // The gradient's input is read by nothing yet, and must stay.
  const forward = { ...pruned({ ...whole, outputs: whole.outputs.filter(({ name }) => outputs.has(name)) }) };
  const ready: Graph = { ...forward, inputs: whole.inputs.filter(({ name }) => name === SCORE_GRADIENT || forward.inputs.some((input) => input.name === name)) };
  const [small, large] = measuredSizes.map(({ batch, length }) => sampleFeeds(ready, io, batch, length, hidden));
  const differentiated = await differentiateBySites(ready, { sites, loss: readName(target), cotangent: SCORE_GRADIENT, feeds: [small ?? {}, large ?? {}], execute });
  return multiplied(differentiated, target, sites);
}

function sampleFeeds(graph: Graph, io: ModelInterface, batch: number, length: number, hidden: number): Readonly<Record<string, HostTensor>> {
  const ids = Array.from({ length: batch }, () => Array.from({ length }, (_, i) => i % 2));
  return inputsOf(graph, { ...promptFeeds(io, ids), [SCORE_GRADIENT]: { type: 'float32', dims: [batch, length, hidden], data: new Float32Array(batch * length * hidden) } });
}

function multiplied(graph: Graph, target: Site, sites: readonly Site[]): Graph {
  const draft = new GraphDraft(graph, 'attribution/');
  for (const site of sites) {
    const product = draft.append('Mul', [readName(site), siteGradientName(site)]);
    draft.append('ReduceSum', [product, draft.int64(-1)], { keepdims: 0 }, attributionNames.byPosition(site));
    draft.append('ReduceSum', [product, draft.int64(0, 1)], { keepdims: 0 }, attributionNames.byNeuron(site));
    draft.output({ name: attributionNames.byPosition(site), type: 'float32', dims: ['batch', 'sequence'] });
    draft.output({ name: attributionNames.byNeuron(site), type: 'float32', dims: [site.shape.at(-1) ?? 'width'] });
  }
  const wanted = new Set([readName(target), ...sites.flatMap((site) => [attributionNames.byPosition(site), attributionNames.byNeuron(site)])]);
  const whole = draft.graph();
  return pruned({ ...whole, outputs: whole.outputs.filter(({ name }) => wanted.has(name)) });
}

/** float32 [width]: 0 keeps a neuron, −1 takes it away, at every position. */
export const removalInput = (site: Pick<Site, 'name'>): string => `remove/${site.name}`;

/** From the tokens to what the probe reads, with neurons of the sites taken away as inputs say. */
export function removalGraph(graph: Graph, target: Site, sites: readonly Site[]): Graph {
  const edited = sites.reduce((before, site) => {
    const draft = new GraphDraft(before, `remove/${site.name}/`);
    draft.input({ name: removalInput(site), type: 'float32', dims: [site.shape.at(-1) ?? 'width'] });
    draft.change(site, (emit, value) => {
      const kept = site.type === 'float32' || site.type === undefined ? removalInput(site) : emit('Cast', [removalInput(site)], { to: typeCode(site.type) });
      return emit('Mul', [value(), kept]);
    });
    return draft.graph();
  }, graph);
  const read = readSites(edited, [target]);
  return pruned({ ...read, outputs: read.outputs.filter(({ name }) => name === readName(target)) });
}
