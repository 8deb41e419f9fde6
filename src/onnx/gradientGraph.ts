// From a model as it was exported to its gradients: a newer operator set, fused operators written out, shapes measured.
import type { DifferentiateOptions } from './differentiate.ts';
import { differentiate, nodesOnPath } from './differentiate.ts';
import { fusedExpansion, withoutFused } from './expand.ts';
import type { Graph, Tensor } from './graph.ts';
import type { Execute } from './shapes.ts';
import { measureShapes } from './shapes.ts';
import { upgradeOpset } from './upgrade.ts';

export interface GradientQuestion extends Omit<DifferentiateOptions, 'shapes'> {
  /** Two sets that differ in every size that may change, small ones: the model runs on them. */
  readonly feeds: readonly [Readonly<Record<string, Tensor>>, Readonly<Record<string, Tensor>>];
  readonly execute: Execute;
}

/**
 * What `differentiate` gives for a graph that may hold fused operators. Those between the values differentiated by and
 * the loss are written out in standard ops; all others stay as they are.
 * @throws NoGradientError, OpsetError, RuleRefusal where a fused operator is used in a way that is not covered
 */
export async function gradientGraph(graph: Graph, question: GradientQuestion): Promise<Graph> {
  const { feeds, execute, ...options } = question;
  const ready = upgradeOpset(graph);
  const shapes = await measureShapes(ready, feeds, execute);
  const fused = new Set(nodesOnPath(ready, options.loss, options.withRespectTo).filter((node) => fusedExpansion(node) !== undefined));
  if (fused.size === 0) return differentiate(ready, { ...options, shapes });
  const plain = withoutFused(ready, shapes, { isWanted: (node) => fused.has(node) });
  return differentiate(plain, { ...options, shapes: await measureShapes(plain, feeds, execute) });
}
