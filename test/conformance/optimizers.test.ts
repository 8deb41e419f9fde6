// The optimisers against values computed from its published formula.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph, TensorType } from '../../src/onnx/graph.ts';
import { adamCorrections, memoryOf, optimizer, trainingStep } from '../../src/onnx/optimizers.ts';
import type { Optimizer } from '../../src/onnx/optimizers.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { execute, sharedHost } from '../support/host.ts';

const values = new URL('../../../shared/data/optimizers.json', import.meta.url);

const scalar = (value: number): HostTensor => ({ type: 'float64', dims: [], data: Float64Array.of(value) });
const vector = (...data: readonly number[]): HostTensor => ({ type: 'float64', dims: [data.length], data: Float64Array.from(data) });

/** loss = Σ theta · slope: its gradient is whatever is fed. */
function givenGradient(length: number, type: TensorType = 'float64'): Graph {
  const b = new GraphBuilder();
  b.input('theta', type, [length]);
  b.input('slope', type, [length]);
  b.node('ReduceSum', [b.node('Mul', ['theta', 'slope'])], { keepdims: 0 }, 'loss');
  b.output('loss', type, []);
  return b.build();
}

async function steps(length: number, slopes: readonly HostTensor[], chosen: Optimizer = optimizer('adam'), clipNorm?: number): Promise<number[][]> {
  const graph = givenGradient(length);
  const zero = vector(...Array.from({ length }, () => 0));
  const shapes = await measureShapes(graph, [{ theta: zero, slope: zero }, { theta: zero, slope: zero }], execute);
  const step = trainingStep(graph, { loss: 'loss', parameters: ['theta'], shapes, optimizer: chosen, ...(clipNorm === undefined ? {} : { clipNorm }) });
  const session = await sharedHost().createSession(encodeGraph(step));
  const names = ['theta', ...memoryOf(chosen).map((memory) => `${memory}/theta`)];
  let state: Record<string, HostTensor> = Object.fromEntries(names.map((name) => [name, name === 'theta' ? vector(...Array.from({ length }, () => 1)) : zero]));
  const path: number[][] = [];
  for (const [i, slope] of slopes.entries()) {
    const { correction1, correction2 } = adamCorrections(i + 1, chosen);
    const results = await session.run({ ...state, learningRate: scalar(0.01), correction1: scalar(correction1), correction2: scalar(correction2), slope });
    state = Object.fromEntries(names.map((name) => [name, results[`next/${name}`] ?? zero]));
    path.push([...(state['theta']?.data as Float64Array)]);
  }
  await session.release();
  return path;
}

const slopes = [0.1, -0.2, 0.3];

describe('the step of an optimiser', () => {
  for (const name of ['adam', 'ademamix', 'adabelief', 'grams', 'diffgrad'] as const) {
    it(`moves a parameter as the published formula does: ${name}`, async function () {
      if (!existsSync(values)) this.skip();
      const published = (JSON.parse(readFileSync(values, 'utf8')) as Record<typeof name, number[]>)[name];
      assert.equal(published.length, 3);
      const path = await steps(1, slopes.map((slope) => vector(slope)), optimizer(name));
      published.forEach((expected, i) => assert.ok(Math.abs((path[i]?.[0] ?? Number.NaN) - expected) < 1e-10, `step ${i + 1}: ${path[i]?.[0]}, published ${expected}`));
    });
  }

  it('AdamW decays the parameter beside Adam\'s step', async () => {
    const decay = 0.1;
    const expected = [1];
    let [m, v] = [0, 0];
    slopes.forEach((g, i) => {
      [m, v] = [0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g];
      const theta = expected[i] ?? 0;
      expected.push(theta - 0.01 * (m / (1 - 0.9 ** (i + 1)) / (Math.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8) + decay * theta));
    });
    const path = await steps(1, slopes.map((slope) => vector(slope)), optimizer('adamw', { weightDecay: decay }));
    path.forEach(([theta = 0], i) => assert.ok(Math.abs(theta - (expected[i + 1] ?? 0)) < 1e-12, `step ${i + 1}: ${theta}, expected ${expected[i + 1]}`));
  });

  it('is the same for a gradient of norm 5 clipped to 1 as for the gradient of norm 1', async () => {
    const clipped = await steps(2, [vector(3, -4), vector(0.3, 0.4)], optimizer('adam'), 1);
    const short = await steps(2, [vector(0.6, -0.8), vector(0.3, 0.4)]);
    clipped.flat().forEach((value, i) => assert.ok(Math.abs(value - (short.flat()[i] ?? Number.NaN)) < 1e-12));
  });
});
