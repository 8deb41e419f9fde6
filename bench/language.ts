// How long each language service takes on a 1,000-line RASP file: asked again, and asked right after an edit.
// Run: npm run bench -- language
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generateProgram } from './generatedProgram.ts';
import type { Machine } from './machine.ts';
import { machine, machineText } from './machine.ts';
import { RemoteWorker } from '../src/repair/remote.ts';
import { completionsAt } from '../src/rasp/service/completion.ts';
import { foldsOf } from '../src/rasp/service/folding.ts';
import { formatDocument, formatRange } from '../src/rasp/service/formatting.ts';
import { toldAt } from '../src/rasp/service/hover.ts';
import type { LanguageFile } from '../src/rasp/service/languageFile.ts';
import { openLanguageFile } from '../src/rasp/service/languageFile.ts';
import { definitionAt, highlightsAt, placesAt } from '../src/rasp/service/navigation.ts';
import { outlineOf } from '../src/rasp/service/outline.ts';
import { prepareRename, renameAt } from '../src/rasp/service/rename.ts';
import { semanticTokensOf } from '../src/rasp/service/semanticTokens.ts';
import { signatureAt } from '../src/rasp/service/signatureHelp.ts';
import { Random } from '../src/shared/random.ts';

const rounds = 100;
const path = '/generated.rasp';

type Service = (file: LanguageFile, offset: number) => unknown;

const services: Readonly<Record<string, Service>> = {
  'open (parse and resolve)': () => undefined,
  completion: (file, offset) => completionsAt(file, offset),
  'signature help': (file, offset) => signatureAt(file, offset),
  'hover without its value': (file, offset) => toldAt(file, offset),
  definition: (file, offset) => definitionAt(file, offset),
  references: (file, offset) => placesAt(file, offset),
  highlights: (file, offset) => highlightsAt(file, offset),
  'prepare rename': (file, offset) => prepareRename(file, offset),
  rename: (file, offset) => renameAt(file, offset, 'another_name', () => undefined),
  outline: (file) => outlineOf(file),
  folding: (file) => foldsOf(file),
  'semantic tokens': (file) => semanticTokensOf(file),
  'format, whole': (file) => formatDocument(file.source, '    '),
  'format, range': (file, offset) => formatRange(file.source, { start: offset, end: offset + 1 }, '    '),
};

interface Row {
  readonly service: string;
  readonly warm: readonly number[];
  readonly afterEdit: readonly number[];
}

/** The text with a new assignment at the start of one of its top-level lines. */
function edited(text: string, random: Random, round: number): string {
  const starts = [...text.matchAll(/^(?=\w+ = )/gmu)].map(({ index }) => index);
  const at = random.pick(starts);
  return `${text.slice(0, at)}edit_${round} = indices + ${round};\n${text.slice(at)}`;
}

const placeIn = (file: LanguageFile, random: Random): number => random.pick(file.occurrences).span.start + 1;

function timed(work: () => unknown): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function measure(service: string, run: Service, text: string): Row {
  const random = new Random(7);
  const file = openLanguageFile({ path, text });
  for (let i = 0; i < 20; i++) run(openLanguageFile({ path, text }), placeIn(file, random));
  const again = Array.from({ length: rounds }, () => {
    const offset = placeIn(file, random);
    return timed(() => run(file, offset));
  });
  const afterEdit = Array.from({ length: rounds }, (_, round) => {
    const now = edited(text, random, round);
    const offset = placeIn(file, random);
    return timed(() => run(openLanguageFile({ path, text: now }), offset));
  });
  return { service, warm: again, afterEdit };
}

type WorkerRow = 'inspect' | 'hover' | 'values';

/** The whole way of a hover's value: to the worker process, traced and evaluated there, and back. */
async function measureWorker(text: string): Promise<Row[]> {
  execFileSync(process.execPath, ['esbuild.mjs'], { stdio: 'inherit' });
  const worker = new RemoteWorker(fileURLToPath(new URL('../dist/worker.cjs', import.meta.url)), (line) => console.error(line));
  const random = new Random(7);
  const places = openLanguageFile({ path, text });
  const ask = async (now: string, asked: WorkerRow): Promise<number> => {
    const file = { path, text: now, dialect: 'rasp' as const };
    const offset = placeIn(places, random);
    const start = performance.now();
    const reply = worker.call(asked === 'values' ? { type: asked, file, start: offset, end: offset + 2000 } : { type: 'inspect', file, offset });
    if (asked === 'hover') toldAt(now === text ? places : openLanguageFile({ path, text: now }), offset);
    await reply;
    return performance.now() - start;
  };
  const rows: Row[] = [];
  for (const [service, type] of [['value for a hover (worker)', 'inspect'], ['hover: text, and value (worker)', 'hover'], ['values for inlay hints (worker)', 'values']] as const) {
    for (let i = 0; i < 5; i++) await ask(edited(text, random, i), type);
    await ask(text, type);
    const again: number[] = [];
    const afterEdit: number[] = [];
    for (let i = 0; i < rounds; i++) again.push(await ask(text, type));
    for (let i = 0; i < rounds; i++) afterEdit.push(await ask(edited(text, random, i), type));
    rows.push({ service, warm: again, afterEdit });
  }
  worker.dispose();
  return rows;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** Measures all services and writes the results beside those of the other benchmarks. */
export async function benchLanguage(): Promise<void> {
  const text = generateProgram(1000, 1);
  const measured = [...Object.entries(services).map(([service, run]) => measure(service, run, text)), ...(await measureWorker(text))];
  const rows = measured.map(({ service, warm, afterEdit }) => ({
    service,
    warm: { p50: quantile(warm, 0.5), p95: quantile(warm, 0.95) },
    afterEdit: { p50: quantile(afterEdit, 0.5), p95: quantile(afterEdit, 0.95) },
  }));
  const lines = text.split('\n').length - 1;
  const report = { machine: machine(), lines, rounds, unit: 'ms', rows };
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('language.json', folder), `${JSON.stringify(report, null, 2)}\n`);
  const table = markdown(report);
  writeFileSync(new URL('language.md', folder), table);
  console.log(table);
}

interface Report {
  readonly machine: Machine;
  readonly lines: number;
  readonly rounds: number;
  readonly rows: readonly { readonly service: string; readonly warm: Quantiles; readonly afterEdit: Quantiles }[];
}
interface Quantiles {
  readonly p50: number;
  readonly p95: number;
}

function markdown({ machine: on, lines, rows }: Report): string {
  const row = (service: string, ...numbers: readonly number[]): string => `| ${service} | ${numbers.map((number) => number.toFixed(2)).join(' | ')} |`;
  return [
    '# Language services on a long RASP file',
    '',
    `One generated file of ${lines} lines; ${rounds} calls each, at random names; milliseconds. “Warm”: the file is read already. “After an edit”: a line has been added, so the call reads the whole file anew (parse, scopes; in the worker also tracing and evaluating). The worker rows hold the way to another process and back; everything else is the time that the extension host is busy.`,
    machineText(on),
    '',
    '| service | warm p50 | warm p95 | after an edit p50 | after an edit p95 |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows.map(({ service, warm, afterEdit }) => row(service, warm.p50, warm.p95, afterEdit.p50, afterEdit.p95)),
    '',
  ].join('\n');
}
