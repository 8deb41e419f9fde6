// How many parameters a graph holds, as people count them: weights once, unpacked, and nothing else.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { allShapes } from '../../../scripts/train-models/vision/graphs.ts';
import { tinyVision } from '../../../scripts/train-models/vision/tinyVision.ts';
import { parameterCount } from '../../../scripts/train-models/llama.ts';
import { countParameters } from '../../../src/lm/parameters.ts';
import { GraphBuilder } from '../../../src/onnx/builder.ts';
import type { Initializer } from '../../../src/onnx/graph.ts';
import { openedFile } from '../../support/decoders.ts';
import { present, stories } from './models.ts';

const own = fileURLToPath(new URL('../../../models/', import.meta.url));
const floats = (...dims: readonly number[]): Initializer => ({ type: 'float32', dims, data: new Float32Array(dims.reduce((size, dim) => size * dim, 1)) });
const bytes = (...dims: readonly number[]): Initializer => ({ type: 'uint8', dims, data: new Uint8Array(dims.reduce((size, dim) => size * dim, 1)) });

describe('the parameters of a graph', () => {
  it('are those of the models that come along, as their cards count them', () => {
    assert.deepEqual(countParameters(openedFile(`${own}tiny-code/onnx/model.onnx`).graph), { total: 1_119_616, types: [{ type: 'float32', parameters: 1_119_616 }] });
    const parts = ['decoder_model_merged', 'embed_tokens', 'vision_encoder'].map((name) => countParameters(openedFile(`${own}tiny-vision/onnx/${name}.onnx`).graph).total);
    // The embeddings lie in two of the files: they are the head as well.
    const { vocabulary, hidden } = tinyVision.text;
    assert.equal(parts.reduce((a, b) => a + b) - vocabulary * hidden, parameterCount(allShapes(tinyVision)));
  });

  it('are those that stories260k is known to have', function () {
    if (!present) this.skip();
    assert.equal(countParameters(openedFile(`${stories}/onnx/model.onnx`).graph).total, 260_032);
  });

  it('count a shared weight once, and leave out indices, single numbers and tables of angles', () => {
    const b = new GraphBuilder();
    b.input('x', 'float32', ['n', 6]);
    const weight = b.initializer('weight', floats(6, 6));
    const scaled = b.node('Mul', [b.node('MatMul', [b.node('MatMul', ['x', weight]), weight]), b.initializer('scale', floats())]);
    const picked = b.node('Gather', [scaled, b.initializer('indices', { type: 'int64', dims: [3], data: BigInt64Array.of(0n, 1n, 2n) })]);
    b.nodeWithOutputs('RotaryEmbedding', [picked, 'x', b.initializer('cosines', floats(40, 3)), b.initializer('sines', floats(40, 3))], ['y'], {}, 'com.microsoft');
    b.output('y', 'float32', ['n', 6]);
    assert.deepEqual(countParameters(b.build()), { total: 36, types: [{ type: 'float32', parameters: 36 }] });
  });

  it('leave out the frequencies that positions are multiplied by, and keep the weights of a sine that the model itself takes', () => {
    const b = new GraphBuilder();
    b.input('position_ids', 'int64', ['n']);
    b.input('inputs_embeds', 'float32', ['n', 6]);
    const angles = b.node('Mul', [b.node('Unsqueeze', [b.node('Cast', ['position_ids'], { to: 1 }), b.initializer('axis', { type: 'int64', dims: [1], data: BigInt64Array.of(1n) })]), b.initializer('frequencies', floats(1, 6))]);
    const turned = b.node('Mul', [b.node('Cos', [angles]), b.node('MatMul', ['inputs_embeds', b.initializer('weight', floats(6, 6))])]);
    b.node('Sin', [b.node('MatMul', [turned, b.initializer('more', floats(6, 5))])], {}, 'y');
    b.output('y', 'float32', ['n', 5]);
    assert.equal(countParameters(b.build()).total, 66);
  });

  it('unpack quantised weights, leave their scales out, and name the types, most first', () => {
    const b = new GraphBuilder();
    b.input('ids', 'int64', ['n']);
    const half: Initializer = { type: 'float16', dims: [10], data: new Uint16Array(10) };
    b.nodeWithOutputs('GatherBlockQuantized', [b.initializer('table', bytes(20, 16)), 'ids', b.initializer('table_scales', floats(20, 2))], ['x'], { bits: 4 }, 'com.microsoft');
    // [N, blocks, bytes]: 32 weights of 4 bits a block, of which K = 48 use one and a half.
    b.nodeWithOutputs('MatMulNBits', ['x', b.initializer('packed', bytes(8, 2, 16)), b.initializer('scales', floats(16)), b.initializer('zeros', bytes(8))], ['y'], { K: 48, N: 8, bits: 4, block_size: 32 }, 'com.microsoft');
    b.node('DequantizeLinear', [b.initializer('eight', { type: 'int8', dims: [5, 4], data: new Int8Array(20) }), b.initializer('eight_scale', floats(4)), b.initializer('eight_zero', bytes(4))]);
    b.node('Cast', [b.initializer('half', half)], { to: 1 });
    b.output('y', 'float32', ['n', 8]);
    assert.deepEqual(countParameters(b.build()), { total: 20 * 32 + 48 * 8 + 20 + 10, types: [{ type: '4-bit', parameters: 1024 }, { type: 'int8', parameters: 20 }, { type: 'float16', parameters: 10 }] });
  });
});
