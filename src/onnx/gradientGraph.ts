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
 * What `differentiate` gives for a graph as it was exported: of any opset from 7 on, with fused operators. Those between the values differentiated by and
 * the loss are written out in standard ops; all others stay as they are.
 * @throws NoGradientError before anything runs, OpsetError, RuleRefusal where a fused operator is used in a way that is not covered
 */
export async function gradientGraph(graph: Graph, question: GradientQuestion): Promise<Graph> {
  const { feeds, execute, ...options } = question;
  const ready = upgradeOpset(runnableGraph(graph));
  const isWrittenOut = (node: GraphNode): boolean => fusedExpansion(node) !== undefined;
  refuseMissingRules(ready, options.loss, options.withRespectTo, isWrittenOut);
  const shapes = await measureShapes(ready, feeds, execute);
  const fused = new Set(nodesOnPath(ready, options.loss, options.withRespectTo).filter(isWrittenOut));
  if (fused.size === 0) return differentiate(ready, { ...options, shapes });
  const plain = withoutFused(ready, shapes, { isWanted: (node) => fused.has(node) });
  return differentiate(plain, { ...options, shapes: await measureShapes(plain, feeds, execute) });
}
