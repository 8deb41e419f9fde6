// Every gradient rule against central finite differences in float64, at random shapes.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { GraphBuilder } from '../../src/onnx/builder.ts';
import type { Attribute } from '../../src/onnx/graph.ts';
import { rules } from '../../src/onnx/rules.ts';
import { Random } from '../../src/shared/random.ts';
import type { Case } from '../support/gradientCheck.ts';
import { awayFromZero, checkGradient, checkSecondOrder } from '../support/gradientCheck.ts';

type Attributes = Readonly<Record<string, Attribute>>;

const seed = fc.integer({ min: 0, max: 1e9 });
const shape = (min = 0, max = 3): fc.Arbitrary<number[]> => fc.array(fc.integer({ min: 1, max: 3 }), { minLength: min, maxLength: max });

/** Shapes that broadcast together: each a suffix of one shape, with some sizes 1. */
const broadcasting = (count: number): fc.Arbitrary<number[][]> =>
  shape().chain((full) => {
    const one = fc.tuple(fc.nat(full.length), fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }));
    return fc.array(one, { minLength: count, maxLength: count }).map((masks) =>
      masks.map(([start, ones]) => full.map((size, i) => (ones[i] ? 1 : size)).slice(start)),
    );
  });

const positive = (random: Random): number => 0.2 + 1.5 * random.next();

const withinOne = (random: Random): number => awayFromZero(random) / 2;

