// What came out of the comparison of gradients with torch: times, ratios at equal threads, memory, as data and as a table.
import type { LlamaShape } from './llama.ts';
import type { Machine } from '../machine.ts';
import { machineText } from '../machine.ts';
import { quantile } from '../raspbugs/statistics.ts';
import type { TorchAbout } from '../training/torch.ts';

/** Of one contestant, round by round, for one gradient. */
export interface Times {
  readonly name: string;
  readonly side: 'ours' | 'forward' | 'torch';
  readonly threads: number;
  readonly millis: number[];
  readonly cpuMillis: number[];
  /** Largest memory of its process, bytes; filled in at the end. */
  peak: number;
  /** Largest difference of its gradient from torch's in float64, relative to the largest element; null for a forward pass. */
  readonly gap: number | null;
}

export interface Row {
  readonly model: string;
  readonly shape: LlamaShape;
  readonly batch: number;
  readonly length: number;
  /** What `Derivatives.estimate` says that a run takes beside the weights, bytes. */
  readonly estimate: number;
  readonly times: readonly Times[];
}

export interface Report {
  readonly machine: Machine;
  readonly torch: string;
  readonly kernels: readonly TorchAbout[];
  readonly load: { readonly before: number; readonly after: number };
  readonly settings: { readonly seed: number; readonly rounds: number; readonly millis: number };
  readonly wanted: readonly string[];
  readonly rows: readonly Row[];
}

export const TARGET = 1.3;
export const GAP_LIMIT = 1e-4;

const median = (values: readonly number[]): number => quantile(values, 0.5);

export type Clock = 'millis' | 'cpuMillis';

/** Ours with so many threads, and the fastest of torch's settings with at most as many. */
export function pairOf({ times }: Row, threads: number, clock: Clock = 'millis'): { readonly ours: Times; readonly torch: Times } | null {
  const ours = times.find((one) => one.side === 'ours' && one.threads === threads);
  const torch = times.filter((one) => one.side === 'torch' && one.threads <= threads).sort((a, b) => median(a[clock]) - median(b[clock]))[0];
  return ours && torch ? { ours, torch } : null;
}

/** Torch's time over ours: of the medians, and the lowest and highest of single rounds; NaN where either is missing. */
export function ratioOf(row: Row, threads: number, clock: Clock = 'millis'): { readonly ratio: number; readonly lowest: number; readonly highest: number } {
  const pair = pairOf(row, threads, clock);
  if (!pair) return { ratio: Number.NaN, lowest: Number.NaN, highest: Number.NaN };
  const rounds = pair.ours[clock].map((own, i) => (pair.torch[clock][i] ?? Number.NaN) / own);
  return { ratio: median(pair.torch[clock]) / median(pair.ours[clock]), lowest: Math.min(...rounds), highest: Math.max(...rounds) };
}

export const threadsOf = (rows: readonly Row[]): readonly number[] => [...new Set(rows.flatMap(({ times }) => times.filter(({ side }) => side === 'ours').map(({ threads }) => threads)))];

export const rowText = (row: Row): string =>
  `${row.model} × ${row.batch}: ${row.times.map(({ name, millis, cpuMillis }) => `${name} ${median(millis).toFixed(1)} (${median(cpuMillis).toFixed(1)} CPU)`).join('; ')} ms; torch : ours ${threadsOf([row]).map((threads) => `${ratioText(row, threads)} with ${threads} (${ratioOf(row, threads, 'cpuMillis').ratio.toFixed(2)} by CPU)`).join(', ')}`;

const ratioText = (row: Row, threads: number): string => {
  const { ratio, lowest, highest } = ratioOf(row, threads);
  return `${ratio.toFixed(2)} [${lowest.toFixed(2)} – ${highest.toFixed(2)}]`;
};

const table = (lines: readonly (readonly string[])[]): string => lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

