// A graph without what its outputs do not need.
import type { Graph } from './graph.ts';
import { valuesReadBy } from './graph.ts';

/** The graph with only the nodes, constants and inputs that its outputs depend on. What it computes stays the same. */
export function pruned(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const nodes = [...graph.nodes].reverse().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const value of valuesReadBy(node)) needed.add(value);
    return true;
  });
  return {
    ...graph,
    nodes: nodes.reverse(),
    inputs: graph.inputs.filter(({ name }) => needed.has(name)),
    initializers: new Map([...graph.initializers].filter(([name]) => needed.has(name))),
  };
}