const ints = (b: GraphBuilder, ...values: readonly number[]): string =>
  b.initializer(b.fresh('ints'), { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
const scalar = (b: GraphBuilder, value: number): string =>
  b.initializer(b.fresh('scalar'), { type: 'float32', dims: [], data: Float32Array.of(value) });

async function holds(cases: fc.Arbitrary<Case>, check: typeof checkGradient = checkGradient, numRuns = 6): Promise<void> {
  await fc.assert(fc.asyncProperty(cases, seed, (test, at) => check(test, new Random(at))), { seed: 11, numRuns });
}

const op = (name: string, attributes: Attributes = {}): Case['build'] => (b, inputs) => b.node(name, inputs, attributes);
const ofOne = (build: Case['build'], extra: Partial<Case> = {}, shapes = shape()): fc.Arbitrary<Case> =>
  shapes.map((dims) => ({ inputs: [dims], build, ...extra }));
const ofMany = (count: number, build: Case['build'], extra: Partial<Case> = {}): fc.Arbitrary<Case> =>
  broadcasting(count).map((inputs) => ({ inputs, build, ...extra }));

/** A mask of the second input: where it is above 0. */
const whereAboveZero: Case['build'] = (b, [a = '', m = '', c = '']) => b.node('Where', [b.node('Greater', [m, scalar(b, 0)]), a, c]);

/** A slope for each element, for each of the last axis, or one. */
const slopes = fc.tuple(shape(1), fc.nat(2)).map(([dims, kind]) => ({ inputs: [dims, kind === 0 ? dims : kind === 1 ? dims.slice(-1) : [1]], build: op('PRelu') }));

const elementwise: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  Add: ofMany(2, op('Add')),
  Sub: ofMany(2, op('Sub')),
  Mul: ofMany(2, op('Mul')),
  Div: ofMany(2, op('Div')),
  Pow: ofMany(2, op('Pow'), { draw: positive }),
  Max: ofMany(3, op('Max')),
  Min: ofMany(3, op('Min')),
  Sum: ofMany(3, op('Sum')),
  Mean: ofMany(3, op('Mean')),
  Neg: ofOne(op('Neg')),
  Exp: ofOne(op('Exp')),
  Log: ofOne(op('Log'), { draw: positive }),
  Sqrt: ofOne(op('Sqrt'), { draw: positive }),
  Reciprocal: ofOne(op('Reciprocal')),
  Abs: ofOne(op('Abs')),
  Relu: ofOne(op('Relu')),
  LeakyRelu: ofOne(op('LeakyRelu', { alpha: { float: 0.25 } })),
  Elu: ofOne(op('Elu', { alpha: { float: 0.5 } })),
  Gelu: ofOne(op('Gelu'), { opset: 20 }),
  'Gelu with tanh': ofOne(op('Gelu', { approximate: 'tanh' }), { opset: 20 }),
  Sigmoid: ofOne(op('Sigmoid')),
  Softplus: ofOne(op('Softplus')),
  Softsign: ofOne(op('Softsign')),
  Tanh: ofOne(op('Tanh')),
  Erf: ofOne(op('Erf')),
  Sin: ofOne(op('Sin')),
  Cos: ofOne(op('Cos')),
  Identity: ofOne(op('Identity')),
  Dropout: ofOne(op('Dropout')),
  Clip: ofOne((b, [x = '']) => b.node('Clip', [x, scalar(b, -0.7), scalar(b, 0.9)])),
  'Clip without a lower bound': ofOne((b, [x = '']) => b.node('Clip', [x, '', scalar(b, 0.9)])),
  'Clip by its bounds': ofMany(3, (b, [x = '', low = '', high = '']) => {
    const [below, above] = [b.node('ReduceMean', [low], { keepdims: 0 }), b.node('ReduceMean', [high], { keepdims: 0 })];
    return b.node('Clip', [x, below, above]);
  }),
  Where: ofMany(3, whereAboveZero),
  PRelu: slopes,
  ThresholdedRelu: ofOne(op('ThresholdedRelu', { alpha: { float: 0.5 } })),
  Celu: ofOne(op('Celu', { alpha: { float: 0.7 } })),
  Selu: ofOne(op('Selu')),
  'Selu with constants of its own': ofOne(op('Selu', { alpha: { float: 0.5 }, gamma: { float: 2 } })),
  Swish: ofOne(op('Swish'), { opset: 24 }),
  'Swish with another alpha': ofOne(op('Swish', { alpha: { float: 0.75 } }), { opset: 24 }),
  Mish: ofOne(op('Mish')),
  HardSigmoid: ofOne(op('HardSigmoid', { alpha: { float: 0.5 }, beta: { float: 0.25 } })),
  HardSwish: ofOne(op('HardSwish'), { draw: (random) => 4.5 * awayFromZero(random) }),
  Shrink: ofOne(op('Shrink', { lambd: { float: 0.5 }, bias: { float: 0.25 } })),
  Mod: ofMany(2, op('Mod', { fmod: 1 })),
  Tan: ofOne(op('Tan'), { draw: withinOne }),
  Sinh: ofOne(op('Sinh')),
  Cosh: ofOne(op('Cosh')),
  Asin: ofOne(op('Asin'), { draw: withinOne }),
  Acos: ofOne(op('Acos'), { draw: withinOne }),
  Atan: ofOne(op('Atan')),
  Asinh: ofOne(op('Asinh')),
  Acosh: ofOne(op('Acosh'), { draw: (random) => 1.2 + random.next() }),
  Atanh: ofOne(op('Atanh'), { draw: withinOne }),
  'Pow with a whole exponent': ofOne((b, [x = '']) => b.node('Pow', [x, ints(b, 3)]), {}, shape(1)),
};

describe('the gradient of an elementwise op', () => {
  for (const [name, cases] of Object.entries(elementwise)) {
    it(`${name} agrees with finite differences`, () => holds(cases));
  }
});

describe('the second derivative of an elementwise op', () => {
  for (const [name, cases] of Object.entries(elementwise)) {
    it(`${name} agrees with finite differences`, () => holds(cases, checkSecondOrder, 3));
  }
});

const axesOf = (rank: number): fc.Arbitrary<number[]> => fc.uniqueArray(fc.integer({ min: -rank, max: rank - 1 }), { maxLength: rank, selector: (axis) => (axis + rank) % rank });

const reductionOf = (name: string, extra: Partial<Case> = {}): fc.Arbitrary<Case> =>
  shape(1).chain((dims) =>
    fc.record({ axes: axesOf(dims.length), keepdims: fc.integer({ min: 0, max: 1 }), noop_with_empty_axes: fc.integer({ min: 0, max: 1 }) }).map(({ axes, ...attributes }) => ({
      inputs: [dims],
      build: (b: GraphBuilder, [x = '']: readonly string[]) => b.node(name, axes.length > 0 ? [x, ints(b, ...axes)] : [x], attributes),
      ...extra,
    })),
  );

const alongAxis = (name: string, attributes: Attributes = {}): fc.Arbitrary<Case> =>
  shape(1).chain((dims) =>
    fc.integer({ min: -dims.length, max: dims.length - 1 }).map((axis) => ({ inputs: [dims], build: op(name, { axis, ...attributes }) })),
  );

const cumSum = fc.tuple(shape(1), fc.nat(1), fc.nat(1), fc.nat(2)).map(([dims, exclusive, reverse, at]) => ({
  inputs: [dims],
  build: (b: GraphBuilder, [x = '']: readonly string[]) => b.node('CumSum', [x, ints(b, at % dims.length)], { exclusive, reverse }),
}));

const matrices = fc.tuple(broadcasting(2), fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })))
  .map(([[a = [], b = []], [m, k, n]]) => ({ inputs: [[...a.slice(0, 2), m, k], [...b.slice(0, 2), k, n]], build: op('MatMul') }))
  .filter(({ inputs: [a = [], b = []] }) => compatible(a, b));

