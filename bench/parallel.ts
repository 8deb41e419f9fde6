// npm run bench -- parallel: time to the patch of harder bugs on one process and on two, side by side in one run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { builtHost, builtWorker } from './builtHost.ts';
import type { Machine } from './machine.ts';
import { machine, machineText } from './machine.ts';
import type { Bug } from './raspbugs/generate.ts';
import { stratifiedBugs } from './raspbugs/generate.ts';
import { basePrograms } from './raspbugs/programs.ts';
import { repair } from '../src/repair/repair.ts';
import type { RepairServices } from '../src/repair/repair.ts';
import type { Example, RepairResult } from '../src/repair/types.ts';
import { SpareProcessor } from '../src/repair/spareProcessor.ts';
import { ModelHost } from '../src/runtime/client.ts';
import { Random } from '../src/shared/random.ts';

const root = new URL('../', import.meta.url);
const PROGRAMS = ['shuffle_dyck', 'most_freq', 'sort'];
/** Bugs that the first task repairs before a second process is opened are no harder bugs. */
const EASY_MS = 1000;

const options = {
  seed: { type: 'string', default: '1' },
  'per-cell': { type: 'string', default: '4' },
  budget: { type: 'string', default: '60' },
  examples: { type: 'string', default: '200' },
  rounds: { type: 'string', default: '1' },
  out: { type: 'string', default: 'parallel' },
} as const;

interface Run {
  readonly processes: number;
  readonly millis: number;
  readonly status: RepairResult['status'];
  readonly patch: string | null;
  readonly evaluations: number;
  readonly opened: boolean;
}

interface Row {
  readonly id: string;
  readonly foundBy: RepairResult['method'];
  /** Tasks whose results counted. */
  readonly steps: number;
  readonly evaluations: number;
  /** Median over the rounds, by the number of processes. */
  readonly millis: { readonly one: number; readonly two: number };
  readonly samePatch: boolean;
  readonly sameEvaluations: boolean;
  readonly repaired: boolean;
  /** In how many of the rounds a processor was idle, so that a second process was started. */
  readonly opened: number;
}

export async function benchParallel(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const settings = { seed: Number(values.seed), perCell: Number(values['per-cell']), budgetMillis: 1000 * Number(values.budget), examples: Number(values.examples), rounds: Number(values.rounds) };
  const bugs = stratifiedBugs(settings.seed, settings.perCell).filter(({ program, order }) => order >= 3 && PROGRAMS.includes(program));
  const paths = { host: builtHost(), worker: builtWorker() };
  const load = loadavg()[0] ?? 0;
  const folder = new URL('bench/results/', root);
  mkdirSync(folder, { recursive: true });
  const write = (): string => {
    const report = { machine: machine(), load: { before: load, after: loadavg()[0] ?? 0 }, settings: { ...settings, bugs: bugs.length }, summary: summarise(rows), rows };
    const text = markdown(report);
    writeFileSync(new URL(`${values.out}.json`, folder), `${JSON.stringify(report, null, 1)}\n`);
    writeFileSync(new URL(`${values.out}.md`, folder), text);
    return text;
  };
  const rows: Row[] = [];
  for (const [at, bug] of bugs.entries()) {
    rows.push(await measure(bug, settings, paths, at % 2 === 0 ? [1, 2] : [2, 1]));
    console.error(`${at + 1}/${bugs.length} ${rowText(rows.at(-1) as Row).join(' | ')}`);
    // A run that is stopped leaves what it has measured.
    write();
  }
  console.log(write());
}
interface Settings {
  readonly seed: number;
  readonly budgetMillis: number;
  readonly examples: number;
  readonly rounds: number;
}

interface Paths {
  readonly host: string;
  readonly worker: string;
}

async function measure(bug: Bug, settings: Settings, paths: Paths, order: readonly number[]): Promise<Row> {
  const examples = distinctExamples(bug, settings);
  const runs: Run[] = [];
  let last: RepairResult | null = null;
  for (let round = 0; round < settings.rounds; round++) {
    for (const processes of order) {
      const spare = new SpareProcessor();
      let opened = false;
      last = await once(bug, examples, settings.budgetMillis, processes, paths, () => (opened = spare.isThere() || opened));
      runs.push({ processes, opened, millis: last.millis, status: last.status, patch: last.patch?.source ?? null, evaluations: last.evaluations });
    }
  }
  const of = (processes: number): number => median(runs.filter((run) => run.processes === processes).map(({ millis }) => millis));
  return {
    id: bug.id,
    foundBy: last?.method ?? null,
    steps: last?.tried.length ?? 0,
    evaluations: last?.evaluations ?? 0,
    millis: { one: of(1), two: of(2) },
    samePatch: new Set(runs.map(({ patch }) => patch)).size === 1,
    sameEvaluations: new Set(runs.map(({ evaluations }) => evaluations)).size === 1,
    repaired: runs.every(({ status }) => status === 'repaired'),
    opened: runs.filter(({ opened }) => opened).length,
  };
}

