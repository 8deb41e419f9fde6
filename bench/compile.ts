// How long the six base programs take to compile into transformer weights, and how large the models are, beside Tracr;
// and whether random programs are one function as interpreter, tables and weights.
import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.ts';
import { machine, machineText } from './machine.ts';
import { basePrograms, fileNameOf, sourceOf } from './raspbugs/programs.ts';
import { quantile } from './raspbugs/statistics.ts';
import { exportWeights } from '../src/numeric/exportModel.ts';
import type { TransformerShape } from '../src/numeric/weights/transformer.ts';
import { shapeOf } from '../src/numeric/weights/transformer.ts';
import { encodeGraph } from '../src/onnx/encode.ts';
import { programOf } from '../src/rasp/analyse.ts';
import { analyse } from '../src/rasp/frontend.ts';
import type { Dialect } from '../src/rasp/program.ts';
import { Random } from '../src/shared/random.ts';
import { agreement, programOfText, randomInputs } from '../test/support/agreement.ts';
import { randomProgram, vocabulary } from '../test/support/randomPrograms.ts';

const MAX_LENGTH = 10;
const ROUNDS = 15;
/** What Tracr's compiler was reported to take for these six programs at length 10, seconds. */
const REPORTED_TRACR = '3.8 to 8.4 s, reported';

interface Row {
  readonly program: string;
  readonly dialect: Dialect;
  /** Program to the bytes of an ONNX file; the text is already read. */
  readonly medianMillis: number;
  readonly slowestMillis: number;
  readonly rounds: number;
  readonly shape: TransformerShape;
  readonly bytes: number;
}

function measure(name: string, dialect: Dialect, vocab: readonly (string | number | boolean | null)[]): Row {
  const program = programOf(analyse({ path: fileNameOf(name, dialect), text: sourceOf(name, dialect) }));
  if (!program) throw new Error(`${name} has no entry`);
  const times: number[] = [];
  for (let round = 0; ; round++) {
    const start = performance.now();
    const model = exportWeights(program, { vocabulary: vocab, maxLength: MAX_LENGTH });
    if (!model.ok) throw new Error(model.problem.message);
    const bytes = encodeGraph(model.graph).byteLength;
    times.push(performance.now() - start);
    if (round === ROUNDS - 1) {
      return { program: name, dialect, medianMillis: quantile(times, 0.5), slowestMillis: Math.max(...times), rounds: ROUNDS, shape: shapeOf(model.weights), bytes };
    }
  }
}

/** Seconds that Tracr takes for each of the programs, or null where it is not installed. */
function measureTracr(): Record<string, number> | null {
  const requests = basePrograms.map(({ name, vocabulary: tokens }) => ({ name, path: fileURLToPath(new URL(`raspbugs/programs/${name}.py`, import.meta.url)), entry: `make_${name}`, vocabulary: tokens }));
  const script = fileURLToPath(new URL('compile-tracr.py', import.meta.url));
  const { status, stdout } = spawnSync('python3', [script, String(MAX_LENGTH)], { input: JSON.stringify(requests), encoding: 'utf8' });
  return status === 0 ? (JSON.parse(stdout) as Record<string, number>) : null;
}

const number = (x: number): string => x.toLocaleString('en', { maximumFractionDigits: 1 });

function markdown(on: Machine, rows: readonly Row[], tracr: Record<string, number> | null): string {
  const theirs = ({ program }: Row): string => (tracr?.[program] === undefined ? REPORTED_TRACR : `${number(tracr[program])} s, measured`);
  const lines = rows.map((row) => {
    const { layers, heads, keySize, mlpHidden, dModel, parameters, nonzero } = row.shape;
    return `| ${[row.program, row.dialect, number(row.medianMillis), number(row.slowestMillis), theirs(row), layers, heads, keySize, mlpHidden, dModel, number(parameters), number(nonzero), number(row.bytes / 1024)].join(' | ')} |`;
  });
  return [
    '# Compiling the six base programs into transformer weights',
    '',
    `\`npm run bench -- compile\`. Maximal length ${MAX_LENGTH}; median and slowest of ${ROUNDS} runs in one process, the first included, from the program graph to the bytes of the ONNX file.`,
    machineText(on),
    '',
    '| program | dialect | median ms | slowest ms | Tracr | layers | heads | key | hidden | d_model | parameters | not 0 | KiB |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

export function benchCompile(): Promise<void> {
  const on = machine();
  const rows = basePrograms.flatMap(({ name, vocabulary: tokens }) => (['rasp', 'tracr'] as const).map((dialect) => measure(name, dialect, tokens)));
  const tracr = measureTracr();
  const table = markdown(on, rows, tracr);
  writeFileSync(new URL('results/compile.md', import.meta.url), table);
  writeFileSync(new URL('results/compile.json', import.meta.url), `${JSON.stringify({ machine: on, maxLength: MAX_LENGTH, rows, tracrSeconds: tracr, tracrReported: tracr ? null : REPORTED_TRACR }, null, 2)}\n`);
  console.log(table);
  return Promise.resolve();
}

/** Options: how many programs (default 2,000) and the seed. Ends with an error where the forms differ. */
export async function benchCompileProperty([count = '2000', seed = '1']: readonly string[]): Promise<void> {
  const random = new Random(Number(seed));
  const found = { programs: 0, weights: 0, tables: 0, refusedWeights: 0, refusedTables: 0, alwaysFails: 0, inputs: 0, wrong: 0 };
  for (const text of fc.sample(randomProgram, { seed: Number(seed), numRuns: Number(count) })) {
    const program = programOfText(text);
    if (!program) throw new Error(`the generator made a broken program:\n${text}`);
    const causal = random.next() < 0.25;
    const maxLength = random.next() < 0.02 ? 32 : 5;
    const { weights, tables, refused, wrong } = await agreement(program, { vocabulary, maxLength, causal }, randomInputs(random, vocabulary, maxLength, 40), maxLength > 5 ? ['weights'] : ['weights', 'tables']);
    found.programs++;
    if (weights > 0) found.weights++;
    if (tables > 0) found.tables++;
    found.inputs += weights;
    found.refusedWeights += refused.filter((line) => line.startsWith('weights')).length;
    found.refusedTables += refused.filter((line) => line.startsWith('tables')).length;
    if (weights + tables === 0 && refused.length === 0) found.alwaysFails++;
    if (wrong.length > 0) {
      found.wrong++;
      console.log(`causal: ${causal}, length ${maxLength}\n${text}${wrong.join('\n')}\n`);
    }
    if (found.programs % 100 === 0) console.error(`${found.programs} programs, ${found.wrong} of them wrong`);
  }
  console.log(JSON.stringify({ seed: Number(seed), ...found }, null, 2));
  process.exit(found.wrong > 0 ? 1 : 0);
}
