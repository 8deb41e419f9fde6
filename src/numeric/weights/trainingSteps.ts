// Steps of gradient descent on a transformer's training graph, many to a message to the model host.
import type { Feeds, TrainingData } from './trainingData.ts';
import { FLAT, flatten, partsOf } from './trainingGraph.ts';
import type { TransformerWeights } from './transformer.ts';
import { shapeOf } from './transformer.ts';
import { encodeGraph } from '../../onnx/encode.ts';
import type { Graph } from '../../onnx/graph.ts';
import type { Optimizer } from '../../onnx/optimizers.ts';
import { adamCorrections, memoryOf, trainingStep } from '../../onnx/optimizers.ts';
import type { ShapeOf } from '../../onnx/rules.ts';
import { measureShapes } from '../../onnx/shapes.ts';
import type { ModelHost, Session } from '../../runtime/client.ts';
import { survivingDeaths } from '../../runtime/client.ts';
import type { HostTensor } from '../../runtime/protocol.ts';
import type { CancellationToken } from '../../shared/cancellation.ts';

export interface TrainingStepsTask {
  /** `trainingGraph` of the weights. */
  readonly graph: Graph;
  readonly weights: TransformerWeights;
  /** The matrices that the graph has as inputs, default: all. */
  readonly trained?: readonly string[];
  readonly training: TrainingData;
  readonly host: ModelHost;
  readonly optimizer: Optimizer;
  readonly clipNorm: number;
  /** Of the runtime, for one op; 0: as many as there are cores. Default: one for small transformers. */
  readonly threads?: number;
  readonly token?: CancellationToken;
}

/** What the step is fed beside its rows. */
export interface StepScalars {
  readonly logitScale: number;
  readonly learningRate: number;
}

/** Steps, and about how many milliseconds, that one message to the host takes together: what its death can cost. */
export const CHUNK = 40;
export const CHUNK_MILLIS = 1000;

/** Parameters below which a second thread costs processor time (15 to 75 %, `npm run bench -- training`) that other work can use. */
const SMALL = 200_000;

/** The weights and the optimiser's memory, and how they go on. */
export class TrainingSteps {
  private next = 4;
  private tensors: Readonly<Record<string, HostTensor>>;
  private taken = 0;
  private readonly carry: Readonly<Record<string, string>>;

  private constructor(
    private readonly task: TrainingStepsTask,
    private readonly session: Session,
  ) {
    const names = [FLAT, ...memoryOf(task.optimizer).map((memory) => `${memory}/${FLAT}`)];
    const start = flatten(task.weights, task.trained);
    this.tensors = Object.fromEntries(names.map((name) => [name, vector(name === FLAT ? start : new Float32Array(start.length))]));
    this.carry = Object.fromEntries(names.map((name) => [name, `next/${name}`]));
  }

  /** Differentiates the graph and opens its step. @throws RuntimeError, HostDiedError, CancelledError */
  static async open(task: TrainingStepsTask): Promise<TrainingSteps> {
    const { graph, weights, optimizer, clipNorm, host, trained = partsOf(weights), threads = shapeOf(weights).parameters < SMALL ? 1 : 0 } = task;
    const shapes = await shapesOf(task);
    const step = trainingStep(graph, { loss: 'loss', parameters: [FLAT], parts: { [FLAT]: trained }, shapes, optimizer, clipNorm });
    return new TrainingSteps(task, await host.createSession(encodeGraph(step), { threads, onDevice: step.outputs.map(({ name }) => name).filter((name) => name.startsWith('next/')) }));
  }

  /** The trained weights as they are now, [parameters]. */
  get theta(): Float32Array {
    return this.tensors[FLAT]?.data as Float32Array;
  }

  /** Steps taken so far. */
  get count(): number {
    return this.taken;
  }

  /** How many steps the next message should hold. */
  get chunk(): number {
    return this.next;
  }

  /**
   * One step for each batch of row numbers; the losses before each step. Nothing is taken over from a chunk that fails.
   * @throws RuntimeError, CancelledError, HostDiedError after three deaths at this chunk
   */
  async run(batches: readonly (readonly number[])[], scalarsOf: (index: number) => StepScalars): Promise<number[]> {
    const steps = batches.map((rows, i) => ({ ...this.task.training.batch(rows), ...this.scalars(i, scalarsOf(i)) }));
    const request = { state: this.tensors, steps, carry: this.carry, outputs: ['loss'] };
    const before = performance.now();
    const { state, outputs } = await survivingDeaths(() => this.session.iterate(request, this.task.token));
    this.next = Math.max(1, Math.min(CHUNK, Math.floor((CHUNK_MILLIS * batches.length) / (performance.now() - before))));
    this.tensors = state;
    this.taken += batches.length;
    return outputs.map(({ loss }) => Number(loss?.data[0]));
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }

  private scalars(index: number, { logitScale, learningRate }: StepScalars): Feeds {
    const corrections = adamCorrections(this.taken + index + 1, this.task.optimizer);
    return Object.fromEntries(Object.entries({ logitScale, learningRate, ...corrections }).map(([name, value]) => [name, scalar(value)]));
  }
}

export const scalar = (value: number): HostTensor => ({ type: 'float32', dims: [], data: Float32Array.of(value) });
export const vector = (data: Float32Array): HostTensor => ({ type: 'float32', dims: [data.length], data });

/** Two batches of different sizes; lengths never change within one training. */
function shapesOf({ graph, training, weights, trained, host }: TrainingStepsTask): Promise<ShapeOf> {
  const theta = vector(flatten(weights, trained));
  const feeds = (rows: number): Record<string, HostTensor> => ({
    ...training.batch(Array.from({ length: rows }, () => 0)), [FLAT]: theta, logitScale: scalar(1),
  });
  return measureShapes(graph, [feeds(1), feeds(2)], async (model, inputs) => {
    const session = await host.createSession(model, { optimization: 'disabled' });
    try {
      return await session.run(inputs);
    } finally {
      await session.release();
    }
  });
}
