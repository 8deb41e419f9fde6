// How a graph's tokens flow to its logits: what depends on them, and which nodes every path passes through.
import type { Graph, GraphNode } from '../onnx/graph.ts';
import { valuesReadBy } from '../onnx/graph.ts';

/** Ops whose outputs depend on sizes alone. */
const sizeOps: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** Ops that hand a hidden state on, in another form at most. */
const transparentOps: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Dropout', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** The place of the source, before all nodes. */
export const SOURCE = -1;

/**
 * The part of a graph that depends on one input, `source`, other than by its sizes. Nodes are named by their index;
 * a node dominates another if every path from the source to the other passes through it.
 */
export class Flow {
  private readonly producers = new Map<string, number>();
  private readonly dominators: number[] = [];

  constructor(
    readonly graph: Graph,
    readonly source: string,
  ) {
    graph.nodes.forEach((node, index) => {
      const before = valuesReadBy(node).filter((value) => this.isDynamic(value)).map((value) => this.producer(value));
      const dynamic = before.length > 0 && !(node.domain === '' && sizeOps.has(node.op));
      this.dominators.push(dynamic ? before.reduce((a, b) => this.meet(a, b)) : SOURCE);
      if (dynamic) for (const output of node.outputs) if (output !== '') this.producers.set(output, index);
    });
  }

  /** Does the value depend on the source? */
  isDynamic(value: string): boolean {
    return value === this.source || this.producers.has(value);
  }

  /** The node that computes a value that depends on the source; `SOURCE` for the source itself. */
  producer(value: string): number {
    return this.producers.get(value) ?? SOURCE;
  }

  node(index: number): GraphNode | undefined {
    return this.graph.nodes[index];
  }

  dynamicInputs(node: GraphNode): readonly string[] {
    return node.inputs.filter((value) => this.isDynamic(value));
  }

  /** The nodes that every path to this one passes through, nearest first, without itself. */
  *dominatorsOf(index: number): Generator<number> {
    for (let at = index; at !== SOURCE; ) {
      at = this.dominators[at] ?? SOURCE;
      if (at !== SOURCE) yield at;
    }
  }

  dominates(above: number, index: number): boolean {
    if (above === SOURCE) return true;
    for (const at of this.dominatorsOf(index)) if (at <= above) return at === above;
    return false;
  }

  /** The value that this one is another form of. */
  through(value: string): string {
    const node = this.node(this.producer(value));
    const [input] = node?.inputs ?? [];
    return node && input !== undefined && transparentOps.has(node.op) && this.isDynamic(input) ? this.through(input) : value;
  }

  /** The nodes on the paths from a node (left out) to a value. */
  between(start: number, value: string): readonly number[] {
    const found = new Set<number>();
    const visit = (at: string): void => {
      const index = this.producer(at);
      if (!this.isDynamic(at) || index <= start || found.has(index)) return;
      found.add(index);
      for (const input of valuesReadBy(this.graph.nodes[index] as GraphNode)) visit(input);
    };
    visit(value);
    return [...found];
  }

  private meet(a: number, b: number): number {
    let [low, high] = [a, b];
    while (low !== high) {
      if (low > high) [low, high] = [high, low];
      high = this.dominators[high] ?? SOURCE;
    }
    return low;
  }
}
