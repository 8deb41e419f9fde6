// A Llama-style decoder as ONNX nodes: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied embeddings.
import type { GraphBuilder } from '../../src/onnx/builder.ts';
import type { Random } from '../../src/shared/random.ts';

export interface LlamaConfig {
  readonly vocabulary: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  readonly layers: number;
  /** Query heads; hidden / heads channels each. */
  readonly heads: number;
  /** Key and value heads; `heads` is a multiple. */
  readonly keyValueHeads: number;
  /** Width of the MLP. */
  readonly neurons: number;
  readonly ropeTheta: number;
  readonly normEpsilon: number;
}

/** A weight matrix or vector; matrices are [input, output], as MatMul takes them. */
export interface WeightShape {
  readonly name: string;
  readonly dims: readonly number[];
  /** Standard deviation at the start; null: all ones. */
  readonly deviation: number | null;
}

export const EMBEDDING = 'model.embed_tokens.weight';
const FINAL_NORM = 'model.norm.weight';

/** Added to the scores of keys that must not be seen: e^x of it is 0, and float16 can hold it. */
const UNSEEN = -1e4;

export const headSize = ({ hidden, heads }: LlamaConfig): number => hidden / heads;

/** The weights in the order in which a flat vector holds them. */
export function weightShapes(config: LlamaConfig): readonly WeightShape[] {
  const { hidden, layers, heads, keyValueHeads, neurons, vocabulary } = config;
  const matrix = (name: string, input: number, output: number, scale = 1): WeightShape => ({ name: `${name}.weight`, dims: [input, output], deviation: scale / Math.sqrt(input) });
  const norm = (name: string): WeightShape => ({ name, dims: [hidden], deviation: null });
  // What is added to the stream starts smaller, the more layers add to it.
  const branch = 1 / Math.sqrt(2 * layers);
  const size = headSize(config);
  const blocks = Array.from({ length: layers }, (_, i) => `model.layers.${i}`).flatMap((layer) => [
    norm(`${layer}.input_layernorm.weight`),
    matrix(`${layer}.self_attn.q_proj`, hidden, heads * size),
    matrix(`${layer}.self_attn.k_proj`, hidden, keyValueHeads * size),
    matrix(`${layer}.self_attn.v_proj`, hidden, keyValueHeads * size),
    matrix(`${layer}.self_attn.o_proj`, heads * size, hidden, branch),
    norm(`${layer}.post_attention_layernorm.weight`),
    matrix(`${layer}.mlp.gate_proj`, hidden, neurons),
    matrix(`${layer}.mlp.up_proj`, hidden, neurons),
    matrix(`${layer}.mlp.down_proj`, neurons, hidden, branch),
  ]);
  return [{ name: EMBEDDING, dims: [vocabulary, hidden], deviation: 0.05 }, ...blocks, norm(FINAL_NORM)];
}

export const sizeOf = (dims: readonly number[]): number => dims.reduce((size, dim) => size * dim, 1);

/** Numbers in all of these weights together. */
export const parameterCount = (shapes: readonly WeightShape[]): number => shapes.reduce((sum, { dims }) => sum + sizeOf(dims), 0);

/** Drawn weights as one flat vector. */
export function initialWeights(shapes: readonly WeightShape[], random: Random): Float32Array {
  const flat = new Float32Array(parameterCount(shapes));
  let at = 0;
  for (const { dims, deviation } of shapes) {
    for (let i = 0; i < sizeOf(dims); i++) flat[at++] = deviation === null ? 1 : deviation * random.normal();
  }
  return flat;
}

/** Cuts the weights out of the flat vector `from`, one Slice and one Reshape each; the values bear the weights' names. */
export function cutWeights(b: GraphBuilder, shapes: readonly WeightShape[], from: string): void {
  let start = 0;
  for (const { name, dims } of shapes) {
    const end = start + sizeOf(dims);
    const cut = b.node('Slice', [from, int64(b, start), int64(b, end)]);
    b.node('Reshape', [cut, int64(b, ...dims)], {}, name);
    start = end;
  }
}

export interface Rotation {
  /** [batch or 1, sequence, 1, head size / 2] */
  readonly cosine: string;
  readonly sine: string;
}

export interface CacheNames {
  /** Keys and values of earlier positions, [batch, key/value heads, past, head size]. */
  readonly past: { readonly key: string; readonly value: string };
  /** The names that keys and values of all positions get. */
  readonly present: { readonly key: string; readonly value: string };
}

export interface DecoderValues {
  /** [batch, sequence, hidden] */
  readonly embeds: string;
  readonly rotation: Rotation;
  /** Added to the scores, [batch or 1, 1, sequence, past + sequence]: 0 where a key may be seen. */
  readonly bias: string;
  /** One a layer; absent: all keys are of this pass. */
  readonly cache?: readonly CacheNames[];
}

