// Whole models beside the project (../shared/models) and the loss that their gradients are taken of.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import type { Context } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import type { Graph, Tensor } from '../../src/onnx/graph.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import type { FloatType } from '../../src/onnx/float16.ts';
import { floatsOf, floatTensor } from '../../src/onnx/float16.ts';
import { Random } from '../../src/shared/random.ts';
import { ints } from './expansionCheck.ts';

const models = new URL('../../../shared/models/', import.meta.url);

/** Skips the test that calls it where a model is not beside the project. */
export function needs(context: Context, model: string): void {
  if (!existsSync(new URL(`${model}/`, models))) context.skip();
}

export type Feeds = Readonly<Record<string, Tensor>>;

export function read(path: string): Graph {
  const decoded = decodeModel(new Uint8Array(readFileSync(new URL(path, models))), path);
  return decoded.ok ? decoded.graph : assert.fail(decoded.fault.message);
}

export const randomTensor = (random: Random, dims: readonly number[], scale = 1): Tensor =>
  ({ type: 'float32', dims, data: Float32Array.from({ length: elementCount(dims) }, () => scale * (2 * random.next() - 1)) });

/** The graph with a value, computed or constant, as an input in its place. */
export function opened(graph: Graph, name: string, dims: readonly (number | string)[], type: FloatType = 'float32'): Graph {
  const initializers = new Map([...graph.initializers].filter(([constant]) => constant !== name));
  const nodes = graph.nodes.filter(({ outputs }) => !outputs.includes(name));
  return { ...graph, nodes, initializers, inputs: [...graph.inputs, { name, type, dims }] };
}

/** loss = Σ selection · logits, the selection an input. */
export function withLoss(graph: Graph): Graph {
  const b = new GraphBuilder({ ...graph, outputs: [] }, 'loss/');
  b.input('selection', 'float32', ['b', 's', 'v']);
  const isWide = graph.outputs.find(({ name }) => name === 'logits')?.type === 'float32';
  b.node('ReduceSum', [b.node('Mul', [isWide ? 'logits' : b.node('Cast', ['logits'], { to: 1 }), 'selection'])], { keepdims: 0 }, 'loss');
  b.output('loss', 'float32', []);
  return b.build();
}

/** 1 at one logit and −1 at another of a sequence's token. */
export function selection(length: number, vocabulary: number, tokens: readonly number[]): Tensor {
  const data = new Float32Array(tokens.length * length * vocabulary);
  tokens.forEach((token, row) => {
    data[(row * length + token) * vocabulary + 5 + row] = 1;
    data[(row * length + token) * vocabulary + 300 + row] = -1;
  });
  return { type: 'float32', dims: [tokens.length, length, vocabulary], data };
}

export interface Question {
  readonly graph: Graph;
  /** What is differentiated by. */
  readonly by: string;
  /** Two sets of another size each; the first is where the gradient is taken. */
  readonly feeds: readonly [Feeds, Feeds];
}

const LLAMA = { layers: 5, groups: 4, headSize: 8, width: 64, vocabulary: 512 };

function llamaFeeds(random: Random, by: string, sizes: { readonly lengths: readonly number[]; readonly length: number; readonly past: number }): Feeds {
  const { lengths, length, past } = sizes;
  const batch = lengths.length;
  const rows = (width: number, value: (row: number, i: number) => number): Tensor =>
    ints([batch, width], Array.from({ length: batch * width }, (_, at) => value(Math.floor(at / width), at % width)), 'int64');
  const states = Array.from({ length: LLAMA.layers }, (_, i) => ['key', 'value'].map((part) =>
    [`past_key_values.${i}.${part}`, randomTensor(random, [batch, LLAMA.groups, past, LLAMA.headSize])] as const));
  return {
    input_ids: rows(length, () => 3),
    attention_mask: rows(past + length, (row, i) => (i < past + (lengths[row] ?? 0) ? 1 : 0)),
    position_ids: rows(length, (_, i) => past + i),
    ...Object.fromEntries(states.flat()),
    [by]: randomTensor(random, [batch, length, LLAMA.width], 0.5),
    selection: selection(length, LLAMA.vocabulary, lengths.map((size) => size - 1)),
  };
}

/** The same question to the fused and to the plain form of stories260k, or to another form of either; right padding, as the fused form asks for. */
export function llamaQuestion(
  file: string, by: string, sizes: { readonly lengths: readonly number[]; readonly past: number }, convert = (graph: Graph): Graph => graph,
): Question {
  const random = new Random(4);
  const length = Math.max(...sizes.lengths);
  const model = convert(read(`stories260k/onnx/${file}`));
  const type = model.outputs[0]?.type === 'float16' ? 'float16' : 'float32';
  const graph = withLoss(opened(model, by, ['batch', 'sequence', LLAMA.width], type));
  const first = llamaFeeds(random, by, { ...sizes, length });
  const second = llamaFeeds(random, by, { lengths: sizes.lengths.length === 1 ? [length + 2] : [length + 2, length, length], length: length + 2, past: sizes.past === 0 ? 0 : sizes.past + 1 });
  const present = (feeds: Feeds): Feeds => Object.fromEntries(graph.inputs.flatMap((input) => {
    const tensor = feeds[input.name];
    return tensor ? [[input.name, input.type === 'float16' ? floatTensor('float16', tensor.dims, floatsOf(tensor)) : tensor]] : [];
  }));
  return { graph, by, feeds: [present(first), present(second)] };
}

export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Math.hypot(...Array.from(a, (value, i) => value - (b[i] ?? Number.NaN))) / Math.hypot(...Array.from(b));
}

