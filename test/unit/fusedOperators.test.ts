// com.microsoft's fused operators: each equals its expansion in standard ops, whose gradient agrees with differences.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { activationExpansions } from '../../src/onnx/expand/microsoftActivations.ts';
import { normalisationExpansions } from '../../src/onnx/expand/microsoftNormalisation.ts';
import { dequantizeLinear, quantisedExpansions } from '../../src/onnx/expand/microsoftQuantised.ts';
import { rotaryExpansions } from '../../src/onnx/expand/microsoftRotary.ts';
import type { Expansions } from '../../src/onnx/expand/expander.ts';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate, missingRules, NoGradientError } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import { execute } from '../support/host.ts';
import type { Attribute, Graph, StoredTensor, Tensor } from '../../src/onnx/graph.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import { Random } from '../../src/shared/random.ts';
import type { FusedCase } from '../support/expansionCheck.ts';
import { bytes, checkExpandedGradient, checkExpansion, constant, expansionRefusal, floats, ints, refusal } from '../support/expansionCheck.ts';

const expansions: Expansions = {
  ...normalisationExpansions, ...activationExpansions, ...rotaryExpansions, ...quantisedExpansions, DequantizeLinear: dequantizeLinear,
};

interface Drawn {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  readonly random: Random;
}

const drawn: fc.Arbitrary<Drawn> = fc
  .record({ batch: fc.integer({ min: 1, max: 3 }), length: fc.integer({ min: 1, max: 4 }), width: fc.integer({ min: 1, max: 5 }), seed: fc.nat(1e6) })
  .map(({ seed, ...sizes }) => ({ ...sizes, random: new Random(seed) }));

type Cases = Readonly<Record<string, (at: Drawn) => FusedCase>>;

const float = (value: number): Attribute => ({ float: value });
const whole = (random: Random, count: number, below: number): number[] => Array.from({ length: count }, () => Math.floor(below * random.next()));

const SUM = [true, false, false, true];

const normalisations: Cases = {
  'SkipLayerNormalization': ({ batch: b, length: s, width: w }) => ({ op: 'SkipLayerNormalization', inputs: [floats(b, s, w), floats(b, s, w), floats(w)] }),
  'SkipLayerNormalization with a bias and the residual sum': ({ batch: b, length: s, width: w }) => ({
    op: 'SkipLayerNormalization', inputs: [floats(b, s, w), floats(b, s, w), floats(w), floats(w), floats(w)], outputs: SUM, attributes: { epsilon: float(1e-5) },
  }),
  'SkipLayerNormalization with statistics': ({ batch: b, length: s, width: w }) => ({
    op: 'SkipLayerNormalization', inputs: [floats(b, s, w), floats(b, s, w), floats(w), floats(w)], outputs: [true, true, true, true], attributes: { epsilon: float(1e-3) },
  }),
  'SkipLayerNormalization of two axes': ({ length: s, width: w }) => ({ op: 'SkipLayerNormalization', inputs: [floats(s, w), floats(s, w), floats(w), floats(w)] }),
  'SkipLayerNormalization with one skip for the batch': ({ batch: b, length: s, width: w }) => ({
    op: 'SkipLayerNormalization', inputs: [floats(b, s, w), floats(1, s, w), floats(w), floats(w)], outputs: SUM,
  }),
  'SkipLayerNormalization with a skip of two axes': ({ batch: b, length: s, width: w }) => ({
    op: 'SkipLayerNormalization', inputs: [floats(b, s, w), floats(s, w), floats(w)], outputs: SUM,
  }),
  'SkipSimplifiedLayerNormalization': ({ batch: b, length: s, width: w }) => ({
    op: 'SkipSimplifiedLayerNormalization', inputs: [floats(b, s, w), floats(b, s, w), floats(w)], outputs: SUM, attributes: { epsilon: float(1e-5) },
  }),
  'SkipSimplifiedLayerNormalization with a bias and the scale': ({ batch: b, length: s, width: w }) => ({
    op: 'SkipSimplifiedLayerNormalization', inputs: [floats(b, s, w), floats(b, s, w), floats(w), floats(w)], outputs: [true, false, true, true],
  }),
  'SimplifiedLayerNormalization': ({ batch: b, length: s, width: w }) => ({
    op: 'SimplifiedLayerNormalization', domain: '', inputs: [floats(b, s, w), floats(w)], attributes: { axis: -1, epsilon: float(1e-5), stash_type: 1 },
  }),
  'SimplifiedLayerNormalization over two axes': ({ batch: b, length: s, width: w }) => ({
    op: 'SimplifiedLayerNormalization', domain: '', inputs: [floats(b, s, w), floats(s, w)], attributes: { axis: 1 }, outputs: [true, true],
  }),
  'EmbedLayerNormalization': ({ batch: b, length: s, width: w, random }) => ({
    op: 'EmbedLayerNormalization', outputs: [true, false, true],
    inputs: [ints([b, s], whole(random, b * s, 5)), ints([b, s], whole(random, b * s, 2)), floats(5, w), floats(6, w), floats(2, w), floats(w), floats(w)],
  }),
  'EmbedLayerNormalization with positions': ({ batch: b, length: s, width: w, random }) => ({
    op: 'EmbedLayerNormalization', outputs: [true, false, true], attributes: { epsilon: float(1e-5) },
    inputs: [ints([b, s], whole(random, b * s, 5)), null, floats(5, w), floats(6, w), null, floats(w), floats(w), null, ints([b, s], whole(random, b * s, 6))],
  }),
  'EmbedLayerNormalization with one row of positions': ({ batch: b, length: s, width: w, random }) => ({
    op: 'EmbedLayerNormalization', outputs: [true, false, true],
    inputs: [ints([b, s], whole(random, b * s, 5)), null, floats(5, w), floats(6, w), null, floats(w), floats(w), null, ints([1, s], whole(random, s, 6))],
  }),
};