/** Cutting broadcast shapes to two axes may have moved them against each other. */
function compatible(a: readonly number[], b: readonly number[]): boolean {
  const [x, y] = [a.slice(0, -2).reverse(), b.slice(0, -2).reverse()];
  return x.every((size, i) => y[i] === undefined || size === y[i] || size === 1 || y[i] === 1);
}

const vectors = fc.constantFrom([[3], [3]], [[3], [3, 2]], [[2, 3], [3]], [[3], [2, 3, 4]], [[2, 2, 3], [3]], [[1], [1, 1]]).map((inputs) => ({ inputs, build: op('MatMul') }));

const gemm = fc.tuple(fc.nat(1), fc.nat(1), fc.constantFrom([], [3], [1], [2, 1], [1, 3], [2, 3])).map(([transA, transB, bias]) => ({
  inputs: [transA ? [4, 2] : [2, 4], transB ? [3, 4] : [4, 3], bias],
  build: op('Gemm', { transA, transB, alpha: { float: 0.5 }, beta: { float: 2 } }),
}));

const einsum = fc.constantFrom(
  { inputs: [[2, 3], [3, 4]], build: op('Einsum', { equation: 'ij,jk->ik' }) },
  { inputs: [[2, 3, 2], [2, 2, 4]], build: op('Einsum', { equation: 'bqk, bkd -> bqd' }) },
  { inputs: [[2, 3], [2, 3]], build: op('Einsum', { equation: 'ij,ij->' }) },
  { inputs: [[2, 3]], build: op('Einsum', { equation: 'ij->ji' }) },
  { inputs: [[2, 3]], build: op('Einsum', { equation: 'ij->' }) },
  { inputs: [[2, 3, 2], [2, 4]], build: op('Einsum', { equation: 'ijk, kl -> il' }) },
  { inputs: [[3, 2], [2, 4]], build: op('Einsum', { equation: 'kj,jb' }) },
  { inputs: [[2, 3, 2], [2, 4]], build: op('Einsum', { equation: '...j,jk->...k' }) },
  { inputs: [[2, 1, 3, 2], [2, 1, 2, 4]], build: op('Einsum', { equation: '...ij,...jk' }) },
);

/** Over the axes from `axis` on; the statistics beside the result where they are wanted. */
const normalisation = (name: string, opset: number, extras: number, statistics: boolean): fc.Arbitrary<Case> =>
  shape(1).chain((dims) => fc.nat(dims.length - 1).map((axis) => ({
    opset,
    inputs: [dims, ...Array.from({ length: extras }, () => dims.slice(axis))],
    build: (b: GraphBuilder, inputs: readonly string[]): string => {
      const outputs = statistics ? ['y', 'mean', 'inverse'] : ['y'];
      b.nodeWithOutputs(name, inputs, outputs, { axis: axis - dims.length, epsilon: { float: 0.125 } });
      return b.node('Concat', outputs.map((output) => b.node('Reshape', [output, ints(b, -1)])), { axis: 0 });
    },
  })));

const zeroOrAway = (random: Random): number => (random.next() < 0.3 ? 0 : awayFromZero(random));


