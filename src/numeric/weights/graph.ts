// A transformer's weights as an ONNX graph.
import type { Attention, Matrix, Mlp, TransformerWeights } from './transformer.ts';
import { GraphBuilder } from '../../onnx/builder.ts';
import type { Graph } from '../../onnx/graph.ts';

export interface TransformerGraphOptions {
  /** Matrices that become inputs of their initializers' names, so that they can be trained. */
  readonly weightsAsInputs?: readonly string[];
  /** An input `logitScale` [] that multiplies every attention logit: below 1 it desaturates the softmax. */
  readonly logitScale?: boolean;
  /** An input `present` float32 [batch, length + 1] that is 1 at BOS and tokens, 0 at padding, which nothing attends to. */
  readonly padding?: boolean;
  /**
   * More outputs: `layerL/attention/probabilities` [batch, heads, queries, keys], and the stream as each layer leaves
   * it, `layerL/residual` [batch, length + 1, d_model]; `embedding` is what enters layer 0.
   */
  readonly activations?: boolean;
}

/** The name of each matrix in the graph. */
export function namedMatrices({ tokenEmbedding, positionEmbedding, layers, unembedding }: TransformerWeights): ReadonlyMap<string, Matrix> {
  const named = new Map<string, Matrix>([['tokenEmbedding', tokenEmbedding], ['positionEmbedding', positionEmbedding]]);
  layers.forEach(({ attention, mlp }, l) => {
    if (attention) for (const part of ['query', 'key', 'value', 'output'] as const) named.set(`layer${l}/attention/${part}`, attention[part]);
    if (mlp) for (const part of ['input', 'output'] as const) named.set(`layer${l}/mlp/${part}`, mlp[part]);
  });
  return named.set('unembedding', unembedding);
}

/** The names of the matrices that make up each block, in the order of computation: embeddings, each layer's attention and MLP, the unembedding. */
export function blocksOf(weights: TransformerWeights): readonly (readonly string[])[] {
  const blocks = new Map<string, string[]>();
  for (const name of namedMatrices(weights).keys()) {
    const block = name.endsWith('Embedding') ? 'embedding' : name.replace(/\/\w+$/, '');
    blocks.set(block, [...(blocks.get(block) ?? []), name]);
  }
  return [...blocks.values()];
}

/** The transformer with other matrices, which `change` is asked for in the order of `namedMatrices`. */
export function mapMatrices(weights: TransformerWeights, change: (name: string, matrix: Matrix) => Matrix): TransformerWeights {
  const changed = new Map([...namedMatrices(weights)].map(([name, matrix]) => [name, change(name, matrix)]));
  const of = (name: string, matrix: Matrix): Matrix => changed.get(name) ?? matrix;
  const layers = weights.layers.map(({ attention, mlp }, l) => {
    const [head, unit] = [`layer${l}/attention`, `layer${l}/mlp`];
    return {
      attention: attention && { ...attention, query: of(`${head}/query`, attention.query), key: of(`${head}/key`, attention.key), value: of(`${head}/value`, attention.value), output: of(`${head}/output`, attention.output) },
      mlp: mlp && { input: of(`${unit}/input`, mlp.input), output: of(`${unit}/output`, mlp.output) },
    };
  });
  const [tokenEmbedding, positionEmbedding] = [of('tokenEmbedding', weights.tokenEmbedding), of('positionEmbedding', weights.positionEmbedding)];
  return { ...weights, tokenEmbedding, positionEmbedding, layers, unembedding: of('unembedding', weights.unembedding) };
}

/**
 * Input `tokens` int64 [batch, length + 1], BOS (0) first, all rows of one length; output `logits`
 * [batch, length + 1, classes] or `values` [batch, length + 1]. What stands at BOS means nothing.
 */
export function transformerGraph(weights: TransformerWeights, options: TransformerGraphOptions = {}): Graph {
  return new TransformerGraph(weights, options).build();
}

class TransformerGraph {
  private readonly builder = new GraphBuilder();

  constructor(
    private readonly weights: TransformerWeights,
    private readonly options: TransformerGraphOptions,
  ) {}

  build(): Graph {
    const { builder: b, weights, options } = this;
    b.input('tokens', 'int64', ['batch', 'positions']);
    for (const [name, matrix] of namedMatrices(weights)) this.matrix(name, matrix);
    if (options.logitScale) b.input('logitScale', 'float32', []);
    if (options.padding) this.paddingMask();
    let stream = this.embedding();
    weights.layers.forEach(({ attention, mlp }, l) => {
      if (attention) stream = b.node('Add', [stream, this.attention(`layer${l}/attention`, attention, stream)]);
      if (mlp) stream = b.node('Add', [stream, this.mlp(`layer${l}/mlp`, mlp, stream)]);
      this.expose(`layer${l}/residual`, stream);
    });
    this.readout(stream);
    return b.build();
  }

