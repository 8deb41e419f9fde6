// From a model as it was exported to its gradients: a newer operator set, fused operators written out, shapes measured.
import type { DifferentiateOptions } from './differentiate.ts';
import { differentiate, nodesOnPath, refuseMissingRules } from './differentiate.ts';
import { fusedExpansion, withoutFused } from './expand.ts';
import type { Graph, GraphNode, Tensor } from './graph.ts';
import { runnableGraph } from './runnable.ts';
import type { Execute } from './shapes.ts';
import { measureShapes } from './shapes.ts';
import { upgradeOpset } from './upgrade.ts';

export interface GradientQuestion extends Omit<DifferentiateOptions, 'shapes'> {
  /** Two sets that differ in every size that may change, small ones: the model runs on them. */
  readonly feeds: readonly [Readonly<Record<string, Tensor>>, Readonly<Record<string, Tensor>>];
  readonly execute: Execute;
}

/**
 * What `differentiate` gives for a graph of any opset from 7 on that may hold fused operators. Those between the values
 * differentiated by and the loss are written out in standard ops, and those that compute such a value and may use it
 * inside as well; all others stay as they are.
 * @throws NoGradientError before anything runs, OpsetError, and RuleRefusal where a fused operator is used in a way that
 * is not covered
 */
export async function gradientGraph(graph: Graph, question: GradientQuestion): Promise<Graph> {
  const { feeds, execute, ...options } = question;
  const ready = upgradeOpset(runnableGraph(graph));
  refuseMissingRules(ready, options.loss, options.withRespectTo, isFused);
  const shapes = await measureShapes(ready, feeds, execute);
  const given = ready.nodes.filter((node) => isFused(node) && node.outputs.length > 1 && options.withRespectTo.some((value) => node.outputs.includes(value)));
  const sources = [...options.withRespectTo, ...given.flatMap(({ outputs }) => outputs)];
  const fused = new Set([...given, ...nodesOnPath(ready, options.loss, sources).filter(isFused)]);
  if (fused.size === 0) return differentiate(ready, { ...options, shapes });
  const plain = readInside(withoutFused(ready, shapes, { isWanted: (node) => fused.has(node) }), new Set(options.withRespectTo));
  return differentiate(plain, { ...options, shapes: await measureShapes(plain, feeds, execute) });
}

const isFused = (node: GraphNode): boolean => fusedExpansion(node) !== undefined;

/** What was a fused operator's output and is a copy of a value inside becomes that value itself, for all that read it. */
function readInside(graph: Graph, outputs: ReadonlySet<string>): Graph {
  const computed = new Set(graph.nodes.flatMap((node) => node.outputs));
  const copies = graph.nodes.filter((node) => node.op === 'Identity' && outputs.has(node.outputs[0] ?? '') && computed.has(node.inputs[0] ?? ''));
  const names = new Map(copies.map(({ inputs, outputs: [output = ''] }) => [inputs[0] ?? '', output]));
  const renamed = (values: readonly string[]): readonly string[] => values.map((value) => names.get(value) ?? value);
  const nodes = graph.nodes.filter((node) => !copies.includes(node));
  return { ...graph, nodes: nodes.map((node) => ({ ...node, inputs: renamed(node.inputs), outputs: renamed(node.outputs) })) };
}
