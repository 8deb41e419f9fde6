// What came out of the comparison of decoders, as data and as a table.
import { BARE, OURS, PAIR, SEPARATE, STEERED_ALL, STEERED_LAYERS, STEERED_NORMS, STEERED_ONE, WRITABLE } from './contestants.ts';
import type { Machine } from '../machine.ts';
import { machineText } from '../machine.ts';
import { quantile } from '../raspbugs/statistics.ts';

/** Of one contestant, round by round. */
export interface Times {
  readonly name: string;
  readonly promptMillis: number[];
  /** For one token after the first. */
  readonly tokenMillis: number[];
  /** Processor time for one token, the prompt's share in it. */
  readonly cpuMillis: number[];
  /** The first tokens that are the ones of onnxruntime alone, of all. */
  readonly agreeing: number;
}

export interface Row {
  readonly model: string;
  readonly parameters: number;
  readonly prompt: number;
  readonly times: readonly Times[];
}

export interface Report {
  readonly machine: Machine;
  /** What torch runs on; null without one. */
  readonly torch: string | null;
  readonly load: { readonly before: number; readonly after: number };
  readonly settings: { readonly seed: number; readonly rounds: number; readonly tokens: number; readonly threads: number };
  readonly rows: readonly Row[];
}

/** Shares of a speed that are asked for: steering may cost 5 % of what the untouched graph takes. */
export const ASKED: readonly { readonly name: string; readonly of: string; readonly share: number }[] = [
  { name: OURS, of: BARE, share: 0.9 },
  { name: WRITABLE, of: BARE, share: 1 / 1.05 },
  ...[WRITABLE, STEERED_ONE, STEERED_LAYERS, STEERED_NORMS, STEERED_ALL].map((name) => ({ name, of: OURS, share: 1 / 1.05 })),
];

const median = (values: readonly number[]): number => quantile(values, 0.5);

/** One contestant's milliseconds a token over another's, round by round. */
function sharesOf({ times }: Row, name: string, by: 'tokenMillis' | 'cpuMillis' = 'tokenMillis', of = BARE): readonly number[] {
  const [alone, own] = [of, name].map((wanted) => times.find((one) => one.name === wanted)?.[by] ?? []);
  return (own ?? []).map((millis, round) => (alone?.[round] ?? Number.NaN) / millis);
}

export function rowText(row: Row): string {
  const parts = row.times.map(({ name, tokenMillis }) => `${name} ${(1e3 / median(tokenMillis)).toFixed(0)}/s (${(100 * median(sharesOf(row, name))).toFixed(0)} %, by processor time ${(100 * median(sharesOf(row, name, 'cpuMillis'))).toFixed(0)} %)`);
  return `${row.model}, prompt of ${row.prompt}: ${parts.join('; ')}`;
}

function cells(row: Row, { name, promptMillis, tokenMillis, cpuMillis, agreeing }: Times, tokens: number): readonly string[] {
  const [shares, cpu, product] = [sharesOf(row, name), sharesOf(row, name, 'cpuMillis'), sharesOf(row, name, 'tokenMillis', OURS)];
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return [
    row.model, String(row.prompt), name, median(promptMillis).toFixed(2), (1e3 * median(tokenMillis)).toFixed(0), (1e3 / median(tokenMillis)).toFixed(0),
    percent(median(shares)), `${percent(Math.min(...shares))} – ${percent(Math.max(...shares))}`, percent(median(product)), (1e3 * median(cpuMillis)).toFixed(0), percent(median(cpu)), `${agreeing}/${tokens}`,
  ];
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function verdicts(rows: readonly Row[]): string[] {
  return ASKED.map(({ name, of, share }) => {
    const below = (by: 'tokenMillis' | 'cpuMillis'): string => {
      const missed = rows.filter((row) => median(sharesOf(row, name, by, of)) < share).map(({ model, prompt }) => `${model}, prompt of ${prompt}`);
      return missed.length === 0 ? 'reached in every row' : `below it in ${missed.length} of ${rows.length}: ${missed.join('; ')}`;
    };
    return `“${name}”: asked ${(100 * share).toFixed(1)} % of “${of}”. By the clock ${below('tokenMillis')}; by processor time ${below('cpuMillis')}.`;
  });
}

export function markdown({ machine, torch, load, settings, rows }: Report): string {
  const header = ['model', 'prompt', 'who', 'prompt, ms', 'µs a token', 'tokens a second', `of “${BARE}”`, 'rounds', `of “${OURS}”`, 'processor µs a token', 'share by it', 'same tokens'];
  return [
    '# Generation against onnxruntime alone, and torch',
    '',
    `\`npm run bench -- generate\`. Greedy decoding with a cache of keys and values: medians of ${settings.rounds} rounds, in each of which everybody decodes ${settings.tokens} tokens after the same prompt, one after the other, in turns forwards and backwards; ${settings.threads === 1 ? 'one thread' : `${settings.threads} threads`} each. The share is the median of the rounds' own shares. Processor time is that of all threads and processes, the prompt's share in it; other work on the machine hardly changes it.`,
    `“${BARE}”: a loop in one process that runs the session, takes the likeliest token and feeds the cache back. “${OURS}”: \`generate\` as the product runs it, with the model in a process of its own, log-probabilities and text. “${WRITABLE}”: \`steerableModel\`, a decoder that is steered from the next token on by changing one number it is fed; in the tokens where that number is 0 its model runs without the nodes that write. “${STEERED_ONE}”, “${STEERED_LAYERS}” (also with norms preserved, “${STEERED_NORMS}”), “${STEERED_ALL}”: the same decoder with such sites while it is steered, at strength 1 by vectors too small to change a token, so with the nodes that write. “${SEPARATE}”: \`writeSite\` at each place. “${PAIR}”: \`generatePair\`, an unsteered text and one that is steered at one site a layer, their divergence told at each token and their drift at each layer; half the time of both. torch: eager, no gradients, no message in its time.`,
    machineText(machine),
    torch === null ? 'No Python here imports torch, so it took no part.' : torch,
    `Load average (1 minute) before ${load.before.toFixed(1)}, after ${load.after.toFixed(1)}; this benchmark alone makes at most ${settings.threads + 0.5}.`,
    '',
    ...verdicts(rows),
    '',
    line(header),
    line(header.map((_, i) => (i === 0 || i === 2 ? '---' : '---:'))),
    ...rows.flatMap((row) => row.times.map((times) => line(cells(row, times, settings.tokens)))),
    '',
    ...[...new Map(rows.map((row) => [row.model, row.parameters]))].map(([model, count]) => `${model}: ${count.toLocaleString('en')} parameters.`),
    '',
  ].join('\n');
}