/** Writes the decoder's nodes; its weights are values of the graph that bear the names of `weightShapes`. */
export class LlamaNodes {
  constructor(
    private readonly b: GraphBuilder,
    private readonly config: LlamaConfig,
  ) {}

  /** Embeddings of token ids, [batch, sequence, hidden]. */
  embed(ids: string, name?: string): string {
    return this.b.node('Gather', [EMBEDDING, ids], {}, name);
  }

  /** The stream after the last norm, [batch, sequence, hidden]. */
  hidden({ embeds, rotation, bias, cache }: DecoderValues): string {
    const { b, config } = this;
    const groups = config.heads / config.keyValueHeads;
    // The queries of a group stand below each other, so that one product serves them.
    const stacked = groups === 1 ? bias : b.node('Concat', new Array<string>(groups).fill(bias), { axis: 2 });
    let stream = embeds;
    for (let i = 0; i < config.layers; i++) {
      const layer = `model.layers.${i}`;
      const seen = this.norm(stream, `${layer}.input_layernorm.weight`);
      const attention = this.attention(`${layer}.self_attn`, seen, { rotation, bias: stacked }, cache?.[i]);
      const middle = b.node('Add', [stream, attention], {}, `/${layer}/resid_mid`);
      stream = b.node('Add', [middle, this.mlp(`${layer}.mlp`, this.norm(middle, `${layer}.post_attention_layernorm.weight`))], {}, `/${layer}/resid_post`);
    }
    return this.norm(stream, FINAL_NORM);
  }

  /** Products with every token's embedding, [batch, sequence, vocabulary]. */
  logits(hidden: string, name?: string): string {
    const { b } = this;
    return b.node('MatMul', [hidden, b.node('Transpose', [EMBEDDING], { perm: [1, 0] }, '/lm_head/Transpose')], {}, name);
  }

  /**
   * −log p of the labels, [batch, sequence].
   * @param labels int64 [batch, sequence], each the token that follows
   */
  tokenLoss(hidden: string, labels: string, name?: string): string {
    const { b } = this;
    const last = int64(b, -1);
    const logits = this.logits(hidden);
    // Floor lets no gradient pass: that of the shift is nothing but rounding errors.
    const shift = b.node('Floor', [b.node('ReduceMax', [logits, last])]);
    const total = b.node('Log', [b.node('ReduceSum', [b.node('Exp', [b.node('Sub', [logits, shift])]), last], { keepdims: 0 })]);
    const own = b.node('ReduceSum', [b.node('Mul', [hidden, this.embed(labels)]), last], { keepdims: 0 });
    return b.node('Sub', [b.node('Add', [total, b.node('Squeeze', [shift, last])]), own], {}, name);
  }

  /** x / √(mean x² + ε) · weight */
  private norm(x: string, weight: string): string {
    const { b, config } = this;
    const mean = b.node('ReduceMean', [b.node('Mul', [x, x]), int64(b, -1)], { keepdims: 1 });
    const root = b.node('Sqrt', [b.node('Add', [mean, float(b, config.normEpsilon)])]);
    return b.node('Mul', [b.node('Div', [x, root]), weight]);
  }

  private attention(name: string, x: string, { rotation, bias }: Pick<DecoderValues, 'rotation' | 'bias'>, cache: CacheNames | undefined): string {
    const { b, config } = this;
    const size = headSize(config);
    const project = (part: string): string => b.node('MatMul', [x, `${name}.${part}_proj.weight`], {}, `/${name}/${part}_proj/MatMul`);
    const query = this.heads(this.rotated(b.node('Mul', [project('q'), float(b, 1 / Math.sqrt(size))]), config.heads, rotation));
    const key = this.heads(this.rotated(project('k'), config.keyValueHeads, rotation));
    const value = this.heads(this.split(project('v'), config.keyValueHeads));
    const keys = cache ? b.node('Concat', [cache.past.key, key], { axis: 2 }, cache.present.key) : key;
    const values = cache ? b.node('Concat', [cache.past.value, value], { axis: 2 }, cache.present.value) : value;
    const grouped = b.node('Reshape', [query, int64(b, 0, config.keyValueHeads, -1, size)]);
    const scores = b.node('MatMul', [grouped, b.node('Transpose', [keys], { perm: [0, 1, 3, 2] })]);
    const weights = b.node('Softmax', [b.node('Add', [scores, bias])], { axis: -1 }, `/${name}/Softmax`);
    const mixed = b.node('MatMul', [weights, values]);
    const apart = b.node('Transpose', [b.node('Reshape', [mixed, int64(b, 0, config.heads, -1, size)])], { perm: [0, 2, 1, 3] });
    const joined = b.node('Reshape', [apart, int64(b, 0, 0, config.heads * size)]);
    return b.node('MatMul', [joined, `${name}.o_proj.weight`], {}, `/${name}/o_proj/MatMul`);
  }

