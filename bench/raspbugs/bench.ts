// npm run bench -- raspbugs: repairs generated bugs with every method and writes what came out.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cachedSample } from './cachedBugs.ts';
import { charts } from './charts.ts';
import type { Bug } from './generate.ts';
import type { Job, Measurement } from './measure.ts';
import { isFixed } from './measure.ts';
import { measureAll } from './measureAll.ts';
import type { Plan } from './plan.ts';
import { planOf } from './plan.ts';
import type { Report } from './report.ts';
import { markdown, summarise } from './report.ts';
import { builtHost } from '../builtHost.ts';
import { machine } from '../machine.ts';
import { Random } from '../../src/shared/random.ts';

const root = new URL('../../', import.meta.url);

export async function benchRaspBugs(args: readonly string[]): Promise<void> {
  const plan = planOf(args);
  if ('problem' in plan) {
    console.error(plan.problem);
    process.exitCode = 2;
    return;
  }
  const artifacts = new URL('artifacts/bench/', root);
  const { bugs, short } = cachedSample(plan.settings.seed, plan.extent, artifacts);
  const jobs = jobsOf(bugs, plan);
  console.error(`${bugs.length} bugs, ${jobs.length} repairs, ${plan.workers} workers`);
  const measurements = await measured(jobs, plan, fileURLToPath(new URL(`${plan.out}.jsonl`, artifacts)));
  const settings = { ...plan.settings, bugs: bugs.length, workers: plan.workers, planned: jobs.length };
  const report: Report = { machine: machine(), settings, short, measurements: inOrderOf(bugs, plan, measurements), name: plan.out };
  console.log(write(report));
  console.error(outlook(jobs, measurements, plan.workers));
}

/**
 * Bug by bug, every method in turn, the bugs in a seeded random order: what is there when the run is stopped, and the
 * part that a method is limited to, is a random sample.
 */
export function jobsOf(bugs: readonly Bug[], { methods, settings }: Pick<Plan, 'methods' | 'settings'>): Job[] {
  const shuffled = new Random(settings.seed).shuffle(bugs);
  return shuffled.flatMap((bug, i) => methods.filter((share) => i < share.bugs).map(({ method }): Job => ({ bug, method, settings })));
}

function inOrderOf(bugs: readonly Bug[], { methods }: Plan, measurements: readonly Measurement[]): Measurement[] {
  const byKey = new Map(measurements.map((m) => [`${m.method} ${m.id}`, m]));
  return methods.flatMap(({ method }) => bugs.flatMap(({ id }) => byKey.get(`${method} ${id}`) ?? []));
}

/** Until all is measured, the time is up, or the user stops it; Ctrl+C still reports what there is. */
async function measured(jobs: readonly Job[], plan: Plan, journalPath: string): Promise<Measurement[]> {
  const stopAt = performance.now() + 60_000 * plan.maxMinutes;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, stop);
  try {
    return await measureAll(jobs, {
      journalPath,
      anew: plan.anew,
      workers: plan.workers,
      hostPath: builtHost(),
      isOver: () => performance.now() >= stopAt,
      signal: abort.signal,
      onMeasured: (measurement, done) => console.error(line(measurement, done, jobs.length)),
    });
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

function write(report: Report): string {
  const folder = new URL('bench/results/', root);
  mkdirSync(folder, { recursive: true });
  const text = markdown(report);
  writeFileSync(new URL(`${report.name}.json`, folder), json(report));
  writeFileSync(new URL(`${report.name}.md`, folder), text);
  for (const { file, svg } of charts(report.name, report.measurements)) writeFileSync(new URL(file, folder), svg);
  return text;
}

/** One measurement a line, so that two results compare line by line. */
function json({ machine: on, settings, short, measurements }: Report): string {
  const head = { machine: on, settings, short, summary: summaries(measurements) };
  const rows = measurements.map((measurement) => `  ${JSON.stringify(measurement)}`).join(',\n');
  return `${JSON.stringify(head, null, 1).slice(0, -2)},\n "measurements": [\n${rows}\n ]\n}\n`;
}

function summaries(measurements: readonly Measurement[]): Record<string, unknown> {
  return Object.fromEntries([...new Set(measurements.map(({ method }) => method))].map((method) => [method, summarise(measurements.filter((m) => m.method === method))]));
}

function line(m: Measurement, done: number, total: number): string {
  const verdict = isFixed(m) ? 'exact' : m.patched ? `wrong patch (${(100 * m.fresh).toFixed(1)} %)` : m.status;
  const failure = m.status === 'failed' ? `: ${m.summary}` : '';
  return `${done}/${total} ${m.method} ${m.id}: ${verdict}, ${(m.millis / 1000).toFixed(2)} s, ${m.evaluations} candidates${m.located === false ? ', not located' : ''}${failure}`;
}

/** What the methods took, and what the rest would take at that pace. */
function outlook(jobs: readonly Job[], measurements: readonly Measurement[], workers: number): string {
  const methods = [...new Set(jobs.map(({ method }) => method))];
  const rows = methods.map((method) => {
    const own = measurements.filter((m) => m.method === method);
    const mean = own.reduce((sum, { jobMillis }) => sum + jobMillis, 0) / Math.max(1, own.length);
    const all = jobs.filter((job) => job.method === method).length;
    return { method, mean, left: (mean * (all - own.length)) / workers, whole: (mean * all) / workers };
  });
  const minutes = (millis: number): string => `${(millis / 60_000).toFixed(1)} min`;
  const lines = rows.map(({ method, mean, left, whole }) => `  ${method.padEnd(14)} ${(mean / 1000).toFixed(2)} s a job; all ${minutes(whole)}, left ${minutes(left)}`);
  return [`At this pace with ${workers} workers:`, ...lines, `  all methods    ${minutes(rows.reduce((sum, { left }) => sum + left, 0))} left`].join('\n');
}