const product = (attributes: Readonly<Record<string, Attribute>>, a: (at: Drawn) => number[], b: (at: Drawn) => number[]) => (at: Drawn): FusedCase => ({
  op: 'FusedMatMul', attributes: { alpha: float(0.7), ...attributes }, inputs: [floats(...a(at)), floats(...b(at))],
});

const gemm = (activation: string, attributes: Readonly<Record<string, Attribute>> = {}) => ({ batch: b, length: s, width: w }: Drawn): FusedCase => ({
  op: 'FusedGemm', attributes: { activation, alpha: float(0.5), ...attributes }, opset: 15,
  inputs: [floats(b, w), attributes.transB ? floats(s, w) : floats(w, s), floats(s)],
});

const activations: Cases = {
  'Gelu': ({ batch: b, width: w }) => ({ op: 'Gelu', inputs: [floats(b, w)] }),
  'BiasGelu': ({ batch: b, length: s, width: w }) => ({ op: 'BiasGelu', inputs: [floats(b, s, w), floats(w)] }),
  'FastGelu': ({ batch: b, length: s, width: w }) => ({ op: 'FastGelu', inputs: [floats(b, s, w)] }),
  'FastGelu with a bias': ({ batch: b, length: s, width: w }) => ({ op: 'FastGelu', inputs: [floats(b, s, w), floats(w)] }),
  'QuickGelu': ({ batch: b, width: w }) => ({ op: 'QuickGelu', inputs: [floats(b, w)] }),
  'QuickGelu with another alpha': ({ batch: b, width: w }) => ({ op: 'QuickGelu', inputs: [floats(b, w)], attributes: { alpha: float(0.6) } }),
  'FusedMatMul': product({}, ({ batch: b, length: s, width: w }) => [b, s, w], ({ batch: b, width: w }) => [b, w, 2]),
  'FusedMatMul of the transposed left': product({ transA: 1 }, ({ batch: b, length: s, width: w }) => [b, w, s], ({ width: w }) => [w, 3]),
  'FusedMatMul of the transposed right': product({ transB: 1 }, ({ batch: b, length: s, width: w }) => [b, s, w], ({ width: w }) => [3, w]),
  'FusedMatMul with batches within the left': product({ transBatchA: 1 }, ({ batch: b, length: s, width: w }) => [s, b, w], ({ batch: b, width: w }) => [b, w, 2]),
  'FusedMatMul with batches within the transposed left': product({ transBatchA: 1, transA: 1 }, ({ batch: b, length: s, width: w }) => [w, b, s], ({ batch: b, width: w }) => [b, w, 2]),
  'FusedMatMul with batches within the right': product({ transBatchB: 1 }, ({ batch: b, length: s, width: w }) => [b, s, w], ({ batch: b, width: w }) => [w, b, 2]),
  'FusedMatMul with two axes of batches within both, the right transposed':
    product({ transBatchA: 1, transBatchB: 1, transB: 1 }, ({ batch: b, length: s, width: w }) => [s, b, 2, w], ({ batch: b, width: w }) => [3, b, 2, w]),
  'TransposeMatMul': ({ batch: b, length: s, width: w }) => ({ op: 'TransposeMatMul', attributes: { transB: 1 }, inputs: [floats(b, s, w), floats(3, w)] }),
  'FusedGemm with Relu': gemm('Relu'),
  'FusedGemm with Tanh': gemm('Tanh', { transB: 1 }),
  'FusedGemm with Sigmoid': gemm('Sigmoid'),
  'FusedGemm with LeakyRelu': gemm('LeakyRelu', { activation_alpha: float(0.2) }),
};

