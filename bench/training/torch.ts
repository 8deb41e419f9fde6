// A torch process that does what it is told to: started once, asked again and again.
import type { ChildProcessByStdio } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Problem } from './problem.ts';
import { namedMatrices } from '../../src/numeric/weights/graph.ts';

const script = fileURLToPath(new URL('../training-torch.py', import.meta.url));

/** The first Python that imports torch, or null. */
export function pythonWithTorch(): string | null {
  return ['/usr/bin/python3', 'python3'].find((python) => spawnSync(python, ['-c', 'import torch']).status === 0) ?? null;
}

export interface TorchSetting {
  readonly name: string;
  readonly threads: number;
  readonly environment: Readonly<Record<string, string>>;
}

const oneThread: TorchSetting = { name: '1 thread', threads: 1, environment: { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' } };

/** Waiting threads that spin are fastest on a machine of their own, and hundreds of times slower where anything else runs. */
export const torchSettings: readonly [TorchSetting, ...TorchSetting[]] = [
  oneThread,
  { name: '2 threads', threads: 2, environment: { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' } },
  { name: '2 threads that sleep', threads: 2, environment: { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '1', OMP_WAIT_POLICY: 'PASSIVE' } },
];

export interface TorchAbout {
  readonly name: string;
  readonly torch: string;
  readonly threads: number;
  /** What the loaded BLAS says of itself. */
  readonly blas: string;
  /** OPENBLAS_CORETYPE, null where OpenBLAS chose by itself. */
  readonly kernels: string | null;
  /** Of a product of two 512 × 512 matrices. */
  readonly gflops: number;
}

export interface TorchRun {
  readonly batches: readonly (readonly number[])[];
  /** Steps before the clock starts. */
  readonly warm: number;
  readonly foreach: boolean;
  /** In float64. */
  readonly double: boolean;
  readonly rate: number;
  readonly clip: number;
  readonly scale: number;
}

export interface TorchResult {
  readonly losses: readonly number[];
  /** Of the steps after the first `warm`: by the clock, and of all threads together. */
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Processors newer than its OpenBLAS get the oldest kernels: torch is given the fastest that run here. */
const KERNELS = [null, 'Haswell', 'SkylakeX', 'SapphireRapids'] as const;

/** What each kind of kernels gives on one thread, the fastest first; those that do not run here are left out. */
export async function fastestKernels(python: string): Promise<readonly TorchAbout[]> {
  const found: TorchAbout[] = [];
  for (const kernels of KERNELS) {
    const torch = await Torch.start(python, oneThread, kernels).catch(() => null);
    if (torch) found.push(torch.about);
    torch?.dispose();
  }
  return found.sort((a, b) => b.gflops - a.gflops);
}

export class Torch {
  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, null>,
    private readonly lines: AsyncIterator<string>,
    readonly about: TorchAbout,
  ) {}

  /** @throws Error where the process cannot run, such as with kernels for another processor */
  static async start(python: string, setting: TorchSetting, kernels: string | null, program = script): Promise<Torch> {
    const chosen = kernels === null ? {} : { OPENBLAS_CORETYPE: kernels };
    const child = spawn(python, [program, String(setting.threads)], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...setting.environment, ...chosen } });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const about = JSON.parse(await nextOf(lines)) as Omit<TorchAbout, 'kernels' | 'name'>;
    return new Torch(child, lines, { ...about, name: setting.name, kernels });
  }

  async load({ weights, data }: Problem): Promise<void> {
    const matrices = [...namedMatrices(weights)].map(([name, { rows, columns, data: numbers }]) => [name, rows, columns, [...numbers]]);
    const heads = weights.layers.map(({ attention }) => attention?.heads.length ?? 0);
    const { tokens, targets, present, shares } = data.batch(Array.from({ length: data.rows }, (_, row) => row));
    const numbers = (tensor: typeof tokens): number[] => Array.from(tensor?.data ?? [], Number);
    const shared = numbers(shares);
    // Positions without a share have no target: torch's mean over the others is the same loss.
    const wanted = numbers(targets).map((target, i) => (shared[i] === 0 ? -100 : target));
    await this.ask({ type: 'problem', heads, matrices, rows: data.rows, tokens: numbers(tokens), targets: wanted, present: numbers(present) });
  }

  async train(run: TorchRun): Promise<TorchResult> {
    return (await this.ask({ type: 'train', ...run })) as TorchResult;
  }

  dispose(): void {
    this.child.kill();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  async ask(request: unknown): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await nextOf(this.lines));
  }
}

async function nextOf(lines: AsyncIterator<string>): Promise<string> {
  const { done, value } = await lines.next();
  if (done) throw new Error('the torch process ended; what it said is above');
  return value;
}
