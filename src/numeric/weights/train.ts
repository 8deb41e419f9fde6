// Trains all weights of a compiled transformer on examples: batches, schedules, early stop on held-out rows.
import { blocksOf } from './graph.ts';
import type { Room } from './room.ts';
import { balanced, perturbed, softened, softening, withScaledLogits } from './relax.ts';
import type { Feeds, TrainingData } from './trainingData.ts';
import { FLAT, flatten, trainingGraph, unflatten } from './trainingGraph.ts';
import type { StepScalars } from './trainingSteps.ts';
import { TrainingSteps, scalar, vector } from './trainingSteps.ts';
import type { TransformerWeights } from './transformer.ts';
import { encodeGraph } from '../../onnx/encode.ts';
import type { OptimizerName } from '../../onnx/optimizers.ts';
import { optimizer } from '../../onnx/optimizers.ts';
import type { ModelHost, Session } from '../../runtime/client.ts';
import { survivingDeaths } from '../../runtime/client.ts';
import type { HostTensor } from '../../runtime/protocol.ts';
import type { CancellationToken } from '../../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../../shared/cancellation.ts';
import type { Random } from '../../shared/random.ts';

export interface WeightTrainingOptions {
  readonly optimizer: OptimizerName;
  readonly learningRate: number;
  /** Down to a hundredth of the learning rate along a cosine. */
  readonly decay: boolean;
  readonly batch: number;
  readonly epochs: number;
  /** Epochs without a better held-out result before it ends. */
  readonly patience: number;
  readonly clipNorm: number;
  /** The largest attention logit at the start; null leaves them as they were compiled. */
  readonly largestLogit: number | null;
  /** What the softened logits are multiplied with in the end; 1 leaves it to the weights to grow. */
  readonly hardening: number;
  /** Share of the blocks (`blocksOf`), from the embeddings on, that stay as they are. */
  readonly frozen: number;
  /** Unused parts that training may use; null for the compiled shape. */
  readonly room: Room | null;
  /** Numbers of like size on both sides of each product. */
  readonly balance: boolean;
  /** Standard deviation of the noise on every weight at the start. */
  readonly noise: number;
  readonly loss: 'cross-entropy' | 'squared';
  /** See TrainingGraphOptions. */
  readonly sharpness: number;
}

/** Silva, Thorén, Monperrus (arXiv 2505.17703), the authors' reproduction package. */
export const publishedRecipe: WeightTrainingOptions = {
  optimizer: 'adam', learningRate: 1e-4, decay: false, batch: 256, epochs: 10_000, patience: 50, clipNorm: 1,
  largestLogit: null, hardening: 1, frozen: 0, room: null, balance: false, noise: 0, loss: 'cross-entropy', sharpness: 1,
};

/** Ours; `npm run bench -- weights` compares its parts. */
export const defaultRecipe: WeightTrainingOptions = {
  optimizer: 'adam', learningRate: 3e-3, decay: true, batch: 32, epochs: 40, patience: 20, clipNorm: 1,
  largestLogit: 6, hardening: 1, frozen: 0, room: { directions: 16, components: 8, hidden: 32, layers: 2 }, balance: true, noise: 0, loss: 'cross-entropy', sharpness: 1,
};

export interface WeightTrainingTask {
  readonly weights: TransformerWeights;
  readonly training: TrainingData;
  readonly validation: TrainingData;
  readonly host: ModelHost;
  readonly random: Random;
  readonly token?: CancellationToken;
  /** performance.now() at which it ends with what it has. */
  readonly deadline?: number;
  readonly onEpoch?: (epoch: EpochReport) => void;
}

export interface EpochReport {
  readonly epoch: number;
  readonly steps: number;
  /** Mean over the epoch's batches. */
  readonly loss: number;
  readonly validation: Evaluation;
}

export interface Evaluation {
  /** Mean error per token. */
  readonly loss: number;
  /** Share of rows whose every position is right. */
  readonly exact: number;
}

export interface WeightTrainingResult {
  /** The best on the held-out rows. */
  readonly weights: TransformerWeights;
  readonly validation: Evaluation;
  readonly epochs: number;
  readonly steps: number;
}

const CONVERGED = 3e-5;
const EVALUATION_BATCH = 1024;

/**
 * Gradient descent on every number of the transformer. The result is the state with the largest exact share of the
 * held-out rows, the smaller loss deciding ties.
 * @throws CancelledError, RuntimeError, HostDiedError after three deaths at one piece of work
 */
export async function trainWeights(task: WeightTrainingTask, options: WeightTrainingOptions): Promise<WeightTrainingResult> {
  const training = await survivingDeaths(() => WeightTraining.open(task, options));
  try {
    return await training.run();
  } finally {
    await training.dispose();
  }
}

/** Where training starts: the compiled transformer, made trainable as the recipe says; attention that is not trained stays sharp. */
export function relaxed(weights: TransformerWeights, options: Pick<WeightTrainingOptions, 'largestLogit' | 'balance' | 'frozen'>): TransformerWeights {
  const { largestLogit, balance } = options;
  const trained = trainedParts(weights, options);
  const soft = largestLogit === null ? weights : softened(weights, softening(largestLogit), (layer) => trained.includes(`layer${layer}/attention/query`));
  return balance ? balanced(soft) : soft;
}

/** The names of the matrices that are trained, in order. */
function trainedParts(weights: TransformerWeights, { frozen }: Pick<WeightTrainingOptions, 'frozen'>): readonly string[] {
  const blocks = blocksOf(weights);
  return blocks.slice(Math.round(frozen * blocks.length)).flat();
}

