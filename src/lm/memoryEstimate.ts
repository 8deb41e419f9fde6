// How much memory a run of a graph takes at sizes that were not run: from the sizes of all values in two small runs.
import { byteSize } from '../onnx/decodeTensor.ts';
import type { Graph, Tensor } from '../onnx/graph.ts';
import { elementCount } from '../onnx/graph.ts';
import type { Execute } from '../onnx/shapes.ts';
import { measureDims } from '../onnx/shapes.ts';
import { valueTypes } from '../onnx/types.ts';

/** What a run's sizes depend on. */
export interface RunSizes {
  readonly batch: number;
  readonly length: number;
  /** Places whose logits are computed. */
  readonly positions: number;
  readonly outcomes: number;
}

const names = ['batch', 'length', 'positions', 'outcomes'] as const;

/** Each size grows by a prime of its own, so that a value's growth says which of them it depends on, and to which power. */
export const measuredSizes = [{ batch: 1, length: 4, positions: 1, outcomes: 1 }, { batch: 2, length: 12, positions: 5, outcomes: 7 }] as const satisfies readonly RunSizes[];

interface Growth {
  /** Bytes at the first of the measured sizes. */
  readonly bytes: number;
  readonly powers: RunSizes;
}

export type MemoryEstimate = (sizes: RunSizes) => number;

/**
 * Bytes that a run's values take at once, at most, when each is dropped after its last use; weights are not counted.
 * @param feeds of the measured sizes
 */
export async function estimateMemory(graph: Graph, feeds: readonly [Readonly<Record<string, Tensor>>, Readonly<Record<string, Tensor>>], execute: Execute): Promise<MemoryEstimate> {
  const [small, large] = [await measureDims(graph, feeds[0], execute), await measureDims(graph, feeds[1], execute)];
  const typeOf = valueTypes(graph);
  const growths = new Map([...small].map(([name, dims]) => [name, growth(byteSize(typeOf(name) ?? 'float32', dims), elementCount(dims), elementCount(large.get(name) ?? []))]));
  const releases = releasesOf(graph);
  return (sizes) => {
    const bytes = (name: string): number => scaled(growths.get(name), sizes);
    let live = graph.inputs.reduce((sum, { name }) => sum + bytes(name), 0);
    let most = live;
    graph.nodes.forEach(({ outputs }, i) => {
      live += outputs.reduce((sum, name) => sum + bytes(name), 0);
      most = Math.max(most, live);
      live -= (releases.get(i) ?? []).reduce((sum, name) => sum + bytes(name), 0);
    });
    return most;
  };
}

/** A growth that no powers explain is taken for one with batch and the square of the length. */
function growth(bytes: number, from: number, to: number): Growth {
  const powers = { batch: 0, length: 0, positions: 0, outcomes: 0 };
  let ratio = from === 0 ? 1 : to / from;
  for (const name of names) {
    const factor = measuredSizes[1][name] / measuredSizes[0][name];
    for (; ratio >= factor && Number.isInteger(ratio / factor); ratio /= factor) powers[name]++;
  }
  return { bytes, powers: ratio === 1 ? powers : { batch: 1, length: 2, positions: 0, outcomes: 0 } };
}

function scaled(of: Growth | undefined, sizes: RunSizes): number {
  if (!of) return 0;
  return names.reduce((bytes, name) => bytes * (sizes[name] / measuredSizes[0][name]) ** of.powers[name], of.bytes);
}

/** Which values are used for the last time by each node. */
function releasesOf({ nodes, outputs }: Graph): ReadonlyMap<number, readonly string[]> {
  const last = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of [...node.outputs, ...node.inputs]) if (name !== '') last.set(name, i);
  });
  for (const { name } of outputs) last.delete(name);
  const releases = new Map<number, string[]>();
  const computed = new Set(nodes.flatMap((node) => node.outputs));
  for (const [name, at] of last) if (computed.has(name)) releases.set(at, [...(releases.get(at) ?? []), name]);
  return releases;
}