const families: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  ReduceSum: reductionOf('ReduceSum'),
  ReduceMean: reductionOf('ReduceMean'),
  ReduceMax: reductionOf('ReduceMax'),
  ReduceMin: reductionOf('ReduceMin'),
  ReduceSumSquare: reductionOf('ReduceSumSquare'),
  ReduceL1: reductionOf('ReduceL1'),
  ReduceL2: reductionOf('ReduceL2'),
  ReduceLogSum: reductionOf('ReduceLogSum', { draw: positive }),
  ReduceLogSumExp: reductionOf('ReduceLogSumExp'),
  ReduceProd: reductionOf('ReduceProd'),
  LayerNormalization: normalisation('LayerNormalization', 18, 2, false),
  'LayerNormalization without a bias': normalisation('LayerNormalization', 18, 1, false),
  'LayerNormalization with statistics': normalisation('LayerNormalization', 18, 2, true),
  RMSNormalization: normalisation('RMSNormalization', 23, 1, false),
  Softmax: alongAxis('Softmax'),
  LogSoftmax: alongAxis('LogSoftmax'),
  CumSum: cumSum,
  MatMul: matrices,
  'MatMul of vectors': vectors,
  Gemm: gemm,
  Einsum: einsum,
};

describe('the gradient of an op along axes', () => {
  for (const [name, cases] of Object.entries(families)) {
    it(`${name} agrees with finite differences`, () => holds(cases, checkGradient, 12));
    it(`${name} has a second derivative that agrees as well`, () => holds(cases, checkSecondOrder, 4));
  }
});

describe('the gradient of a product of elements', () => {
  it('is right where elements are zero', () => holds(reductionOf('ReduceProd', { draw: zeroOrAway }), checkGradient, 20));
});

/** Squared, so that the gradient depends on x. */
const thenSquare = (build: Case['build']): Case['build'] => (b, inputs) => {
  const y = build(b, inputs);
  return b.node('Mul', [y, y]);
};

const fixed = (inputs: readonly (readonly number[])[], build: Case['build'], by?: readonly number[]): fc.Arbitrary<Case> =>
  fc.constant({ inputs, build: thenSquare(build), ...(by ? { by } : {}) });

const indices = (b: GraphBuilder, dims: readonly number[], ...values: readonly number[]): string =>
  b.initializer(b.fresh('indices'), { type: 'int64', dims, data: BigInt64Array.from(values, BigInt) });

