// The benchmark of attribution as a document.
import type { CompletenessRow } from './completeness.ts';
import type { MemoryRow } from './memory.ts';
import type { PointingRow } from './pointing.ts';
import type { Speed, SpeedRow } from './speed.ts';
import type { Machine } from '../machine.ts';
import { machineText } from '../machine.ts';
import { wilson } from '../raspbugs/statistics.ts';

export interface Report {
  readonly machine: Machine;
  /** Of each part that was measured: when, and with which options. */
  readonly settings: Readonly<Partial<Record<string, Readonly<Record<string, string>>>>>;
  /** Null where a part was not measured. */
  readonly completeness: readonly CompletenessRow[] | null;
  readonly speed: Speed | null;
  readonly memory: readonly MemoryRow[] | null;
  readonly pointing: readonly PointingRow[] | null;
}

/** Asked of the product against torch. */
const TARGET = 1.3;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const percent = (value: number): string => (value >= 10 ? `${(100 * value).toPrecision(2).replace(/e\+/, '·10^')} %` : `${(100 * value).toPrecision(2)} %`);
const share = (count: number, of: number): string => {
  const [low, high] = wilson(count, of);
  return `${count} of ${of}: ${(100 * count / of).toFixed(1)} % [${(100 * low).toFixed(1)} – ${(100 * high).toFixed(1)}]`;
};
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[sorted.length >> 1] ?? Number.NaN)) / 2;
};

export function markdown({ machine, settings, completeness, speed, memory, pointing }: Report): string {
  return [
    '# Attribution to the tokens of a prompt',
    '',
    `\`npm run bench -- attribution\` (${measured(settings)}). Brackets are 95 % intervals (Wilson). tiny-code and tiny-vision are this project's own demonstration models.`,
    machineText(machine),
    ...(completeness ? ['', ...completenessText(completeness)] : []),
    ...(speed ? ['', ...speedText(speed)] : []),
    ...(memory ? ['', ...memoryText(memory)] : []),
    ...(pointing ? ['', ...pointingText(pointing)] : []),
    '',
  ].join('\n');
}

/** Each part's own options. */
function measured(settings: Report['settings']): string {
  return Object.entries(settings).map(([part, { seed, prompts, images, rounds, threads, date } = {}]) => {
    const own: Readonly<Record<string, string>> = { completeness: `--prompts ${prompts ?? ''}`, speed: `--rounds ${rounds ?? ''} --threads ${threads ?? ''}`, pointing: `--images ${images ?? ''}` };
    return `--parts ${part} ${own[part] ?? ''} --seed ${seed ?? ''} on ${date ?? ''}`.replace(/ {2,}/g, ' ');
  }).join('; ');
}

function completenessText(rows: readonly CompletenessRow[]): readonly string[] {
  return [
    '## Do the numbers add up?',
    '',
    '|Σ Aₜ − (F(E) − F(E′))| of |F(E) − F(E′)|, F the log-probability of the model\'s likeliest next token less that of the second. Special tokens stay where they are. tiny-code: held-out documents up to a value that they decide; stories260k: passages of stories that it wrote. Along the straight path F swings by several nats in narrow places (the norms of each layer turn over where embeddings are small): 20 points see them or miss them. Refined: pieces of the path are halved until each adds up; F is known at both of their ends.',
    '',
    table(
      ['model', 'baseline', 'method', 'median', '90 %', 'largest', 'under 1 %', 'under 5 %', 'gradients', 'most'],
      rows.map((row) => [row.model, row.baseline, row.method, percent(row.median), percent(row.high), percent(row.most), share(row.underOne, row.prompts), share(row.underFive, row.prompts), String(row.gradients), String(row.mostGradients)]),
    ),
  ];
}

/** Torch with the fastest of its settings that have at most as many threads. */
function rivalOf(rows: readonly SpeedRow[], threads: number): SpeedRow | undefined {
  return rows.filter((row) => row.side === 'torch' && row.threads <= threads).sort((a, b) => median(a.millis) - median(b.millis))[0];
}

