// Gradients of graphs as they were exported: fused operators are written out where the gradient passes, and nowhere else.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { NoGradientError } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { gradientGraph } from '../../src/onnx/gradientGraph.ts';
import type { Graph, Tensor } from '../../src/onnx/graph.ts';
import { execute } from '../support/host.ts';

const row = (...values: readonly number[]): Tensor => ({ type: 'float32', dims: [1, values.length], data: Float32Array.from(values) });

/** loss = Σ op(quickGelu(x)) in opset 17, the ops of com.microsoft. */
function fusedGraph(op: string): Graph {
  const b = new GraphBuilder({ opset: 17, domains: { 'com.microsoft': 1 }, metadata: {}, nodes: [], inputs: [], outputs: [], initializers: new Map() });
  b.input('x', 'float32', [1, 'n']);
  b.nodeWithOutputs('QuickGelu', ['x'], ['a'], {}, 'com.microsoft');
  b.nodeWithOutputs(op, ['a'], ['y'], {}, 'com.microsoft');
  b.node('ReduceSum', ['y'], { keepdims: 0 }, 'loss');
  b.output('loss', 'float32', []);
  return b.build();
}

const feeds = [{ x: row(-1.5, -0.2, 0.3, 2) }, { x: row(0.5, 1) }] as const;
const fusedOps = ({ nodes }: Graph): string[] => nodes.filter(({ domain }) => domain === 'com.microsoft').map(({ op }) => op);

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const quickGelu = (x: number): number => x * sigmoid(1.702 * x);
const fastGelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const slope = (f: (x: number) => number, x: number): number => (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;

describe('the gradient graph of an exported graph', () => {
  it('has the derivative through two fused operators, and none of them is left on the path', async () => {
    const graph = await gradientGraph(fusedGraph('FastGelu'), { loss: 'loss', withRespectTo: ['x'], feeds, execute });
    assert.deepEqual(fusedOps(graph), []);
    const { 'grad/x': gradient } = await execute(encodeGraph(graph), feeds[0]);
    [...feeds[0].x.data].forEach((x, i) => assert.ok(Math.abs(Number(gradient?.data[i]) - slope((t) => fastGelu(quickGelu(t)), Number(x))) < 1e-5, `${x}`));
  });

  it('keeps the fused operators that no gradient passes', async () => {
    const graph = await gradientGraph(fusedGraph('FastGelu'), { loss: 'loss', withRespectTo: ['a'], feeds, execute });
    assert.deepEqual(fusedOps(graph), ['QuickGelu']);
    const { 'grad/a': gradient } = await execute(encodeGraph(graph), feeds[0]);
    [...feeds[0].x.data].forEach((x, i) => assert.ok(Math.abs(Number(gradient?.data[i]) - slope(fastGelu, quickGelu(Number(x)))) < 1e-5, `${x}`));
  });

  it('sees what a fused operator does with a value that it gives out as well', async () => {
    const b = new GraphBuilder({ ...fusedGraph('FastGelu'), nodes: [], inputs: [], outputs: [] });
    b.input('x', 'float32', [1, 'n']);
    b.input('gamma', 'float32', ['n']);
    b.nodeWithOutputs('SkipSimplifiedLayerNormalization', ['x', 'x', 'gamma'], ['y', '', '', 'sum'], { epsilon: { float: 1e-6 } }, 'com.microsoft');
    b.node('ReduceSum', [b.node('Add', ['y', 'sum'])], { keepdims: 0 }, 'loss');
    b.output('loss', 'float32', []);
    const [gamma, short]: readonly Tensor[] = [{ type: 'float32', dims: [4], data: Float32Array.of(1, -2, 3, 0.5) }, { type: 'float32', dims: [2], data: Float32Array.of(1, 1) }];
    assert.ok(gamma && short);
    const graph = await gradientGraph(b.build(), { loss: 'loss', withRespectTo: ['sum'], feeds: [{ ...feeds[0], gamma }, { ...feeds[1], gamma: short }], execute });
    const { 'grad/sum': gradient } = await execute(encodeGraph(graph), { ...feeds[0], gamma });
    const loss = (sum: readonly number[]): number => {
      const root = Math.sqrt(sum.reduce((total, value) => total + value * value, 0) / sum.length + 1e-6);
      return sum.reduce((total, value, i) => total + value + (Number(gamma.data[i]) * value) / root, 0);
    };
    const at = [...feeds[0].x.data].map((x) => 2 * Number(x));
    at.forEach((_, i) => assert.ok(Math.abs(Number(gradient?.data[i]) - slope((t) => loss(at.with(i, t)), at[i] ?? 0)) < 1e-5));
  });

  it('names its outputs after values that are called as its own might be', async () => {
    const b = new GraphBuilder();
    b.input('x', 'float32', [1, 'n']);
    const values = ['x'];
    for (let i = 0; i < 12; i++) values.push(b.node(i % 2 === 0 ? 'Mul' : 'Add', [values.at(-1) ?? '', 'x'], {}, `${['Mul', 'Add', 'Identity'][i % 3] ?? ''}_${i}`));
    b.node('ReduceSum', [values.at(-1) ?? ''], { keepdims: 0 }, 'loss');
    b.output('loss', 'float32', []);
    const graph = await gradientGraph(b.build(), { loss: 'loss', withRespectTo: values, feeds, execute });
    const results = await execute(encodeGraph(graph), feeds[0]);
    [...feeds[0].x.data].forEach((given, place) => {
      const x = Number(given);
      // From the last value back: d loss / d (v · x) = x times the one after it, d loss / d (v + x) the same.
      const expected = values.map((_, i) => x ** values.slice(i).filter((__, k) => (i + k) % 2 === 0 && i + k < values.length - 1).length);
      values.slice(1).forEach((name, i) => assert.ok(Math.abs(Number(results[`grad/${name}`]?.data[place]) - (expected[i + 1] ?? Number.NaN)) < 1e-4 * Math.max(1, Math.abs(expected[i + 1] ?? 0)), name));
    });
  });

  it('refuses an operator without rule and expansion by name and path', async () => {
    const graph = fusedGraph('BiasSplitGelu');
    const question = gradientGraph({ ...graph, nodes: graph.nodes.map((node) => (node.op === 'BiasSplitGelu' ? { ...node, op: 'Inverse' } : node)) }, { loss: 'loss', withRespectTo: ['x'], feeds: [{ x: row(2) }, { x: row(3) }], execute });
    await assert.rejects(question, (error) => error instanceof NoGradientError && error.op === 'com.microsoft.Inverse' && /x → .*Inverse\(y\) → /.test(error.message));
  });
});
