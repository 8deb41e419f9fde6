// Finds the residual stream of a decoder by its structure: the sums of what came before and of branches off it.
import { Flow, SOURCE } from './flow.ts';
import type { Graph, GraphNode } from '../onnx/graph.ts';

/** Something that is added to the stream. */
export interface Branch {
  readonly kind: 'attention' | 'mlp';
  readonly value: string;
}

/** One sum of the stream and its branches. */
export interface ResidualStep {
  readonly node: number;
  /** What the branches read and are added to. */
  readonly stream: string;
  readonly branches: readonly Branch[];
  /** A constant that a fused node adds to the sum itself. */
  readonly bias: string | null;
  /** The sum; '' where the fused node does not give it out. */
  readonly sum: string;
}

export interface ResidualStream {
  readonly flow: Flow;
  readonly embed: string;
  readonly steps: readonly ResidualStep[];
}

export type StreamResult = { readonly ok: true; readonly stream: ResidualStream } | { readonly ok: false; readonly message: string };

/** Where the fused normalisations of a sum have its constant. */
const fusedBias: Readonly<Record<string, number>> = { SkipLayerNormalization: 4, SkipSimplifiedLayerNormalization: 3 };
/** Which output of theirs is the sum. */
export const FUSED_SUM = 3;
const EMBEDDING_SUM = 2;

export const isFusedSum = ({ op }: GraphNode): boolean => op in fusedBias;

/** The constant that a fused sum adds; '' for none. */
export const fusedBiasOf = ({ op, inputs }: GraphNode): string => inputs[fusedBias[op] ?? -1] ?? '';

/** Sums are looked into so deep for the stream among their terms: Add(Add(stream, attention), mlp). */
const NESTING = 3;

/**
 * The stream of the decoder that computes `logits` from `source` (token ids or embeddings). A sum belongs to it if all
 * paths from the tokens to the logits pass through it, and through one of its terms' nodes before: then its other terms
 * branch off that term. Names play no part.
 */
export function findResidualStream(graph: Graph, source: string, logits = 'logits'): StreamResult {
  const flow = new Flow(graph, source);
  const refuse = (message: string): StreamResult => ({ ok: false, message: `no residual stream found: ${message}` });
  if (!flow.isDynamic(logits)) return refuse(`${logits} does not depend on ${source}`);
  const last = flow.producer(logits);
  const trunk = [...flow.dominatorsOf(last)].reverse();
  const steps = trunk.flatMap((index) => stepAt(flow, index) ?? []);
  const [first] = steps;
  if (!first) return refuse(`on the path from ${logits} to the embeddings no node adds a branch to what it branched off; the last node that all of the path shares is ${described(flow, trunk.at(-1) ?? last)}`);
  for (const [i, { stream, node }] of steps.entries()) {
    const before = steps[i - 1];
    if (before && (before.sum === '' || flow.through(stream) !== before.sum)) {
      return refuse(`the path from ${logits} to the embeddings leaves it at node ${described(flow, flow.producer(flow.through(stream)))}, between the sums ${described(flow, before.node)} and ${described(flow, node)}`);
    }
  }
  const embed = flow.through(first.stream);
  const mixing = attentionBefore(flow, embed);
  if (mixing !== undefined) return refuse(`the path from ${logits} to the embeddings leaves it at node ${described(flow, flow.producer(embed))}, which stands after the attention ${described(flow, mixing)}`);
  return { ok: true, stream: { flow, embed, steps } };
}

/** A node for people: its name, or its first output, and its operator. */
export function described(flow: Flow, index: number): string {
  const node = flow.node(index);
  return node ? `${nodeName(node)} (${node.op})` : flow.source;
}

export const nodeName = ({ name, outputs }: GraphNode): string => name ?? outputs.find((output) => output !== '') ?? '';

function attentionBefore(flow: Flow, value: string): number | undefined {
  return flow.between(SOURCE, value).find((index) => isAttention(flow, [index]));
}

