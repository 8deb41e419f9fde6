// npm run bench -- training: milliseconds for one step of training against torch, in turns within one run.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import type { Contestant } from './contestants.ts';
import { ours, theirs } from './contestants.ts';
import type { Problem } from './problem.ts';
import { LENGTH, batchesOf, problemOf } from './problem.ts';
import type { Report, Row, Settings, Times } from './report.ts';
import { markdown, PRODUCT, rowText, summarise } from './report.ts';
import type { TorchSetting } from './torch.ts';
import { Torch, fastestKernels, pythonWithTorch, torchSettings } from './torch.ts';
import { builtHost } from '../builtHost.ts';
import { machine } from '../machine.ts';
import type { BaseProgram } from '../raspbugs/programs.ts';
import { basePrograms } from '../raspbugs/programs.ts';
import { writeReport } from '../writeReport.ts';
import { CHUNK, CHUNK_MILLIS } from '../../src/numeric/weights/trainingSteps.ts';
import { shapeOf } from '../../src/numeric/weights/transformer.ts';
import { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

const options = {
  seed: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '7' },
  /** That each contestant trains, each round. */
  millis: { type: 'string', default: '500' },
  batches: { type: 'string', default: '32,256' },
  programs: { type: 'string', default: basePrograms.map(({ name }) => name).join() },
  /** Settings of torch that take part. */
  torch: { type: 'string', default: torchSettings.map(({ name }) => name).join() },
  out: { type: 'string', default: 'training' },
} as const;

const WARM = 4;
const PILOT = 2;
/** A setting of torch that takes so many times as long as the fastest one in the pilot takes no part. */
const HOPELESS = 5;
/**
 * Steps whose losses must agree with torch's in float64, and how well: relative to the loss, or to what torch itself
 * loses in float32, where the sharpest transformers make much of rounding errors.
 */
const CONTROL_STEPS = 20;
const CONTROL_LIMIT = 1e-3;
const CONTROL_FACTOR = 10;
/**
 * The first steps are judged by what torch loses in them. After those the sharpest transformers make much of any
 * rounding error, from a step on that is nobody's merit: they are judged by what torch loses in all.
 */
const EARLY = 5;

const NO_TORCH = 'No Python here imports torch, and a comparison needs it. On Debian: apt-get install python3-torch libopenblas0 (torch with the reference BLAS is no fair peer).';

export async function benchTraining(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const python = pythonWithTorch();
  const chosen = settingsNamed(values.torch);
  if (python === null || chosen.length === 0) {
    console.error(python === null ? NO_TORCH : `--torch names none of ${torchSettings.map(({ name }) => `"${name}"`).join(', ')}.`);
    process.exitCode = 2;
    return;
  }
  const settings: Settings = { seed: Number(values.seed), rounds: Number(values.rounds), millis: Number(values.millis), torch: chosen.map(({ name }) => name), length: LENGTH };
  const before = loadavg()[0] ?? 0;
  const kernels = await fastestKernels(python);
  const torches: Torch[] = [];
  for (const setting of chosen) torches.push(await Torch.start(python, setting, kernels[0]?.kernels ?? null));
  const host = ModelHost.start({ hostPath: builtHost() });
  const bases = basePrograms.filter(({ name }) => values.programs.split(',').includes(name));
  try {
    const shapes = bases.flatMap((base) => values.batches.split(',').map((batch) => ({ base, batch: Number(batch) })));
    const report = (rows: readonly Row[]): Report => ({ machine: machine(), torch: torches[0]?.about.torch ?? '', kernels, load: { before, after: loadavg()[0] ?? 0 }, settings, wanted: shapes.length, summary: summarise(rows), rows });
    // A run that is stopped leaves what it has measured.
    const save = (all: Report): string => writeReport(all, markdown(all), values.out);
    const rows = await measureAll(shapes, { torches, host }, settings, (measured) => void save(report(measured)));
    console.log(save(report(rows)));
  } finally {
    host.dispose();
    for (const torch of torches) torch.dispose();
  }
}

interface Sides {
  readonly torches: readonly Torch[];
  readonly host: ModelHost;
}

async function measureAll(shapes: readonly { readonly base: BaseProgram; readonly batch: number }[], { torches, host }: Sides, settings: Settings, onRow: (rows: readonly Row[]) => void): Promise<Row[]> {
  const [reference] = torches.map((torch) => theirs(torch, false, true));
  if (!reference) throw new RangeError('nobody to compare with');
  const contestants = [ours(PRODUCT, host), ours('GradLens, 1 thread', host, 1), ours('GradLens, all threads', host, 0), ...torches.flatMap((torch) => [theirs(torch, false), theirs(torch, true)])];
  const rows: Row[] = [];
  for (const { base, batch } of shapes) {
    const problem = problemOf(base, settings.seed);
    for (const torch of torches) await torch.load(problem);
    const row = await measure(problem, batch, { reference, contestants }, settings);
    console.error(rowText(row));
    rows.push(row);
    onRow(rows);
  }
  return rows;
}

