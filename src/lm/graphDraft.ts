// A graph while an edit of its sites is made: nodes put in where they belong, values renamed, nothing else touched.
import { fusedBiasOf, FUSED_SUM, isFusedSum, nodeName } from './residualStream.ts';
import type { Site } from './sites.ts';
import type { Attribute, Graph, GraphNode, Initializer, ValueInfo } from '../onnx/graph.ts';

const SEGMENT_IDS = 1;
const SEGMENT_EMBEDDING = 4;
const EMBEDDING_SUM = 2;
const INT32 = 6;

type Attributes = Readonly<Record<string, Attribute>>;

/** Adds a node with one output in front of where a change takes effect, and gives the output. */
export type Emit = (op: string, inputs: readonly string[], attributes?: Attributes, name?: string) => string;

/** What is added to a site; or, where the site is a value of its own, what it becomes. */
export type Change = string | { readonly becomes: string };

/** Computes the change of a site, from the site's present value where it needs it. */
export type SiteChange = (emit: Emit, value: () => string) => Change;

export class GraphDraft {
  private nodes: GraphNode[];
  private readonly inputs: ValueInfo[];
  private readonly outputs: ValueInfo[];
  private readonly initializers: Map<string, Initializer>;
  private readonly taken: Set<string>;
  private counter = 0;

  constructor(
    private readonly base: Graph,
    private readonly prefix: string,
  ) {
    this.nodes = [...base.nodes];
    this.inputs = [...base.inputs];
    this.outputs = [...base.outputs];
    this.initializers = new Map(base.initializers);
    this.taken = new Set([...base.inputs.map(({ name }) => name), ...base.initializers.keys(), ...base.nodes.flatMap(({ outputs }) => outputs)]);
  }

  graph(): Graph {
    const { base, nodes, inputs, outputs, initializers } = this;
    return { ...base, nodes, inputs, outputs, initializers };
  }

  input(info: ValueInfo): void {
    this.take(info.name);
    this.inputs.push(info);
  }

  output(info: ValueInfo): void {
    this.outputs.push(info);
  }

  /** Adds a node at the end of the graph. */
  append(op: string, inputs: readonly string[], attributes: Attributes = {}, name = this.fresh(op), domain = ''): string {
    this.take(name);
    this.nodes.push({ op, domain, inputs: [...inputs], outputs: [name], attributes });
    return name;
  }

  scalar(value: number): string {
    return this.constant({ type: 'float32', dims: [], data: Float32Array.of(value) });
  }

  /** A reduction over the last axis, which stays with size 1; the axes are an input from operator set 18 on. */
  reduceLast(emit: Emit, op: string, value: string): string {
    if (this.base.opset < 18) return emit(op, [value], { axes: [-1], keepdims: 1 });
    return emit(op, [value, this.int64(-1)], { keepdims: 1 });
  }

  /** The site's value, which a fused node is made to give out where it does not. */
  sum(site: Site): string {
    if (site.value !== '') return this.present(site.value);
    const index = this.fusedNode(site);
    const node = this.at(index);
    const given = node.outputs[FUSED_SUM];
    if (given !== undefined && given !== '') return given;
    const name = this.fresh('sum');
    this.take(name);
    this.nodes[index] = { ...node, outputs: [0, 1, 2].map((i) => node.outputs[i] ?? '').concat(name) };
    return name;
  }

  /** Changes a site for all that reads it. Only a site whose entry is `value`, without a bias, can be replaced. */
  change(site: Site, change: SiteChange): void {
    switch (site.entry.kind) {
      case 'value': return this.changeValue(site, change);
      case 'summand': return this.changeSummand(site, site.entry.input, change);
      case 'embedding': return this.changeEmbedding(site, change);
    }
  }

  /** The changed value takes the name, so that all readers, and the graph's outputs, get it. */
  private changeValue({ value: named, bias }: Site, change: SiteChange): void {
    const value = this.present(named);
    const producer = this.nodes.findIndex(({ outputs }) => outputs.includes(value));
    const before = this.fresh('before');
    this.take(before);
    const added: GraphNode[] = [];
    const emit = this.emitTo(added);
    const found = change(emit, () => (bias === null ? before : emit('Add', [before, bias])));
    const result = typeof found === 'string' ? emit('Add', [before, found]) : found.becomes;
    if (producer < 0) {
      // An input of the graph keeps its name: what is read of it from now on has another.
      const changed = changedInput(value);
      this.take(changed);
      const renamed = added.map((node) => replaceOutput(replaceInput(node, before, value), result, changed));
      this.nodes = [...renamed, ...this.nodes.map((node) => replaceInput(node, value, changed))];
      return;
    }
    const node = this.at(producer);
    const outputs = node.outputs.map((output) => (output === value ? before : output));
    added.splice(0, added.length, ...added.map((one) => replaceOutput(one, result, value)));
    this.nodes.splice(producer, 1, { ...node, outputs }, ...added);
  }

