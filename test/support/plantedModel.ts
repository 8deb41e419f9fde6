// A language model whose answer hangs on known tokens: a folder with a decoder built for it.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';

/** Ids of the planted model. What lies between them says nothing of the answers. */
export const planted = { cause: 7, counter: 8, yes: 9, no: 10, vocabulary: 12 } as const;

const WIDTH = 6;
/** Of the logits of yes and no, for one unit of the cause. */
export const READOUT = 5;

/**
 * Attention looks everywhere alike, and what it finds is added: the stream is x + mean x. The first number of an
 * embedding is 1 for the cause, −1 for its counter and 0 for all others, and is all that the head reads for yes and no.
 * So log p(yes) − log p(no) is 2 · READOUT · (first number of the last token + mean first number).
 */
export function plantedGraph(): Graph {
  const random = new Random(3);
  const table = Float32Array.from({ length: planted.vocabulary * WIDTH }, () => random.normal());
  for (let id = 0; id < planted.vocabulary; id++) table[id * WIDTH] = id === planted.cause ? 1 : id === planted.counter ? -1 : 0;
  const head = Float32Array.from({ length: WIDTH * planted.vocabulary }, () => 0.2 * random.normal());
  for (let i = 0; i < WIDTH; i++) {
    head[i * planted.vocabulary + planted.yes] = i === 0 ? READOUT : 0;
    head[i * planted.vocabulary + planted.no] = i === 0 ? -READOUT : 0;
  }
  const b = new GraphBuilder();
  const matrix = (name: string, rows: number, columns: number, data: Float32Array): string => b.initializer(name, { type: 'float32', dims: [rows, columns], data });
  const identity = Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => (i % (WIDTH + 1) === 0 ? 1 : 0));
  b.input('input_ids', 'int64', ['batch', 'sequence']);
  const x = b.node('Gather', [matrix('table', planted.vocabulary, WIDTH, table), 'input_ids']);
  const [q, k] = ['query', 'key'].map((name) => b.node('MatMul', [x, matrix(name, WIDTH, WIDTH, new Float32Array(WIDTH * WIDTH))]));
  const v = b.node('MatMul', [x, matrix('value', WIDTH, WIDTH, identity)]);
  const weights = b.node('Softmax', [b.node('MatMul', [q ?? '', b.node('Transpose', [k ?? ''], { perm: [0, 2, 1] })])], { axis: -1 });
  const attended = b.node('MatMul', [b.node('MatMul', [weights, v]), matrix('output', WIDTH, WIDTH, identity)]);
  const middle = b.node('Add', [x, attended]);
  const nothing = b.node('MatMul', [b.node('MatMul', [middle, matrix('up', WIDTH, WIDTH, identity)]), matrix('down', WIDTH, WIDTH, new Float32Array(WIDTH * WIDTH))]);
  b.node('MatMul', [b.node('Add', [middle, nothing]), matrix('head', WIDTH, planted.vocabulary, head)], {}, 'logits');
  b.output('logits', 'float32', ['batch', 'sequence', planted.vocabulary]);
  return b.build();
}

/** A new folder with that decoder, or another one. Remove it. */
export function plantedFolder(graph: Graph = plantedGraph()): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-planted-'));
  mkdirSync(path.join(folder, 'onnx'));
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ model_type: 'planted', num_hidden_layers: 1, hidden_size: WIDTH, vocab_size: planted.vocabulary, max_position_embeddings: 16, pad_token_id: 0 }));
  writeFileSync(path.join(folder, 'tokenizer.json'), '{}');
  writeFileSync(path.join(folder, 'onnx/model.onnx'), encodeGraph(graph));
  return folder;
}
