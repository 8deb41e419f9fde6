// Reading and writing ONNX files: what is written reads back the same, and broken files are answers, not crashes.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Attribute, Graph, Initializer, ValueInfo } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';

const label = fc.string({ minLength: 1, maxLength: 6 });
const dims = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 });
const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

const tensor: fc.Arbitrary<Initializer> = dims.chain((shape) => {
  const count = { minLength: size(shape), maxLength: size(shape) };
  return fc.oneof(
    fc.float32Array({ ...count, noNaN: true }).map((data) => ({ type: 'float32' as const, dims: shape, data })),
    fc.float64Array({ ...count, noNaN: true }).map((data) => ({ type: 'float64' as const, dims: shape, data })),
    fc.bigInt64Array(count).map((data) => ({ type: 'int64' as const, dims: shape, data })),
    fc.uint16Array(count).map((data) => ({ type: 'float16' as const, dims: shape, data })),
    fc.uint8Array({ minLength: Math.ceil(size(shape) / 2), maxLength: Math.ceil(size(shape) / 2) })
      .map((data) => ({ type: 'int4' as const, dims: shape, data })),
    fc.record({ location: label, offset: fc.nat().map(String) }).map((external) => ({ type: 'bfloat16' as const, dims: shape, external: { ...external } })),
  );
});

const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }),
  fc.string(),
  fc.array(fc.maxSafeInteger()),
  fc.float({ noNaN: true }).map((float) => ({ float })),
  fc.array(fc.float({ noNaN: true })).map((floats) => ({ floats })),
  fc.array(fc.string()).map((strings) => ({ strings })),
  tensor.filter((value) => !('external' in value)) as fc.Arbitrary<Attribute>,
);

const value: fc.Arbitrary<Omit<ValueInfo, 'name'>> = fc.oneof(
  fc.record({ type: fc.constantFrom('float32' as const, 'int64' as const, 'bool' as const), dims: fc.array(fc.oneof(fc.nat(9), fc.string())) }),
  fc.constant({ type: 'float32' as const, dims: [], unknownRank: true as const }),
);

/** Chains of nodes of made-up operators: the format does not mind. */
const graphs: fc.Arbitrary<Graph> = fc
  .record({
    inputs: fc.array(value, { minLength: 1, maxLength: 3 }),
    initializers: fc.array(tensor, { maxLength: 3 }),
    nodes: fc.array(
      fc.record({
        op: label, domain: fc.constantFrom('', 'com.microsoft'), name: fc.option(label, { nil: undefined }),
        picks: fc.array(fc.nat(), { maxLength: 3 }), outputs: fc.integer({ min: 1, max: 2 }),
        attributes: fc.dictionary(label, attribute, { maxKeys: 3, noNullPrototype: true }),
      }),
      { maxLength: 5 },
    ),
    metadata: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
    opset: fc.integer({ min: 7, max: 23 }),
  })
  .map(({ inputs, initializers, nodes, metadata, opset }) => {
    const known: string[] = ['', ...inputs.map((_, i) => `in${i}`), ...initializers.map((_, i) => `w${i}`)];
    return {
      opset,
      domains: { 'com.microsoft': 1 },
      metadata,
      inputs: inputs.map((info, i) => ({ name: `in${i}`, ...info })),
      outputs: inputs.map((info, i) => ({ name: `in${i}`, ...info })),
      initializers: new Map(initializers.map((initializer, i) => [`w${i}`, initializer])),
      nodes: nodes.map(({ op, domain, name, picks, outputs, attributes }, n) => {
        const read = picks.map((pick) => known[pick % known.length] ?? '');
        const written = Array.from({ length: outputs }, (_, i) => `v${n}_${i}`);
        known.push(...written);
        return { op, domain, inputs: read, outputs: written, attributes, ...(name === undefined ? {} : { name }) };
      }),
    };
  });

