// npm run bench -- attribution: do the numbers add up, how fast are they, what memory do they take, and do they point at
// the object that was asked for?
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { completeness } from './completeness.ts';
import { memory } from './memory.ts';
import { pointing } from './pointing.ts';
import type { Report } from './report.ts';
import { markdown } from './report.ts';
import { speed } from './speed.ts';
import { builtHost } from '../builtHost.ts';
import { machine } from '../machine.ts';
import { writeReport } from '../writeReport.ts';
import { ModelHost } from '../../src/runtime/client.ts';

const parts = ['completeness', 'speed', 'memory', 'pointing'] as const;

const options = {
  seed: { type: 'string', default: '1' },
  prompts: { type: 'string', default: '200' },
  images: { type: 'string', default: '300' },
  rounds: { type: 'string', default: '7' },
  threads: { type: 'string', default: '1,2' },
  parts: { type: 'string', default: parts.join() },
  out: { type: 'string', default: 'attribution' },
} as const;

function earlier(name: string): Partial<Report> {
  const file = new URL(`../results/${name}.json`, import.meta.url);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : {};
}

export async function benchAttribution(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const wanted = parts.filter((part) => values.parts.split(',').includes(part));
  const seed = Number(values.seed);
  const hostPath = builtHost();
  const host = ModelHost.start({ hostPath });
  let report: Report = { machine: machine(), settings: {}, completeness: null, speed: null, memory: null, pointing: null, ...earlier(values.out) };
  // A run that is stopped leaves what it has measured, and parts that are not asked for stay.
  const save = (more: Partial<Report>): string => {
    const done = Object.keys(more).map((part) => [part, { date: machine()['date'] ?? '', ...values, parts: part }]);
    report = { ...report, ...more, settings: { ...report.settings, ...Object.fromEntries(done) } };
    return writeReport(report, markdown(report), values.out);
  };
  try {
    if (wanted.includes('memory')) save({ memory: await memory(hostPath) });
    if (wanted.includes('speed')) save({ speed: await speed(hostPath, { rounds: Number(values.rounds), seed, threads: values.threads.split(',').map(Number) }) });
    if (wanted.includes('pointing')) save({ pointing: await pointing(host, Number(values.images)) });
    if (wanted.includes('completeness')) save({ completeness: await completeness(host, Number(values.prompts), seed) });
    console.log(save({}));
  } finally {
    host.dispose();
  }
}
