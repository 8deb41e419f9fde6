// What the measurements say: rates with their intervals, by method, program and order, beside the published figures.
import type { Pair } from './charts.ts';
import { candidatesOf, charts, pairsOf } from './charts.ts';
import type { ShortCell } from './generate.ts';
import { ORDERS } from './generate.ts';
import type { Measurement, Settings } from './measure.ts';
import { isFixed } from './measure.ts';
import type { Method } from './methods.ts';
import { methods as known } from './methods.ts';
import { basePrograms } from './programs.ts';
import { quantile, wilson } from './statistics.ts';

export interface Report {
  /** Of its files, without ending. */
  readonly name: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly settings: Settings & { readonly bugs: number; readonly workers: number; readonly planned: number };
  readonly short: readonly ShortCell[];
  readonly measurements: readonly Measurement[];
}

/** One row of results: any group of measurements of one method. */
export function summarise(group: readonly Measurement[]) {
  const fixed = group.filter(isFixed).length;
  const balanced = group.flatMap(({ balanced: value }) => (value === null ? [] : [value]));
  const located = group.flatMap(({ located: value }) => (value === null ? [] : [value]));
  const first = group.flatMap(({ firstMillis }) => (firstMillis === null ? [] : [firstMillis]));
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
    medianFirstMillis: first.length === 0 ? null : quantile(first, 0.5),
    medianEvaluations: quantile(group.map(({ evaluations }) => evaluations), 0.5),
    clocked: group.filter(({ clocked }) => clocked).length,
    failed: group.filter(({ status }) => status === 'failed').length,
    workerMinutes: group.reduce((sum, { jobMillis }) => sum + jobMillis, 0) / 60_000,
  };
}

type Row = readonly (string | number)[];

function table(head: Row, rows: readonly Row[]): string {
  return [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)} s`;
const of = (count: number, total: number): string => (total === 0 ? '–' : `${count}/${total}`);

/** `57/60 95.0 % (86.3 % – 98.3 %)`. */
function rate(count: number, total: number): string {
  if (total === 0) return '–';
  const [low, high] = wilson(count, total);
  return `${count}/${total} ${percent(count / total)} (${percent(low)} – ${percent(high)})`;
}

const fixedRate = (group: readonly Measurement[]): string => rate(group.filter(isFixed).length, group.length);
const balancedOf = (value: number | null): string => (value === null ? '–' : percent(value));

function groupRow(name: string, group: readonly Measurement[]): Row {
  const s = summarise(group);
  if (s.bugs === 0) return [name, 0, ...groupHead.slice(2).map(() => '–')];
  const [low, high] = s.interval;
  return [
    name, s.bugs, `**${of(s.fixed, s.bugs)}** ${percent(s.fixed / s.bugs)}`, `${percent(low)} – ${percent(high)}`, of(s.nearly, s.bugs), of(s.patched, s.bugs),
    of(s.sameText, s.bugs), balancedOf(s.balancedAccuracy), of(s.located.hits, s.located.of), seconds(s.medianMillis), seconds(s.p95Millis), s.medianEvaluations,
  ];
}

const groupHead: Row = ['', 'bugs', 'exact on fresh inputs', '95 % interval', '≥ .99', 'patch found', 'original text', 'balanced accuracy (Dyck)', 'op in top 3 (order 1)', 'median', 'p95', 'candidates'];

/** Silva, Thorén, Monperrus (arXiv 2505.17703), authors' reproduction package: reported, not measured here. */
const reported = {
  programs: {
    hist: { bugs: 46, exact: 19, nearly: 19 },
    reverse: { bugs: 268, exact: 90, nearly: 137 },
    sort: { bugs: 249, exact: 64, nearly: 162 },
    most_freq: { bugs: 284, exact: 0, nearly: 0 },
    shuffle_dyck: { bugs: 331, exact: 6, nearly: 26 },
    shuffle_dyck2: { bugs: 288, exact: 5, nearly: 287 },
  } as Readonly<Record<string, { readonly bugs: number; readonly exact: number; readonly nearly: number }>>,
  all: { bugs: 1466, exact: 184, nearly: 631 },
  /** GPT-4.1, one try, on the same bugs. */
  languageModel: 0.343,
} as const;

export function markdown(report: Report): string {
  const { machine, settings, short, measurements } = report;
  const used = [...new Set(measurements.map(({ method }) => method))];
  const open = settings.planned - measurements.length;
  return [
    '# RaspBugs: repair of generated bugs',
    '',
    `${settings.bugs} bugs of six programs, orders 1 to 5, both syntaxes; ${settings.examples} distinct examples each; judged on ${settings.fresh} fresh inputs under the interpreter; budget ${settings.budgetMillis / 1000} s; seed ${settings.seed}; ${settings.workers} worker processes.`,
    Object.entries(machine).map(([key, value]) => `${key}: ${value}`).join('; '),
    ...(open > 0 ? [`Stopped before the end: ${measurements.length} of ${settings.planned} repairs were measured. The bugs come in a seeded random order.`] : []),
    ...limited(used.map((method) => measurements.filter((m) => m.method === method).length)),
    ...short.map(({ program, order, found, count }) => `${program} has only ${found} of ${count} distinct bugs of order ${order}; other cells fill the rest.`),
    '',
    ...used.map((method) => `- \`${method}\`: ${known[method].purpose}.`),
    '',
    ...notes(settings),
    '',
    ...sideBySide(measurements, used),
    ...charts(report.name, measurements).flatMap(({ file, alt }) => [`![${alt}](${file})`, '']),
    ...union(measurements),
    ...guidance(measurements),
    ...used.flatMap((method) => methodSection(method, measurements)),
    ...reportedByOthers(),
    '## Not repaired',
    ...used.map((method) => `- \`${method}\`: ${measurements.filter((m) => m.method === method && !isFixed(m)).map(failure).join(', ') || 'none'}`),
    '',
  ].join('\n');
}

