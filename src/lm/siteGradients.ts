// Derivatives of what a decoder says by what its residual stream holds: d target / d site.
import { GraphDraft } from './graphDraft.ts';
import type { Site } from './sites.ts';
import { differentiate, gradientName } from '../onnx/differentiate.ts';
import type { Graph, ShapeOf } from '../onnx/graph.ts';

/** The inputs that say which outcomes a target is made of. */
export const targetInputs = {
  /** int64 [outcomes, 3]: batch row, position, token id. */
  places: 'target/places',
  /** float32 [outcomes] */
  weights: 'target/weights',
} as const;

/** The scalar output of `withTarget`. */
export const TARGET = 'target';

/**
 * The graph with the output `target` = Σ weightₙ · y[placeₙ], where y are the logits or the log-probabilities that
 * follow from them. Places and weights are inputs of the graph (`targetInputs`): a preferred token against another is
 * two places with the weights 1 and −1.
 */
export function withTarget(graph: Graph, of: 'logits' | 'logProbabilities'): Graph {
  const draft = new GraphDraft(graph, 'target/');
  draft.input({ name: targetInputs.places, type: 'int64', dims: ['outcomes', 3] });
  draft.input({ name: targetInputs.weights, type: 'float32', dims: ['outcomes'] });
  const logits = graph.outputs.find(({ name }) => name === 'logits')?.type === 'float32' ? 'logits' : draft.append('Cast', ['logits'], { to: 1 });
  const values = of === 'logits' ? logits : draft.append('LogSoftmax', [logits], { axis: -1 });
  const picked = draft.append('GatherND', [values, targetInputs.places]);
  const weighted = draft.append('Mul', [picked, targetInputs.weights]);
  draft.append('ReduceSum', [weighted], { keepdims: 0 }, TARGET);
  draft.output({ name: TARGET, type: 'float32', dims: [] });
  return draft.graph();
}

/** The output that holds d target / d site, in the site's shape. */
export const siteGradientName = (site: Pick<Site, 'name'>): string => `gradient/${site.name}`;

/**
 * The graph with one more output `gradient/SITE` for each site: the whole derivative, along every path from the site to
 * the target. The sum inside a fused node is differentiated by the summand that a change of it goes through.
 * @param target a scalar value of the graph, for example `withTarget`'s
 * @param measure the shapes of a graph's values, as `measureShapes` finds them
 * @throws NoGradientError for an op without a derivative, OpsetError for a graph that is too old
 */
export async function differentiateBySites(graph: Graph, sites: readonly Site[], target: string, measure: (graph: Graph) => Promise<ShapeOf>): Promise<Graph> {
  const handles = new GraphDraft(graph, 'gradient/');
  const values = sites.map((site) => handles.handle(site));
  const whole = handles.graph();
  const shapes = await measure(whole);
  const differentiated = differentiate(whole, { loss: target, withRespectTo: [...new Set(values)], shapes });
  const named = new GraphDraft({ ...differentiated, outputs: whole.outputs }, 'gradient/');
  sites.forEach((site, i) => {
    named.append('Identity', [gradientName(values[i] ?? '')], {}, siteGradientName(site));
    named.output({ name: siteGradientName(site), type: 'float32', dims: site.shape });
  });
  return named.graph();
}
