// Llama decoders of any size with seeded random weights, as optimum exports them: a model folder made on the spot.
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';

export interface LlamaShape {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly neurons: number;
  readonly vocabulary: number;
}

export const THETA = 10_000;
export const EPSILON = 1e-5;
const SPREAD = 0.02;

/** The folder of the model, written where it is not there yet. */
export function llamaFolder(shape: LlamaShape, seed: number): string {
  const { hidden, layers, heads, keyValueHeads, neurons, vocabulary } = shape;
  const name = ['llama', hidden, layers, heads, keyValueHeads, neurons, vocabulary, `seed${seed}`].join('-');
  const folder = fileURLToPath(new URL(`../../artifacts/bench/gradients/${name}`, import.meta.url));
  if (existsSync(path.join(folder, 'config.json'))) return folder;
  mkdirSync(path.join(folder, 'onnx'), { recursive: true });
  const weights = new WeightFile(path.join(folder, 'onnx/model.onnx_data'), new Random(seed));
  writeFileSync(path.join(folder, 'onnx/model.onnx'), encodeGraph(new Llama(shape, weights).build()));
  weights.close();
  writeFileSync(path.join(folder, 'tokenizer.json'), '{}');
  const config = { model_type: 'llama', hidden_size: hidden, num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: keyValueHeads, intermediate_size: neurons, vocab_size: vocabulary, rms_norm_eps: EPSILON, rope_theta: THETA, max_position_embeddings: 4096 };
  // Last: a folder that was not finished is written again.
  writeFileSync(path.join(folder, 'config.part'), JSON.stringify(config));
  renameSync(path.join(folder, 'config.part'), path.join(folder, 'config.json'));
  return folder;
}

/** Draws weights and writes them one after the other. */
class WeightFile {
  private readonly file: number;
  private offset = 0;

  constructor(
    private readonly name: string,
    private readonly random: Random,
  ) {
    this.file = openSync(name, 'w');
  }

  /** Normal numbers around `centre`. */
  write(dims: readonly number[], spread: number, centre = 0): Readonly<Record<string, string>> {
    const data = Float32Array.from({ length: dims.reduce((size, dim) => size * dim, 1) }, () => centre + spread * this.random.normal());
    writeSync(this.file, data);
    const external = { location: path.basename(this.name), offset: String(this.offset), length: String(data.byteLength) };
    this.offset += data.byteLength;
    return external;
  }

  close(): void {
    closeSync(this.file);
  }
}

class Llama {
  private readonly b = new GraphBuilder();
  private readonly size: number;
  private constants = 0;

  constructor(
    private readonly shape: LlamaShape,
    private readonly weights: WeightFile,
  ) {
    this.size = shape.hidden / shape.heads;
  }

  build(): Graph {
    const { b, size, shape: { hidden, layers, keyValueHeads, vocabulary } } = this;
    b.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
    b.input('attention_mask', 'int64', ['batch_size', 'past_sequence_length + sequence_length']);
    b.input('position_ids', 'int64', ['batch_size', 'sequence_length']);
    const cache = (kind: string, i: number, length: string) => ['key', 'value'].map((part) => ({ name: `${kind}.${i}.${part}`, dims: ['batch_size', keyValueHeads, length, size] }));
    for (let i = 0; i < layers; i++) for (const { name, dims } of cache('past_key_values', i, 'past_sequence_length')) b.input(name, 'float32', dims);
    let x = b.node('Gather', [this.weight('model.embed_tokens.weight', [vocabulary, hidden], 1), 'input_ids'], { axis: 0 });
    const [mask, angles] = [this.mask(), this.angles()];
    for (let i = 0; i < layers; i++) {
      const at = `model.layers.${i}.`;
      x = b.node('Add', [x, this.attention(this.norm(x, `${at}input_layernorm.weight`), i, { mask, ...angles })]);
      x = b.node('Add', [x, this.mlp(this.norm(x, `${at}post_attention_layernorm.weight`), at)]);
    }
    this.linear(this.norm(x, 'model.norm.weight'), 'lm_head.weight', vocabulary, 'logits');
    b.output('logits', 'float32', ['batch_size', 'sequence_length', vocabulary]);
    for (let i = 0; i < layers; i++) for (const { name, dims } of cache('present', i, 'past_sequence_length + sequence_length')) b.output(name, 'float32', dims);
    return b.build();
  }

  /** 0 where a query sees a key, else the lowest number: [batch, 1, queries, keys] */
  private mask(): string {
    const { b } = this;
    const sizeOf = (value: string, axis: number): string => b.node('Gather', [b.node('Shape', [value]), this.index(axis)], { axis: 0 });
    const past = sizeOf('past_key_values.0.key', 2);
    const keys = b.node('Add', [past, sizeOf('input_ids', 1)]);
    const queries = b.node('Unsqueeze', [b.node('Range', [past, keys, this.index(1)]), this.ints(1)]);
    const later = b.node('Greater', [b.node('Range', [this.index(0), keys, this.index(1)]), queries]);
    const padding = b.node('Not', [b.node('Cast', ['attention_mask'], { to: 9 })]);
    const hidden = b.node('Or', [b.node('Unsqueeze', [later, this.ints(0, 1)]), b.node('Unsqueeze', [padding, this.ints(1, 2)])]);
    return b.node('Where', [hidden, this.scalar(-3.4028234663852886e38), this.scalar(0)]);
  }

