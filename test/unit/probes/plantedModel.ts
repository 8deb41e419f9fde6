// A copy of tiny-code in which one direction of the residual stream is written by one neuron alone.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { findSites } from '../../../src/lm/sites.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { openModelFile } from '../../../src/onnx/file.ts';
import type { Graph, Initializer, Tensor } from '../../../src/onnx/graph.ts';
import { isTensor } from '../../../src/onnx/graph.ts';
import type { Neuron } from '../../../src/probes/localise.ts';
import { Random } from '../../../src/shared/random.ts';

export interface Planted {
  readonly folder: ModelFolder;
  /** Length 1, [hidden]. */
  readonly direction: Float64Array;
  /** What the neuron's activation is multiplied by on its way to the direction. */
  readonly strength: number;
}

/** The weights that write to the stream lose the direction; the neuron's row of the down projection gets it. */
export function plantNeuron(from: ModelFolder, neuron: Neuron, into: string, strength = 3): Planted {
  const opened = openModelFile(from.variant.path, { inlineLimit: Infinity });
  const graph = opened.ok ? opened.file.graph : assert.fail(opened.fault.message);
  const random = new Random(21);
  const raw = Array.from({ length: 128 }, () => random.normal());
  const norm = Math.hypot(...raw);
  const direction = Float64Array.from(raw, (value) => value / norm);
  const initializers = new Map<string, Initializer>(graph.initializers);
  const edit = (name: string, change: (row: Float32Array, index: number) => void): void => {
    const tensor = tensorOf(initializers, name);
    const data = Float32Array.from(tensor.data as Float32Array);
    for (let i = 0; i < data.length / 128; i++) change(data.subarray(i * 128, (i + 1) * 128), i);
    initializers.set(name, { ...tensor, data });
  };
  const without = (row: Float32Array): void => {
    const along = row.reduce((sum, value, k) => sum + value * (direction[k] ?? 0), 0);
    row.forEach((value, k) => void (row[k] = value - along * (direction[k] ?? 0)));
  };
  for (const { name, table } of writersOf(graph)) {
    edit(table, (row, index) => {
      without(row);
      if (name === `layers.${neuron.layer}.mlp_out` && index === neuron.index) row.forEach((value, k) => void (row[k] = value + strength * (direction[k] ?? 0)));
    });
  }
  return { folder: written(from, { ...graph, initializers }, into), direction, strength };
}

function tensorOf(initializers: ReadonlyMap<string, Initializer>, name: string): Tensor {
  const tensor = initializers.get(name);
  assert.ok(tensor && 'data' in tensor && isTensor(tensor) && tensor.type === 'float32' && tensor.dims.at(-1) === 128, name);
  return tensor;
}

/** The embedding's table, and the last projection of every attention and MLP, [in, hidden]. */
function writersOf(graph: Graph): readonly { readonly name: string; readonly table: string }[] {
  const found = findSites(graph);
  assert.ok(found.ok);
  return found.sites.filter(({ kind }) => kind === 'embed' || kind === 'attn_out' || kind === 'mlp_out').map(({ name, kind, value }) => {
    const node = graph.nodes.find(({ outputs }) => outputs.includes(value));
    assert.ok(node && node.op === (kind === 'embed' ? 'Gather' : 'MatMul'), `${name} is written by ${node?.op ?? 'nothing'}`);
    return { name, table: node.inputs[kind === 'embed' ? 0 : 1] ?? '' };
  });
}

function written(from: ModelFolder, graph: Graph, into: string): ModelFolder {
  mkdirSync(path.join(into, 'onnx'), { recursive: true });
  for (const file of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json']) copyFileSync(path.join(from.path, file), path.join(into, file));
  writeFileSync(path.join(into, 'onnx', 'model.onnx'), encodeGraph(graph));
  const opened = openModelFolder(into);
  return opened.ok ? opened.folder : assert.fail(opened.problem.message);
}
