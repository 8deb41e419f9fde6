// Gradients of convolution and pooling at whole numbers, where float32 and central differences are exact.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate, NoGradientError } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Attribute, Graph, Tensor } from '../../src/onnx/graph.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import { Random } from '../../src/shared/random.ts';
import { execute, sharedHost } from '../support/host.ts';

interface ImageCase {
  readonly op: string;
  readonly inputs: readonly (readonly number[])[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** No two elements of an image may tie. */
  readonly isDistinct?: boolean;
}

type Feeds = Readonly<Record<string, Tensor>>;

/** loss = Σ weights · op(x0, …), the weights an input that is multiplied with what has y's shape. */
function lossGraph({ op, inputs, attributes = {} }: ImageCase, outputDims: readonly number[] | null): Graph {
  const b = new GraphBuilder();
  const names = inputs.map((dims, i) => b.input(`x${i}`, 'float32', dims.map((size, axis) => (i === 0 && axis !== 1 ? '' : size))));
  const y = b.node(op, names, attributes, 'y');
  b.output('y', 'float32', (inputs[0] ?? []).map(() => ''));
  if (outputDims) {
    b.input('weights', 'float32', outputDims);
    b.node('ReduceSum', [b.node('Mul', [y, 'weights'])], { keepdims: 0 }, 'loss');
    b.output('loss', 'float32', []);
  }
  return b.build();
}

const whole = (random: Random, dims: readonly number[]): Tensor =>
  ({ type: 'float32', dims, data: Float32Array.from({ length: elementCount(dims) }, () => Math.floor(9 * random.next()) - 4) });

function shuffled(random: Random, dims: readonly number[]): Tensor {
  const numbers = Array.from({ length: elementCount(dims) }, (_, i) => ({ i, key: random.next() })).sort((a, b) => a.key - b.key);
  return { type: 'float32', dims, data: Float32Array.from(numbers, ({ i }) => i - 5) };
}

const STEP = 0.25;

function moved(feeds: Feeds, name: string, at: number, by: number): Feeds {
  const tensor = feeds[name] ?? assert.fail(name);
  return { ...feeds, [name]: { ...tensor, data: (tensor.data as Float32Array).map((value, i) => (i === at ? value + by : value)) } };
}

async function check(test: ImageCase, seed: number): Promise<void> {
  const random = new Random(seed);
  const draw = test.isDistinct ? shuffled : whole;
  const feeds: Feeds = Object.fromEntries(test.inputs.map((dims, i) => [`x${i}`, draw(random, dims)]));
  const shape = (await execute(encodeGraph(lossGraph(test, null)), feeds))['y']?.dims ?? [];
  const all = { ...feeds, weights: whole(random, shape) };
  const graph = lossGraph(test, shape);
  // Sizes of the image that are not known show the form of the rule that computes them.
  const shapes = await measureShapes(graph, [all, all], execute);
  const open = (value: string): readonly (number | string)[] => shapes(value).map((size, axis) => (value === 'x0' && axis > 1 ? `x_${axis}` : size));
  const known = typeof test.attributes?.auto_pad === 'string' && test.attributes.auto_pad.startsWith('SAME');
  const names = test.inputs.map((_, i) => `x${i}`);
  const session = await sharedHost().createSession(encodeGraph(differentiate(graph, { loss: 'loss', withRespectTo: names, shapes: known ? shapes : open })), { provider: 'cpu' });
  const loss = async (at: Feeds): Promise<number> => Number((await session.run(at, { outputs: ['loss'] }))['loss']?.data[0]);
  try {
    const found = await session.run(all, { outputs: names.map((name) => `grad/${name}`) });
    for (const name of names) {
      const gradient = found[`grad/${name}`];
      assert.deepEqual(gradient?.dims, feeds[name]?.dims);
      for (let i = 0; i < (gradient?.data.length ?? 0); i++) {
        const slope = ((await loss(moved(all, name, i, STEP))) - (await loss(moved(all, name, i, -STEP)))) / (2 * STEP);
        assert.ok(Math.abs(slope - Number(gradient?.data[i])) <= 1e-4 * Math.max(1, Math.abs(slope)), `by ${name}[${i}]: ${gradient?.data[i]} and not ${slope}`);
      }
    }
  } finally {
    await session.release();
  }
}

const small = fc.integer({ min: 1, max: 2 });

const convolutions = fc.record({
  batch: small, group: small, channels: small, out: small, kernel: fc.tuple(small, fc.integer({ min: 1, max: 3 })), strides: fc.tuple(small, small),
  dilations: fc.tuple(small, small), pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)), image: fc.tuple(fc.integer({ min: 4, max: 5 }), fc.integer({ min: 5, max: 6 })), bias: fc.boolean(),
}).map(({ batch, group, channels, out, kernel, image, bias, ...attributes }): ImageCase => ({
  op: 'Conv', attributes: { ...attributes, group },
  inputs: [[batch, channels * group, ...image], [out * group, channels, ...kernel], ...(bias ? [[out * group]] : [])],
}));

