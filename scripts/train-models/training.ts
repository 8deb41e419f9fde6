// Training of a model whose weights are one flat vector, by the project's own gradient engine; goes on from checkpoints.
import path from 'node:path';
import type { Checkpoint } from './checkpoint.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import type { WeightShape } from './llama.ts';
import { FLAT } from './llamaGraphs.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import type { Optimizer } from '../../src/onnx/optimizers.ts';
import { adamCorrections, memoryOf, optimizer, trainingStep } from '../../src/onnx/optimizers.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import type { ModelHost, Session } from '../../src/runtime/client.ts';
import { survivingDeaths } from '../../src/runtime/client.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';

type Feeds = Readonly<Record<string, HostTensor>>;

export interface Batch {
  readonly feeds: Feeds;
  /** Labels that the loss is a mean of. */
  readonly tokens: number;
}

export interface Schedule {
  readonly steps: number;
  readonly warmup: number;
  /** The step from which the rate falls; default: from the end of the warm-up. */
  readonly fallFrom?: number;
  readonly peak: number;
  /** The last rate, as a share of the peak. */
  readonly floor: number;
  readonly weightDecay: number;
  readonly beta2: number;
  readonly clipNorm: number;
}

export interface TrainingTask {
  /** Takes `theta` and what batches feed; gives `loss`. */
  readonly graph: Graph;
  readonly shapes: readonly WeightShape[];
  readonly initial: Float32Array;
  /** The batch of step `index` (from 0), the same whenever it is asked for. */
  readonly batchAt: (index: number) => Batch;
  /** Two batches of different numbers of rows. */
  readonly samples: readonly [Feeds, Feeds];
  readonly schedule: Schedule;
  readonly host: ModelHost;
  readonly threads: number;
  /** Where checkpoints lie. */
  readonly folder: string;
  /** Seconds between checkpoints, at least. Default: 120. */
  readonly checkpointSeconds?: number;
  /** Says what is trained: a checkpoint of another recipe is refused. */
  readonly recipe: string;
  readonly log: (line: string) => void;
}

/** One point of the loss curve. */
export interface LossPoint {
  readonly step: number;
  readonly tokens: number;
  /** Mean loss of the steps since the point before, weighted by their tokens; nats. */
  readonly loss: number;
}

export interface TrainedModel {
  readonly theta: Float32Array;
  readonly curve: readonly LossPoint[];
  readonly tokens: number;
  /** Wall time of all steps. */
  readonly seconds: number;
}

const CHUNK = 10;
const POINT_STEPS = 50;
const CHECKPOINT_SECONDS = 120;

/** Linear to the peak, there until it falls, then half a cosine down to the floor. */
export function learningRate(step: number, { steps, warmup, fallFrom = warmup, peak, floor }: Schedule): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const share = Math.min(1, Math.max(0, step - fallFrom) / Math.max(1, steps - fallFrom));
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * share)));
}

/** Trains to the end of the schedule, from the folder's checkpoint if it has one. @throws RuntimeError, HostDiedError */
export async function train(task: TrainingTask): Promise<TrainedModel> {
  const chosen = optimizer('adamw', { beta2: task.schedule.beta2, weightDecay: task.schedule.weightDecay });
  const session = await openStep(task, chosen);
  const found = readCheckpoint(checkpointPath(task));
  if (found && found.recipe !== task.recipe) task.log('the checkpoint is of another recipe: begins anew');
  const run = new Run(task, session, chosen, found?.recipe === task.recipe ? found : fresh(task, chosen));
  await run.toTheEnd();
  await session.release();
  return run.result();
}

const checkpointPath = ({ folder }: Pick<TrainingTask, 'folder'>): string => path.join(folder, 'checkpoint');

const stateNames = (chosen: Optimizer): readonly string[] => [FLAT, ...memoryOf(chosen).map((memory) => `${memory}/${FLAT}`)];

function fresh({ initial, recipe }: TrainingTask, chosen: Optimizer): Checkpoint {
  const vectors = stateNames(chosen).map((name) => (name === FLAT ? initial : new Float32Array(initial.length)));
  return { recipe, step: 0, tokens: 0, seconds: 0, curve: [], vectors };
}

async function openStep(task: TrainingTask, chosen: Optimizer): Promise<Session> {
  const { graph, host, threads, samples, shapes: weights } = task;
  const theta = vector(task.initial);
  const shapes = await measureShapes(graph, [{ ...samples[0], [FLAT]: theta }, { ...samples[1], [FLAT]: theta }], async (model, feeds) => {
    const session = await host.createSession(model, { optimization: 'disabled', threads: 1 });
    try {
      return await session.run(feeds);
    } finally {
      await session.release();
    }
  });
  const step = trainingStep(graph, { loss: 'loss', parameters: [FLAT], parts: { [FLAT]: weights.map(({ name }) => name) }, shapes, optimizer: chosen, clipNorm: task.schedule.clipNorm });
  return host.createSession(encodeGraph(step), { threads });
}

