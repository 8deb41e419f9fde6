// The optimiser against values computed from its published formula.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph, TensorType } from '../../src/onnx/graph.ts';
import { adamCorrections, trainingStep } from '../../src/onnx/optimizers.ts';
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

async function steps(length: number, slopes: readonly HostTensor[], clipNorm?: number): Promise<number[][]> {
  const graph = givenGradient(length);
  const zero = vector(...Array.from({ length }, () => 0));
  const shapes = await measureShapes(graph, [{ theta: zero, slope: zero }, { theta: zero, slope: zero }], execute);
  const step = trainingStep(graph, { loss: 'loss', parameters: ['theta'], shapes, ...(clipNorm === undefined ? {} : { clipNorm }) });
  const session = await sharedHost().createSession(encodeGraph(step));
  let state: Record<string, HostTensor | undefined> = { theta: vector(...Array.from({ length }, () => 1)), 'm/theta': zero, 'v/theta': zero };
  const path: number[][] = [];
  for (const [i, slope] of slopes.entries()) {
    const { correction1, correction2 } = adamCorrections(i + 1);
    const fed = { learningRate: scalar(0.01), correction1: scalar(correction1), correction2: scalar(correction2), slope };
    const results = await session.run({ ...(state as Record<string, HostTensor>), ...fed });
    state = { theta: results['next/theta'], 'm/theta': results['next/m/theta'], 'v/theta': results['next/v/theta'] };
    path.push([...(state.theta?.data as Float64Array)]);
  }
  await session.release();
  return path;
}

describe('the Adam step', () => {
  it('moves a parameter as the published formula does', async function () {
    if (!existsSync(values)) this.skip();
    const { adam } = JSON.parse(readFileSync(values, 'utf8')) as { adam: number[] };
    const path = await steps(1, [vector(0.1), vector(-0.2), vector(0.3)]);
    adam.forEach((expected, i) => assert.ok(Math.abs((path[i]?.[0] ?? Number.NaN) - expected) < 1e-10, `step ${i + 1}: ${path[i]?.[0]}, published ${expected}`));
  });

  it('is the same for a gradient of norm 5 clipped to 1 as for the gradient of norm 1', async () => {
    const clipped = await steps(2, [vector(3, -4), vector(0.3, 0.4)], 1);
    const short = await steps(2, [vector(0.6, -0.8), vector(0.3, 0.4)]);
    clipped.flat().forEach((value, i) => assert.ok(Math.abs(value - (short.flat()[i] ?? Number.NaN)) < 1e-12));
  });
});
