// Named places of a decoder's residual stream and of what writes to it, as interpretability tools name them.
import type { Flow } from './flow.ts';
import { embeddingWidth, isProjection, lastProjection, projectionSizes } from './projection.ts';
import type { Branch, ResidualStep, ResidualStream } from './residualStream.ts';
import { findResidualStream, isFusedSum, nodeName } from './residualStream.ts';
import type { Dimension, Graph, GraphNode } from '../onnx/graph.ts';
import type { ElementType, TypeOf } from '../onnx/types.ts';
import { valueTypes } from '../onnx/types.ts';

export type LayerSite = 'resid_pre' | 'attn_out' | 'resid_mid' | 'mlp_out' | 'mlp_act' | 'resid_post';
export type SiteKind = 'embed' | LayerSite | 'final_norm' | 'logits';

/**
 * How a change gets into a site. `value`: all that read the value get the changed one. `summand`: the site is a sum
 * inside a fused node, changed by changing the summand that the node reads as input `input`. `embedding`: the site is
 * the sum inside an EmbedLayerNormalization, changed by its segment embedding, which decoders leave free.
 */
export type SiteEntry = { readonly kind: 'value' } | { readonly kind: 'summand'; readonly input: number } | { readonly kind: 'embedding' };

export interface Site {
  /** `embed`, `layers.3.attn_out`, `final_norm`, … */
  readonly name: string;
  readonly kind: SiteKind;
  readonly layer: number | null;
  /** The node that computes the site: its name, or its first output. */
  readonly node: string;
  readonly op: string;
  /** The value of the graph; '' for the sum of a fused node that does not give it out. */
  readonly value: string;
  /** A constant that a fused node adds to the value afterwards, and that belongs to the site. */
  readonly bias: string | null;
  readonly entry: SiteEntry;
  readonly type: ElementType | undefined;
  /** [batch, sequence, width] */
  readonly shape: readonly Dimension[];
}

export interface SiteList {
  readonly sites: readonly Site[];
  /** What a model of this kind usually has and this graph does not show, each with the reason. */
  readonly missing: readonly string[];
}

export type SitesResult = ({ readonly ok: true } & SiteList) | { readonly ok: false; readonly message: string };

/**
 * The sites of a decoder, in the order of computation: for each layer `resid_pre`, `attn_out` and `resid_mid` (not with
 * parallel attention and MLP), `mlp_act` (the input of the down projection: neurons), `mlp_out`, `resid_post`.
 * `resid_post` of a layer is `resid_pre` of the next, and embed + Σ (attn_out + mlp_out) is the last `resid_post`.
 * `attn_out` and `mlp_out` are what is added to the stream, so after a norm that stands before the sum.
 */
export function findSites(graph: Graph): SitesResult {
  const source = ['input_ids', 'inputs_embeds'].find((name) => graph.inputs.some((input) => input.name === name));
  if (source === undefined) return { ok: false, message: 'no residual stream found: the model takes neither input_ids nor inputs_embeds' };
  const found = findResidualStream(graph, source);
  return found.ok ? { ok: true, ...new Naming(graph, found.stream).list() } : found;
}

interface Layer {
  readonly steps: ResidualStep[];
  readonly kinds: Set<Branch['kind']>;
}

/** A layer is attention and an MLP, in one sum or in two. */
function layersOf(steps: readonly ResidualStep[]): readonly Layer[] {
  const layers: Layer[] = [];
  for (const step of steps) {
    const kinds = step.branches.map(({ kind }) => kind);
    const current = layers.at(-1);
    const fits = current && !kinds.some((kind) => current.kinds.has(kind)) && !kinds.includes('attention');
    const layer = fits ? current : { steps: [], kinds: new Set<Branch['kind']>() };
    if (!fits) layers.push(layer);
    layer.steps.push(step);
    for (const kind of kinds) layer.kinds.add(kind);
  }
  return layers;
}

class Naming {
  private readonly sites: Site[] = [];
  private readonly missing: string[] = [];
  private readonly typeOf: TypeOf;
  private readonly flow: Flow;
  private readonly width: Dimension;

  constructor(
    private readonly graph: Graph,
    private readonly stream: ResidualStream,
  ) {
    this.flow = stream.flow;
    this.typeOf = valueTypes(graph);
    this.width = this.hiddenWidth();
  }

  list(): SiteList {
    const { embed, steps } = this.stream;
    this.add('embed', null, { value: embed, entry: this.embedEntry() });
    let before = this.site('embed');
    layersOf(steps).forEach((layer, i) => {
      this.sites.push({ ...before, name: `layers.${i}.resid_pre`, kind: 'resid_pre', layer: i });
      layer.steps.forEach((step, k) => this.addStep(step, i, k === layer.steps.length - 1));
      before = this.sites.at(-1) ?? before;
    });
    this.addHead();
    return { sites: this.sites, missing: this.missing };
  }