const TABLE = 9;

interface Turning {
  readonly split?: boolean;
  readonly interleaved?: number;
  readonly partial?: boolean;
  readonly oneOffset?: boolean;
}

/** Two heads of 8, of which 8 or 4 turn. */
const rotary = ({ split = false, interleaved = 0, partial = false, oneOffset = false }: Turning) => ({ batch: b, length: s, random }: Drawn): FusedCase => ({
  op: 'RotaryEmbedding',
  attributes: { interleaved, ...(partial ? { num_heads: 2, rotary_embedding_dim: 4 } : {}) },
  inputs: [
    split ? floats(b, 2, s, 8) : floats(b, s, 16),
    oneOffset ? ints([1], whole(random, 1, TABLE - s), 'int64') : ints([b, s], whole(random, b * s, TABLE), 'int64'),
    floats(TABLE, partial ? 2 : 4), floats(TABLE, partial ? 2 : 4),
  ],
});

const rotaries: Cases = Object.fromEntries(
  [false, true].flatMap((split) => [0, 1].flatMap((interleaved) => [false, true].flatMap((partial) => [false, true].map((oneOffset) => {
    const words = ['RotaryEmbedding', split ? 'of four axes' : 'of three axes', interleaved ? 'in interleaved pairs' : 'in halves', partial ? 'of a part of each head' : 'of whole heads', oneOffset ? 'from an offset' : 'by positions'];
    return [words.join(' '), rotary({ split, interleaved, partial, oneOffset })] as const;
  })))),
);

interface Quantisation {
  readonly bits: number;
  readonly points: 'absent' | 'packed' | 'float';
  readonly columns?: number;
  readonly block?: number;
  readonly accuracy?: number;
}

const quantised = ({ bits, points, columns = 40, block = 16, accuracy = 0 }: Quantisation) => ({ batch: b, length: s, width: rows, random }: Drawn): FusedCase => {
  const blocks = Math.ceil(columns / block);
  const many = (low: number, high: number): number[] => Array.from({ length: rows * blocks }, () => low + (high - low) * random.next());
  const zero = { absent: null, packed: bytes([rows * Math.ceil((blocks * bits) / 8)], random), float: constant([rows * blocks], many(0, 2 ** bits)) }[points];
  return {
    op: 'MatMulNBits', attributes: { K: columns, N: rows, bits, block_size: block, accuracy_level: accuracy },
    inputs: [floats(b, s, columns), bytes([rows, blocks, (block * bits) / 8], random), constant([rows * blocks], many(0.02, 0.1)), zero, null, floats(rows)],
    ...(accuracy === 4 ? { tolerance: 0.02 } : {}),
  };
};

const quantisations: Cases = {
  ...Object.fromEntries([2, 4, 8].flatMap((bits) => (['absent', 'packed', 'float'] as const).filter((points) => bits < 8 || points !== 'float').map((points) =>
    [`MatMulNBits of ${bits} bits with zero points ${points}`, quantised({ bits, points })] as const))),
  'MatMulNBits of 4 bits in one block': quantised({ bits: 4, points: 'float', columns: 16 }),
  'MatMulNBits of 4 bits in blocks of 32': quantised({ bits: 4, points: 'packed', columns: 64, block: 32 }),
  // Level 4 rounds the activations to 8 bits; the expansion, and so the gradient, does not.
  'MatMulNBits of 4 bits that rounds its activations': quantised({ bits: 4, points: 'absent', columns: 32, accuracy: 4 }),
};