const settingsNamed = (names: string): TorchSetting[] => torchSettings.filter(({ name }) => names.split(',').includes(name));

interface Field {
  /** Torch in float64. */
  readonly reference: Contestant;
  readonly contestants: readonly Contestant[];
}

async function measure(problem: Problem, batch: number, { reference, contestants: all }: Field, settings: Settings): Promise<Row> {
  const random = new Random(settings.seed + batch);
  const paces = await pacesOf(problem, batchesOf(batch, 2 * PILOT, random), all);
  const contestants = all.filter(({ name }) => paces.has(name));
  // Ours are judged as the product runs them: on another number of threads sums are rounded otherwise.
  const judged = contestants.filter(({ name, side }) => side === 'torch' || name === PRODUCT);
  const gaps = await control(problem, batchesOf(batch, CONTROL_STEPS, random), { reference, contestants: judged });
  const stepsOf = ({ name, side }: Contestant): number => {
    const pace = paces.get(name) ?? settings.millis;
    // Ours take a full message at least, as in training: its copies of the weights count for so many steps.
    return Math.ceil(Math.max(settings.millis / pace, side === 'ours' ? Math.min(CHUNK, CHUNK_MILLIS / pace) : 0));
  };
  const batches = batchesOf(batch, WARM + Math.max(...contestants.map(stepsOf)), random);
  const times = new Map(contestants.map((c) => [c.name, { name: c.name, steps: stepsOf(c), millis: [], cpuMillis: [] } as Times]));
  for (let round = 0; round < settings.rounds; round++) {
    // Nobody is always first.
    for (const c of round % 2 === 0 ? contestants : [...contestants].reverse()) {
      const { millis, cpuMillis } = await c.train(problem, batches.slice(0, WARM + stepsOf(c)), WARM);
      times.get(c.name)?.millis.push(millis);
      if (cpuMillis !== null) times.get(c.name)?.cpuMillis.push(cpuMillis);
    }
  }
  return { program: problem.name, batch, shape: shapeOf(problem.weights), gaps, times: [...times.values()] };
}

/** Milliseconds a step, roughly; torch's hopeless settings left out. */
async function pacesOf(problem: Problem, batches: readonly (readonly number[])[], contestants: readonly Contestant[]): Promise<Map<string, number>> {
  const paces = new Map<string, number>();
  for (const { name, train } of contestants) paces.set(name, (await train(problem, batches, PILOT)).millis);
  const fastest = Math.min(...contestants.filter(({ side }) => side === 'torch').map(({ name }) => paces.get(name) ?? Number.NaN));
  for (const { name, side } of contestants) if (side === 'torch' && (paces.get(name) ?? 0) > HOPELESS * fastest) paces.delete(name);
  return paces;
}

/** The largest relative gaps to the reference's losses, by side. @throws Error where ours do not train the same */
async function control(problem: Problem, batches: readonly (readonly number[])[], { reference, contestants }: Field): Promise<Row['gaps']> {
  const truth = (await reference.train(problem, batches, 0)).losses;
  const gaps = { ours: truth.map(() => 0), torch: truth.map(() => 0) };
  for (const { side, train } of contestants) {
    const { losses } = await train(problem, batches, 0);
    truth.forEach((loss, step) => (gaps[side][step] = Math.max(gaps[side][step] ?? 0, Math.abs((losses[step] ?? Number.NaN) - loss) / loss)));
  }
  const fault = faultOf(gaps.ours, gaps.torch);
  if (fault !== null) throw new Error(`The comparison is void: on ${problem.name} × ${batches[0]?.length ?? 0} ${fault}`);
  return { ours: Math.max(...gaps.ours), torch: Math.max(...gaps.torch) };
}

/** What is wrong with our gaps, step by step, beside what torch loses in float32; null if nothing is. */
export function faultOf(ours: readonly number[], torch: readonly number[]): string | null {
  for (const [step, gap] of ours.entries()) {
    const worst = Math.max(...(step < EARLY ? torch.slice(0, EARLY) : torch));
    const limit = Math.max(CONTROL_LIMIT, CONTROL_FACTOR * worst);
    if (!(gap <= limit)) return `our loss before step ${step + 1} is off that of torch in float64 by ${gap.toExponential(1)} of its size, torch in float32 by ${worst.toExponential(1)}; the limit is ${limit.toExponential(1)}.`;
  }
  return null;
}
