// Who differentiates: this project's derivatives through the model host, the bare runtime's forward pass, and torch.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Problem } from './problem.ts';
import { weightPlaces } from './problem.ts';
import { cpuMillis } from '../training/contestants.ts';
import type { TorchSetting } from '../training/torch.ts';
import { Torch } from '../training/torch.ts';
import { openDerivatives } from '../../src/lm/derivatives.ts';
import { rowFeeds } from '../../src/lm/derivativeFeeds.ts';
import { ModelHost } from '../../src/runtime/client.ts';

const program = fileURLToPath(new URL('../gradients-torch.py', import.meta.url));

export interface Timed {
  /** For one gradient, by the clock. */
  readonly millis: number;
  /** Of all threads and processes. */
  readonly cpuMillis: number;
}

export interface Contestant {
  readonly name: string;
  readonly side: 'ours' | 'forward' | 'torch';
  readonly threads: number;
  time(steps: number, warm: number): Promise<Timed>;
  /** Of the log-probability's sum; null for who computes none. */
  result(): Promise<{ readonly target: number; readonly gradient: ArrayLike<number> } | null>;
  /** Peak memory of its process so far, bytes. */
  peak(): number;
  end(): Promise<void>;
}

/** VmHWM of /proc/PID/status (proc(5)). */
function peakOf(pid: number | undefined): number {
  try {
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return Number.NaN;
  }
}

async function repeated(host: ModelHost, steps: number, warm: number, step: () => Promise<unknown>): Promise<Timed> {
  for (let i = 0; i < warm; i++) await step();
  const [start, cpu] = [performance.now(), cpuMillis(host)];
  for (let i = 0; i < steps; i++) await step();
  return { millis: (performance.now() - start) / steps, cpuMillis: (cpuMillis(host) - cpu) / steps };
}

/** With every message between the processes; the embeddings are given, as torch has them. */
export async function ours(name: string, { folder, rows }: Problem, hostPath: string, threads: number): Promise<Contestant> {
  const host = ModelHost.start({ hostPath });
  const opened = await openDerivatives(folder, host, { sites: ['embed'], target: 'logProbabilities', session: { threads } });
  if (!opened.ok) throw new Error(opened.problem.message);
  const { derivatives } = opened;
  const given = { ...rows, embeddings: await derivatives.embed(rows) };
  return {
    name, side: 'ours', threads,
    time: (steps, warm) => repeated(host, steps, warm, () => derivatives.differentiate(given)),
    async result() {
      const { target, gradients } = await derivatives.differentiate(given);
      return { target, gradient: gradients.get('embed')?.data as Float32Array };
    },
    peak: () => peakOf(host.pid),
    end: async () => host.dispose(),
  };
}

/** The model as it was exported, all logits, of which only the last are sent. */
export async function forward(name: string, { folder, rows }: Problem, hostPath: string, threads: number): Promise<Contestant> {
  const host = ModelHost.start({ hostPath });
  const session = await host.createSession({ path: folder.variant.path }, { threads });
  const feeds = rowFeeds(folder.io, rows);
  return {
    name, side: 'forward', threads,
    time: (steps, warm) => repeated(host, steps, warm, () => session.run(feeds, { outputs: ['logits'], slices: { logits: [-1] } })),
    result: () => Promise.resolve(null),
    peak: () => peakOf(host.pid),
    end: async () => host.dispose(),
  };
}

export interface Python {
  readonly path: string;
  readonly kernels: string | null;
}

/** Eager and traced, in one process. */
export async function theirs(setting: TorchSetting, problem: Problem, { path, kernels }: Python): Promise<readonly Contestant[]> {
  const torch = await Torch.start(path, setting, kernels, program);
  await load(torch, problem);
  return [false, true].map((jit) => ({
    name: `torch, ${setting.name}${jit ? ', traced' : ''}`,
    side: 'torch' as const,
    threads: setting.threads,
    async time(steps: number, warm: number) {
      const { seconds, cpuSeconds } = (await torch.ask({ type: 'time', steps, warm, jit })) as { seconds: number; cpuSeconds: number };
      return { millis: (1000 * seconds) / steps, cpuMillis: (1000 * cpuSeconds) / steps };
    },
    result: async () => (await torch.ask({ type: 'result', jit })) as { target: number; gradient: number[] },
    peak: () => peakOf(torch.pid),
    end: async () => torch.dispose(),
  }));
}

/** The gradient in float64, of a process that ends with it. */
export async function reference(setting: TorchSetting, problem: Problem, { path, kernels }: Python): Promise<readonly number[]> {
  const torch = await Torch.start(path, setting, kernels, program);
  try {
    await load(torch, problem);
    return ((await torch.ask({ type: 'reference' })) as { gradient: number[] }).gradient;
  } finally {
    torch.dispose();
  }
}

async function load(torch: Torch, problem: Problem): Promise<void> {
  const { shape, theta, epsilon, rows, targets } = problem;
  await torch.ask({ type: 'model', config: { ...shape, headSize: shape.hidden / shape.heads, theta, epsilon }, tensors: weightPlaces(problem) });
  await torch.ask({ type: 'load', ids: rows.ids, targets });
}