/** One repair with a model host of its own, started before the clock. */
async function once(bug: Bug, examples: readonly Example[], budgetMillis: number, processes: number, paths: Paths, isProcessorSpare: () => boolean): Promise<RepairResult> {
  const host = ModelHost.start({ hostPath: paths.host });
  const services: RepairServices = { host, workerPath: paths.worker, isProcessorSpare, log: (line) => console.error(line) };
  try {
    await host.backends();
    const result = await repair({ source: { path: bug.path, text: bug.source }, dialect: bug.dialect, examples, budgetMillis, processes }, services);
    if (result.status === 'refused') throw new RangeError(`${bug.id} was refused`);
    return result;
  } finally {
    host.dispose();
  }
}

function distinctExamples(bug: Bug, { seed, examples }: Settings): Example[] {
  const base = basePrograms.find(({ name }) => name === bug.program);
  if (!base) throw new RangeError(`no base program ${bug.program}`);
  const random = new Random(seed + bug.source.length);
  const found = new Map<string, Example>();
  for (let tries = 0; found.size < examples && tries < 50 * examples; tries++) {
    const input = base.sample(random);
    found.set(JSON.stringify(input), { input, output: base.reference(input) });
  }
  return [...found.values()];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

function summarise(rows: readonly Row[]) {
  const of = (group: readonly Row[]) => ({
    bugs: group.length,
    repaired: group.filter(({ repaired }) => repaired).length,
    medianMillis: { one: median(group.map(({ millis }) => millis.one)), two: median(group.map(({ millis }) => millis.two)) },
    totalMillis: { one: total(group.map(({ millis }) => millis.one)), two: total(group.map(({ millis }) => millis.two)) },
    medianRatio: median(group.map(({ millis }) => millis.two / millis.one)),
  });
  return {
    all: of(rows),
    easy: of(rows.filter(({ millis }) => millis.one < EASY_MS)),
    first: of(rows.filter(({ millis, steps }) => millis.one >= EASY_MS && steps === 1)),
    later: of(rows.filter(({ millis, steps }) => millis.one >= EASY_MS && steps > 1)),
    samePatch: rows.filter(({ samePatch }) => samePatch).length,
    sameEvaluations: rows.filter(({ sameEvaluations }) => sameEvaluations).length,
  };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

const seconds = (millis: number): string => (Number.isFinite(millis) ? (millis / 1000).toFixed(2) : '–');
const ratio = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : '–');

const rowText = (row: Row): string[] => [
  row.id, row.repaired ? (row.foundBy ?? '–') : 'not repaired', String(row.steps), String(row.evaluations), seconds(row.millis.one), seconds(row.millis.two), ratio(row.millis.two / row.millis.one), String(row.opened), row.samePatch ? 'yes' : 'no', row.sameEvaluations ? 'yes' : 'no',
];

function markdown({ machine: on, load, settings, summary, rows }: { machine: Machine; load: { before: number; after: number }; settings: Settings & { bugs: number }; summary: ReturnType<typeof summarise>; rows: readonly Row[] }): string {
  const table = (lines: readonly (readonly string[])[]): string => lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
  const group = (name: string, { bugs, repaired, medianMillis, totalMillis, medianRatio }: ReturnType<typeof summarise>['all']): string[] => [
    name, String(bugs), String(repaired), seconds(medianMillis.one), seconds(medianMillis.two), seconds(totalMillis.one), seconds(totalMillis.two), ratio(medianRatio),
  ];
  return [
    '# Repair on one process and on two',
    '',
    `Time to the patch, seconds, median of ${settings.rounds}; ${rows.length} of ${settings.bugs} bugs of orders 3 to 5 of ${PROGRAMS.join(', ')}, both syntaxes; ${settings.examples} distinct examples each; budget ${settings.budgetMillis / 1000} s; seed ${settings.seed}. Both numbers of processes take turns within one run; the model host is started before the clock, the second process after it.`,
    machineText(on),
    `Load average (1 minute) before the run ${load.before.toFixed(1)}, after it ${load.after.toFixed(1)}: what else ran leaves less for a second process, which is only started where a processor is idle (“second started”: in how many rounds).`,
    '',
    table([
      ['', 'bugs', 'repaired', 'median, 1', 'median, 2', 'total, 1', 'total, 2', 'median of 2 : 1'],
      ['---', ...Array.from({ length: 7 }, () => '---:')],
      group('all', summary.all),
      group(`repaired within ${EASY_MS / 1000} s by the first task (no second process)`, summary.easy),
      group('repaired by the first task, later than that', summary.first),
      group('more than the first task was needed', summary.later),
    ]),
    '',
    `The same patch with 1 and 2 processes: ${summary.samePatch} of ${rows.length}; as many evaluations: ${summary.sameEvaluations} of ${rows.length}.`,
    '',
    table([['bug', 'found by', 'steps', 'candidates', '1 process', '2 processes', '2 : 1', 'second started', 'same patch', 'same candidates'], ['---', '---', ...Array.from({ length: 6 }, () => '---:'), '---', '---'], ...rows.map(rowText)]),
    '',
  ].join('\n');
}
