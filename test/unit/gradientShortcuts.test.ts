// Derivatives of several ops taken together: as right as those of each op, and in fewer passes.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/shared/random.ts';
import type { Case } from '../support/gradientCheck.ts';
import { checkGradient, checkSecondOrder } from '../support/gradientCheck.ts';
import { execute } from '../support/host.ts';

const ints = (b: GraphBuilder, ...values: readonly number[]): string =>
  b.initializer(b.fresh('ints'), { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
const scalar = (b: GraphBuilder, value: number): string =>
  b.initializer(b.fresh('scalar'), { type: 'float32', dims: [], data: Float32Array.of(value) });
const part = (b: GraphBuilder, x: string, from: number, to: number, axis = 1): string => b.node('Slice', [x, ints(b, from), ints(b, to), ints(b, axis)]);
const square = (b: GraphBuilder, x: string): string => b.node('Pow', [x, scalar(b, 2)]);
const softmax = (b: GraphBuilder, x: string, axis = -1): string => b.node('Softmax', [x], { axis });

const cases: Readonly<Record<string, Case>> = {
  'a square': { inputs: [[2, 3]], build: (b, [x = '']) => square(b, x) },
  'a mean of squares': { inputs: [[2, 3, 4]], build: (b, [x = '']) => b.node('Mul', [x, b.node('ReduceMean', [square(b, x), ints(b, -1)], { keepdims: 1 })]) },
  'a mean of squares over all': { inputs: [[2, 3]], build: (b, [x = '']) => b.node('Mul', [x, b.node('ReduceMean', [square(b, x)], { keepdims: 0 })]) },
  'x σ(x)': { inputs: [[3, 2]], build: (b, [x = '']) => b.node('Mul', [x, b.node('Sigmoid', [x])]) },
  'σ(x) x': { inputs: [[3, 2]], build: (b, [x = '']) => b.node('Mul', [b.node('Sigmoid', [x]), x]) },
  'x σ(x) where σ(x) is read elsewhere too': { inputs: [[3, 2]], build: (b, [x = '']) => {
    const gate = b.node('Sigmoid', [x]);
    return b.node('Add', [b.node('Mul', [x, gate]), b.node('Mul', [gate, gate])]);
  } },
  'x σ(z) of another z': { inputs: [[3, 2], [3, 2]], build: (b, [x = '', z = '']) => b.node('Mul', [x, b.node('Sigmoid', [z])]) },
  'σ(x)²': { inputs: [[3]], build: (b, [x = '']) => {
    const gate = b.node('Sigmoid', [x]);
    return b.node('Mul', [gate, gate]);
  } },
  'softmax(x) v': { inputs: [[2, 3, 4], [2, 4, 5]], build: (b, [x = '', v = '']) => b.node('MatMul', [softmax(b, x), v]) },
  'softmax(x) v of fewer batches of v': { inputs: [[2, 3, 4], [4, 5]], build: (b, [x = '', v = '']) => b.node('MatMul', [softmax(b, x), v]) },
  'softmax(x) v of fewer batches of x': { inputs: [[3, 4], [2, 4, 5]], build: (b, [x = '', v = '']) => b.node('MatMul', [softmax(b, x), v]) },
  'softmax(x) v along another axis': { inputs: [[3, 4], [4, 2]], build: (b, [x = '', v = '']) => b.node('MatMul', [softmax(b, x, 0), v]) },
  'softmax(x) v of a vector': { inputs: [[3, 4], [4]], build: (b, [x = '', v = '']) => b.node('MatMul', [softmax(b, x), v]) },
  'u softmax(x)': { inputs: [[3, 4], [2, 3]], build: (b, [x = '', u = '']) => b.node('MatMul', [u, softmax(b, x)]) },
  'softmax(x) softmax(x)': { inputs: [[3, 3]], build: (b, [x = '']) => {
    const p = softmax(b, x);
    return b.node('MatMul', [p, p]);
  } },
  'softmax(x) v where the softmax is read elsewhere too': { inputs: [[3, 4], [4, 4]], build: (b, [x = '', v = '']) => {
    const p = softmax(b, x);
    return b.node('Sub', [b.node('MatMul', [p, v]), square(b, p)]);
  } },
  'halves put together the other way round': { inputs: [[2, 4]], build: (b, [x = '']) => square(b, b.node('Concat', [b.node('Neg', [part(b, x, 2, 4)]), part(b, x, 0, 2)], { axis: 1 })) },
  'halves, and the whole': { inputs: [[2, 4]], build: (b, [x = '']) => b.node('Mul', [b.node('Concat', [part(b, x, 2, 99), part(b, x, 0, 2)], { axis: 1 }), x]) },
  'slices that overlap': { inputs: [[2, 4]], build: (b, [x = '']) => b.node('Mul', [part(b, x, 0, 3), part(b, x, 1, 4)]) },
  'slices with a gap': { inputs: [[2, 5]], build: (b, [x = '']) => b.node('Mul', [part(b, x, 0, 2), part(b, x, 3, 5)]) },
  'slices along two axes': { inputs: [[4, 4]], build: (b, [x = '']) => b.node('MatMul', [part(b, x, 0, 2), part(b, x, 2, 4, 0)]) },
  'the same slice twice': { inputs: [[2, 4]], build: (b, [x = '']) => b.node('Mul', [part(b, x, 0, 2), part(b, x, 0, 2)]) },
};

describe('the derivative of ops taken together', () => {
  for (const [name, test] of Object.entries(cases)) {
    it(`${name}: agrees with finite differences, and so does its second derivative`, async () => {
      await checkGradient(test, new Random(5));
      await checkSecondOrder(test, new Random(6));
    });
  }

  it('gives the whole gradient by a σ(x) inside x σ(x), where that is asked for', async () => {
    const b = new GraphBuilder();
    b.input('x', 'float32', [3]);
    b.node('ReduceSum', [b.node('Mul', ['x', b.node('Sigmoid', ['x'], {}, 'gate')])], { keepdims: 0 }, 'loss');
    b.output('loss', 'float32', []);
    const graph = b.build();
    const feeds = { x: { type: 'float32', dims: [3], data: Float32Array.of(-1, 0.5, 2) } } as const;
    const shapes = await measureShapes(graph, [feeds, feeds], execute);
    const results = await execute(encodeGraph(differentiate(graph, { loss: 'loss', withRespectTo: ['gate', 'x'], shapes })), feeds);
    assert.deepEqual([...(results['grad/gate']?.data as Float32Array)], [-1, 0.5, 2]);
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
    [-1, 0.5, 2].forEach((x, i) => assert.ok(Math.abs(Number(results['grad/x']?.data[i]) - (sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)))) < 1e-6));
  });

  it('needs fewer ops: no power, no padding, and one product over all pairs of an attention', async () => {
    const gradientOps = async (build: Case['build'], ...inputs: readonly (readonly number[])[]): Promise<readonly string[]> => {
      const b = new GraphBuilder();
      const names = inputs.map((dims, i) => b.input(`x${i}`, 'float32', dims));
      b.node('ReduceSum', [build(b, names)], { keepdims: 0 }, 'loss');
      b.output('loss', 'float32', []);
      const graph: Graph = b.build();
      const feeds = Object.fromEntries(inputs.map((dims, i) => [`x${i}`, { type: 'float32', dims, data: new Float32Array(dims.reduce((size, dim) => size * dim, 1)).fill(1) }] as const));
      const shapes = await measureShapes(graph, [feeds, feeds], execute);
      const own = new Set(graph.nodes.map(({ outputs }) => outputs[0]));
      return differentiate(graph, { loss: 'loss', withRespectTo: names, shapes }).nodes.filter(({ outputs }) => !own.has(outputs[0])).map(({ op }) => op);
    };
    assert.ok(!(await gradientOps((b, [x = '']) => square(b, x), [4])).includes('Pow'));
    assert.ok(!(await gradientOps((b, [x = '']) => b.node('Concat', [b.node('Neg', [part(b, x, 2, 4)]), part(b, x, 0, 2)], { axis: 1 }), [2, 4])).includes('Pad'));
    const attention = await gradientOps((b, [x = '', v = '']) => b.node('MatMul', [softmax(b, x), v]), [3, 4], [4, 2]);
    // Σ o do on [3, 2]; then y (dy − Σ) on [3, 4].
    assert.deepEqual(attention.filter((op) => ['Mul', 'Sub', 'ReduceSum'].includes(op)).sort(), ['Mul', 'Mul', 'ReduceSum', 'Sub']);
  });
});