const stored = (type: 'int8' | 'uint8' | 'int4' | 'uint4', random: Random, ...dims: number[]): Tensor | StoredTensor => {
  const data = Uint8Array.from(whole(random, type.endsWith('8') ? elementCount(dims) : Math.ceil(elementCount(dims) / 2), 256));
  return type === 'int8' ? { type, dims, data: new Int8Array(data.buffer) } : { type, dims, data };
};

const dequantised = (inputs: (at: Drawn) => FusedCase['inputs'], attributes: Readonly<Record<string, Attribute>> = {}) => (at: Drawn): FusedCase => ({
  op: 'DequantizeLinear', domain: '', attributes, inputs: inputs(at),
});

const dequantisations: Cases = {
  'DequantizeLinear': dequantised(({ batch: b, width: w, random }) => [stored('uint8', random, b, w), floats(), stored('uint8', random)]),
  'DequantizeLinear without a zero point': dequantised(({ batch: b, width: w, random }) => [stored('int8', random, b, w), floats()]),
  'DequantizeLinear along an axis': dequantised(({ batch: b, width: w, random }) => [stored('int8', random, b, w, 2), floats(w), stored('int8', random, w)], { axis: 1 }),
  'DequantizeLinear along the last axis': dequantised(({ batch: b, width: w, random }) => [stored('int8', random, b, 2, w), floats(w)], { axis: -1 }),
  'DequantizeLinear of int32': dequantised(({ random }) => [ints([2, 3], whole(random, 6, 99)), floats()]),
  'DequantizeLinear by blocks': dequantised(({ batch: b, random }) => [stored('uint8', random, b, 5, 2), floats(b, 3, 2), stored('uint8', random, b, 3, 2)], { axis: 1, block_size: 2 }),
  'DequantizeLinear by blocks of the first axis': dequantised(({ width: w, random }) => [stored('uint8', random, 4, w), floats(2, w)], { axis: 0, block_size: 2 }),
  'DequantizeLinear of uint4 by blocks': dequantised(({ batch: b, random }) => [stored('uint4', random, b, 6), floats(b, 3), stored('uint4', random, b, 3)], { axis: 1, block_size: 2 }),
  'DequantizeLinear of int4 by blocks': dequantised(({ batch: b, random }) => [stored('int4', random, b, 6), floats(b, 3)], { axis: 1, block_size: 2 }),
};

const families = { normalisations, activations, rotaries, quantisations, dequantisations };

/** Float inputs that stay fixed: the tables of angles, which no one differentiates by, are long. */
const differentiatedBy = (test: FusedCase): readonly number[] | undefined => (test.op === 'RotaryEmbedding' ? [0] : undefined);

for (const [family, cases] of Object.entries(families)) {
  describe(`the expansion of fused ${family}`, () => {
    for (const [name, caseAt] of Object.entries(cases)) {
      it(`${name} equals the operator`, async () => {
        await fc.assert(fc.asyncProperty(drawn, async (at) => {
          const test = caseAt(at);
          await checkExpansion(test, expansions[test.op] ?? assert.fail(test.op), at.random);
        }), { seed: 3, numRuns: 4 });
      });
      it(`${name} has a gradient that agrees with finite differences`, async () => {
        await fc.assert(fc.asyncProperty(drawn, async (at) => {
          const test = caseAt(at);
          await checkExpandedGradient(test, expansions[test.op] ?? assert.fail(test.op), at.random, differentiatedBy(test));
        }), { seed: 4, numRuns: 1 });
      });
    }
  });
}

const at: Drawn = { batch: 2, length: 3, width: 4, random: new Random(1) };

/** What ONNX Runtime's CPU provider has no kernel for, or refuses. */
const refused: Readonly<Record<string, { readonly test: FusedCase; readonly says: RegExp }>> = {
  'SimplifiedLayerNormalization in the domain com.microsoft': {
    test: { op: 'SimplifiedLayerNormalization', inputs: [floats(2, 3), floats(3)] }, says: /not a registered function/,
  },
  'BiasSplitGelu': { test: { op: 'BiasSplitGelu', inputs: [floats(2, 3, 8), floats(8)] }, says: /implementation for BiasSplitGelu/ },
  'MatMulNBits of 8 bits with float zero points': { test: quantised({ bits: 8, points: 'float' })(at), says: /matmul_nbits/ },
};

