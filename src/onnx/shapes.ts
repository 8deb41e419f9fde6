// The shape of every value of a graph, found by running it instead of by re-implementing shape inference.
import { GraphBuilder } from './builder.ts';
import { encodeGraph } from './encode.ts';
import type { Graph, Tensor } from './graph.ts';
import type { ShapeOf } from './rules.ts';

/** Runs a model once: its bytes and feeds in, all outputs out. */
export type Execute = (model: Uint8Array, feeds: Readonly<Record<string, Tensor>>) => Promise<Readonly<Record<string, Tensor>>>;

/**
 * Runs the graph on two sets of feeds that differ in every size that may change, and reads each value's dimensions: a
 * dimension that differs between the runs gets a name instead of a size.
 */
export async function measureShapes(
  graph: Graph,
  feeds: readonly [Readonly<Record<string, Tensor>>, Readonly<Record<string, Tensor>>],
  execute: Execute,
): Promise<ShapeOf> {
  const [first, second] = [await measureDims(graph, feeds[0], execute), await measureDims(graph, feeds[1], execute)];
  const shapes = new Map<string, readonly (number | string)[]>();
  for (const [name, tensor] of graph.initializers) shapes.set(name, tensor.dims);
  for (const [name, dims] of first) {
    const other = second.get(name);
    shapes.set(name, dims.map((dim, i) => (dim === other?.[i] ? dim : `${name}_${i}`)));
  }
  return (value) => {
    const shape = shapes.get(value);
    if (!shape) throw new RangeError(`the shape of ${value} was not measured`);
    return shape;
  };
}

/** The dimensions of every input and computed value in one run. */
export async function measureDims(graph: Graph, feeds: Readonly<Record<string, Tensor>>, execute: Execute): Promise<ReadonlyMap<string, readonly number[]>> {
  const results = await execute(encodeGraph(withShapeOutputs(graph)), feeds);
  return new Map(shapeNames(graph).map((name) => [name, dimsFrom(results[`shape/${name}`])]));
}

const shapeNames = (graph: Graph): string[] => [
  ...graph.inputs.map(({ name }) => name),
  ...graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== '')),
];

/** The graph with the shape of every value as an output; its own outputs are dropped. */
function withShapeOutputs(graph: Graph): Graph {
  const builder = new GraphBuilder({ ...graph, outputs: [] });
  for (const name of shapeNames(graph)) {
    builder.node('Shape', [name], {}, `shape/${name}`);
    builder.output(`shape/${name}`, 'int64', [`rank/${name}`]);
  }
  return builder.build();
}

const dimsFrom = (tensor: Tensor | undefined): number[] => [...((tensor?.data ?? []) as Iterable<bigint>)].map(Number);
