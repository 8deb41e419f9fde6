// npm run bench -- gradients: the gradient of a log-probability by all embeddings against torch, in turns within one run.
import { existsSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Contestant, Python } from './contestants.ts';
import { forward, ours, reference, settings as torchSettings, theirs } from './contestants.ts';
import { llamaFolder } from './llama.ts';
import type { Problem } from './problem.ts';
import { problemOf } from './problem.ts';
import type { Report, Row, Times } from './report.ts';
import { GAP_LIMIT, markdown, rowText } from './report.ts';
import { builtHost } from '../builtHost.ts';
import { machine } from '../machine.ts';
import { fastestKernels, pythonWithTorch } from '../training/torch.ts';
import { writeReport } from '../writeReport.ts';
import { Random } from '../../src/shared/random.ts';

const LENGTH = 256;
const WARM = 1;
/** A setting of torch that takes so many times as long as its fastest with as many threads takes no part. */
const HOPELESS = 4;

const stories = fileURLToPath(new URL('../../../shared/models/stories260k', import.meta.url));

/** Null where a model is not there. */
const models: Readonly<Record<string, { readonly batch: number; folder(seed: number): string | null }>> = {
  stories260k: { batch: 1, folder: () => (existsSync(stories) ? stories : null) },
  'd256 × 6': { batch: 1, folder: (seed) => llamaFolder({ hidden: 256, layers: 6, heads: 8, keyValueHeads: 4, neurons: 688, vocabulary: 2048 }, seed) },
  'd256 × 6, 4 rows': { batch: 4, folder: (seed) => llamaFolder({ hidden: 256, layers: 6, heads: 8, keyValueHeads: 4, neurons: 688, vocabulary: 2048 }, seed) },
  'd512 × 8': { batch: 1, folder: (seed) => llamaFolder({ hidden: 512, layers: 8, heads: 8, keyValueHeads: 4, neurons: 1376, vocabulary: 32000 }, seed) },
};

const options = {
  seed: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '7' },
  /** That each contestant computes, each round. */
  millis: { type: 'string', default: '400' },
  threads: { type: 'string', default: '1,2' },
  models: { type: 'string', default: Object.keys(models).join(';') },
  out: { type: 'string', default: 'gradients' },
} as const;

interface Settings {
  readonly seed: number;
  readonly rounds: number;
  readonly millis: number;
  readonly threads: readonly number[];
}

export async function benchGradients(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const python = pythonWithTorch();
  if (python === null) {
    console.error('No Python here imports torch, and a comparison needs it. On Debian: apt-get install python3-torch libopenblas0.');
    process.exitCode = 2;
    return;
  }
  const settings: Settings = { seed: Number(values.seed), rounds: Number(values.rounds), millis: Number(values.millis), threads: values.threads.split(',').map(Number) };
  const before = loadavg()[0] ?? 0;
  const kernels = await fastestKernels(python);
  const wanted = Object.keys(models).filter((name) => values.models.split(';').includes(name));
  const rows: Row[] = [];
  const report = (): Report => ({ machine: machine(), torch: kernels[0]?.torch ?? '', kernels, load: { before, after: loadavg()[0] ?? 0 }, settings, wanted, rows });
  const save = (all: Report): string => writeReport(all, markdown(all), values.out);
  for (const name of wanted) {
    const location = models[name]?.folder(settings.seed) ?? null;
    if (location === null) {
      console.error(`${name} is not beside the project and is left out.`);
      continue;
    }
    const problem = problemOf(name, location, { batch: models[name]?.batch ?? 1, length: LENGTH }, new Random(settings.seed));
    rows.push(await measure(problem, { path: python, kernels: kernels[0]?.kernels ?? null }, settings));
    console.error(rowText(rows.at(-1) as Row));
    // A run that is stopped leaves what it has measured.
    save(report());
  }
  console.log(save(report()));
}

async function measure(problem: Problem, python: Python, settings: Settings): Promise<Row> {
  const truth = await reference(torchSettings[0], problem, python);
  const contestants = await openAll(problem, python, settings);
  try {
    const gaps = new Map<string, number | null>();
    for (const contestant of contestants) gaps.set(contestant.name, await gapOf(contestant, truth, problem));
    const paces = await pacesOf(contestants);
    const taking = contestants.filter((one) => paces.has(one.name));
    const times = taking.map(({ name, side, threads }): Times => ({ name, side, threads, millis: [], cpuMillis: [], peak: 0, gap: gaps.get(name) ?? null }));
    for (let round = 0; round < settings.rounds; round++) {
      // Nobody is always first.
      for (const i of order(taking.length, round)) {
        const [contestant, own] = [taking[i], times[i]];
        if (!contestant || !own) continue;
        const { millis, cpuMillis } = await contestant.time(Math.max(1, Math.round(settings.millis / (paces.get(own.name) ?? settings.millis))), WARM);
        own.millis.push(millis);
        own.cpuMillis.push(cpuMillis);
      }
    }
    taking.forEach((contestant, i) => {
      const own = times[i];
      if (own) own.peak = contestant.peak();
    });
    const estimate = contestants.find(({ side }) => side === 'ours')?.estimate ?? Number.NaN;
    return { model: problem.name, shape: problem.shape, batch: problem.rows.ids.length, length: LENGTH, estimate, times };
  } finally {
    for (const contestant of contestants) await contestant.end();
  }
}

const order = (count: number, round: number): number[] => {
  const indices = Array.from({ length: count }, (_, i) => i);
  return round % 2 === 0 ? indices : indices.reverse();
};

async function openAll(problem: Problem, python: Python, { threads }: Settings): Promise<readonly Contestant[]> {
  const host = builtHost();
  const opened: Contestant[] = [];
  for (const count of threads) opened.push(await ours(`GradLens, ${count}`, problem, host, count), await forward(`forward, ${count}`, problem, host, count));
  for (const setting of torchSettings.filter((one) => threads.includes(one.threads))) opened.push(...(await theirs(setting, problem, python)));
  return opened;
}

/** @throws Error where a gradient is not torch's in float64 */
async function gapOf(contestant: Contestant, truth: readonly number[], { name }: Problem): Promise<number | null> {
  const result = await contestant.result();
  if (!result) return null;
  const largest = truth.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const gap = Array.from(result.gradient).reduce((most, value, i) => Math.max(most, Math.abs(value - (truth[i] ?? Number.NaN))), 0) / largest;
  if (gap <= GAP_LIMIT && result.gradient.length === truth.length) return gap;
  throw new Error(`The comparison is void: on ${name} the gradient of ${contestant.name} is off that of torch in float64 by ${gap.toExponential(1)} of its largest element; the limit is ${GAP_LIMIT}.`);
}

/** Milliseconds of one step, roughly; hopeless settings left out. */
async function pacesOf(contestants: readonly Contestant[]): Promise<ReadonlyMap<string, number>> {
  const paces = new Map<string, number>();
  // A traced function is compiled in its first runs.
  for (const { name, time } of contestants) paces.set(name, (await time(1, 3)).millis);
  for (const { name, side, threads } of contestants.filter((one) => one.side === 'torch')) {
    const fastest = Math.min(...contestants.filter((one) => one.side === side && one.threads === threads).map((one) => paces.get(one.name) ?? Infinity));
    if ((paces.get(name) ?? 0) > HOPELESS * fastest) paces.delete(name);
  }
  return paces;
}