describe('ONNX Runtime on the CPU', () => {
  for (const [name, { test, says }] of Object.entries(refused)) {
    it(`refuses ${name}`, async () => assert.match(await refusal(test, new Random(1)), says));
  }
});

const packedBatches: FusedCase = { ...rotary({})(at), attributes: { is_packed_batching: 1 } };
const ordered = quantised({ bits: 4, points: 'absent' })(at);

const notExpanded: Readonly<Record<string, { readonly test: FusedCase; readonly says: RegExp }>> = {
  'RotaryEmbedding of packed batches': { test: packedBatches, says: /packed/ },
  'FusedGemm with an activation of another kind': { test: gemm('HardSigmoid')(at), says: /HardSigmoid/ },
  'MatMulNBits with columns in another order': { test: { ...ordered, inputs: ordered.inputs.map((input, i) => (i === 4 ? ints([40], Array<number>(40).fill(0)) : input)) }, says: /g_idx/ },
  'MatMulNBits of 3 bits': { test: { ...ordered, attributes: { ...ordered.attributes, bits: 3 } }, says: /3 bits/ },
};

describe('a fused operator that has no expansion', () => {
  for (const [name, { test, says }] of Object.entries(notExpanded)) {
    it(`is refused with the reason: ${name}`, () => assert.match(expansionRefusal(test, expansions[test.op] ?? assert.fail(test.op)), says));
  }

  for (const op of ['MoE', 'QMoE', 'PagedAttention', 'SparseAttention', 'BiasSplitGelu', 'LongformerAttention']) {
    it(`is refused by name with the path, before anything runs: ${op}`, () => {
      const graph = onePath(op);
      assert.deepEqual(missingRules(graph, 'loss', ['x']), [`com.microsoft.${op}`]);
      assert.throws(() => differentiate(graph, { loss: 'loss', withRespectTo: ['x'], shapes: () => [2, 3] }), (error) => {
        assert.ok(error instanceof NoGradientError);
        assert.equal(error.op, `com.microsoft.${op}`);
        assert.deepEqual(error.path, ['x', 'Neg(h)', `com.microsoft.${op}(y)`, 'ReduceSum(loss)', 'loss']);
        return true;
      });
    });
  }
});

/** loss = Σ op(−x) */
function onePath(op: string): Graph {
  const b = new GraphBuilder();
  b.input('x', 'float32', [2, 3]);
  b.node('Neg', ['x'], {}, 'h');
  b.nodeWithOutputs(op, ['h'], ['y'], {}, 'com.microsoft');
  b.node('ReduceSum', ['y'], { keepdims: 0 }, 'loss');
  b.output('loss', 'float32', []);
  return b.build();
}

describe('the gradient after quantised embeddings', () => {
  it('stops at GatherBlockQuantized, whose table and indices are constants', async () => {
    const graph = quantisedEmbedding();
    const shapes = await measureShapes(graph, [{}, {}], execute);
    const gradients = await execute(encodeGraph(differentiate(graph, { loss: 'loss', withRespectTo: ['rows'], shapes })), {});
    const rows = [...(gradients['rows/seen']?.data as Float32Array)];
    assert.ok(rows.some((value) => value !== 0));
    assert.deepEqual([...(gradients['grad/rows']?.data as Float32Array)], rows.map((value) => 2 * value)); // of Σ rows²
  });
});

function quantisedEmbedding(): Graph {
  const b = new GraphBuilder({ ...new GraphBuilder().build(), opset: 21 });
  const random = new Random(8);
  const inputs = [
    b.initializer('table', { type: 'uint8', dims: [4, 16], data: Uint8Array.from(whole(random, 64, 256)) }),
    b.initializer('ids', { type: 'int64', dims: [1, 3], data: BigInt64Array.of(2n, 0n, 2n) }),
    b.initializer('scales', { type: 'float32', dims: [4, 2], data: Float32Array.from({ length: 8 }, () => random.next()) }),
  ];
  b.nodeWithOutputs('GatherBlockQuantized', inputs, ['rows'], { bits: 4, block_size: 16, gather_axis: 0, quantize_axis: 1 }, 'com.microsoft');
  b.node('ReduceSum', [b.node('Mul', ['rows', 'rows'])], { keepdims: 0 }, 'loss');
  b.node('Identity', ['rows'], {}, 'rows/seen');
  b.output('loss', 'float32', []);
  b.output('rows/seen', 'float32', [1, 3, 32]);
  return b.build();
}
