// What came out of the steering benchmark, as data and as tables.
import type { Machine } from '../machine.ts';
import { machineText } from '../machine.ts';
import { wilson } from '../raspbugs/statistics.ts';

export interface Count {
  readonly hits: number;
  readonly items: number;
}

/** One method in one setting of a part. */
export interface SteerRow {
  readonly part: string;
  readonly setting: string;
  readonly method: string;
  readonly about: string;
  /** What it was measured with: a row of other settings is measured again. */
  readonly key: string;
  /** Chosen on the validation items; strength 0: no steering was best. */
  readonly layers: readonly number[];
  readonly strength: number;
  readonly validation: { readonly unsteered: number; readonly best: number } | null;
  /** On test items, by the name of the figure. */
  readonly test: Readonly<Record<string, Count>>;
  /** Mean log p(right) − log Σ p(others) on test items, nats. */
  readonly margin: number | null;
  /** −log p a token of the greedy continuations under the unsteered model, nats. */
  readonly nll: number | null;
}

export interface PartReport {
  readonly part: string;
  readonly about: readonly string[];
  /** By the name of the setting: what else is to be said, such as the leak check. */
  readonly notes: Readonly<Record<string, readonly string[]>>;
  readonly minutes: number;
}

/** Milliseconds a token, round by round. */
export interface TokenTimes {
  readonly wall: readonly number[];
  /** Of all threads of both processes, the prompt's share in it. */
  readonly processor: readonly number[];
}

export interface OverheadRow {
  readonly model: string;
  readonly plain: TokenTimes;
  readonly steered: TokenTimes;
}

export interface SteerReport {
  readonly machine: Machine;
  readonly parts: readonly PartReport[];
  readonly rows: readonly SteerRow[];
  readonly overhead: readonly OverheadRow[];
}

const percent = (share: number): string => (100 * share).toFixed(1);

export function countText({ hits, items }: Count): string {
  const [low, high] = wilson(hits, items);
  return `${percent(hits / Math.max(1, items))} % [${percent(low)}, ${percent(high)}]`;
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => [line(head), line(head.map(() => '---')), ...rows.map(line)];

function settingTable(rows: readonly SteerRow[]): readonly string[] {
  const figures = [...new Set(rows.flatMap(({ test }) => Object.keys(test)))];
  const drawn = rows.filter(({ method }) => method.startsWith('random vector'));
  const cells = (row: SteerRow): readonly string[] => [
    row.method, row.layers.length === 0 ? '–' : row.layers.join(' '), row.strength === 0 ? '–' : String(row.strength), row.validation ? `${percent(row.validation.best)} %` : '–',
    ...figures.map((name) => (row.test[name] ? countText(row.test[name]) : '–')), row.margin?.toFixed(2) ?? '–', row.nll === null ? '–' : row.nll.toFixed(3),
  ];
  return [
    ...table(['method', 'layers', 'α', 'on validation', ...figures, 'margin', 'NLL unsteered'], rows.map(cells)),
    ...(drawn.length > 1 ? ['', `Of the ${drawn.length} random vectors: ${figures.map((name) => `${name} ${spread(drawn.flatMap(({ test }) => test[name] ?? []))}`).join('; ')}.`] : []),
    ...verdict(rows),
  ];
}

/** Figures by which methods are compared, higher is better. */
const DECIDING = ['right, three kinds alike', 'over all answers', 'mc1'];

/** Which controls GrAInS as published is not above, where the intervals tell. */
function verdict(rows: readonly SteerRow[]): readonly string[] {
  const own = rows.find(({ method }) => method === 'GrAInS');
  const name = DECIDING.find((figure) => own?.test[figure]);
  const count = name === undefined ? undefined : own?.test[name];
  if (name === undefined || !count) return [];
  const [low] = wilson(count.hits, count.items);
  const above = rows.filter(({ method, test: { [name]: other } }) => !method.startsWith('GrAInS') && other && wilson(other.hits, other.items)[1] >= low);
  return ['', above.length === 0 ? `By “${name}”, GrAInS is above every control, the intervals apart.` : `By “${name}”, GrAInS is not above these with the intervals apart: ${above.map(({ method }) => method).join(', ')}.`];
}

function spread(counts: readonly Count[]): string {
  const shares = counts.map(({ hits, items }) => hits / Math.max(1, items)).sort((a, b) => a - b);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return `${percent(mean)} % on average, ${percent(shares[0] ?? 0)} to ${percent(shares.at(-1) ?? 0)} %`;
}

function overheadLines(rows: readonly OverheadRow[]): readonly string[] {
  if (rows.length === 0) return [];
  const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  const cells = rows.map(({ model, plain, steered }) => {
    const over = (by: keyof TokenTimes): string => {
      const shares = steered[by].map((millis, i) => millis / (plain[by][i] ?? Number.NaN) - 1);
      return `${percent(median(shares))} % (${percent(Math.min(...shares))} to ${percent(Math.max(...shares))})`;
    };
    return [model, (1e3 * median(plain.wall)).toFixed(0), (1e3 * median(steered.wall)).toFixed(0), over('wall'), (1e3 * median(plain.processor)).toFixed(0), (1e3 * median(steered.processor)).toFixed(0), over('processor')];
  });
  return ['## Overhead of steering', '', 'One vector at every layer with its norm preserved, against the untouched graph, in turns within one process: the time of a token after the first, and the processor time of both processes a token, on which other work on the machine tells less. Medians of the rounds, with the lowest and the highest round. At most 5 % is asked.', '', ...table(['model', 'unsteered, µs a token', 'steered', 'more', 'unsteered, µs of processor', 'steered', 'more'], cells), ''];
}

export function markdown({ machine, parts, rows, overhead }: SteerReport): string {
  const text = parts.flatMap(({ part, about, notes, minutes }) => {
    const own = rows.filter((row) => row.part === part);
    const settings = [...new Set(own.map(({ setting }) => setting))];
    return [`## ${part}`, '', ...about.flatMap((sentence) => [sentence, '']), ...settings.flatMap((setting) => [
      `### ${setting}`, '', ...(notes[setting] ?? []).flatMap((note) => [note, '']), ...settingTable(own.filter((row) => row.setting === setting)), '',
    ]), `${minutes.toFixed(1)} minutes.`, ''];
  });
  const about = [...new Map(rows.map(({ method, about: what }) => [method.replace(/ \d+$/, ''), what]))];
  return [
    '# Steering', '', '`npm run bench -- steer` writes this. Rates with Wilson’s 95 % intervals.', '', machineText(machine), '',
    'Vectors are made from the build items, layers and strength are chosen on the validation items (the highest rate among settings that leave the right answers no less likely on average than no steering), and the figures are those of test items, which are looked at once. α is in units of the residual’s mean norm at each layer; the tokens from the prompt’s last one on are steered, each keeping its norm. “NLL unsteered” is how unlikely the unsteered model finds what is greedily written: a vector that ruins the model raises it.', '',
    ...text, ...overheadLines(overhead),
    '## The methods', '', ...table(['method', 'what it is'], about), '',
  ].join('\n');
}
