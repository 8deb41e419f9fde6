// Who trains: our steps through the model host as a repair takes them, and torch with each of its settings.
import { readFileSync } from 'node:fs';
import type { Problem } from './problem.ts';
import type { Torch } from './torch.ts';
import { defaultRecipe, publishedRecipe } from '../../src/numeric/weights/train.ts';
import { trainingGraph } from '../../src/numeric/weights/trainingGraph.ts';
import { TrainingSteps } from '../../src/numeric/weights/trainingSteps.ts';
import { optimizer } from '../../src/onnx/optimizers.ts';
import type { ModelHost } from '../../src/runtime/client.ts';

/** Of one run from the first weights on. */
export interface Trained {
  /** Before each step. */
  readonly losses: readonly number[];
  /** For each step after those that warm up. */
  readonly millis: number;
  /** Milliseconds of processor time over all threads and processes that the step needs; null where the system does not tell. */
  readonly cpuMillis: number | null;
}

export interface Contestant {
  readonly name: string;
  readonly side: 'ours' | 'torch';
  train(problem: Problem, batches: readonly (readonly number[])[], warm: number): Promise<Trained>;
}

/** The published rate: at ours, rounding errors grow tenfold at each step of the sharpest transformers. No step takes longer for it. */
const scalars = { logitScale: 1, learningRate: publishedRecipe.learningRate };

/** One step for each batch, in messages as large as training makes them; batches are cut from the rows meanwhile. */
export const ours = (name: string, host: ModelHost, threads?: number): Contestant => ({
  name,
  side: 'ours',
  async train({ weights, data }, batches, warm) {
    const graph = trainingGraph(weights, defaultRecipe);
    const steps = await TrainingSteps.open({ graph, weights, training: data, host, optimizer: optimizer('adam'), clipNorm: defaultRecipe.clipNorm, ...(threads === undefined ? {} : { threads }) });
    const take = async (wanted: readonly (readonly number[])[]): Promise<number[]> => {
      const losses: number[] = [];
      while (losses.length < wanted.length) losses.push(...(await steps.run(wanted.slice(losses.length, losses.length + steps.chunk), () => scalars)));
      return losses;
    };
    const first = await take(batches.slice(0, warm));
    const cpu = cpuMillis(host);
    const start = performance.now();
    const rest = await take(batches.slice(warm));
    const millis = (performance.now() - start) / rest.length;
    const used = (cpuMillis(host) - cpu) / rest.length;
    await steps.dispose();
    return { losses: [...first, ...rest], millis, cpuMillis: Number.isNaN(used) ? null : used };
  },
});

/** The problem must have been loaded. */
export const theirs = (torch: Torch, foreach: boolean, double = false): Contestant => ({
  name: `torch, ${torch.about.name}${foreach ? ', foreach' : ''}${double ? ', float64' : ''}`,
  side: 'torch',
  async train(_problem, batches, warm) {
    const { learningRate: rate, logitScale: scale } = scalars;
    const { losses, seconds, cpuSeconds } = await torch.train({ batches, warm, foreach, double, rate, clip: defaultRecipe.clipNorm, scale });
    const perStep = 1000 / (batches.length - warm);
    return { losses, millis: perStep * seconds, cpuMillis: perStep * cpuSeconds };
  },
});

/** Of this process and the model host; NaN where there is no /proc. */
export function cpuMillis({ pid }: ModelHost): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 + hostMillis(pid);
}

/** Fields 14 and 15 of /proc/PID/stat are user and system time in hundredths of a second (proc(5)). */
function hostMillis(pid: number | undefined): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return Number.NaN;
  }
}