function speedText({ torch, blas, shape, length, steps, gap, load, rows }: Speed): readonly string[] {
  const { hidden, layers, heads, keyValueHeads, neurons, vocabulary } = shape;
  const lines = rows.filter(({ side }) => side === 'ours').map((row) => {
    const rival = rivalOf(rows, row.threads);
    const ratios = row.millis.map((millis, i) => (rival?.millis[i] ?? Number.NaN) / millis);
    const cpu = row.cpuMillis.map((millis, i) => (rival?.cpuMillis[i] ?? Number.NaN) / millis);
    return { row, rival, ratio: median(ratios), cells: [String(row.threads), median(row.millis).toFixed(0), median(rival?.millis ?? []).toFixed(0), rival?.name ?? '–', `**${median(ratios).toFixed(2)} [${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}]**`, median(cpu).toFixed(2)] };
  });
  const below = lines.filter(({ ratio }) => !(ratio >= TARGET)).map(({ row }) => `${row.threads}`);
  return [
    `## ${length} tokens × ${steps} steps against torch`,
    '',
    `Milliseconds for integrated gradients from zero embeddings of the contrast of two next tokens, medians of ${rows[0]?.millis.length ?? 0} rounds, in turns within one run; a Llama with random weights: ${[hidden, layers, `${heads}/${keyValueHeads}`, neurons, vocabulary].join(', ')} (hidden, layers, heads/keys, neurons, vocabulary). Ours: the product, with every message between processes, and gradients at both ends of the path besides. torch ${torch} (${blas}): autograd on the same weights, which take no gradient; the head at the last place only, the two ends without a gradient, no message in its time. Compared with the fastest of its settings that have at most as many threads; [rounds]. Load average (1 minute) before ${load[0].toFixed(1)}, after ${load[1].toFixed(1)}: what else runs makes times longer and ratios uncertain. Control: tokens' numbers agree to ${gap.toExponential(0)} of the largest.`,
    `${below.length === 0 ? `Every one reaches ${TARGET}.` : `Below ${TARGET}: on ${below.join(' and ')} ${below.length === 1 && below[0] === '1' ? 'thread' : 'threads'}.`}`,
    '',
    table(['threads', 'ours, ms', 'torch, ms', 'torch as', 'torch : ours [rounds]', 'by CPU'], lines.map(({ cells }) => cells)),
    '',
    table(['everybody', 'ms', 'rounds', 'CPU ms'], rows.map(({ name, millis, cpuMillis }) => [name, median(millis).toFixed(0), `${Math.min(...millis).toFixed(0)} – ${Math.max(...millis).toFixed(0)}`, median(cpuMillis).toFixed(0)])),
  ];
}

function memoryText(rows: readonly MemoryRow[]): readonly string[] {
  return [
    '## Memory',
    '',
    'By how much the peak of the model host (VmHWM) grew over that of a prompt of two tokens in the same session, against what is said before the work starts; MiB.',
    '',
    table(['model', 'tokens', 'steps', 'points at once', 'said', 'measured', 'measured : said'], rows.map(({ model, length, steps, chunk, estimate, measured }) => [model, String(length), String(steps), String(chunk), mebibytes(estimate), mebibytes(measured), (measured / estimate).toFixed(2)])),
  ];
}

function pointingText(rows: readonly PointingRow[]): readonly string[] {
  return [
    '## Does it point at the object?',
    '',
    'tiny-vision, held-out scenes, “Is there a …?” about an object in plain sight, log p(Yes) − log p(No), where the model prefers yes. Pointing: the patch with the highest number is one that the object\'s box touches. In S⁺: of the patches among the 10 highest tokens, those of the object (patches of one image are not independent; the interval counts them as if they were). Chance: the object\'s share of the 64 patches.',
    '',
    table(['method', 'pointing', 'patches in S⁺ that are the object\'s', 'chance'], rows.map(({ method, images, hits, inSet, ofObject, chance }) => [method, share(hits, images), share(ofObject, inSet), `${(100 * chance).toFixed(1)} %`])),
  ];
}
