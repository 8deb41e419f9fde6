// Reads and writes the sites of a decoder: edits of its graph, which run wherever the graph does.
import type { Change, Emit } from './graphDraft.ts';
import { GraphDraft } from './graphDraft.ts';
import type { Site } from './sites.ts';
import type { Graph } from '../onnx/graph.ts';
import { typeCode } from '../onnx/graph.ts';

/** The output that a site is read from, float32 in the site's shape. */
export const readName = (site: Pick<Site, 'name'>): string => `read/${site.name}`;

/** The inputs that steer a write. */
export const writeInputs = (site: Pick<Site, 'name'>) => ({
  /** float32 [vectors] */
  strength: `write/${site.name}/strength`,
  /** float32 [vectors, width] */
  vectors: `write/${site.name}/vectors`,
  /** float32 [batch, sequence, vectors], or 1 in place of any size: how much of each vector each token gets. */
  mask: `write/${site.name}/mask`,
}) as const;

/**
 * The graph with one more output `read/SITE` for each site. What the sites hold after a write is read, if `writeSite`
 * came first. The rest of the graph stays as it is.
 */
export function readSites(graph: Graph, sites: readonly Site[]): Graph {
  const draft = new GraphDraft(graph, 'read/');
  for (const site of sites) {
    const value = draft.sum(site);
    const whole = site.bias === null ? value : draft.append('Add', [value, site.bias]);
    if (site.type === 'float32') draft.append('Identity', [whole], {}, readName(site));
    else draft.append('Cast', [whole], { to: 1 }, readName(site));
    draft.output({ name: readName(site), type: 'float32', dims: site.shape });
  }
  return draft.graph();
}

export interface WriteOptions {
  /**
   * Scales each written token back to the norm that it had at this site (over the hidden axis), so that a write turns
   * the vector and does not lengthen it.
   */
  readonly preserveNorm?: boolean;
}

/**
 * The graph with h ← h + Σₖ maskₖ · strengthₖ · vectorₖ at a site. Strengths, vectors and masks are inputs of the graph
 * (`writeInputs`), so they change without a new session. Where they are 0, what follows is computed from the same bits
 * as without the write.
 * @throws RangeError if the site was written to already: give more vectors instead
 */
export function writeSite(graph: Graph, site: Site, { preserveNorm = false }: WriteOptions = {}): Graph {
  const draft = new GraphDraft(graph, `write/${site.name}/`);
  const { strength, vectors, mask } = writeInputs(site);
  const width = site.shape.at(-1) ?? 'hidden';
  const count = `vectors of ${site.name}`;
  draft.input({ name: strength, type: 'float32', dims: [count] });
  draft.input({ name: vectors, type: 'float32', dims: [count, width] });
  draft.input({ name: mask, type: 'float32', dims: ['mask batch', 'mask sequence', count] });
  draft.change(site, (before, h) => {
    const delta = before('MatMul', [before('Mul', [mask, strength]), vectors]);
    return writtenTo(site, draft, before, delta, preserveNorm ? h : null);
  });
  return draft.graph();
}

/** A site with a float32 δ added, and with `value` the norms kept that it had. */
export function writtenTo(site: Site, draft: GraphDraft, emit: Emit, delta: string, value: (() => string) | null): Change {
  if (value === null) return inTypeOf(site, emit, delta);
  const h = site.type === 'float32' ? value() : emit('Cast', [value()], { to: typeCode('float32') });
  const whole = rescaled(draft, emit, h, delta);
  if (site.entry.kind === 'value' && site.bias === null) return { becomes: inTypeOf(site, emit, whole) };
  return inTypeOf(site, emit, emit('Sub', [whole, h]));
}

/** A float32 change in the type that a site has. */
function inTypeOf(site: Site, emit: Emit, value: string): string {
  if (site.type === undefined) throw new RangeError(`the element type of ${site.name} is not known`);
  return site.type === 'float32' ? value : emit('Cast', [value], { to: typeCode(site.type) });
}

/** (h + δ) ‖h‖ / ‖h + δ‖, in float32; h, to the bit, where δ is 0. */
function rescaled(draft: GraphDraft, emit: Emit, h: string, delta: string): string {
  const moved = emit('Add', [h, delta]);
  const norm = (of: string): string => draft.reduceLast(emit, 'ReduceL2', of);
  const scale = emit('Div', [norm(h), emit('Max', [norm(moved), draft.scalar(1e-30)])]);
  return emit('Mul', [moved, scale]);
}
