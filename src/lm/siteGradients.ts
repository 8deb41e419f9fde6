// Derivatives of what a decoder says by what its residual stream holds: d target / d site.
import { GraphDraft } from './graphDraft.ts';
import type { Site } from './sites.ts';
import type { GradientQuestion } from '../onnx/gradientGraph.ts';
import { gradientGraph } from '../onnx/gradientGraph.ts';
import type { Graph } from '../onnx/graph.ts';
import { typeCode } from '../onnx/graph.ts';

/** The output that holds d target / d site, float32 in the site's shape. */
export const siteGradientName = (site: Pick<Site, 'name'>): string => `gradient/${site.name}`;

export interface SiteQuestion extends Pick<GradientQuestion, 'loss' | 'cotangent' | 'feeds' | 'execute'> {
  readonly sites: readonly Site[];
}

/**
 * The graph with one more output `gradient/SITE` for each site: the whole derivative, along every path from the site to
 * the target. Fused operators on those paths, and those with a site inside, are written out in standard ones.
 * @param graph `withTarget`'s, for example, whose `logits` and `cotangent` make the question
 * @throws NoGradientError for an op without a derivative, OpsetError for a graph that is too old, RuleRefusal
 */
export async function differentiateBySites(graph: Graph, { sites, ...question }: SiteQuestion): Promise<Graph> {
  const draft = new GraphDraft(graph, 'gradient/');
  const values = sites.map((site) => draft.sum(site));
  const whole = draft.graph();
  const differentiated = await gradientGraph(whole, { ...question, withRespectTo: [...new Set(values)], prefix: 'gradient/by' });
  const named = new GraphDraft({ ...differentiated, outputs: whole.outputs }, 'gradient/');
  sites.forEach((site, i) => {
    const gradient = `gradient/by/${values[i] ?? ''}`;
    if (site.type === 'float32') named.append('Identity', [gradient], {}, siteGradientName(site));
    else named.append('Cast', [gradient], { to: typeCode('float32') }, siteGradientName(site));
    named.output({ name: siteGradientName(site), type: 'float32', dims: site.shape });
  });
  return named.graph();
}
