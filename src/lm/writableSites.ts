// Many sites made writable at once, at the cost of one more node a place.
import type { WriteOptions } from './edits.ts';
import { writtenTo } from './edits.ts';
import { GraphDraft } from './graphDraft.ts';
import { onePlace } from './places.ts';
import type { Site } from './sites.ts';
import type { Graph, GraphNode } from '../onnx/graph.ts';

/** The inputs that steer all writable sites together. */
export const steeringInputs = {
  /** float32 [vectors] */
  strength: 'write/strength',
  /** float32 [vectors, width]: each holds a part for every site, at its place in `layout`. */
  vectors: 'write/vectors',
  /** float32 [batch, sequence, vectors], or 1 in place of any size: how much of each vector each token gets. */
  mask: 'write/mask',
} as const;

/** A site's part of a steering vector. */
export interface SitePart {
  readonly offset: number;
  readonly width: number;
}

export interface WritableSites {
  readonly graph: Graph;
  /** By site. Sites where a write does the same have one part: two names of one place, a branch and the sum that it goes into. */
  readonly layout: ReadonlyMap<string, SitePart>;
  /** Of a steering vector: all parts together. */
  readonly width: number;
}

/** Outputs of one Split; some GPU drivers fail on many. */
const SPLIT = 16;

/**
 * The graph with h ← h + Σₖ maskₖ · strengthₖ · vectorₖ at all these sites, as `writeSite` makes one writable, from
 * inputs that they share (`steeringInputs`). A steering vector of many layers is one product here, and each place costs
 * one sum. A write to a branch is made at the sum that the branch goes into, where that is written to as well: h + (a + δ)
 * is (h + a) + δ; the branch itself, if read, is then without it. Norms are preserved site by site, so there nothing is
 * put together. Where strengths or masks are 0, what follows is computed from the same bits as without.
 * @throws RangeError where a site's width is not known
 */
export function writableSites(graph: Graph, sites: readonly Site[], { preserveNorm = false }: WriteOptions = {}): WritableSites {
  const places = onePlace(graph, sites, !preserveNorm);
  const layout = new Map<string, SitePart>();
  let width = 0;
  for (const [site, same] of places) {
    const part = { offset: width, width: widthOf(site) };
    for (const { name } of same) layout.set(name, part);
    width += part.width;
  }
  const draft = new GraphDraft(graph, 'write/');
  draft.input({ name: steeringInputs.strength, type: 'float32', dims: ['vectors'] });
  draft.input({ name: steeringInputs.vectors, type: 'float32', dims: ['vectors', width] });
  draft.input({ name: steeringInputs.mask, type: 'float32', dims: ['mask batch', 'mask sequence', 'vectors'] });
  const written = [...places.keys()];
  written.forEach((site, i) => {
    draft.change(site, (emit, h) => writtenTo(site, draft, emit, deltaName(i), preserveNorm ? h : null));
  });
  const edited = draft.graph();
  const shared = sharedNodes(edited.opset, written.map(widthOf));
  return { graph: { ...edited, nodes: [...shared.nodes, ...edited.nodes], initializers: new Map([...edited.initializers, ...shared.initializers]) }, layout, width };
}

/** A steering vector [width] from its parts, zero at the sites that it leaves alone; parts for one place add up. @throws RangeError for a part that fits no site */
export function steeringVector({ layout, width }: Pick<WritableSites, 'layout' | 'width'>, parts: Readonly<Record<string, ArrayLike<number>>>): Float32Array {
  const vector = new Float32Array(width);
  for (const [site, values] of Object.entries(parts)) {
    const part = layout.get(site);
    if (part?.width !== values.length) throw new RangeError(`a vector of ${values.length} numbers does not fit ${site}${part ? `, which is ${part.width} wide` : ', which is not writable'}`);
    for (let i = 0; i < part.width; i++) vector[part.offset + i] = (vector[part.offset + i] ?? 0) + (values[i] ?? 0);
  }
  return vector;
}

const deltaName = (index: number): string => `write/delta/${index}`;

function widthOf(site: Site): number {
  const width = site.shape.at(-1);
  if (typeof width !== 'number') throw new RangeError(`the width of ${site.name} is not known, so it cannot be written to together with others`);
  return width;
}

interface SharedNodes {
  readonly nodes: readonly GraphNode[];
  readonly initializers: Graph['initializers'];
}

/** Mask · strength · vectors for all sites, split into each one's delta. */
function sharedNodes(opset: number, widths: readonly number[]): SharedNodes {
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, { type: 'int64'; dims: number[]; data: BigInt64Array }>();
  const node = (op: string, inputs: readonly string[], outputs: readonly string[], attributes: GraphNode['attributes'] = {}): void => void nodes.push({ op, domain: '', inputs, outputs, attributes });
  const split = (value: string, sizes: readonly number[], outputs: readonly string[]): void => {
    if (sizes.length < 2) return node('Identity', [value], outputs);
    if (opset < 13) return node('Split', [value], outputs, { axis: -1, split: sizes });
    const name = `${value}/sizes`;
    initializers.set(name, { type: 'int64', dims: [sizes.length], data: BigInt64Array.from(sizes, BigInt) });
    node('Split', [value, name], outputs, { axis: -1 });
  };
  node('Mul', [steeringInputs.mask, steeringInputs.strength], ['write/amount']);
  node('MatMul', ['write/amount', steeringInputs.vectors], ['write/deltas']);
  const deltas = widths.map((_, i) => deltaName(i));
  if (widths.length <= SPLIT) split('write/deltas', widths, deltas);
  else {
    const starts = Array.from({ length: Math.ceil(widths.length / SPLIT) }, (_, i) => i * SPLIT);
    const groups = starts.map((start) => widths.slice(start, start + SPLIT));
    split('write/deltas', groups.map((group) => group.reduce((sum, width) => sum + width, 0)), starts.map((start) => `write/deltas/${start}`));
    groups.forEach((group, i) => split(`write/deltas/${starts[i] ?? 0}`, group, deltas.slice(i * SPLIT, (i + 1) * SPLIT)));
  }
  return { nodes, initializers };
}