  /** x + y + δ is (x + δ) + y: the fused node sums and normalises as before. */
  private changeSummand(site: Site, input: number, change: SiteChange): void {
    const index = this.fusedNode(site);
    const node = this.at(index);
    const [x = '', y = ''] = node.inputs;
    const bias = fusedBiasOf(node);
    const added: GraphNode[] = [];
    const emit = this.emitTo(added);
    const delta = addedBy(site, change, emit, () => {
      const sum = emit('Add', [x, y]);
      return bias === '' ? sum : emit('Add', [sum, bias]);
    });
    const changed = emit('Add', [node.inputs[input] ?? '', delta]);
    this.nodes.splice(index, 1, ...added, { ...node, inputs: node.inputs.map((name, i) => (i === input ? changed : name)) });
  }

  /** The node looks up words, positions and segments and sums them: each token gets a segment of its own, δ of that token. */
  private changeEmbedding(site: Site, change: SiteChange): void {
    const index = this.nodes.findIndex(({ outputs }) => outputs.includes(site.value));
    const node = this.at(index);
    if ((node.inputs[SEGMENT_EMBEDDING] ?? '') !== '') throw new RangeError(`${site.name} cannot be written to: node ${site.node} has segment embeddings of its own`);
    const added: GraphNode[] = [];
    const emit = this.emitTo(added);
    const delta = addedBy(site, change, emit, () => this.embeddingSum(node, added));
    const ids = node.inputs[0] ?? '';
    const shape = emit('Shape', [ids]);
    const tokens = emit('ReduceProd', [shape], { keepdims: 0 });
    const numbers = emit('Cast', [emit('Range', [this.int64Scalar(0), tokens, this.int64Scalar(1)])], { to: INT32 });
    const segments = emit('Reshape', [numbers, shape]);
    const width = Number(site.shape.at(-1));
    const each = emit('Expand', [delta, emit('Concat', [shape, this.int64(width)], { axis: 0 })]);
    // The runtime wants to see the table's width before it runs.
    const table = emit('Reshape', [each, this.int64(-1, width)]);
    const inputs = Array.from({ length: Math.max(node.inputs.length, SEGMENT_EMBEDDING + 1) }, (_, i) =>
      i === SEGMENT_IDS ? segments : i === SEGMENT_EMBEDDING ? table : (node.inputs[i] ?? ''));
    this.nodes.splice(index, 1, ...added, { ...node, inputs });
  }

  private embeddingSum(node: GraphNode, added: GraphNode[]): string {
    const outputs = [0, 1, EMBEDDING_SUM].map((i) => this.fresh(`unchanged_${i}`));
    outputs.forEach((name) => this.take(name));
    added.push({ op: node.op, domain: node.domain, inputs: node.inputs, outputs, attributes: node.attributes });
    return outputs[EMBEDDING_SUM] ?? '';
  }

  /** The name under which an input's changed value is read; other values keep theirs. */
  private present(value: string): string {
    return this.taken.has(changedInput(value)) ? changedInput(value) : value;
  }

  private emitTo(nodes: GraphNode[]): Emit {
    return (op, inputs, attributes = {}, name = this.fresh(op)) => {
      this.take(name);
      nodes.push({ op, domain: '', inputs: [...inputs], outputs: [name], attributes });
      return name;
    };
  }

  private fusedNode({ value, node }: Site): number {
    return this.nodes.findIndex((other) => isFusedSum(other) && (value === '' ? nodeName(other) === node : other.outputs[FUSED_SUM] === value));
  }

  /** A constant int64 list. */
  int64(...values: readonly number[]): string {
    return this.constant({ type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  private int64Scalar(value: number): string {
    return this.constant({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) });
  }

  private constant(tensor: Initializer): string {
    const name = this.fresh('constant');
    this.take(name);
    this.initializers.set(name, tensor);
    return name;
  }

  private at(index: number): GraphNode {
    const node = this.nodes[index];
    if (!node) throw new RangeError('the site is not of this graph');
    return node;
  }

  private fresh(hint: string): string {
    for (;;) {
      const name = `${this.prefix}${hint}_${this.counter++}`;
      if (!this.taken.has(name)) return name;
    }
  }

  private take(name: string): void {
    if (this.taken.has(name)) throw new RangeError(`two graph values are named ${name}`);
    this.taken.add(name);
  }
}

const changedInput = (value: string): string => `${value}/changed`;

function addedBy({ name }: Site, change: SiteChange, emit: Emit, value: () => string): string {
  const found = change(emit, value);
  if (typeof found !== 'string') throw new RangeError(`${name} is a sum inside a node: it can be added to, not replaced`);
  return found;
}

const replaceOutput = (node: GraphNode, from: string, to: string): GraphNode =>
  node.outputs.includes(from) ? { ...node, outputs: node.outputs.map((name) => (name === from ? to : name)) } : node;

const replaceInput = (node: GraphNode, from: string, to: string): GraphNode =>
  node.inputs.includes(from) ? { ...node, inputs: node.inputs.map((name) => (name === from ? to : name)) } : node;