  /** [batch, sequence, heads · size] → [batch, sequence, heads, size] */
  private split(x: string, heads: number): string {
    return this.b.node('Reshape', [x, int64(this.b, 0, 0, heads, headSize(this.config))]);
  }

  /** [batch, sequence, heads, size] → [batch, heads, sequence, size] */
  private heads(x: string): string {
    return this.b.node('Transpose', [x], { perm: [0, 2, 1, 3] });
  }

  /** Turns the pairs (j, j + size/2) of each head by its position's angles (Su et al. 2021, as Llama pairs them). */
  private rotated(x: string, heads: number, { cosine, sine }: Rotation): string {
    const { b } = this;
    const half = headSize(this.config) / 2;
    const [low, high] = [b.fresh('low'), b.fresh('high')];
    b.nodeWithOutputs('Split', [this.split(x, heads), int64(b, half, half)], [low, high], { axis: -1 });
    const times = (a: string, c: string): string => b.node('Mul', [a, c]);
    const first = b.node('Sub', [times(low, cosine), times(high, sine)]);
    const second = b.node('Add', [times(high, cosine), times(low, sine)]);
    return b.node('Concat', [first, second], { axis: -1 });
  }

  private mlp(name: string, x: string): string {
    const { b } = this;
    const project = (part: string, input: string): string => b.node('MatMul', [input, `${name}.${part}_proj.weight`], {}, `/${name}/${part}_proj/MatMul`);
    const gate = project('gate', x);
    const active = b.node('Mul', [gate, b.node('Sigmoid', [gate])]);
    return project('down', b.node('Mul', [active, project('up', x)], {}, `/${name}/act`));
  }
}

/**
 * Cosines and sines of the positions' angles.
 * @param positions int64 [batch or 1, sequence]
 */
export function rotation(b: GraphBuilder, config: LlamaConfig, positions: string): Rotation {
  const size = headSize(config);
  const frequencies = Float32Array.from({ length: size / 2 }, (_, j) => config.ropeTheta ** ((-2 * j) / size));
  const table = b.initializer(b.fresh('frequencies'), { type: 'float32', dims: [size / 2], data: frequencies });
  const numbers = b.node('Unsqueeze', [b.node('Cast', [positions], { to: 1 }), int64(b, 2, 3)]);
  const angles = b.node('Mul', [numbers, table]);
  return { cosine: b.node('Cos', [angles]), sine: b.node('Sin', [angles]) };
}

/**
 * The bias of scores where each position sees itself and what came before, as far as it may.
 * @param seen bool [batch or 1, 1, sequence or 1, total or 1]: may this key be seen at all?
 * @param lengths int64 []: the positions of this pass, and all positions with those before
 */
export function causalBias(b: GraphBuilder, seen: string, lengths: { readonly sequence: string; readonly total: string }): string {
  const [zero, one] = [integer(b, 0), integer(b, 1)];
  const keys = b.node('Range', [zero, lengths.total, one]);
  const queries = b.node('Range', [b.node('Sub', [lengths.total, lengths.sequence]), lengths.total, one]);
  const causal = b.node('LessOrEqual', [b.node('Unsqueeze', [keys, int64(b, 0)]), b.node('Unsqueeze', [queries, int64(b, 1)])]);
  return b.node('Where', [b.node('And', [causal, seen]), float(b, 0), float(b, UNSEEN)]);
}

/** The size of a value along an axis, int64 []. */
export function sizeAlong(b: GraphBuilder, value: string, axis: number): string {
  return b.node('Gather', [b.node('Shape', [value]), integer(b, axis)], { axis: 0 });
}

/** A constant int64 [n], made once. */
export function int64(b: GraphBuilder, ...values: readonly number[]): string {
  return once(b, `int64/${values.join()}`, () => ({ type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) }));
}

/** A constant int64 [], made once. */
export function integer(b: GraphBuilder, value: number): string {
  return once(b, `integer/${value}`, () => ({ type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) }));
}

/** A constant float32 [], made once. */
export function float(b: GraphBuilder, value: number): string {
  return once(b, `float/${value}`, () => ({ type: 'float32', dims: [], data: Float32Array.of(value) }));
}

function once(b: GraphBuilder, name: string, tensor: () => Parameters<GraphBuilder['initializer']>[1]): string {
  return b.has(name) ? name : b.initializer(name, tensor());
}
