// Compares the gradient graph of a function with central finite differences, both computed in float64.
import assert from 'node:assert/strict';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { toFloat64 } from '../../src/onnx/float64.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import type { Graph, Tensor } from '../../src/onnx/graph.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import type { Random } from '../../src/shared/random.ts';
import { execute, sharedHost } from './host.ts';

const STEP = 1e-5;

/** A function of float inputs: `build` adds its nodes and names its value. */
export interface Case {
  readonly inputs: readonly (readonly number[])[];
  readonly build: (b: GraphBuilder, inputs: readonly string[]) => string;
  /** Draws one input element; default: away from 0, where many ops have a kink, in ±[0.1, 1.6]. */
  readonly draw?: (random: Random) => number;
  /** Inputs to differentiate by; default all. */
  readonly by?: readonly number[];
  readonly opset?: number;
}

export const awayFromZero = (random: Random): number => (0.1 + 1.5 * random.next()) * (random.next() < 0.5 ? -1 : 1);

/** loss = Σ weights · f(x), so that no symmetry hides an error. */
function lossGraph({ inputs, build, opset = 18 }: Case): Graph {
  const b = new GraphBuilder({ opset, metadata: {}, nodes: [], inputs: [], outputs: [], initializers: new Map() });
  const names = inputs.map((dims, i) => b.input(`x${i}`, 'float32', dims));
  addLoss(b, build(b, names), 'loss');
  return b.build();
}

/** Weights that depend on nothing but the position: 1, then irrational-looking steps. */
function addLoss(b: GraphBuilder, value: string, loss: string): void {
  const size = b.node('Cast', [b.node('Size', [value])], { to: 7 });
  const zero = b.initializer(`${loss}/0`, { type: 'int64', dims: [], data: BigInt64Array.of(0n) });
  const one = b.initializer(`${loss}/1`, { type: 'int64', dims: [], data: BigInt64Array.of(1n) });
  const turn = b.initializer(`${loss}/turn`, { type: 'float32', dims: [], data: Float32Array.of(2.4) });
  const numbers = b.node('Cast', [b.node('Range', [zero, size, one])], { to: 1 });
  const weights = b.node('Reshape', [b.node('Cos', [b.node('Mul', [numbers, turn])]), b.node('Shape', [value])]);
  b.node('ReduceSum', [b.node('Mul', [value, weights])], { keepdims: 0 }, loss);
  b.output(loss, 'float32', []);
}

function point({ inputs, draw = awayFromZero }: Case, random: Random): Record<string, HostTensor> {
  const tensor = (dims: readonly number[]): HostTensor => ({
    type: 'float64', dims, data: Float64Array.from({ length: elementCount(dims) }, () => draw(random)),
  });
  return Object.fromEntries(inputs.map((dims, i) => [`x${i}`, tensor(dims)]));
}

const narrow = (feeds: Record<string, HostTensor>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(feeds).map(([name, { dims, data }]) => [name, { type: 'float32', dims, data: Float32Array.from(data as Float64Array) }]));

/** Asserts that the derivative by each input is right to 1e-7 of its largest element (at least 1). */
export async function checkGradient(test: Case, random: Random): Promise<void> {
  const feeds = point(test, random);
  const names = (test.by ?? test.inputs.map((_, i) => i)).map((i) => `x${i}`);
  await compare(lossGraph(test), 'loss', names, feeds, 'grad');
}

/** The same for the derivative of Σ weights · d loss / d x0. */
export async function checkSecondOrder(test: Case, random: Random): Promise<void> {
  const feeds = point(test, random);
  const graph = lossGraph(test);
  const shapes = await measureShapes(graph, [narrow(feeds), narrow(feeds)], execute);
  const b = new GraphBuilder(differentiate(graph, { loss: 'loss', withRespectTo: ['x0'], shapes }));
  addLoss(b, 'grad/x0', 'loss2');
  await compare(b.build(), 'loss2', test.inputs.map((_, i) => `x${i}`), feeds, 'second');
}

async function compare(graph: Graph, loss: string, names: readonly string[], feeds: Record<string, HostTensor>, prefix: string): Promise<void> {
  const shapes = await measureShapes(graph, [narrow(feeds), narrow(feeds)], execute);
  const gradients = toFloat64(differentiate(graph, { loss, withRespectTo: names, shapes, prefix }));
  const session = await sharedHost().createSession(encodeGraph(gradients), { provider: 'cpu' });
  try {
    const outputs = names.map((name) => `${prefix}/${name}`);
    const results = await session.run(feeds, { outputs });
    for (const name of names) {
      const found = results[`${prefix}/${name}`];
      assert.deepEqual(found?.dims, feeds[name]?.dims, `the gradient by ${name} has its shape`);
      const expected = await differences(name, feeds, async (at) => Number((await session.run(at, { outputs: [loss] }))[loss]?.data[0]));
      assertClose(found?.data as Float64Array, expected, name);
    }
  } finally {
    await session.release();
  }
}

async function differences(
  name: string,
  feeds: Record<string, HostTensor>,
  loss: (feeds: Record<string, HostTensor>) => Promise<number>,
): Promise<number[]> {
  const tensor = feeds[name];
  if (!tensor) throw new RangeError(`no feed ${name}`);
  const at = async (i: number, by: number): Promise<number> => {
    const data = Float64Array.from(tensor.data as Float64Array);
    data[i] = (data[i] ?? 0) + by;
    return loss({ ...feeds, [name]: { ...tensor, data } });
  };
  const slopes: number[] = [];
  for (let i = 0; i < tensor.data.length; i++) slopes.push(((await at(i, STEP)) - (await at(i, -STEP))) / (2 * STEP));
  return slopes;
}

function assertClose(found: Float64Array, expected: readonly number[], name: string): void {
  const scale = Math.max(1, ...expected.map(Math.abs));
  const worst = Math.max(0, ...expected.map((slope, i) => Math.abs(slope - (found[i] ?? Number.NaN))));
  assert.ok(worst / scale < 1e-7, `by ${name}: off by ${worst}; found ${[...found].join()}; expected ${expected.join()}`);
}
