// npm run bench -- raspbugs: repairs a sample of generated bugs with every method and writes what came out.
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildSync } from 'esbuild';
import { stratifiedSample, wholeBenchmark } from './generate.ts';
import type { Job, Measurement, Settings } from './measure.ts';
import { isFixed, markdown, summarise } from './report.ts';
import type { RepairMethod } from '../../src/repair/types.ts';

const root = new URL('../../', import.meta.url);

const options = {
  seed: { type: 'string', default: '1' },
  'per-cell': { type: 'string', default: '4' },
  whole: { type: 'boolean', default: false },
  methods: { type: 'string', default: 'auto,search,edits,tables' },
  budget: { type: 'string', default: '60' },
  examples: { type: 'string', default: '200' },
  fresh: { type: 'string', default: '5000' },
  workers: { type: 'string', default: '2' },
  out: { type: 'string', default: 'raspbugs' },
} as const;

export async function benchRaspBugs(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const settings: Settings = { seed: Number(values.seed), budgetMillis: 1000 * Number(values.budget), examples: Number(values.examples), fresh: Number(values.fresh) };
  const { bugs, short } = values.whole ? wholeBenchmark(settings.seed) : stratifiedSample(settings.seed, Number(values['per-cell']));
  const jobs = values.methods.split(',').flatMap((method) => bugs.map((bug): Job => ({ bug, method: method as RepairMethod, settings })));
  const workers = Number(values.workers);
  console.error(`${bugs.length} bugs, ${jobs.length} repairs, ${workers} workers`);
  const folder = new URL('bench/results/', root);
  mkdirSync(folder, { recursive: true });
  const write = (measurements: readonly Measurement[]): string => {
    const report = { machine: machine(), settings: { ...settings, bugs: bugs.length, workers }, short, measurements };
    const text = markdown(report);
    writeFileSync(new URL(`${values.out}.json`, folder), `${JSON.stringify({ ...report, summary: summaries(measurements) }, null, 1)}\n`);
    writeFileSync(new URL(`${values.out}.md`, folder), text);
    return text;
  };
  // A run that is stopped leaves what it has measured.
  const measurements = await runAll(jobs, workers, (results) => {
    if (results.length % 20 === 0) write(results);
  });
  console.log(write(measurements));
}

function summaries(measurements: readonly Measurement[]): Record<string, unknown> {
  return Object.fromEntries([...new Set(measurements.map(({ method }) => method))].map((method) => [method, summarise(measurements.filter((m) => m.method === method))]));
}

function machine(): Record<string, string> {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { dependencies: Record<string, string> };
  return {
    CPU: `${cpus()[0]?.model.trim() ?? 'unknown'} × ${cpus().length}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${process.arch}`,
    Node: process.version,
    'onnxruntime-node': dependencies['onnxruntime-node'] ?? 'unknown',
    date: new Date().toISOString().slice(0, 10),
  };
}

/** The model host as the extension ships it. */
function builtHost(): string {
  const outfile = fileURLToPath(new URL('artifacts/bench/host.cjs', root));
  buildSync({ entryPoints: [fileURLToPath(new URL('src/runtime/host.ts', root))], outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs', external: ['onnxruntime-node'], logLevel: 'warning' });
  return outfile;
}

/** Measures every job; each worker takes the next one when it is done. Results in the order of the jobs. */
async function runAll(jobs: readonly Job[], workers: number, onResult: (results: readonly Measurement[]) => void): Promise<Measurement[]> {
  const hostPath = builtHost();
  const results = new Map<Job, Measurement>();
  const inOrder = (): Measurement[] => jobs.flatMap((job) => results.get(job) ?? []);
  const queue = [...jobs];
  const work = async (): Promise<void> => {
    const child = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), [hostPath], { execArgv: ['--import', 'tsx'], serialization: 'advanced' });
    try {
      for (let job = queue.shift(); job; job = queue.shift()) {
        const measurement = await ask(child, job);
        results.set(job, measurement);
        console.error(line(measurement, results.size, jobs.length));
        onResult(inOrder());
      }
    } finally {
      child.disconnect();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return inOrder();
}

function ask(child: ChildProcess, job: Job): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a worker ended with code ${code} at ${job.bug.id}`));
    child.once('exit', ended);
    child.once('message', (measurement: Measurement) => {
      child.off('exit', ended);
      resolve(measurement);
    });
    child.send(job);
  });
}

function line(m: Measurement, done: number, total: number): string {
  const verdict = isFixed(m) ? 'exact' : m.patched ? `wrong patch (${(100 * m.fresh).toFixed(1)} %)` : m.status;
  return `${done}/${total} ${m.method} ${m.id}: ${verdict}, ${(m.millis / 1000).toFixed(2)} s, ${m.evaluations} candidates${m.located === false ? ', not located' : ''}`;
}