function stepAt(flow: Flow, index: number): ResidualStep | null {
  const node = flow.node(index);
  const terms = node ? termsOf(node) : null;
  if (!node || !terms) return null;
  const found = splitTerms(flow, index, terms.filter((term) => flow.isDynamic(term)), NESTING);
  if (!found) return null;
  const above = flow.producer(flow.through(found.stream));
  const branches = found.branches.flatMap((term) => branchesOf(flow, above, term));
  const bias = fusedBiasOf(node);
  return { node: index, stream: found.stream, branches, bias: bias === '' ? null : bias, sum: (isFusedSum(node) ? node.outputs[FUSED_SUM] : node.outputs[0]) ?? '' };
}

function termsOf(node: GraphNode): readonly string[] | null {
  if (isFusedSum(node)) return node.inputs.slice(0, 2);
  return node.domain === '' && (node.op === 'Add' || node.op === 'Sum') ? node.inputs : null;
}

/** The one term whose node all paths to the sum pass through, and the others. */
function splitTerms(flow: Flow, index: number, terms: readonly string[], depth: number): { stream: string; branches: readonly string[] } | null {
  if (terms.length < 2) return null;
  const stream = terms.find((term) => isHiddenState(flow, term) && flow.dominates(flow.producer(flow.through(term)), index));
  if (stream !== undefined) return { stream, branches: terms.filter((term) => term !== stream) };
  if (depth === 0) return null;
  const opened = terms.flatMap((term) => openedSum(flow, term) ?? [term]);
  return opened.length > terms.length ? splitTerms(flow, index, opened, depth - 1) : null;
}

/** A fused node's normalised output is no state of the stream, only its sum is; and token ids are none either. */
function isHiddenState(flow: Flow, term: string): boolean {
  const value = flow.through(term);
  const node = flow.node(flow.producer(value));
  if (!node) return flow.source === 'inputs_embeds' || flow.graph.inputs.some(({ name, type }) => name === value && type.startsWith('float'));
  if (isFusedSum(node)) return node.outputs[FUSED_SUM] === value;
  return node.op !== 'EmbedLayerNormalization' || node.outputs[EMBEDDING_SUM] === value;
}

function openedSum(flow: Flow, term: string): readonly string[] | null {
  const node = flow.node(flow.producer(term));
  const terms = node && !isFusedSum(node) ? termsOf(node)?.filter((inner) => flow.isDynamic(inner)) : undefined;
  return terms && terms.length > 1 ? terms : null;
}

/** A sum of attention and MLP, as parallel blocks have it, is two branches. */
function branchesOf(flow: Flow, above: number, term: string): readonly Branch[] {
  const attends = isAttention(flow, flow.between(above, term));
  const parts = attends ? openedSum(flow, term) : null;
  const kinds = parts?.map((part) => isAttention(flow, flow.between(above, part)));
  if (parts && kinds && new Set(kinds).size === 2) return parts.flatMap((part) => branchesOf(flow, above, part));
  return [{ kind: attends ? 'attention' : 'mlp', value: term }];
}

const fusedAttention = /^(?:Attention|.*(?:HeadAttention|QueryAttention|SparseAttention|PagedAttention|LinearAttention|QAttention|SelfAttention))$/;

/** Do these nodes mix positions: by a fused op, by a cache that they read, or by a softmax of products? */
function isAttention(flow: Flow, indices: readonly number[]): boolean {
  const nodes = indices.flatMap((index) => flow.node(index) ?? []);
  if (nodes.some(({ op, inputs }) => fusedAttention.test(op) || inputs.some((input) => input.startsWith('past')))) return true;
  const products = nodes.some((node) => (node.op === 'MatMul' || node.op === 'Einsum') && flow.dynamicInputs(node).length > 1);
  return products && nodes.some(({ op }) => op === 'Softmax') && !nodes.some(({ op }) => op === 'TopK');
}