function sample(): Graph {
  const b = new GraphBuilder();
  b.input('x', 'float32', ['batch', 4]);
  b.initializer('w', { type: 'float32', dims: [4, 3], data: Float32Array.from({ length: 12 }, (_, i) => i) });
  b.node('Softmax', [b.node('MatMul', ['x', 'w'])], { axis: -1 }, 'y');
  b.output('y', 'float32', ['batch', 3]);
  return b.build();
}

describe('ONNX files', () => {
  it('reads back what was written', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const read = decodeModel(encodeGraph(graph), 'a.onnx');
        assert.ok(read.ok, read.ok ? '' : read.fault.message);
        assert.deepEqual(read.graph, graph);
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it('keeps the body of a control-flow node, which reads values from around it', () => {
    const body = { nodes: [{ op: 'Neg', domain: '', inputs: ['x'], outputs: ['n'], attributes: {} }], inputs: [], outputs: [{ name: 'n', type: 'float32' as const, dims: [2] }], initializers: new Map() };
    const b = new GraphBuilder();
    b.input('c', 'bool', []);
    b.input('x', 'float32', [2]);
    b.nodeWithOutputs('If', ['c'], ['y'], { then_branch: { graph: body }, else_branch: { graph: { ...body } } });
    b.output('y', 'float32', [2]);
    const read = decodeModel(encodeGraph(b.build()), 'if.onnx');
    assert.ok(read.ok);
    assert.deepEqual(read.graph, b.build());
  });

  it('names the file and the fault of a truncated model, at every length', () => {
    const bytes = encodeGraph(sample());
    for (let length = 0; length < bytes.length; length++) {
      const read = decodeModel(bytes.subarray(0, length), 'cut.onnx');
      if (!read.ok) assert.match(read.fault.message, /^cut\.onnx is not a usable ONNX model: .+\.$/);
    }
    assert.equal(decodeModel(bytes.subarray(0, bytes.length >> 1), 'cut.onnx').ok, false);
  });

  it('answers to flipped bits with a graph or a fault, never an exception', () => {
    const bytes = encodeGraph(sample());
    const random = new Random(3);
    let faults = 0;
    for (let round = 0; round < 3000; round++) {
      const broken = bytes.slice();
      for (let flips = random.integer(1, 3); flips > 0; flips--) {
        const at = random.integer(0, broken.length - 1);
        broken[at] = (broken[at] ?? 0) ^ (1 << random.integer(0, 7));
      }
      if (!decodeModel(broken, 'flipped.onnx').ok) faults++;
    }
    assert.ok(faults > 500, `only ${faults} of 3000 broken files were noticed`);
  });

  it('refuses a constant whose data does not fit its shape, by name', () => {
    const graph = sample();
    const initializers = new Map(graph.initializers).set('w', { type: 'float32', dims: [4, 4], data: new Float32Array(12) });
    const read = decodeModel(encodeGraph({ ...graph, initializers }), 'short.onnx');
    assert.ok(!read.ok);
    assert.equal(read.fault.message, 'short.onnx is not a usable ONNX model: w should have 64 bytes of data and has 48.');
  });

  it('refuses a node that reads a value nothing computes, and a value that is computed twice', () => {
    const graph = sample();
    const [first] = graph.nodes;
    assert.ok(first);
    const read = decodeModel(encodeGraph({ ...graph, nodes: graph.nodes.slice(1) }), 'hole.onnx');
    assert.ok(!read.ok && read.fault.message.includes('nothing before it computes'));
    const twice = decodeModel(encodeGraph({ ...graph, nodes: [first, ...graph.nodes] }), 'twice.onnx');
    assert.ok(!twice.ok && twice.fault.message.includes('two values are named'));
  });

  it('refuses what is no model at all', () => {
    for (const text of ['', 'hello world', '{"a": 1}', '\u0000'.repeat(64)]) {
      assert.equal(decodeModel(new TextEncoder().encode(text), 'x.onnx').ok, false, JSON.stringify(text));
    }
  });
});