const scalar = (value: number): HostTensor => ({ type: 'float32', dims: [], data: Float32Array.of(value) });
const vector = (data: Float32Array): HostTensor => ({ type: 'float32', dims: [data.length], data });

class Run {
  private at: Checkpoint;
  private sum = { loss: 0, tokens: 0 };
  private saved = performance.now();
  private readonly made = new Map<number, Batch>();

  constructor(
    private readonly task: TrainingTask,
    private readonly session: Session,
    private readonly chosen: Optimizer,
    start: Checkpoint,
  ) {
    this.at = start;
    if (start.step > 0) task.log(`goes on from step ${start.step}`);
  }

  async toTheEnd(): Promise<void> {
    const { steps } = this.task.schedule;
    while (this.at.step < steps) {
      await this.chunk(Math.min(CHUNK, steps - this.at.step));
      // Only at a point of the curve, so that a run that goes on has the same curve.
      if (this.at.step % POINT_STEPS === 0 && performance.now() - this.saved >= (this.task.checkpointSeconds ?? CHECKPOINT_SECONDS) * 1000) this.save();
    }
    this.save();
  }

  private async chunk(count: number): Promise<void> {
    const before = performance.now();
    const { step, vectors } = this.at;
    const names = stateNames(this.chosen);
    const batches = this.batches(step, count);
    const steps = batches.map(({ feeds }, i) => ({ ...feeds, ...this.scalars(step + i) }));
    const state = Object.fromEntries(names.map((name, i) => [name, vector(vectors[i] ?? new Float32Array())]));
    const carry = Object.fromEntries(names.map((name) => [name, `next/${name}`]));
    const running = survivingDeaths(() => this.session.iterate({ state, steps, carry, outputs: ['loss'] }));
    const [reply] = await Promise.all([running, this.prepare(step + count)]);
    reply.outputs.forEach(({ loss }, i) => this.count(Number(loss?.data[0]), batches[i]?.tokens ?? 0));
    this.at = {
      ...this.at,
      step: step + count,
      tokens: this.at.tokens + batches.reduce((sum, { tokens }) => sum + tokens, 0),
      seconds: this.at.seconds + (performance.now() - before) / 1000,
      vectors: names.map((name) => reply.state[name]?.data as Float32Array),
    };
    if (this.at.step % POINT_STEPS === 0 || this.at.step === this.task.schedule.steps) this.point();
  }

  /** Makes the next batches while the host works on these. */
  private async prepare(from: number): Promise<void> {
    await new Promise(setImmediate);
    this.batches(from, Math.min(CHUNK, this.task.schedule.steps - from));
  }

  private batches(from: number, count: number): readonly Batch[] {
    for (let i = from; i < from + count; i++) if (!this.made.has(i)) this.made.set(i, this.task.batchAt(i));
    for (const index of this.made.keys()) if (index < from) this.made.delete(index);
    return Array.from({ length: count }, (_, i) => this.made.get(from + i) ?? this.task.batchAt(from + i));
  }

  private count(loss: number, tokens: number): void {
    if (!Number.isFinite(loss)) throw new RangeError(`the loss is ${loss}: the learning rate is too high`);
    this.sum = { loss: this.sum.loss + loss * tokens, tokens: this.sum.tokens + tokens };
  }

  private point(): void {
    const { step, tokens, seconds } = this.at;
    if (this.sum.tokens === 0) return;
    const loss = this.sum.loss / this.sum.tokens;
    this.at = { ...this.at, curve: [...this.at.curve, { step, tokens, loss }] };
    this.sum = { loss: 0, tokens: 0 };
    this.task.log(`step ${step} of ${this.task.schedule.steps}, ${(tokens / 1e6).toFixed(2)} M tokens, loss ${loss.toFixed(4)}, ${(tokens / seconds).toFixed(0)} tokens/s, ${(seconds / 60).toFixed(1)} min`);
  }

  private scalars(step: number): Feeds {
    const corrections = adamCorrections(step + 1, this.chosen);
    return Object.fromEntries(Object.entries({ learningRate: learningRate(step, this.task.schedule), ...corrections }).map(([name, value]) => [name, scalar(value)]));
  }

  private save(): void {
    writeCheckpoint(checkpointPath(this.task), this.at);
    this.saved = performance.now();
  }

  result(): TrainedModel {
    const { vectors: [theta = new Float32Array()], curve, tokens, seconds } = this.at;
    return { theta, curve, tokens, seconds };
  }
}