  private matrix(name: string, { rows, columns, data }: Matrix): void {
    if (this.options.weightsAsInputs?.includes(name)) this.builder.input(name, 'float32', [rows, columns]);
    else this.builder.initializer(name, { type: 'float32', dims: [rows, columns], data });
  }

  private embedding(): string {
    const { builder: b, weights } = this;
    const length = b.node('Slice', [b.node('Shape', ['tokens']), this.int64('at1', [1]), this.int64('at2', [2])], {}, 'length');
    const positions = b.node('Slice', ['positionEmbedding', this.int64('at0', [0]), length, this.int64('at0', [0])]);
    const stream = b.node('Add', [b.node('Gather', ['tokenEmbedding', 'tokens'], { axis: 0 }), positions]);
    if (weights.causal) this.causalMask(length);
    this.expose('embedding', stream);
    return stream;
  }

  /** Very low above the diagonal. */
  private causalMask(length: string): void {
    const { builder: b, weights } = this;
    const size = weights.maxLength + 1;
    const data = Float32Array.from({ length: size * size }, (_, i) => (i % size > Math.floor(i / size) ? -1e9 : 0));
    b.initializer('causal', { type: 'float32', dims: [size, size], data });
    b.node('Slice', ['causal', this.int64('at00', [0, 0]), b.node('Concat', [length, length], { axis: 0 })], {}, 'causalMask');
  }

  /** Very low where a key is padding, [batch, 1, 1, length + 1]. */
  private paddingMask(): void {
    const { builder: b } = this;
    b.input('present', 'float32', ['batch', 'positions']);
    const [one, low] = [1, 1e9].map((value) => b.initializer(b.fresh('constant'), { type: 'float32', dims: [], data: Float32Array.of(value) }));
    const absent = b.node('Mul', [b.node('Sub', ['present', one ?? '']), low ?? '']);
    b.node('Unsqueeze', [absent, this.int64('at12', [1, 2])], {}, 'paddingMask');
  }

  private attention(name: string, { heads, keySize, valueSize }: Attention, stream: string): string {
    const { builder: b, options } = this;
    const split = (part: string, size: number, perm: readonly number[]): string => {
      const all = b.node('MatMul', [stream, `${name}/${part}`]);
      return b.node('Transpose', [b.node('Reshape', [all, this.int64(`${name}/${part}Shape`, [0, 0, heads.length, size])]), ], { perm: [...perm] });
    };
    let logits = b.node('MatMul', [split('query', keySize, [0, 2, 1, 3]), split('key', keySize, [0, 2, 3, 1])]);
    if (options.logitScale) logits = b.node('Mul', [logits, 'logitScale']);
    if (this.weights.causal) logits = b.node('Add', [logits, 'causalMask']);
    if (options.padding) logits = b.node('Add', [logits, 'paddingMask']);
    const probabilities = b.node('Softmax', [logits], { axis: -1 }, `${name}/probabilities`);
    if (options.activations) b.output(probabilities, 'float32', ['batch', heads.length, 'positions', 'positions']);
    const mixed = b.node('Transpose', [b.node('MatMul', [probabilities, split('value', valueSize, [0, 2, 1, 3])])], { perm: [0, 2, 1, 3] });
    const joined = b.node('Reshape', [mixed, this.int64(`${name}/joinedShape`, [0, 0, heads.length * valueSize])]);
    return b.node('MatMul', [joined, `${name}/output`]);
  }

  private mlp(name: string, _mlp: Mlp, stream: string): string {
    const { builder: b } = this;
    return b.node('MatMul', [b.node('Relu', [b.node('MatMul', [stream, `${name}/input`])], {}, `${name}/hidden`), `${name}/output`]);
  }

  private readout(stream: string): void {
    const { builder: b, weights } = this;
    if (weights.readout.kind === 'logits') {
      b.node('MatMul', [stream, 'unembedding'], {}, 'logits');
      b.output('logits', 'float32', ['batch', 'positions', weights.readout.classes.length]);
      return;
    }
    b.node('Reshape', [b.node('MatMul', [stream, 'unembedding']), this.int64('flat', [0, 0])], {}, 'values');
    b.output('values', 'float32', ['batch', 'positions']);
  }

  private expose(name: string, value: string): void {
    if (!this.options.activations) return;
    this.builder.node('Identity', [value], {}, name);
    this.builder.output(name, 'float32', ['batch', 'positions', this.weights.directions.length]);
  }

  private int64(name: string, values: readonly number[]): string {
    const whole = `shape/${name}`;
    if (!this.builder.has(whole)) this.builder.initializer(whole, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
    return whole;
  }
}