const moves: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  Reshape: fixed([[2, 3]], (b, [x = '']) => b.node('Reshape', [x, ints(b, 3, -1)])),
  Flatten: fixed([[2, 3, 2]], op('Flatten', { axis: 2 })),
  Squeeze: fixed([[1, 3, 1]], (b, [x = '']) => b.node('Squeeze', [x, ints(b, 0)])),
  Unsqueeze: fixed([[3]], (b, [x = '']) => b.node('Unsqueeze', [x, ints(b, 0, 2)])),
  Transpose: fixed([[2, 3, 1]], op('Transpose', { perm: [1, 2, 0] })),
  'Transpose without a permutation': fixed([[2, 3]], op('Transpose')),
  Expand: fixed([[3, 1]], (b, [x = '']) => b.node('Expand', [x, ints(b, 2, 1, 2)])),
  Concat: fixed([[2, 1], [2, 3], [2, 2]], op('Concat', { axis: -1 })),
  'Concat of one value with itself': fixed([[2, 3]], (b, [x = '']) => b.node('Concat', [x, x], { axis: 0 })),
  Split: fixed([[5, 2]], (b, [x = '']) => {
    b.nodeWithOutputs('Split', [x, ints(b, 2, 1, 2)], ['s0', 's1', 's2'], { axis: 0 });
    return b.node('Sub', ['s0', 's2']);
  }),
  Slice: fixed([[4, 3]], (b, [x = '']) => b.node('Slice', [x, ints(b, 1, -2), ints(b, -1, 99), ints(b, 0, 1)])),
  'Slice with steps': fixed([[5, 4]], (b, [x = '']) => b.node('Slice', [x, ints(b, 4, 0), ints(b, -99, 4), ints(b, 0, 1), ints(b, -2, 3)])),
  'Slice with computed bounds': fixed([[4, 3]], (b, [x = '']) => b.node('Slice', [x, b.node('Neg', [ints(b, -1)]), ints(b, 3)])),
  Pad: fixed([[2, 3]], (b, [x = '']) => b.node('Pad', [x, ints(b, 1, 0, 0, 2), scalar(b, 0.5)])),
  'Pad that crops': fixed([[3, 3]], (b, [x = '']) => b.node('Pad', [x, ints(b, 1, -1, -1, 0)])),
  'Pad along named axes': fixed([[3, 2]], (b, [x = '']) => b.node('Pad', [x, ints(b, 2, 1), '', ints(b, 1)])),
  Tile: fixed([[2, 1, 3]], (b, [x = '']) => b.node('Tile', [x, ints(b, 1, 3, 2)])),
  'Tile a computed number of times': fixed([[2, 3]], (b, [x = '']) => b.node('Tile', [x, b.node('Abs', [ints(b, -2, 1)])])),
  DepthToSpace: fixed([[1, 8, 2, 3]], op('DepthToSpace', { blocksize: 2 })),
  SpaceToDepth: fixed([[2, 1, 4, 2]], op('SpaceToDepth', { blocksize: 2 })),
  OneHot: fixed([[2]], (b, [values = '']) => b.node('OneHot', [indices(b, [2, 2], 1, -1, 0, 9), ints(b, 3), values], { axis: 1 })),
  TopK: fixed([[3, 4]], (b, [x = '']) => {
    b.nodeWithOutputs('TopK', [x, ints(b, 2)], ['best', 'places'], { axis: 1 });
    return 'best';
  }),
  'TopK of the smallest along the first axis': fixed([[3, 4]], (b, [x = '']) => {
    b.nodeWithOutputs('TopK', [x, ints(b, 1)], ['best', 'places'], { axis: 0, largest: 0 });
    return 'best';
  }),
  Trilu: fixed([[3, 3]], op('Trilu', { upper: 0 })),
  'Gather with repeats': fixed([[3, 2]], (b, [x = '']) => b.node('Gather', [x, indices(b, [2, 2], 0, 2, 2, -1)])),
  'Gather along a later axis': fixed([[2, 3, 2]], (b, [x = '']) => b.node('Gather', [x, indices(b, [2, 2], 1, 1, 0, -1)], { axis: 1 })),
  'Gather of one element': fixed([[2, 3]], (b, [x = '']) => b.node('Gather', [x, indices(b, [], 1)], { axis: 1 })),
  GatherElements: fixed([[2, 3]], (b, [x = '']) => b.node('GatherElements', [x, indices(b, [2, 2], 1, 1, 0, 2)], { axis: 1 })),
  GatherND: fixed([[2, 3]], (b, [x = '']) => b.node('GatherND', [x, indices(b, [3, 2], 0, 1, 1, 2, 0, 1)])),
  ScatterND: fixed([[3, 2], [2, 2]], (b, [x = '', u = '']) => b.node('ScatterND', [x, indices(b, [2, 1], 2, 0), u])),
  'ScatterND that adds': fixed([[3, 2], [2, 2]], (b, [x = '', u = '']) => b.node('ScatterND', [x, indices(b, [2, 1], 2, 2), u], { reduction: 'add' })),
  ScatterElements: fixed([[2, 3], [2, 2]], (b, [x = '', u = '']) => b.node('ScatterElements', [x, indices(b, [2, 2], 0, 2, 1, 0), u], { axis: 1 })),
};

describe('the gradient of an op that moves elements', () => {
  for (const [name, cases] of Object.entries(moves)) {
    it(`${name} agrees with finite differences`, () => holds(cases, checkGradient, 2));
    it(`${name} has a second derivative that agrees as well`, () => holds(cases, checkSecondOrder, 1));
  }
});

it('every gradient rule has a test against finite differences', () => {
  const tested = new Set([...Object.keys(elementwise), ...Object.keys(families), ...Object.keys(moves)].map((name) => name.split(' ')[0]));
  // Casts between float types are exact in neither direction: differentiate.test.ts has them; images: imageGradients.test.ts.
  assert.deepEqual(Object.keys(rules).filter((name) => !tested.has(name)), ['Cast', 'CastLike', 'Conv', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'MaxPool']);
});
