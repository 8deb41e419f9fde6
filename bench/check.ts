// How long a 1,000-line RASP program takes to check: read alone, read and trace, and list its edit sites.
// Run: npx tsx bench/check.ts [--json]
import { cpus } from 'node:os';
import { analyseRasp } from '../src/rasp/rasp/analyse.ts';
import { raspEditSites } from '../src/rasp/rasp/editSites.ts';
import { parse } from '../src/rasp/rasp/parse.ts';
import { generateProgram } from './generatedProgram.ts';

const rounds = 30;

interface Row {
  readonly step: string;
  readonly medianMillis: number;
  readonly p95Millis: number;
}

function measure(step: string, work: () => void): Row {
  for (let i = 0; i < 5; i++) work();
  const times = Array.from({ length: rounds }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return { step, medianMillis: times[Math.floor(rounds / 2)] ?? 0, p95Millis: times[Math.floor(rounds * 0.95)] ?? 0 };
}

const source = { path: 'generated.rasp', text: generateProgram(1000, 1) };
const { diagnostics, entries } = analyseRasp(source);
const start = performance.now();
analyseRasp({ path: 'second.rasp', text: generateProgram(1000, 2) });
const cold = performance.now() - start;
const rows = [
  measure('parse', () => void parse(source)),
  measure('check (parse and trace)', () => void analyseRasp(source)),
  measure('edit sites', () => void raspEditSites(source)),
];
const lines = source.text.split('\n').length - 1;
const machine = { cpu: cpus()[0]?.model ?? 'unknown', node: process.version };
const errors = diagnostics.filter(({ severity }) => severity === 'error').length;

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ machine, lines, sOps: entries.length, errors, secondFileMillis: cold, rows }, null, 2));
} else {
  console.log(`${lines} lines, ${entries.length} s-ops, ${errors} errors; ${machine.cpu}, Node ${machine.node}; second file ever read: ${cold.toFixed(1)} ms`);
  console.table(rows.map(({ step, medianMillis, p95Millis }) => ({ step, 'median ms': medianMillis.toFixed(1), 'p95 ms': p95Millis.toFixed(1) })));
}