class WeightTraining {
  private readonly started = performance.now();
  private best: { readonly theta: Float32Array; readonly scale: number; readonly validation: Evaluation; readonly epoch: number } | null = null;
  private readonly validationFeeds: readonly Feeds[];

  private constructor(
    private readonly task: WeightTrainingTask,
    private readonly options: WeightTrainingOptions,
    private readonly start: TransformerWeights,
    private readonly trained: readonly string[],
    private readonly steps: TrainingSteps,
    private readonly forward: Session,
  ) {
    this.validationFeeds = task.validation.batches(EVALUATION_BATCH);
  }

  static async open(task: WeightTrainingTask, options: WeightTrainingOptions): Promise<WeightTraining> {
    const { training, host, token } = task;
    const trained = trainedParts(task.weights, options);
    const soft = relaxed(task.weights, options);
    const weights = unflatten(soft, perturbed(flatten(soft, trained), options.noise, task.random), trained);
    const graph = trainingGraph(soft, { ...options, trained });
    const steps = await TrainingSteps.open({ graph, weights, trained, training, host, optimizer: optimizer(options.optimizer), clipNorm: options.clipNorm, ...(token ? { token } : {}) });
    return new WeightTraining(task, options, soft, trained, steps, await host.createSession(encodeGraph(graph)));
  }

  async run(): Promise<WeightTrainingResult> {
    const { epochs, patience } = this.options;
    await this.validate(0, Number.NaN, 1);
    for (let epoch = 1; epoch <= epochs && !this.isLate() && !this.isDone(epoch, patience); epoch++) {
      const loss = await this.epoch(epoch);
      await this.validate(epoch, loss, this.logitScale(this.progress(epoch)));
    }
    const { best } = this;
    if (!best) throw new RangeError('nothing was evaluated');
    const weights = withScaledLogits(unflatten(this.start, best.theta, this.trained), best.scale);
    return { weights, validation: best.validation, epochs: best.epoch, steps: this.steps.count };
  }

  async dispose(): Promise<void> {
    await this.steps.dispose();
    await this.forward.release();
  }

  private isLate(): boolean {
    throwIfCancelled(this.task.token ?? neverCancelled);
    return performance.now() > (this.task.deadline ?? Number.POSITIVE_INFINITY);
  }

  private isDone(epoch: number, patience: number): boolean {
    return this.best !== null && (epoch - this.best.epoch > patience || hasConverged(this.best.validation));
  }

  /** All rows once, in a new order; the mean loss. */
  private async epoch(epoch: number): Promise<number> {
    const { training, random } = this.task;
    const order = random.shuffle(Array.from({ length: training.rows }, (_, i) => i));
    const size = Math.min(this.options.batch, training.rows);
    const count = Math.floor(training.rows / size);
    const losses: number[] = [];
    for (let from = 0; from < count && !(from > 0 && this.isLate()); ) {
      const steps = Math.min(this.steps.chunk, count - from);
      const chunk = Array.from({ length: steps }, (_, i) => order.slice((from + i) * size, (from + i + 1) * size));
      const first = from;
      losses.push(...(await this.steps.run(chunk, (i) => this.scalars(this.progress(epoch - 1 + (first + i) / count)))));
      from += steps;
    }
    return losses.reduce((a, b) => a + b, 0) / losses.length;
  }

  private scalars(progress: number): StepScalars {
    return { logitScale: this.logitScale(progress), learningRate: this.learningRate(progress) };
  }

  /** From 0 to 1, by epochs or by time, whichever is further: schedules end in time. */
  private progress(epochs: number): number {
    const byTime = (performance.now() - this.started) / ((this.task.deadline ?? Number.POSITIVE_INFINITY) - this.started);
    return Math.min(1, Math.max(epochs / this.options.epochs, byTime));
  }

  private learningRate(progress: number): number {
    const { learningRate, decay } = this.options;
    return decay ? learningRate * (0.01 + 0.99 * 0.5 * (1 + Math.cos(Math.PI * progress))) : learningRate;
  }

  /** From 1 to the hardening, evenly in its logarithm, over the middle of the training. */
  private logitScale(progress: number): number {
    return this.options.hardening ** Math.min(1, Math.max(0, (progress - 0.2) / 0.5));
  }

  private async validate(epoch: number, loss: number, scale: number): Promise<void> {
    const { theta } = this.steps;
    const validation = await this.evaluate(vector(theta), scale);
    if (!this.best || isBetter(validation, this.best.validation)) {
      this.best = { theta: Float32Array.from(theta), scale, validation, epoch };
    }
    this.task.onEpoch?.({ epoch, steps: this.steps.count, loss: Number.isNaN(loss) ? validation.loss : loss, validation });
  }

  private async evaluate(theta: HostTensor, scale: number): Promise<Evaluation> {
    const { validation, token } = this.task;
    let [loss, right] = [0, 0];
    for (const feeds of this.validationFeeds) {
      const all = { ...feeds, [FLAT]: theta, logitScale: scalar(scale) };
      const outputs = await survivingDeaths(() => this.forward.run(all, token ? { token } : {}));
      loss += (Number(outputs['loss']?.data[0]) * (feeds['tokens']?.dims[0] ?? 0)) / validation.rows;
      right += (outputs['right']?.data as Float32Array).reduce((a, b) => a + b, 0);
    }
    return { loss, exact: right / validation.rows };
  }
}

/** Every held-out row is right, and none of them narrowly. */
export const hasConverged = ({ exact, loss }: Evaluation): boolean => exact === 1 && loss < CONVERGED;

export const isBetter = (a: Evaluation, b: Evaluation): boolean => a.exact > b.exact || (a.exact === b.exact && a.loss < b.loss);
