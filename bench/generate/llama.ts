// The language models that are timed: a real small one, and a seeded random Llama as onnxruntime-genai's builder writes them.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { ModelFile } from '../../src/onnx/file.ts';
import { openModelFile } from '../../src/onnx/file.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';

export interface LlamaShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly neurons: number;
  readonly vocabulary: number;
  readonly context: number;
}

export interface TimedModel {
  readonly name: string;
  readonly file: ModelFile;
  readonly shape: LlamaShape;
  /** A file that holds the same weights by their Hugging Face names. */
  readonly weights: string;
}

export const storiesShape: LlamaShape = { layers: 5, hidden: 64, heads: 8, keyValueHeads: 4, neurons: 172, vocabulary: 512, context: 512 };
export const randomShape: LlamaShape = { layers: 8, hidden: 512, heads: 8, keyValueHeads: 4, neurons: 1376, vocabulary: 4096, context: 512 };

export const parameters = ({ layers, hidden, heads, keyValueHeads, neurons, vocabulary }: LlamaShape): number =>
  2 * vocabulary * hidden + hidden + layers * (2 * hidden + 2 * hidden * hidden + 2 * hidden * (hidden / heads) * keyValueHeads + 3 * hidden * neurons);

/** @throws Error where the file cannot be read */
export function timedModel(name: string, path: string, shape: LlamaShape, weights = path): TimedModel {
  const opened = openModelFile(path);
  if (!opened.ok) throw new Error(opened.fault.message);
  return { name, file: opened.file, shape, weights };
}

/** The folder of models beside the project, or null. */
export function storiesFolder(): string | null {
  const places = ['../../../shared/models/stories260k', '../../../../shared/models/stories260k'].map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return places.find(existsSync) ?? null;
}

/** A Llama of that shape with drawn weights, written below `artifacts`. */
export function randomLlama(shape: LlamaShape, seed: number): TimedModel {
  const folder = fileURLToPath(new URL(`../../artifacts/bench/llama-${shape.hidden}x${shape.layers}-${seed}/`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = `${folder}model.onnx`;
  writeFileSync(path, encodeGraph(llamaGraph(shape, new Random(seed))));
  return timedModel(`random Llama ${shape.hidden} × ${shape.layers}`, path, shape);
}

const MICROSOFT = 'com.microsoft';
const EPSILON = { epsilon: { float: 1e-5 } };

function llamaGraph(shape: LlamaShape, random: Random): Graph {
  const b = new GraphBuilder({ opset: 21, domains: { [MICROSOFT]: 1 }, metadata: {}, nodes: [], inputs: [], outputs: [], initializers: new Map() });
  const { hidden, heads, keyValueHeads, neurons, vocabulary, context } = shape;
  const headSize = hidden / heads;
  const weight = (name: string, ...dims: readonly number[]): string => {
    const scale = dims.length === 1 ? 0 : 1 / Math.sqrt(dims[0] ?? 1);
    const count = dims.reduce((size, dim) => size * dim, 1);
    return b.initializer(name, { type: 'float32', dims, data: Float32Array.from({ length: count }, () => (dims.length === 1 ? 1 : scale * random.normal())) });
  };
  const fused = (op: string, inputs: readonly string[], outputs: readonly string[], attributes = {}, domain = MICROSOFT): string => {
    b.nodeWithOutputs(op, inputs, outputs, attributes, domain);
    return outputs[0] ?? '';
  };
  b.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  b.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  b.input('position_ids', 'int64', ['batch_size', 'sequence_length']);
  const one = b.initializer('one', { type: 'int64', dims: [1], data: BigInt64Array.of(1n) });
  const lengths = b.node('Cast', [b.node('Sub', [b.node('ReduceSum', ['attention_mask', one], { keepdims: 0 }), one])], { to: 6 });
  const total = b.node('Cast', [b.node('Gather', [b.node('Shape', ['attention_mask']), b.initializer('second', { type: 'int64', dims: [], data: BigInt64Array.of(1n) })])], { to: 6 });
  const [cos, sin] = [Math.cos, Math.sin].map((of, i) => b.initializer(i === 0 ? 'cos_cache' : 'sin_cache', { type: 'float32', dims: [context, headSize / 2], data: rotations(context, headSize, of) }));
  let stream = b.node('Gather', [weight('model.embed_tokens.weight', vocabulary, hidden), 'input_ids']);
  let normed = fused('SimplifiedLayerNormalization', [stream, weight('model.layers.0.input_layernorm.weight', hidden)], ['norm'], { ...EPSILON, axis: -1, stash_type: 1 }, '');
  for (let i = 0; i < shape.layers; i++) {
    const at = `model.layers.${i}`;
    const project = (part: string, from: string, width: number, to: number): string => b.node('MatMul', [from, weight(`${at}.${part}.weight`, width, to)]);
    const add = (branch: string, name: string): string => {
      const sum = `${name}/sum`;
      normed = fused('SkipSimplifiedLayerNormalization', [stream, branch, weight(`${name}.weight`, hidden)], [`${name}/output`, '', '', sum], EPSILON);
      stream = sum;
      return normed;
    };
    const [q, k, v] = [['q', hidden], ['k', headSize * keyValueHeads], ['v', headSize * keyValueHeads]].map(([part, width]) => project(`self_attn.${part ?? ''}_proj`, normed, hidden, Number(width)));
    const turn = (x: string | undefined, name: string): string => fused('RotaryEmbedding', [x ?? '', 'position_ids', cos ?? '', sin ?? ''], [`${at}/${name}`]);
    const past = ['key', 'value'].map((part) => b.input(`past_key_values.${i}.${part}`, 'float32', ['batch_size', keyValueHeads, 'past_sequence_length', headSize]));
    const present = ['key', 'value'].map((part) => `present.${i}.${part}`);
    const mixed = fused('GroupQueryAttention', [turn(q, 'q'), turn(k, 'k'), v ?? '', ...past, lengths, total], [`${at}/attention`, ...present], { num_heads: heads, kv_num_heads: keyValueHeads, scale: { float: 1 / Math.sqrt(headSize) } });
    present.forEach((name) => b.output(name, 'float32', ['batch_size', keyValueHeads, 'total_sequence_length', headSize]));
    const middle = add(project('self_attn.o_proj', mixed, hidden, hidden), `${at}.post_attention_layernorm`);
    const gate = project('mlp.gate_proj', middle, hidden, neurons);
    const act = b.node('Mul', [b.node('Mul', [gate, b.node('Sigmoid', [gate])]), project('mlp.up_proj', middle, hidden, neurons)]);
    add(project('mlp.down_proj', act, neurons, hidden), i + 1 < shape.layers ? `model.layers.${i + 1}.input_layernorm` : 'model.norm');
  }
  b.node('MatMul', [normed, weight('lm_head.weight', hidden, vocabulary)], {}, 'logits');
  b.output('logits', 'float32', ['batch_size', 'sequence_length', vocabulary]);
  return b.build();
}

function rotations(context: number, headSize: number, of: (angle: number) => number): Float32Array {
  const half = headSize / 2;
  return Float32Array.from({ length: context * half }, (_, i) => of(Math.floor(i / half) * 10000 ** (-(i % half) / half)));
}