  private angles(): { cos: string; sin: string } {
    const { b, size } = this;
    const half = size / 2;
    const frequencies = b.initializer('frequencies', { type: 'float32', dims: [half], data: Float32Array.from({ length: half }, (_, j) => THETA ** (-j / half)) });
    const positions = b.node('Unsqueeze', [b.node('Cast', ['position_ids'], { to: 1 }), this.ints(2)]);
    const angles = b.node('Mul', [positions, frequencies]);
    const both = b.node('Unsqueeze', [b.node('Concat', [angles, angles], { axis: -1 }), this.ints(1)]);
    return { cos: b.node('Cos', [both]), sin: b.node('Sin', [both]) };
  }

  private norm(x: string, weight: string): string {
    const { b } = this;
    const square = b.node('ReduceMean', [b.node('Pow', [x, this.scalar(2)]), this.ints(-1)], { keepdims: 1 });
    const root = b.node('Sqrt', [b.node('Add', [square, this.scalar(EPSILON)])]);
    const scaled = b.node('Mul', [x, b.node('Div', [this.scalar(1), root])]);
    return b.node('Mul', [this.weight(weight, [this.shape.hidden], 0.1, 1), scaled]);
  }

  private attention(x: string, layer: number, shared: { mask: string; cos: string; sin: string }): string {
    const { b, size, shape: { hidden, heads, keyValueHeads } } = this;
    const project = (part: string, count: number): string => {
      const flat = this.linear(x, `model.layers.${layer}.self_attn.${part}_proj.weight`, count * size);
      return b.node('Transpose', [b.node('Reshape', [flat, this.ints(0, 0, count, size)])], { perm: [0, 2, 1, 3] });
    };
    const q = this.rotated(project('q', heads), shared);
    const grown = (part: string, value: string): string => this.repeated(b.node('Concat', [`past_key_values.${layer}.${part}`, value], { axis: 2 }, `present.${layer}.${part}`));
    const k = grown('key', this.rotated(project('k', keyValueHeads), shared));
    const v = grown('value', project('v', keyValueHeads));
    const scores = b.node('Mul', [b.node('MatMul', [q, b.node('Transpose', [k], { perm: [0, 1, 3, 2] })]), this.scalar(size ** -0.5)]);
    const mixed = b.node('MatMul', [b.node('Softmax', [b.node('Add', [scores, shared.mask])], { axis: -1 }), v]);
    const merged = b.node('Reshape', [b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }), this.ints(0, 0, hidden)]);
    return this.linear(merged, `model.layers.${layer}.self_attn.o_proj.weight`, hidden, undefined, hidden);
  }

  private rotated(x: string, { cos, sin }: { cos: string; sin: string }): string {
    const { b, size } = this;
    const part = (from: number, to: number): string => b.node('Slice', [x, this.ints(from), this.ints(to), this.ints(3)]);
    const turned = b.node('Concat', [b.node('Neg', [part(size / 2, size)]), part(0, size / 2)], { axis: -1 });
    return b.node('Add', [b.node('Mul', [x, cos]), b.node('Mul', [turned, sin])]);
  }

  /** Each key and value head for all of its query heads. */
  private repeated(x: string): string {
    const { b, size, shape: { heads, keyValueHeads } } = this;
    if (heads === keyValueHeads) return x;
    const spread = b.node('Expand', [b.node('Unsqueeze', [x, this.ints(2)]), this.ints(1, 1, heads / keyValueHeads, 1, 1)]);
    return b.node('Reshape', [spread, this.ints(0, heads, -1, size)]);
  }

  private mlp(x: string, at: string): string {
    const { b, shape: { hidden, neurons } } = this;
    const gate = this.linear(x, `${at}mlp.gate_proj.weight`, neurons);
    const active = b.node('Mul', [b.node('Mul', [gate, b.node('Sigmoid', [gate])]), this.linear(x, `${at}mlp.up_proj.weight`, neurons)]);
    return this.linear(active, `${at}mlp.down_proj.weight`, hidden, undefined, neurons);
  }

  private linear(x: string, name: string, columns: number, output?: string, rows = this.shape.hidden): string {
    return this.b.node('MatMul', [x, this.weight(name, [rows, columns], SPREAD)], {}, output);
  }

  private weight(name: string, dims: readonly number[], spread: number, centre?: number): string {
    return this.b.initializer(name, { type: 'float32', dims, external: this.weights.write(dims, spread, centre) });
  }

  private scalar(value: number): string {
    return this.b.initializer(`constant_${this.constants++}`, { type: 'float32', dims: [], data: Float32Array.of(value) });
  }

  private index(value: number): string {
    return this.b.initializer(`constant_${this.constants++}`, { type: 'int64', dims: [], data: BigInt64Array.of(BigInt(value)) });
  }

  private ints(...values: readonly number[]): string {
    return this.b.initializer(`constant_${this.constants++}`, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }
}