function ratioLine(row: Row, threads: number): string[] {
  const pair = pairOf(row, threads);
  const forward = row.times.find((one) => one.side === 'forward' && one.threads === threads);
  const { hidden, layers, heads, keyValueHeads, neurons, vocabulary } = row.shape;
  return [
    row.model, String(row.batch), [hidden, layers, `${heads}/${keyValueHeads}`, neurons, vocabulary].join(', '), String(threads),
    ...[pair?.ours, pair?.torch, forward].map((one) => (one ? median(one.millis).toFixed(1) : '–')), pair?.torch.name ?? '–',
    `**${ratioText(row, threads)}**`, ratioOf(row, threads, 'cpuMillis').ratio.toFixed(2),
    ...[pair?.ours, pair?.torch, forward].map((one) => (one ? mebibytes(one.peak) : '–')), mebibytes(row.estimate),
  ];
}

function timeLine({ model, batch }: Row, { name, millis, cpuMillis, gap, peak }: Times): string[] {
  return [model, String(batch), name, median(millis).toFixed(1), `${Math.min(...millis).toFixed(1)} – ${Math.max(...millis).toFixed(1)}`, median(cpuMillis).toFixed(1), mebibytes(peak), gap === null ? '–' : gap.toExponential(0)];
}

export function markdown({ machine, torch, kernels, load, settings, wanted, rows }: Report): string {
  const threads = threadsOf(rows);
  const below = rows.flatMap((row) => threads.filter((count) => ratioOf(row, count).ratio < TARGET).map((count) => `${row.model} × ${row.batch} on ${count}`));
  const all = rows.flatMap((row) => threads.map((count) => ratioOf(row, count).ratio)).filter((ratio) => !Number.isNaN(ratio));
  const mean = Math.exp(all.reduce((sum, ratio) => sum + Math.log(ratio), 0) / all.length);
  return [
    '# Gradients of a language model against torch',
    '',
    `\`npm run bench -- gradients\`. Milliseconds for the log-probabilities of ${rows[0]?.length ?? 0} tokens, each after those before it, and the gradient of their sum by all embeddings; medians of ${settings.rounds} rounds, in each of which everybody computes for about ${settings.millis} ms, in turns. Ours: \`src/lm/derivatives.ts\` as the product runs it, with every message between the processes. torch: the same Llama on the same weights, which take no gradient, eager and traced; grouped heads in one product, masks and angles made once, no message in its time. Forward: the exported model alone in ONNX Runtime, all logits. Compared is torch with the fastest of its settings that have at most as many threads.`,
    machineText(machine),
    `torch ${torch} with ${kernels[0]?.blas ?? ''}; its kernels are the fastest here of ${kernels.map((kind) => `${kind.kernels ?? 'its own choice'} ${kind.gflops.toFixed(0)}`).join(', ')} GFLOP/s.`,
    `Load average (1 minute) before ${load.before.toFixed(1)}, after ${load.after.toFixed(1)}; this benchmark alone makes at most 2. What else runs makes all times by the clock longer; processor time (“by CPU”) it changes less.`,
    '',
    rows.length < wanted.length ? `**${rows.length} of ${wanted.length} models: the others (${wanted.slice(rows.length).join(', ')}) were not measured.**\n` : '',
    `**Torch : ours, geometric mean over models and threads: ${mean.toFixed(2)}.** ${below.length === 0 ? `Every one reaches ${TARGET}.` : `Below ${TARGET}: ${below.join(', ')}.`}`,
    `Control: every gradient is within ${GAP_LIMIT} of torch's in float64, relative to its largest element, or there is no report. Memory: the largest that a process had (VmHWM), MiB, its program and weights included; “estimate” is what the product expects a gradient to take beside the weights.`,
    '',
    table([
      ['model', 'rows', 'hidden, layers, heads/keys, neurons, vocabulary', 'threads', 'ours', 'torch', 'forward', 'torch as', 'torch : ours [rounds]', 'by CPU', 'MiB ours', 'torch', 'forward', 'estimate'],
      ['---', '---:', '---', '---:', '---:', '---:', '---:', '---', '---:', '---:', '---:', '---:', '---:', '---:'],
      ...rows.flatMap((row) => threads.map((count) => ratioLine(row, count))),
    ]),
    '',
    'Everybody:',
    '',
    table([['model', 'rows', 'who', 'ms', 'rounds', 'CPU ms', 'peak MiB', 'gap'], ['---', '---:', '---', '---:', '---:', '---:', '---:', '---:'], ...rows.flatMap((row) => row.times.map((times) => timeLine(row, times)))]),
    '',
  ].join('\n');
}
