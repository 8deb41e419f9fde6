// What came out of the comparison with torch: ratios, their mean and its spread, as data and as a table.
import type { TorchAbout } from './torch.ts';
import { torchSettings } from './torch.ts';
import type { Machine } from '../machine.ts';
import { machineText } from '../machine.ts';
import { quantile } from '../raspbugs/statistics.ts';
import type { TransformerShape } from '../../src/numeric/weights/transformer.ts';

export interface Row {
  readonly program: string;
  readonly batch: number;
  readonly shape: TransformerShape;
  /** Largest relative gap between a side's losses and those of torch in float64 over the control's steps. */
  readonly gaps: { readonly ours: number; readonly torch: number };
  /** GradLens as the product runs it first. */
  readonly times: readonly Times[];
}

/** Of one contestant, round by round, for one step. */
export interface Times {
  readonly name: string;
  /** Timed steps a round. */
  readonly steps: number;
  readonly millis: number[];
  /** Over all threads and processes; empty where the system does not tell. */
  readonly cpuMillis: number[];
}

export interface Settings {
  readonly seed: number;
  readonly rounds: number;
  /** That each contestant trains, each round. */
  readonly millis: number;
  /** Torch's settings that took part. */
  readonly torch: readonly string[];
  /** Tokens of a row. */
  readonly length: number;
}

export interface Report {
  readonly machine: Machine;
  /** Its version. */
  readonly torch: string;
  /** OpenBLAS's kernels on one thread, the fastest first, which torch was given. */
  readonly kernels: readonly TorchAbout[];
  readonly load: { readonly before: number; readonly after: number };
  readonly settings: Settings;
  /** Shapes that were asked for; fewer rows where the run was stopped. */
  readonly wanted: number;
  readonly summary: Summary;
  readonly rows: readonly Row[];
}

export interface Summary {
  /** Torch's milliseconds over ours: geometric mean over the shapes of the ratios of medians. */
  readonly ratio: number;
  /** The lowest and the highest geometric mean of a single round. */
  readonly rounds: readonly [number, number];
  /** The same of processor time, which other work on the machine hardly changes: torch's most frugal setting over GradLens as the product runs it, and on one thread. */
  readonly cpu: { readonly product: number; readonly oneThread: number };
  /** Shapes that miss the target. */
  readonly below: readonly string[];
}

export const PRODUCT = 'GradLens';
const ONE_THREAD = 'GradLens, 1 thread';
export const TARGET = 1.3;

const ofTorch = (name: string): boolean => name.startsWith('torch');
const median = (values: readonly number[] | undefined): number => quantile(values ?? [], 0.5);
const geometricMean = (values: readonly number[]): number => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** The fastest of torch's settings for this shape. */
export function peerOf({ times }: Row): Times | undefined {
  const peers = times.filter(({ name }) => ofTorch(name)).sort((a, b) => median(a.millis) - median(b.millis));
  return peers[0];
}

const productOf = ({ times }: Row): Times | undefined => times.find(({ name }) => name === PRODUCT);

export const ratioOf = (row: Row): number => median(peerOf(row)?.millis) / median(productOf(row)?.millis);

const ratiosOf = (row: Row): number[] => (productOf(row)?.millis ?? []).map((own, round) => (peerOf(row)?.millis[round] ?? Number.NaN) / own);

export function summarise(rows: readonly Row[]): Summary {
  const rounds = (rows[0] ? ratiosOf(rows[0]) : []).map((_, round) => geometricMean(rows.map((row) => ratiosOf(row)[round] ?? Number.NaN)));
  const below = rows.filter((row) => ratioOf(row) < TARGET).map(({ program, batch }) => `${program} × ${batch}`);
  return { ratio: geometricMean(rows.map(ratioOf)), rounds: [Math.min(...rounds), Math.max(...rounds)], cpu: { product: cpuRatio(rows, PRODUCT), oneThread: cpuRatio(rows, ONE_THREAD) }, below };
}

function cpuRatio(rows: readonly Row[], name: string): number {
  const ratios = rows.map(({ times }) => {
    const peers = times.filter((own) => ofTorch(own.name)).map(({ cpuMillis }) => median(cpuMillis));
    return Math.min(...peers) / median(times.find((own) => own.name === name)?.cpuMillis);
  });
  return geometricMean(ratios);
}

export const rowText = (row: Row): string =>
  `${row.program} × ${row.batch}: ${row.times.map(({ name, millis }) => `${name} ${median(millis).toFixed(2)}`).join('; ')} ms; ratio ${ratioOf(row).toFixed(2)}; gaps ${row.gaps.ours.toExponential(0)}, ${row.gaps.torch.toExponential(0)}`;

