// Builds ONNX graphs node by node; every value has a name, given or fresh.
import type { Attribute, Dimension, Graph, GraphNode, Initializer, TensorType, ValueInfo } from './graph.ts';

/** The opset that graphs of our own are written in. */
export const OPSET = 18;

export class GraphBuilder {
  private readonly nodes: GraphNode[];
  private readonly inputs: ValueInfo[];
  private readonly outputs: ValueInfo[];
  private readonly initializers: Map<string, Initializer>;
  private readonly taken = new Set<string>();
  private readonly reserved = new Set<string>();
  private readonly model: Omit<Graph, 'nodes' | 'inputs' | 'outputs' | 'initializers'>;
  private counter = 0;

  /** Starts empty, or from a graph to be extended. `prefix` keeps the fresh names of two edits apart. */
  constructor(base?: Graph, private readonly prefix = '') {
    this.nodes = [...(base?.nodes ?? [])];
    this.inputs = [...(base?.inputs ?? [])];
    this.outputs = [...(base?.outputs ?? [])];
    this.initializers = new Map(base?.initializers);
    this.model = base ?? { opset: OPSET, metadata: {} };
    for (const { name } of this.inputs) this.taken.add(name);
    for (const name of this.initializers.keys()) this.taken.add(name);
    for (const node of this.nodes) for (const name of node.outputs) this.taken.add(name);
  }

  /** A name that no value has yet, nor will be given. */
  fresh(hint: string): string {
    for (;;) {
      const name = `${this.prefix}${hint}_${this.counter++}`;
      if (!this.taken.has(name) && !this.reserved.has(name)) return name;
    }
  }

  /** Keeps a name from fresh values, for one that will be given it later. */
  reserve(name: string): void {
    this.reserved.add(name);
  }

  has(name: string): boolean {
    return this.taken.has(name);
  }

  get opset(): number {
    return this.model.opset;
  }

  input(name: string, type: TensorType, dims: readonly Dimension[]): string {
    this.take(name);
    this.inputs.push({ name, type, dims });
    return name;
  }

  initializer(name: string, tensor: Initializer): string {
    this.take(name);
    this.initializers.set(name, tensor);
    return name;
  }

  /** A node with one output; gives the output's name. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, name?: string): string {
    const output = name ?? this.fresh(op);
    this.nodeWithOutputs(op, inputs, [output], attributes);
    return output;
  }

  nodeWithOutputs(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = '',
  ): void {
    for (const output of outputs) if (output !== '') this.take(output);
    this.nodes.push({ op, domain, inputs: [...inputs], outputs: [...outputs], attributes });
  }

  /** Makes a value an output of the graph. */
  output(name: string, type: TensorType, dims: readonly Dimension[]): void {
    if (this.outputs.some((output) => output.name === name)) return;
    this.outputs.push({ name, type, dims });
  }

  build(): Graph {
    const { model, nodes, inputs, outputs, initializers } = this;
    return { ...model, nodes: [...nodes], inputs: [...inputs], outputs: [...outputs], initializers: new Map(initializers) };
  }

  private take(name: string): void {
    if (name === '') throw new RangeError('a graph value needs a name');
    if (this.taken.has(name)) throw new RangeError(`two graph values are named ${name}`);
    this.taken.add(name);
  }
}
