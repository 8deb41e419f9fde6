// What would end ONNX Runtime's process is rewritten before it runs, and computes the same.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { openModelFile } from '../../src/onnx/file.ts';
import { gradientGraph } from '../../src/onnx/gradientGraph.ts';
import { floatTensor, floatsOf } from '../../src/onnx/float16.ts';
import type { FloatType } from '../../src/onnx/float16.ts';
import type { Graph, Tensor } from '../../src/onnx/graph.ts';
import { runnableGraph } from '../../src/onnx/runnable.ts';
import { runnableModel } from '../../src/lm/runnableModel.ts';
import type { ModelSource } from '../../src/runtime/client.ts';
import { execute, sharedHost } from '../support/host.ts';

const WIDTH = 4;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(1.3 * i + 0.4));

type Weights = 'constant' | 'computed' | 'input';

/** loss = Σ Attention(x) of one head, without a bias or with one of zeros. */
function attentionGraph(weights: Weights, hasBias: boolean, type: FloatType = 'float32', opset = 17): Graph {
  const b = new GraphBuilder({ opset, domains: { 'com.microsoft': 1 }, metadata: {}, nodes: [], inputs: [], outputs: [], initializers: new Map() });
  b.input('x', type, ['batch', 'sequence', WIDTH]);
  const table = floatTensor(type, [WIDTH, 3 * WIDTH], numbers(3 * WIDTH * WIDTH));
  const given = weights === 'input' ? b.input('w', type, [WIDTH, 3 * WIDTH]) : b.initializer('w', table);
  const w = weights === 'computed' ? b.node('Neg', [given]) : given;
  const bias = hasBias ? [b.initializer('bias', floatTensor(type, [3 * WIDTH], new Float64Array(3 * WIDTH)))] : [];
  b.nodeWithOutputs('Attention', ['x', w, ...bias], ['y'], { num_heads: 1, unidirectional: 1 }, 'com.microsoft');
  b.node('Cast', ['y'], { to: 1 }, 'wide');
  b.node('ReduceSum', [b.node('Mul', ['wide', 'wide'])], { keepdims: 0 }, 'loss');
  b.output('y', type, ['batch', 'sequence', WIDTH]);
  b.output('loss', 'float32', []);
  return b.build();
}

const rows = (length: number, type: FloatType = 'float32'): Tensor => floatTensor(type, [1, length, WIDTH], numbers(length * WIDTH));
const feedsFor = (graph: Graph, length: number): Record<string, Tensor> => Object.fromEntries(graph.inputs.map(({ name, type }) =>
  [name, name === 'x' ? rows(length, type as FloatType) : floatTensor(type as FloatType, [WIDTH, 3 * WIDTH], numbers(3 * WIDTH * WIDTH))]));

async function outputs(model: ModelSource, graph: Graph): Promise<number[]> {
  const session = await sharedHost().createSession(model, { provider: 'cpu' });
  try {
    return [...floatsOf((await session.run(feedsFor(graph, 3)))['y'] as Tensor)];
  } finally {
    await session.release();
  }
}

describe('Attention without a bias, which ends ONNX Runtime', () => {
  for (const weights of ['constant', 'computed', 'input'] as const) {
    for (const [type, opset] of [['float32', 11], ['float32', 17], ['float16', 17]] as const) {
      it(`runs with a bias of zeros, its weights ${weights} in ${type}, opset ${opset}`, async () => {
        const [without, withBias] = [attentionGraph(weights, false, type, opset), attentionGraph(weights, true, type, opset)];
        const found = await outputs(encodeGraph(runnableGraph(without)), without);
        assert.ok(found.some((value) => value !== 0));
        assert.deepEqual(found, await outputs(encodeGraph(withBias), withBias));
      });
    }
  }

  it('leaves every other graph as it is', () => {
    const graph = attentionGraph('constant', true);
    assert.equal(runnableGraph(graph), graph);
  });

  it('runs from a file, whose weights stay in it, and from bytes', async () => {
    const graph = attentionGraph('constant', false);
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'runnable-')), 'model.onnx');
    writeFileSync(file, encodeGraph(graph));
    const opened = openModelFile(file, { inlineLimit: 64 });
    assert.ok(opened.ok && opened.file.isRewritten && opened.file.dataBytes > 0);
    const expected = await outputs(encodeGraph(attentionGraph('constant', true)), graph);
    for (const model of [runnableModel({ path: file }), runnableModel(encodeGraph(graph)), { graph: encodeGraph(opened.file.graph), dataFolder: opened.file.dataFolder, dataBytes: opened.file.dataBytes }]) {
      assert.deepEqual(await outputs(model, graph), expected);
    }
  });

  it('is handed to the runtime as it is where it has a bias', () => {
    const bytes = encodeGraph(attentionGraph('constant', true));
    assert.equal(runnableModel(bytes), bytes);
  });

  it('has the gradient that it has with a bias of zeros', async () => {
    const question = (graph: Graph) => ({ loss: 'loss', withRespectTo: ['x'], feeds: [feedsFor(graph, 3), feedsFor(graph, 2)] as const, execute });
    const [without, withBias] = [attentionGraph('constant', false), attentionGraph('constant', true)];
    const gradient = async (graph: Graph): Promise<number[]> =>
      [...((await execute(encodeGraph(await gradientGraph(graph, question(graph))), feedsFor(graph, 3)))['grad/x']?.data as Float32Array)];
    assert.deepEqual(await gradient(without), await gradient(withBias));
  });
});
