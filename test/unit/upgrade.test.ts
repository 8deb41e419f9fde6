// Graphs of old operator sets compute the same in opset 18, in which they can be differentiated.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { GraphNode, Graph, Tensor } from '../../src/onnx/graph.ts';
import { OpsetError, upgradeOpset } from '../../src/onnx/upgrade.ts';
import { execute } from '../support/host.ts';

const x: Tensor = { type: 'float32', dims: [2, 3, 4], data: Float32Array.from({ length: 24 }, (_, i) => Math.sin(3 * i)) };

/** One node of the operator, and what else it reads. */
function graphOf(opset: number, op: string, attributes: GraphNode['attributes'], outputs: readonly string[] = ['y']): Graph {
  return {
    opset, metadata: {}, initializers: new Map(),
    inputs: [{ name: 'x', type: 'float32', dims: op === 'Squeeze' ? [1, 'a', 'b', 'c'] : ['a', 'b', 'c'] }],
    outputs: outputs.map((name) => ({ name, type: 'float32', dims: [], unknownRank: true })),
    nodes: [{ op, domain: '', inputs: ['x'], outputs, attributes }],
  };
}

describe('the upgrade of an operator set', () => {
  const cases: readonly (readonly [number, string, GraphNode['attributes'], outputs?: readonly string[]])[] = [
    ...[11, 12, 13].flatMap((opset) => ['Softmax', 'LogSoftmax'].flatMap((op) => [{}, { axis: 0 }, { axis: 1 }, { axis: 2 }, { axis: -2 }, { axis: -1 }].map((attributes) => [opset, op, attributes] as const))),
    [11, 'Hardmax', {}],
    [11, 'ReduceSum', { axes: [0, -1], keepdims: 0 }], [12, 'ReduceSum', {}], [11, 'ReduceMean', { axes: [1] }], [17, 'ReduceMax', { axes: [2] }],
    [11, 'Squeeze', { axes: [0] }], [11, 'Squeeze', {}], [12, 'Unsqueeze', { axes: [0, 2] }],
    [11, 'Split', { axis: 2, split: [1, 3] }, ['a', 'b']], [12, 'Split', { axis: 0 }, ['a', 'b']], [13, 'Split', { axis: 2 }, ['a', 'b']],
    [11, 'Dropout', { ratio: { float: 0.5 } }],
  ];
  for (const [opset, op, attributes, outputs] of cases) {
    it(`keeps what ${op} ${JSON.stringify(attributes)} of opset ${opset} computes`, async () => {
      const graph = graphOf(opset, op, attributes, outputs);
      const feeds = { x: op === 'Squeeze' ? { ...x, dims: [1, 2, 3, 4] } : x };
      const newer = upgradeOpset(graph);
      assert.equal(newer.opset, 18);
      const [before, after] = [await execute(encodeGraph(graph), feeds), await execute(encodeGraph(newer), feeds)];
      for (const { name } of graph.outputs) {
        assert.deepEqual(after[name]?.dims, before[name]?.dims);
        assert.deepEqual(after[name]?.data, before[name]?.data);
      }
    });
  }

  it('is refused below opset 7, with what to do', () => {
    assert.throws(() => upgradeOpset(graphOf(6, 'Softmax', {})), (error) => error instanceof OpsetError && /operator set 6; gradients need 7 or newer\. Export it again/.test(error.message));
  });
});
