// A run of the benchmark: stopped and gone on with, on one worker or two, with workers that die.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { jobsOf } from '../../bench/raspbugs/bench.ts';
import { BugSource } from '../../bench/raspbugs/generate.ts';
import type { Bug } from '../../bench/raspbugs/generate.ts';
import { Journal, keysOf } from '../../bench/raspbugs/journal.ts';
import type { Job, Measurement, Settings } from '../../bench/raspbugs/measure.ts';
import { failedMeasurement } from '../../bench/raspbugs/measure.ts';
import { measureAll } from '../../bench/raspbugs/measureAll.ts';
import type { MeasureOptions } from '../../bench/raspbugs/measureAll.ts';
import { planOf } from '../../bench/raspbugs/plan.ts';
import type { Answer, PoolOptions } from '../../bench/raspbugs/pool.ts';
import { runPool } from '../../bench/raspbugs/pool.ts';
import { basePrograms } from '../../bench/raspbugs/programs.ts';
import { sourceHash } from '../../bench/raspbugs/sourceHash.ts';
import { Random } from '../../src/shared/random.ts';
import { builtHost } from '../support/host.ts';

const settings: Settings = { seed: 3, budgetMillis: 60_000, examples: 120, fresh: 300 };

function someBugs(): Bug[] {
  return ['hist', 'reverse'].flatMap((name, i) => {
    const base = basePrograms.find((program) => program.name === name);
    assert.ok(base);
    const bug = new BugSource(base, i % 2 === 0 ? 'rasp' : 'tracr', new Random(9)).next(1);
    return bug ? [bug] : [];
  });
}

/** What must not depend on the machine's pace. */
const timeless = (measurements: readonly Measurement[]): unknown[] => measurements.map((m) => ({ ...m, millis: 0, firstMillis: m.firstMillis === null ? null : 0, jobMillis: 0 }));

let folder = '';
before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'raspbugs-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe('a run of the benchmark', () => {
  const methods = (['search', 'unguided', 'random-init', 'genetic'] as const).map((method) => ({ method, bugs: Number.POSITIVE_INFINITY }));
  const jobs = jobsOf(someBugs(), { methods, settings });
  const run = (file: string, more: Partial<MeasureOptions> = {}): Promise<Measurement[]> =>
    measureAll(jobs, {
      journalPath: path.join(folder, file), anew: false, workers: 1, hostPath: builtHost(),
      isOver: () => false, signal: new AbortController().signal, onMeasured: () => undefined, ...more,
    });
  let whole: Measurement[] = [];

  before(async () => {
    whole = await run('whole.jsonl');
  });

  it('measures every job, in the order of the jobs', () => {
    assert.deepEqual(whole.map(({ id, method }) => [id, method]), jobs.map(({ bug, method }) => [bug.id, method]));
    assert.ok(whole.filter(({ method }) => method === 'search').every(({ patched, fresh, clocked }) => patched && fresh === 1 && !clocked));
    assert.ok(whole.every(({ patched, firstMillis, millis }) => (patched ? firstMillis !== null && firstMillis <= millis : firstMillis === null)));
  });

  it('measures the same with two workers as with one, but for times', async () => {
    assert.deepEqual(timeless(await run('two.jsonl', { workers: 2 })), timeless(whole));
  });

  it('goes on where it was stopped, and ends with the same measurements', async () => {
    const stopped = await run('stopped.jsonl', { isOver: (measured) => measured >= 3 });
    assert.equal(stopped.length, 3);
    // As a kill in the middle of writing leaves it.
    appendFileSync(path.join(folder, 'stopped.jsonl'), '{"key":"x","measur');
    const measuredNow: string[] = [];
    const finished = await run('stopped.jsonl', { onMeasured: ({ id, method }) => measuredNow.push(`${id} ${method}`) });
    assert.deepEqual(timeless(finished), timeless(whole));
    assert.deepEqual(measuredNow, jobs.slice(3).map(({ bug, method }) => `${bug.id} ${method}`));
    assert.deepEqual(await run('stopped.jsonl', { isOver: () => true }), finished);
  });

  it('is ended at once by its signal and keeps what it had', async () => {
    const abort = new AbortController();
    const measured = await run('aborted.jsonl', { signal: abort.signal, onMeasured: (_, done) => { if (done === 2) abort.abort(); } });
    assert.deepEqual(timeless(measured), timeless(whole.slice(0, 2)));
  });
});

