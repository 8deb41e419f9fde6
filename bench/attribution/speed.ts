// Integrated gradients of 256 tokens × 20 steps on a Llama-like model: the product against torch's autograd, in turns.
import { fileURLToPath } from 'node:url';
import { loadavg } from 'node:os';
import { cpuMillis } from '../training/contestants.ts';
import type { Timed } from '../gradients/contestants.ts';
import { settings as torchSettings } from '../gradients/contestants.ts';
import { llamaFolder } from '../gradients/llama.ts';
import type { Problem } from '../gradients/problem.ts';
import { problemOf, weightPlaces } from '../gradients/problem.ts';
import { fastestKernels, pythonWithTorch, Torch } from '../training/torch.ts';
import { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import { openAttributor } from '../../src/steering/attribution.ts';
import { gaussLegendre } from '../../src/steering/quadrature.ts';

const LENGTH = 256;
const STEPS = 20;
const SHAPE = { hidden: 256, layers: 6, heads: 8, keyValueHeads: 4, neurons: 688, vocabulary: 2048 } as const;
/** Largest difference between the two sides' numbers of a token, of the largest number. */
const GAP_LIMIT = 1e-3;
const program = fileURLToPath(new URL('../gradients-torch.py', import.meta.url));

interface PathTimed extends Timed {
  readonly tokens: readonly number[];
}

interface Side {
  readonly name: string;
  readonly side: 'ours' | 'torch';
  readonly threads: number;
  run(): Promise<PathTimed>;
  end(): void;
}

export interface SpeedRow {
  readonly name: string;
  readonly side: 'ours' | 'torch';
  readonly threads: number;
  /** Of one attribution, by the clock and of all threads; one entry a round. */
  readonly millis: readonly number[];
  readonly cpuMillis: readonly number[];
}

export interface Speed {
  readonly torch: string;
  readonly blas: string;
  readonly shape: typeof SHAPE;
  readonly length: number;
  readonly steps: number;
  /** Largest difference of a token's number between ours and torch's, relative to the largest number. */
  readonly gap: number;
  readonly load: readonly [number, number];
  readonly rows: readonly SpeedRow[];
}

/** Null where there is no torch. */
export async function speed(hostPath: string, { rounds, seed, threads }: { readonly rounds: number; readonly seed: number; readonly threads: readonly number[] }): Promise<Speed | null> {
  const python = pythonWithTorch();
  if (python === null) {
    console.error('No Python here imports torch, and a comparison needs it. On Debian: apt-get install python3-torch libopenblas0.');
    return null;
  }
  const before = loadavg()[0] ?? 0;
  const [fastest] = await fastestKernels(python);
  const problem = problemOf('d256 × 6', llamaFolder(SHAPE, seed), { batch: 1, length: LENGTH }, new Random(seed));
  const sides: Side[] = [];
  try {
    for (const count of threads) sides.push(await ours(problem, hostPath, count));
    for (const setting of torchSettings.filter((one) => threads.includes(one.threads))) {
      const torch = await Torch.start(python, setting, fastest?.kernels ?? null, program);
      sides.push(...(await theirs(problem, torch, setting.name, setting.threads)));
    }
    return { torch: fastest?.torch ?? '', blas: fastest?.blas ?? '', shape: SHAPE, length: LENGTH, steps: STEPS, ...(await inTurns(sides, rounds)), load: [before, loadavg()[0] ?? 0] };
  } finally {
    for (const side of sides) side.end();
  }
}

async function inTurns(sides: readonly Side[], rounds: number): Promise<Pick<Speed, 'gap' | 'rows'>> {
  const first: PathTimed[] = [];
  for (const side of sides) first.push(await side.run());
  const truth = first[sides.findIndex(({ side }) => side === 'torch')]?.tokens ?? [];
  const largest = Math.max(...truth.map(Math.abs));
  const gap = Math.max(...first.map(({ tokens }) => Math.max(...tokens.map((value, i) => Math.abs(value - (truth[i] ?? Number.NaN)) / largest))));
  if (!(gap < GAP_LIMIT)) throw new Error(`The comparison is void: a token's number differs by ${gap.toExponential(1)} of the largest; the limit is ${GAP_LIMIT}.`);
  const rows = sides.map(({ name, side, threads }) => ({ name, side, threads, millis: [] as number[], cpuMillis: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    // Nobody is always first.
    const order = sides.map((_, i) => i);
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const timed = await sides[i]?.run();
      rows[i]?.millis.push(timed?.millis ?? Number.NaN);
      rows[i]?.cpuMillis.push(timed?.cpuMillis ?? Number.NaN);
    }
    console.error(`round ${round + 1}: ${rows.map(({ name, millis }) => `${name} ${millis.at(-1)?.toFixed(0)} ms`).join(', ')}`);
  }
  return { gap, rows };
}

/** The last token's contrast, as the product computes it: with both ends of the path, and every message between processes. */
async function ours({ folder, rows }: Problem, hostPath: string, threads: number): Promise<Side> {
  const host = ModelHost.start({ hostPath });
  const opened = await openAttributor(folder, host, { session: { threads } });
  if (!opened.ok) throw new Error(opened.problem.message);
  return {
    name: `GradLens, ${threads}`, side: 'ours', threads,
    async run() {
      const [start, cpu] = [performance.now(), cpuMillis(host)];
      const { tokens } = await opened.attributor.attribute({ prompt: rows.ids[0] ?? [], preferred: [5], dispreferred: [6], steps: STEPS });
      return { tokens, millis: performance.now() - start, cpuMillis: cpuMillis(host) - cpu };
    },
    end: () => host.dispose(),
  };
}

/** The same nodes, and the two ends without a gradient; one point after the other, or four together. */
async function theirs(problem: Problem, torch: Torch, setting: string, threads: number): Promise<readonly Side[]> {
  const { shape, theta, epsilon, rows } = problem;
  await torch.ask({ type: 'model', config: { ...shape, headSize: shape.hidden / shape.heads, theta, epsilon }, tensors: weightPlaces(problem) });
  const sides: Side[] = [];
  for (const chunk of [1, 4]) {
    await torch.ask({ type: 'load_contrast', ids: rows.ids[0] ?? [], preferred: 5, dispreferred: 6, chunk });
    for (const jit of [false, true]) {
      sides.push({
        name: `torch, ${setting}${jit ? ', traced' : ''}${chunk > 1 ? `, ${chunk} points at once` : ''}`, side: 'torch', threads,
        async run() {
          const { tokens, seconds, cpuSeconds } = (await torch.ask({ type: 'path', ...gaussLegendre(STEPS), chunk, jit })) as { tokens: number[]; seconds: number; cpuSeconds: number };
          return { tokens, millis: 1000 * seconds, cpuMillis: 1000 * cpuSeconds };
        },
        end: () => torch.dispose(),
      });
    }
  }
  return sides;
}
