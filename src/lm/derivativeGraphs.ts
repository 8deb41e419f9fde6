// The graphs that derivatives of a decoder are computed with: the embeddings of tokens, the target alone, and its gradients.
import { EMBEDDINGS } from './derivativeFeeds.ts';
import { readName, readSites } from './edits.ts';
import { differentiateBySites, siteGradientName } from './siteGradients.ts';
import type { Site } from './sites.ts';
import type { TargetKind } from './target.ts';
import { targetValues, withTarget } from './target.ts';
import type { Graph, GraphNode, Tensor } from '../onnx/graph.ts';
import { typeCode } from '../onnx/graph.ts';
import { pruned } from '../onnx/prune.ts';
import type { Execute } from '../onnx/shapes.ts';

export interface DerivativeQuestion {
  readonly embed: Site;
  readonly sites: readonly Site[];
  readonly kind: TargetKind;
  /** Two sets that differ in batch, length, positions and outcomes; of more inputs than there are, if need be. */
  readonly feeds: readonly [Readonly<Record<string, Tensor>>, Readonly<Record<string, Tensor>>];
  readonly execute: Execute;
}

/** From the model's inputs to `read/embed`, without the rest of the model and its weights. */
export const embeddingGraph = (graph: Graph, embed: Site): Graph => withOutputs(readSites(graph, [embed]), [readName(embed)]);

/** From `embeddings` to the target's values. */
export const targetGraph = (graph: Graph, { embed, kind }: Pick<DerivativeQuestion, 'embed' | 'kind'>): Graph =>
  withOutputs(fromEmbeddings(withTarget(graph, kind), embed), [targetValues.sum, targetValues.each]);

/**
 * From `embeddings` to the target's values, what the sites hold (`read/SITE`) and the target's gradients by them
 * (`gradient/SITE`).
 * @throws NoGradientError, OpsetError, RuleRefusal
 */
export async function derivativeGraph(graph: Graph, { embed, sites, kind, feeds, execute }: DerivativeQuestion): Promise<Graph> {
  const read = readSites(withTarget(graph, kind), sites);
  const outputs = [targetValues.sum, targetValues.each, ...sites.map(readName)];
  const kept = { name: targetValues.cotangent, type: 'float32', dims: ['positions', 'vocabulary'] } as const;
  const forward = withOutputs({ ...read, outputs: [...read.outputs, kept] }, [...outputs, kept.name]);
  const whole = await differentiateBySites(forward, {
    sites, loss: targetValues.logits, cotangent: targetValues.cotangent,
    feeds: [inputsOf(forward, feeds[0]), inputsOf(forward, feeds[1])], execute,
  });
  return withOutputs(fromEmbeddings(whole, embed), [...outputs, ...sites.map(siteGradientName)]);
}

const withOutputs = (graph: Graph, names: readonly string[]): Graph => pruned({ ...graph, outputs: graph.outputs.filter(({ name }) => names.includes(name)) });

/** Those of the feeds that the graph takes. */
export const inputsOf = <T>(graph: Graph, feeds: Readonly<Record<string, T>>): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(feeds).filter(([name]) => graph.inputs.some((input) => input.name === name)));

/** The graph with the input `embeddings` in place of what computes the embed site. */
function fromEmbeddings(graph: Graph, { value, type = 'float32', shape }: Site): Graph {
  const given = { name: EMBEDDINGS, type: 'float32', dims: shape } as const;
  const entry = { op: 'Cast', domain: '', inputs: [EMBEDDINGS], outputs: [value], attributes: { to: typeCode(type) } };
  const nodes = graph.nodes.flatMap((node) => (node.outputs.includes(value) ? normalisedFrom(node, value) : [node]));
  return { ...graph, nodes: [entry, ...nodes], inputs: [...graph.inputs.filter(({ name }) => name !== value), given] };
}

/** What is left of the node that computes the embeddings: an EmbedLayerNormalization normalises what it is given instead. */
function normalisedFrom({ op, inputs, outputs: [normalised = ''], attributes }: GraphNode, value: string): readonly GraphNode[] {
  const [, , , , , gamma = '', beta = ''] = inputs;
  if (op !== 'EmbedLayerNormalization') return [];
  return [{ op: 'LayerNormalization', domain: '', inputs: [value, gamma, beta], outputs: [normalised], attributes: { epsilon: attributes['epsilon'] ?? { float: 1e-12 } } }];
}