const pools = (op: string, isDistinct: boolean, extra: fc.Arbitrary<Readonly<Record<string, Attribute>>>): fc.Arbitrary<ImageCase> => fc.record({
  batch: small, channels: small, strides: fc.tuple(small, small), pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
  kernel: fc.tuple(fc.constant(2), fc.integer({ min: 2, max: 3 })), image: fc.tuple(fc.integer({ min: 3, max: 4 }), fc.integer({ min: 4, max: 5 })), extra,
}).map(({ batch, channels, kernel, image, strides, pads, extra: more }) => ({
  op, isDistinct, inputs: [[batch, channels, ...image]], attributes: { kernel_shape: kernel, strides, pads, ...more },
}));

const fixed = (test: ImageCase): fc.Arbitrary<ImageCase> => fc.constant(test);

const cases: Readonly<Record<string, fc.Arbitrary<ImageCase>>> = {
  'Conv': convolutions,
  'Conv that cuts an image into patches': fixed({ op: 'Conv', inputs: [[2, 3, 4, 6], [5, 3, 2, 2], [5]], attributes: { strides: [2, 2], kernel_shape: [2, 2], pads: [0, 0, 0, 0], group: 1, dilations: [1, 1] } }),
  'Conv along one axis': fixed({ op: 'Conv', inputs: [[2, 2, 7], [3, 2, 3]], attributes: { strides: [2], pads: [1, 0] } }),
  'Conv of a volume': fixed({ op: 'Conv', inputs: [[1, 2, 3, 3, 2], [2, 2, 2, 2, 1]] }),
  'Conv, padded at the ends': fixed({ op: 'Conv', inputs: [[1, 1, 5, 4], [2, 1, 2, 3]], attributes: { strides: [2, 1], auto_pad: 'SAME_UPPER' } }),
  'Conv, padded at the beginnings': fixed({ op: 'Conv', inputs: [[1, 1, 5, 4], [2, 1, 2, 2]], attributes: { strides: [2, 1], auto_pad: 'SAME_LOWER' } }),
  'Conv without padding': fixed({ op: 'Conv', inputs: [[1, 1, 5, 4], [2, 1, 2, 2]], attributes: { auto_pad: 'VALID' } }),
  'AveragePool': pools('AveragePool', false, fc.nat(1).map((count_include_pad) => ({ count_include_pad }))),
  'MaxPool': pools('MaxPool', true, fc.constant({})),
  'GlobalAveragePool': fixed({ op: 'GlobalAveragePool', inputs: [[2, 3, 3, 2]] }),
  'GlobalMaxPool': fixed({ op: 'GlobalMaxPool', inputs: [[2, 3, 3, 2]], isDistinct: true }),
};

describe('the gradient of an op of images', () => {
  for (const [name, arbitrary] of Object.entries(cases)) {
    it(`${name} is exact at whole numbers`, async () => {
      await fc.assert(fc.asyncProperty(arbitrary, fc.nat(1e6), check), { numRuns: name.includes(' ') || name.startsWith('Global') ? 1 : 8 });
    });
  }

  it('is refused where sizes are rounded up, with the reason', () => {
    const graph = lossGraph({ op: 'MaxPool', inputs: [[1, 1, 4, 4]], attributes: { kernel_shape: [3, 3], ceil_mode: 1 } }, [1, 1, 1, 1]);
    const question = (): Graph => differentiate({ ...graph, nodes: graph.nodes.map((node) => (node.op === 'MaxPool' ? { ...node, op: 'AveragePool' } : node)) }, { loss: 'loss', withRespectTo: ['x0'], shapes: () => [1, 1, 4, 4] });
    assert.throws(question, (error) => error instanceof NoGradientError && /AveragePool: it rounds sizes up \(ceil_mode\)/.test(error.message));
  });
});
