// Which sites are one place to write to: under two names, or because what is added to one is added to the other.
import { isFusedSum, nodeName } from './residualStream.ts';
import type { LayerSite, Site } from './sites.ts';
import type { Graph, GraphNode } from '../onnx/graph.ts';
import { valuesReadBy } from '../onnx/graph.ts';

/** The sums that a branch may go into, nearest first. */
const sumsOf: Partial<Record<Site['kind'], readonly LayerSite[]>> = { attn_out: ['resid_mid', 'resid_post'], mlp_out: ['resid_post'] };

/**
 * The sites by the one among them that a write to any of them can be made at.
 * @param branches put a branch to the sum of the stream that it goes into and into nothing else
 */
export function onePlace(graph: Graph, sites: readonly Site[], branches: boolean): ReadonlyMap<Site, readonly Site[]> {
  const names = new Map<string, Site>();
  for (const site of sites) if (!names.has(placeOf(site))) names.set(placeOf(site), site);
  const readers = branches ? readersOf(graph) : null;
  const places = new Map<Site, Site[]>();
  for (const site of sites) {
    const sum = readers ? sumOf(site, names, sites, readers, graph) : null;
    const place = sum ?? names.get(placeOf(site)) ?? site;
    places.set(place, [...(places.get(place) ?? []), site]);
  }
  return places;
}

/** The same for sites that are one value under two names. */
const placeOf = ({ value, node, entry }: Site): string => `${entry.kind} ${value === '' ? node : value}`;

type Readers = ReadonlyMap<string, readonly GraphNode[]>;

function readersOf(graph: Graph): Readers {
  const readers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) for (const value of valuesReadBy(node)) readers.set(value, [...(readers.get(value) ?? []), node]);
  return readers;
}

function sumOf(site: Site, names: ReadonlyMap<string, Site>, sites: readonly Site[], readers: Readers, graph: Graph): Site | null {
  const kinds = sumsOf[site.kind] ?? [];
  const sum = kinds.map((kind) => sites.find((other) => other.layer === site.layer && other.kind === kind)).find((found) => found);
  if (!sum || sum.type !== site.type || !goesInto(site.value, sum, readers, graph)) return null;
  return names.get(placeOf(sum)) ?? sum;
}

/** Is the value read by the sum's node alone, once, or by sums of which that is true? */
function goesInto(value: string, sum: Site, readers: Readers, graph: Graph): boolean {
  const [node, ...others] = readers.get(value) ?? [];
  if (!node || others.length > 0 || graph.outputs.some(({ name }) => name === value)) return false;
  if (node.inputs.filter((input) => input === value).length !== 1) return false;
  if (isFusedSum(node)) return isSum(node, sum) && node.inputs.slice(0, 2).includes(value);
  if (node.domain !== '' || (node.op !== 'Add' && node.op !== 'Sum')) return false;
  return isSum(node, sum) || goesInto(node.outputs[0] ?? '', sum, readers, graph);
}

const isSum = (node: GraphNode, { value, node: name }: Site): boolean => (value === '' ? nodeName(node) === name : node.outputs.includes(value));