/** What to think of methods that were measured on fewer bugs than others. */
function limited(counts: readonly number[]): string[] {
  return new Set(counts).size > 1 ? ['A method with fewer bugs than the others was measured on a random sample of them, the same for all methods with as many; intervals tell what that is worth.'] : [];
}

function notes(settings: Settings): string[] {
  return [
    '"Exact" means that a patch was found and that every fresh input comes out exactly right. "Original text" means that the patch restores the correct source letter by letter. Where an accuracy stands for the two bracket programs, the balanced accuracy (mean of the shares among balanced and other inputs) stands beside it: few random inputs are balanced, so a program that always says no is nearly right. Intervals are Wilson\'s, 95 %.',
    `All methods get the same examples and seed for each bug, screen with the same 100 of them, accept a patch only if it passes all, have ${settings.budgetMillis / 1000} s each and are judged alike. The text baselines (\`genetic\`, \`breadth-first\`) use the mutation operators and, for what those cannot undo, their inverses, so one edit undoes one mistake and they know what to look for, as \`edits\` does; each also ends at its number of candidate programs. Times count the repair to its end, not the judging; the searches go on after a first patch, to find a smaller one, so its time stands beside.`,
    '"By the clock" counts repairs that ran until a deadline may have decided: another machine or number of workers can measure those otherwise; all others come out the same everywhere.',
  ];
}

function sideBySide(measurements: readonly Measurement[], used: readonly Method[]): string[] {
  const groupOf = (method: Method, keep: (m: Measurement) => boolean): Measurement[] => measurements.filter((m) => m.method === method && keep(m));
  const overview = used.map((method): Row => {
    const s = summarise(groupOf(method, () => true));
    return [`\`${method}\``, `**${rate(s.fixed, s.bugs)}**`, of(s.patched, s.bugs), balancedOf(s.balancedAccuracy), s.medianFirstMillis === null ? '–' : seconds(s.medianFirstMillis), seconds(s.medianMillis), seconds(s.p95Millis), s.medianEvaluations, of(s.clocked, s.bugs), s.failed, s.workerMinutes.toFixed(1)];
  });
  const matrix = (keep: (m: Measurement) => boolean): string[] => used.map((method) => fixedRate(groupOf(method, keep)));
  return [
    '## Methods side by side',
    table(['method', 'exact on fresh inputs', 'patch found', 'balanced accuracy (Dyck)', 'first patch (median)', 'median', 'p95', 'candidates (median)', 'by the clock', 'failed', 'worker minutes'], overview),
    '',
    'Exact on fresh inputs:',
    '',
    table(
      ['', ...used.map((method) => `\`${method}\``), 'reported: weights trained'],
      [
        ...basePrograms.map(({ name }): Row => [name, ...matrix((m) => m.program === name), reportedRate(name)]),
        ...ORDERS.map((order): Row => [`order ${order}`, ...matrix((m) => m.order === order), '–']),
        ...['rasp', 'tracr'].map((dialect): Row => [dialect, ...matrix((m) => m.dialect === dialect), '–']),
        ['all', ...matrix(() => true), rate(reported.all.exact, reported.all.bugs)],
      ],
    ),
    '',
  ];
}

