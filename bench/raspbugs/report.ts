// What the measurements say: rates with their intervals, by method, program and order, beside the published figures.
import type { ShortCell } from './generate.ts';
import { ORDERS } from './generate.ts';
import type { Measurement, Settings } from './measure.ts';
import { basePrograms } from './programs.ts';

export interface Report {
  readonly machine: Readonly<Record<string, string>>;
  readonly settings: Settings & { readonly bugs: number; readonly workers: number };
  readonly short: readonly ShortCell[];
  readonly measurements: readonly Measurement[];
}

/** Wilson's 95 % interval of a share. */
export function wilson(successes: number, trials: number): [number, number] {
  if (trials === 0) return [0, 1];
  const z = 1.959964;
  const p = successes / trials;
  const centre = p + (z * z) / (2 * trials);
  const spread = z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials));
  const scale = 1 + (z * z) / trials;
  return [Math.max(0, (centre - spread) / scale), Math.min(1, (centre + spread) / scale)];
}

/** The value below which that share of the values lies (nearest rank). */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const isFixed = ({ patched, fresh }: Measurement): boolean => patched && fresh === 1;

/** One row of results: any group of measurements of one method. */
export function summarise(group: readonly Measurement[]) {
  const fixed = group.filter(isFixed).length;
  const balanced = group.flatMap(({ balanced: value }) => (value === null ? [] : [value]));
  const located = group.flatMap(({ located: value }) => (value === null ? [] : [value]));
  return {
    bugs: group.length,
    fixed,
    interval: wilson(fixed, group.length),
    nearly: group.filter(({ fresh }) => fresh >= 0.99).length,
    patched: group.filter(({ patched }) => patched).length,
    sameText: group.filter(({ sameText }) => sameText).length,
    balancedAccuracy: balanced.length === 0 ? null : balanced.reduce((a, b) => a + b, 0) / balanced.length,
    located: { hits: located.filter(Boolean).length, of: located.length },
    medianMillis: quantile(group.map(({ millis }) => millis), 0.5),
    p95Millis: quantile(group.map(({ millis }) => millis), 0.95),
    medianEvaluations: quantile(group.map(({ evaluations }) => evaluations), 0.5),
  };
}

type Row = readonly (string | number)[];

function table(head: Row, rows: readonly Row[]): string {
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)} s`;
const of = (count: number, total: number): string => (total === 0 ? '–' : `${count}/${total}`);

function groupRow(name: string, group: readonly Measurement[]): Row {
  const s = summarise(group);
  const [low, high] = s.interval;
  return [
    name, s.bugs, `**${of(s.fixed, s.bugs)}** ${percent(s.fixed / Math.max(1, s.bugs))}`, `${percent(low)} – ${percent(high)}`, of(s.nearly, s.bugs), of(s.patched, s.bugs),
    of(s.sameText, s.bugs), s.balancedAccuracy === null ? '–' : percent(s.balancedAccuracy), of(s.located.hits, s.located.of), seconds(s.medianMillis), seconds(s.p95Millis), s.medianEvaluations,
  ];
}

const groupHead: Row = ['', 'bugs', 'exact on fresh inputs', '95 % interval', '≥ .99', 'patch found', 'original text', 'balanced accuracy', 'op in top 3 (order 1)', 'median', 'p95', 'candidates'];

/** Silva, Thorén, Monperrus (arXiv 2505.17703), authors' reproduction package: reported, not measured here. */
const published: readonly Row[] = [
  ['hist', 46, '19 (41.3 %)', 19],
  ['reverse', 268, '90 (33.6 %)', 137],
  ['sort', 249, '64 (25.7 %)', 162],
  ['most_freq', 284, '0 (0 %)', 0],
  ['shuffle_dyck', 331, '6 (1.8 %)', 26],
  ['shuffle_dyck2', 288, '5 (1.7 %)', 287],
  ['all', '1,466', '184 (12.6 %)', 631],
  ['GPT-4.1, one try, all', '1,466', '34.3 %', '–'],
];

export function markdown({ machine, settings, short, measurements }: Report): string {
  const methods = [...new Set(measurements.map(({ method }) => method))];
  const bySelection = (method: string, keep: (m: Measurement) => boolean): Measurement[] => measurements.filter((m) => m.method === method && keep(m));
  const sections = methods.flatMap((method) => [
    `## Method \`${method}\``,
    table(groupHead, [
      ...basePrograms.map(({ name }) => groupRow(name, bySelection(method, (m) => m.program === name))),
      ...ORDERS.map((order) => groupRow(`order ${order}`, bySelection(method, (m) => m.order === order))),
      ...['rasp', 'tracr'].map((dialect) => groupRow(dialect, bySelection(method, (m) => m.dialect === dialect))),
      groupRow('all', bySelection(method, () => true)),
    ]),
    '',
  ]);
  return [
    '# RaspBugs: repair of generated bugs',
    '',
    `${settings.bugs} bugs of six programs, orders 1 to 5, both syntaxes; ${settings.examples} distinct examples each; judged on ${settings.fresh} fresh inputs under the interpreter; budget ${settings.budgetMillis / 1000} s; seed ${settings.seed}; ${settings.workers} worker processes.`,
    Object.entries(machine).map(([key, value]) => `${key}: ${value}`).join('; '),
    ...short.map(({ program, order, found, count }) => `${program} has only ${found} of ${count} distinct bugs of order ${order}; other cells fill the rest.`),
    '',
    '`search`: gradient-guided search over op tables alone (the headline). `edits`: search over text edits; its edits are like the mutations\', so it knows what to look for. `tables`: training of the op tables alone. `auto`: all of them in turns.',
    '"Exact" means that a patch was found and that every fresh input comes out exactly right. "Original text" means that the patch restores the correct source letter by letter.',
    '',
    ...union(measurements),
    ...sections,
    '## Reported by others (not measured here; their own bugs of the same six programs)',
    table(['program', 'bugs', 'exact (= 1.0)', '≥ .99'], published),
    '',
    '## Not repaired',
    ...methods.map((method) => `- \`${method}\`: ${bySelection(method, (m) => !isFixed(m)).map(({ id, patched, mutations }) => `${id} (${mutations.join(' + ')}${patched ? '; wrong patch' : ''})`).join(', ') || 'none'}`),
    '',
  ].join('\n');
}

/** What the two searches reach together. */
function union(measurements: readonly Measurement[]): string[] {
  const fixedBy = (method: string): Set<string> => new Set(measurements.filter((m) => m.method === method && isFixed(m)).map(({ id }) => id));
  const total = new Set(measurements.filter(({ method }) => method === 'search').map(({ id }) => id)).size;
  const [search, edits] = [fixedBy('search'), fixedBy('edits')];
  if (total === 0 || !measurements.some(({ method }) => method === 'edits')) return [];
  const either = new Set([...search, ...edits]).size;
  const [low, high] = wilson(either, total);
  return [`Either search repairs ${either} of ${total} (${percent(either / total)}; ${percent(low)} – ${percent(high)}): \`search\` ${search.size}, \`edits\` ${edits.size}.`, ''];
}
