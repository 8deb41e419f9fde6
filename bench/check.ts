// How long a 1,000-line RASP program takes to check: read alone, read and trace, and list its edit sites.
// Run: npx tsx bench/check.ts [--json]
import { cpus } from 'node:os';
import { analyseRasp } from '../src/rasp/rasp/analyse.ts';
import { raspEditSites } from '../src/rasp/rasp/editSites.ts';
import { parse } from '../src/rasp/rasp/parse.ts';
import { Random } from '../src/shared/random.ts';

const rounds = 30;

/** A program of about that many lines: maps, selectors, aggregates, functions, loops, comments, as people write them. */
function generate(lines: number, seed: number): string {
  const random = new Random(seed);
  const numbers = ['indices', 'length'];
  const selectors = ['full_s'];
  const functions: string[] = [];
  const operators = ['==', '<', '>', '<=', '>=', '!='];
  const text: string[] = [];
  for (let i = 0; text.length < lines; i++) {
    const [b, n] = [random.pick(numbers), random.integer(0, 9)];
    switch (random.integer(0, 7)) {
      case 0:
        text.push(`# step ${i}`, `shifted_${i} = aggregate(select(indices, indices + ${n}, ==), tokens, "-") if length > ${n} else tokens;`);
        break;
      case 1:
        text.push(`sel_${i} = select(${b}, ${random.pick(numbers)}, ${random.pick(operators)}) and ${random.pick(selectors)};`);
        selectors.push(`sel_${i}`);
        break;
      case 2:
        text.push(`count_${i} = selector_width(${random.pick(selectors)});`);
        numbers.push(`count_${i}`);
        break;
      case 3:
        text.push(`num_${i} = (${b} + ${n}) * 2 - ${random.pick(numbers)} % ${n + 1};`);
        numbers.push(`num_${i}`);
        break;
      case 4:
        text.push(`mean_${i} = aggregate(${random.pick(selectors)}, indicator(${b} > ${n}));`);
        numbers.push(`mean_${i}`);
        break;
      case 5:
        text.push(`def f_${i}(seq, key) {`, `  before = select(key, key, <) or ${random.pick(selectors)};`, `  return aggregate(before, seq * ${n});`, '}');
        functions.push(`f_${i}`);
        break;
      case 6:
        text.push(`acc_${i} = 0;`, `for k in range(3) {`, `  acc_${i} = acc_${i} + ${b} * k;`, '}');
        numbers.push(`acc_${i}`);
        break;
      default:
        if (functions.length > 0) text.push(`call_${i} = ${random.pick(functions)}(${b}, ${random.pick(numbers)});`);
    }
  }
  return `${text.join('\n')}\n`;
}

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

const source = { path: 'generated.rasp', text: generate(1000, 1) };
const { diagnostics, entries } = analyseRasp(source);
const start = performance.now();
analyseRasp({ path: 'second.rasp', text: generate(1000, 2) });
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