describe('the journal of a run', () => {
  const [bug] = someBugs();
  assert.ok(bug);
  const job: Job = { bug, method: 'genetic', settings };
  const keyOf = keysOf(['genetic', 'search']);

  it('knows a job by bug, method, settings and code', () => {
    const others: Job[] = [
      { ...job, method: 'search' },
      { ...job, settings: { ...settings, seed: 4 } },
      { ...job, settings: { ...settings, budgetMillis: 1 } },
      { ...job, settings: { ...settings, examples: 7 } },
      { ...job, settings: { ...settings, fresh: 7 } },
      { ...job, bug: { ...bug, source: `${bug.source} ` } },
      { ...job, bug: { ...bug, id: 'another' } },
    ];
    assert.equal(new Set([job, ...others].map(keyOf)).size, others.length + 1);
    assert.equal(keyOf({ ...job, bug: { ...bug } }), keyOf(job));
  });

  it('takes a change of any module that the code imports for other code', () => {
    const modules = path.join(folder, 'modules');
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const write = (name: string, text: string): string => {
      writeFileSync(`${modules}-${name}.ts`, text);
      return path.relative(root, `${modules}-${name}.ts`);
    };
    write('part', 'export const x = 1;');
    const entry = write('entry', "export { x } from './modules-part.ts';");
    const first = sourceHash([entry]);
    assert.equal(sourceHash([entry]), first);
    write('part', 'export const x = 2;');
    assert.notEqual(sourceHash([entry]), first);
  });

  it('gives failed jobs another chance in the next run', () => {
    const file = path.join(folder, 'failed.jsonl');
    const failed = failedMeasurement(job, 'gone');
    Journal.open(file, false).add('a', failed);
    Journal.open(file, false).add('b', { ...failed, status: 'repaired' });
    const journal = Journal.open(file, false);
    assert.equal(journal.get('a'), undefined);
    assert.equal(journal.get('b')?.status, 'repaired');
    assert.equal(readFileSync(file, 'utf8').split('\n').filter(Boolean).length, 2);
    assert.equal(Journal.open(file, true).get('b'), undefined);
  });
});

describe('the pool of workers', () => {
  interface Act { readonly act: string; readonly marker?: string }
  const run = async (jobs: readonly Act[], more: Partial<PoolOptions> = {}): Promise<[string, Answer<number>][]> => {
    const answers: [string, Answer<number>][] = [];
    const workerPath = fileURLToPath(new URL('../fixtures/faulty-worker.mjs', import.meta.url));
    const options = { workerPath, arguments: [], execArgv: [], workers: 1, jobMillis: 20_000, isOver: () => false, signal: new AbortController().signal, ...more };
    await runPool<Act, number>(jobs, options, ({ act }, answer) => answers.push([act, answer]));
    return answers;
  };

  it('tries a job twice, on a new process, and goes on with the others', async () => {
    const answers = await run([{ act: 'work' }, { act: 'die' }, { act: 'die once', marker: path.join(folder, 'died') }, { act: 'refuse' }, { act: 'work' }]);
    assert.deepEqual(answers.map(([act, answer]) => [act, 'error' in answer ? answer.error : 'done']), [
      ['work', 'done'], ['die', 'the worker process ended with code 3'], ['die once', 'done'], ['refuse', 'no'], ['work', 'done'],
    ]);
    const pids = answers.flatMap(([, answer]) => ('result' in answer ? [answer.result] : []));
    assert.equal(new Set(pids).size, 3);
  });

  it('ends a process that does not answer', async () => {
    const answers = await run([{ act: 'hang' }], { jobMillis: 300 });
    assert.deepEqual(answers, [['hang', { error: 'the worker process ended with SIGKILL' }]]);
  });

  it('gives up where no job at all is done', async () => {
    await assert.rejects(run(Array.from({ length: 20 }, () => ({ act: 'refuse' }))), /first 4 jobs.*no/);
  });
});

describe('the options of a run', () => {
  it('have defaults that measure every method', () => {
    const plan = planOf([]);
    assert.ok(!('problem' in plan));
    assert.deepEqual(plan.methods.map(({ method }) => method), ['auto', 'search', 'edits', 'tables', 'unguided', 'random-init', 'genetic', 'breadth-first']);
    assert.deepEqual([plan.settings.budgetMillis, plan.anew, plan.maxMinutes], [60_000, false, Number.POSITIVE_INFINITY]);
  });

  it('limit a method to the first bugs of a random order that the seed decides', () => {
    const plan = planOf(['--methods', 'search,breadth-first:3,genetic:2', '--seed', '5']);
    assert.ok(!('problem' in plan));
    const bugs = Array.from({ length: 10 }, (_, i) => ({ ...someBugs()[0], id: String(i) }) as Bug);
    const idsOf = (jobs: readonly Job[], method: string): string[] => jobs.filter((job) => job.method === method).map(({ bug }) => bug.id);
    const jobs = jobsOf(bugs, plan);
    assert.deepEqual([...idsOf(jobs, 'search')].sort(), bugs.map(({ id }) => id));
    assert.deepEqual(idsOf(jobs, 'breadth-first'), idsOf(jobs, 'search').slice(0, 3));
    assert.deepEqual(idsOf(jobs, 'genetic'), idsOf(jobs, 'search').slice(0, 2));
    assert.deepEqual(jobsOf(bugs, plan), jobs);
    assert.notDeepEqual(idsOf(jobsOf(bugs, { ...plan, settings: { ...plan.settings, seed: 6 } }), 'search'), idsOf(jobs, 'search'));
  });

  it('are refused in plain words where they mean nothing', () => {
    const problem = (...args: string[]): string => {
      const plan = planOf(args);
      return 'problem' in plan ? plan.problem : '';
    };
    assert.match(problem('--methods', 'search,luck'), /no method “luck”.*auto, search/);
    assert.match(problem('--methods', 'genetic:0'), /takes a number from 1 on, not “0”/);
    assert.match(problem('--budget', 'long'), /--budget takes a number from 0 on, not “long”/);
    assert.match(problem('--workers', '0'), /--workers takes a number from 1 on/);
    assert.match(problem('--workers', '1.5'), /--workers takes a whole number/);
    assert.match(problem('--out', '../elsewhere'), /--out takes a name/);
    assert.match(problem('--new'), /--new/);
  });
});