  private addStep(step: ResidualStep, layer: number, last: boolean): void {
    step.branches.forEach((branch, k) => this.addBranch(step, branch, layer, k === 0 ? step.bias : null));
    const node = this.flow.node(step.node);
    const entry: SiteEntry = node && isFusedSum(node) ? { kind: 'summand', input: node.inputs[0] === step.stream ? 1 : 0 } : { kind: 'value' };
    this.add(last ? 'resid_post' : 'resid_mid', layer, { value: step.sum, entry, node });
  }

  /** A constant of the fused sum belongs to the first branch. */
  private addBranch(step: ResidualStep, { kind, value }: Branch, layer: number, bias: string | null): void {
    const name = kind === 'attention' ? 'attn_out' : 'mlp_out';
    if (this.sites.some((site) => site.layer === layer && site.kind === name)) {
      this.missing.push(`layers.${layer} adds more than one ${name} to the stream; only the first has a name`);
      return;
    }
    if (kind === 'mlp') this.addNeurons(step, value, layer);
    this.add(name, layer, { value, bias });
  }

  private addNeurons(step: ResidualStep, value: string, layer: number): void {
    const down = lastProjection(this.flow, value, this.flow.producer(this.flow.through(step.stream)));
    const input = down ? this.unquantised(down.inputs[0] ?? '') : '';
    if (!down || this.flow.producer(input) <= this.flow.producer(this.flow.through(step.stream))) {
      this.missing.push(`layers.${layer}.mlp_act: no single projection ends the MLP that ends at node ${this.nodeOf(value)}`);
      return;
    }
    this.add('mlp_act', layer, { value: input, width: projectionSizes(this.graph, down).input ?? 'neurons' });
  }

  /** What a projection of integers was made from. */
  private unquantised(value: string): string {
    const through = this.flow.through(value);
    const node = this.flow.node(this.flow.producer(through));
    return node && /QuantizeLinear$/.test(node.op) && node.op !== 'DequantizeLinear' ? this.flow.through(node.inputs[0] ?? '') : through;
  }

  private addHead(): void {
    const last = this.stream.steps.at(-1);
    const head = last ? lastProjection(this.flow, 'logits', last.node) : undefined;
    const input = head ? this.selected(this.unquantised(head.inputs[0] ?? '')) : '';
    if (!head || input === last?.sum) this.missing.push(`final_norm: ${head ? 'the head reads the stream itself' : 'no single projection leads to the logits'}`);
    else this.add('final_norm', null, { value: input });
    const vocabulary = this.graph.outputs.find(({ name }) => name === 'logits')?.dims.at(-1);
    this.add('logits', null, { value: 'logits', width: vocabulary === undefined || vocabulary === '' ? 'vocabulary' : vocabulary });
  }

  /** Some models select the positions that they give logits for between the norm and the head. */
  private selected(value: string): string {
    const node = this.flow.node(this.flow.producer(value));
    return node && ['Slice', 'Gather', 'GatherND'].includes(node.op) ? this.selected(this.flow.through(node.inputs[0] ?? '')) : value;
  }

  private embedEntry(): SiteEntry {
    const node = this.flow.node(this.flow.producer(this.stream.embed));
    return node?.op === 'EmbedLayerNormalization' ? { kind: 'embedding' } : { kind: 'value' };
  }

  private add(kind: SiteKind, layer: number | null, given: { value: string; bias?: string | null; entry?: SiteEntry; node?: GraphNode | undefined; width?: Dimension }): void {
    const { value, bias = null, entry = { kind: 'value' }, node = this.flow.node(this.flow.producer(value)), width = this.width } = given;
    this.sites.push({
      name: layer === null ? kind : `layers.${layer}.${kind}`,
      kind, layer, value, bias, entry,
      node: node ? nodeName(node) : value,
      op: node?.op ?? 'input',
      type: this.typeOf(value === '' ? (node?.inputs[0] ?? '') : value),
      shape: ['batch', 'sequence', width],
    });
  }

  private site(name: string): Site {
    const found = this.sites.find((site) => site.name === name);
    if (!found) throw new RangeError(`no site ${name}`);
    return found;
  }

  private nodeOf(value: string): string {
    const node = this.flow.node(this.flow.producer(value));
    return node ? nodeName(node) : value;
  }

  /** From the embedding's table, or else from the first projection that writes to the stream. */
  private hiddenWidth(): Dimension {
    const width = embeddingWidth(this.flow, this.stream.embed);
    if (width !== null) return width;
    const writers = this.stream.steps.flatMap(({ branches, stream }) => branches.map(({ value }) => lastProjection(this.flow, value, this.flow.producer(stream))));
    const first = writers.find((node) => node && isProjection(this.flow, node));
    return (first ? projectionSizes(this.graph, first).output : null) ?? 'hidden';
  }
}