const table = (lines: readonly (readonly string[])[]): string => lines.map((line) => `| ${line.join(' | ')} |`).join('\n');

function line(row: Row, names: readonly string[]): string[] {
  const { layers, heads, keySize, mlpHidden, dModel, parameters } = row.shape;
  const peer = peerOf(row);
  const times = names.map((name) => {
    const text = figure(row.times.find((own) => own.name === name)?.millis);
    return name === peer?.name ? `**${text}**` : text;
  });
  const ratios = ratiosOf(row);
  return [
    row.program, String(row.batch), parameters.toLocaleString('en'), ...[dModel, layers, heads, keySize, mlpHidden].map(String), ...times,
    `**${ratioOf(row).toFixed(2)}**`, `${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}`,
    `${row.gaps.ours.toExponential(0)} / ${row.gaps.torch.toExponential(0)}`,
  ];
}

const figure = (millis: readonly number[] | undefined): string => (millis && millis.length > 0 ? median(millis).toFixed(2) : '–');

const cpuLine = (row: Row, names: readonly string[]): string[] => [row.program, String(row.batch), ...names.map((name) => figure(row.times.find((own) => own.name === name)?.cpuMillis))];

const columns = (count: number): string[] => ['---', ...Array.from({ length: count }, () => '---:')];

export function markdown({ machine, torch, kernels, load, settings, wanted, summary, rows }: Report): string {
  const names = [...new Set(rows.flatMap(({ times }) => times.map(({ name }) => name)))].sort((a, b) => Number(ofTorch(a)) - Number(ofTorch(b)));
  const [blas] = kernels;
  return [
    '# A step of training against torch',
    '',
    `\`npm run bench -- training\`. Milliseconds for one step (forward, backward, clipping, Adam) of the transformers that a repair trains: the six base programs compiled with room, sequences of ${settings.length} tokens and BOS; medians of ${settings.rounds} rounds. In each round everybody trains from the same weights on the same batches, one after the other, for about ${settings.millis} ms (ours: a full message at least). “${PRODUCT}”: as the product runs it (small transformers on one thread), with cutting the batches and every message between the processes; torch: eager, batches cut by index within its process, no message in its time. “Threads that sleep”: OMP_WAIT_POLICY=PASSIVE and BLAS on one thread, for machines that do other things too. “–”: more than five times as slow as torch's fastest setting when tried.`,
    machineText(machine),
    `torch ${torch} with ${blas?.blas ?? ''}. GFLOP/s on 512 × 512 with one thread, by OPENBLAS_CORETYPE: ${kernels.map((kind) => `${kind.kernels ?? 'its own choice'} ${kind.gflops.toFixed(0)}`).join(', ')}; torch is given the first.`,
    `Load average (1 minute) before ${load.before.toFixed(1)}, after ${load.after.toFixed(1)}; this benchmark alone makes at most 2.`,
    '',
    rows.length < wanted ? `**The run was stopped after ${rows.length} of ${wanted} shapes.**` : '',
    `**Geometric mean of torch : ${PRODUCT}, with torch's fastest setting of each shape (bold): ${summary.ratio.toFixed(2)}; lowest and highest of the ${settings.rounds} rounds ${summary.rounds.map((ratio) => ratio.toFixed(2)).join(' – ')}.** ${summary.below.length === 0 ? `Every shape reaches ${TARGET}.` : `Below ${TARGET}: ${summary.below.join(', ')}.`}`,
    `By processor time, which other work on the machine changes less, torch's most frugal setting : ${PRODUCT}: ${summary.cpu.product.toFixed(2)}; : ${ONE_THREAD}: ${summary.cpu.oneThread.toFixed(2)} (geometric means).`,
    settings.torch.length < torchSettings.length ? `Settings of torch that took no part: ${torchSettings.map(({ name }) => name).filter((name) => !settings.torch.includes(name)).join(', ')}.` : '',
    `Control (“gap”): how far the losses of the first 20 steps (ours as the product runs them), from the same weights on the same batches, are off those of torch in float64, relative to the loss; ours / torch in float32. Where ours are off by more than 1e-3 at any step, and by more than ten times what torch's are at worst (within the first 5 steps: in those), there is no report.`,
    '',
    table([
      ['program', 'batch', 'parameters', 'd_model', 'layers', 'heads', 'key', 'hidden', ...names, 'torch : ours', 'rounds', 'gap'],
      columns(names.length + 10),
      ...rows.map((row) => line(row, names)),
    ]),
    '',
    'Processor time for a step, milliseconds, over all threads and processes:',
    '',
    table([['program', 'batch', ...names], columns(names.length + 1), ...rows.map((row) => cpuLine(row, names))]),
    '',
  ].join('\n');
}