function reportedRate(program: string): string {
  const counts = reported.programs[program];
  return counts ? rate(counts.exact, counts.bugs) : '–';
}

function methodSection(method: Method, measurements: readonly Measurement[]): string[] {
  const own = measurements.filter((m) => m.method === method);
  return [
    `## Method \`${method}\``,
    table(groupHead, [
      ...basePrograms.map(({ name }) => groupRow(name, own.filter((m) => m.program === name))),
      ...ORDERS.map((order) => groupRow(`order ${order}`, own.filter((m) => m.order === order))),
      ...['rasp', 'tracr'].map((dialect) => groupRow(dialect, own.filter((m) => m.dialect === dialect))),
      groupRow('all', own),
    ]),
    '',
  ];
}

function reportedByOthers(): string[] {
  const row = (name: string, { bugs, exact, nearly }: { readonly bugs: number; readonly exact: number; readonly nearly: number }): Row =>
    [name, bugs.toLocaleString('en'), rate(exact, bugs), of(nearly, bugs)];
  return [
    '## Reported by others (not measured here; their own bugs of the same six programs)',
    'All weights of the compiled transformer trained on 40,000 examples. The intervals are ours, from what is reported. For `shuffle_dyck2`, always saying no scores .993 on the reported test set: no balanced accuracy is reported.',
    '',
    table(['program', 'bugs', 'exact (= 1.0), reported', '≥ .99, reported'], [
      ...Object.entries(reported.programs).map(([name, counts]) => row(name, counts)),
      row('all', reported.all),
      ['GPT-4.1, one try, all', reported.all.bugs.toLocaleString('en'), reportedShare(reported.languageModel, reported.all.bugs), '–'],
    ]),
    '',
  ];
}

/** A share that is reported without its count. */
function reportedShare(share: number, trials: number): string {
  const [low, high] = wilson(share * trials, trials);
  return `${percent(share)} (${percent(low)} – ${percent(high)})`;
}

function failure({ id, status, patched, mutations }: Measurement): string {
  return `${id} (${mutations.join(' + ')}${patched ? '; wrong patch' : ''}${status === 'failed' ? '; the process died' : ''})`;
}

/** What the two searches reach together. */
function union(measurements: readonly Measurement[]): string[] {
  const by = (method: Method): Map<string, boolean> => new Map(measurements.filter((m) => m.method === method).map((m) => [m.id, isFixed(m)]));
  const [search, edits] = [by('search'), by('edits')];
  const both = [...search.keys()].filter((id) => edits.has(id));
  if (both.length === 0) return [];
  const count = (is: (id: string) => boolean): number => both.filter(is).length;
  const either = rate(count((id) => search.get(id) === true || edits.get(id) === true), both.length);
  return [`Either search repairs ${either}: \`search\` ${count((id) => search.get(id) === true)}, \`edits\` ${count((id) => edits.get(id) === true)}.`, ''];
}

const timesAsMany = ({ guided, unguided }: Pair): number => candidatesOf(unguided) / candidatesOf(guided);

/** By the number of mistakes: how many times as many candidates the median bug needs without the gradient. */
function ordersOf(pairs: readonly Pair[]): string[] {
  return ORDERS.flatMap((order) => {
    const own = pairs.filter(({ guided }) => guided.order === order).map(timesAsMany);
    return own.length === 0 ? [] : [`order ${order}: ${quantile(own, 0.5).toFixed(1)}`];
  });
}

/** What the gradient is worth: the same search with it and without, bug by bug. */
function guidance(measurements: readonly Measurement[]): string[] {
  const pairs = pairsOf(measurements);
  if (pairs.length === 0) return [];
  const both = pairs.filter(({ guided, unguided }) => isFixed(guided) && isFixed(unguided));
  const only = (one: 'guided' | 'unguided', other: 'guided' | 'unguided'): number => pairs.filter((pair) => isFixed(pair[one]) && !isFixed(pair[other])).length;
  const median = (values: readonly number[]): string => quantile(values, 0.5).toLocaleString('en', { maximumFractionDigits: 1 });
  const work = both.length === 0 ? '' : ` There the median of candidates up to the first patch is ${median(both.map(({ guided }) => candidatesOf(guided)))} with the gradient and ${median(both.map(({ unguided }) => candidatesOf(unguided)))} without; the median bug needs ${median(both.map(timesAsMany))} times as many without (${ordersOf(both).join(', ')}).`;
  return [`With the gradient and without, on ${pairs.length} bugs: both repair ${both.length}, only \`search\` ${only('guided', 'unguided')}, only \`unguided\` ${only('unguided', 'guided')}.${work}`, ''];
}
