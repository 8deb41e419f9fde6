// The examples of a program: gathers its rows, resolves its reference, and runs them.
import { sameValue } from './batch.ts';
import type { ExampleRow, RowFile } from './exampleRows.ts';
import { readCommentRows, readJsonRows } from './exampleRows.ts';
import type { Example } from './types.ts';
import type { ReadSource, SourceFile } from '../rasp/analyse.ts';
import { programOf } from '../rasp/analyse.ts';
import type { Diagnostic, Span } from '../rasp/diagnostic.ts';
import { analyse } from '../rasp/frontend.ts';
import { EvaluationError, interpret } from '../rasp/interpret.ts';
import { besidePaths } from '../rasp/rasp/paths.ts';
import type { Program, Value } from '../rasp/program.ts';
import { describe } from '../rasp/scalar.ts';

/** A program's examples, one for each distinct input, and what is wrong with its rows. */
export interface ExampleSet {
  /** In the order of the rows, the source's before the file's. A set with errors holds the rows that are fine. */
  readonly examples: readonly Example[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface ExampleSources {
  /** The program; its `#:` lines are read. */
  readonly source?: SourceFile;
  /** The file beside it, `name.examples.jsonl`. */
  readonly beside?: SourceFile;
  /** Reads the program that `#: reference` names. */
  readonly readSource?: ReadSource;
  /** The tokens that inputs may hold; default: what `#: vocabulary` declares. */
  readonly vocabulary?: readonly Value[];
}

/** Where the examples of a program lie beside it: `sort.rasp` has `sort.examples.jsonl`. */
export const examplesPathOf = (programPath: string): string => programPath.replace(/\.(?:rasp|py)$/, '') + '.examples.jsonl';

/** Reads all examples of a program. Never throws for any text; rows that cannot be used are diagnostics. */
export function readExamples(sources: ExampleSources): ExampleSet {
  const inSource = sources.source ? readCommentRows(sources.source) : nothing;
  const inFile = sources.beside ? readJsonRows(sources.beside) : nothing;
  const rows = [...inSource.rows, ...inFile.rows];
  const vocabulary = sources.vocabulary ?? inSource.vocabulary?.values;
  const outputs = outputsOf(rows, inSource, sources);
  const { examples, contradictions } = distinct(outputs.examples);
  const foreign = vocabulary ? outsideVocabulary(rows, vocabulary) : [];
  return { examples, diagnostics: [...inSource.diagnostics, ...inFile.diagnostics, ...outputs.diagnostics, ...contradictions, ...foreign] };
}

const nothing: RowFile = { rows: [], diagnostics: [], reference: null, vocabulary: null };

type LocatedExample = Example & { readonly span: Span; readonly line: number };

interface Outputs {
  readonly examples: readonly LocatedExample[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Completes the rows: as written, or from the reference program. */
function outputsOf(rows: readonly ExampleRow[], { reference }: RowFile, sources: ExampleSources): Outputs {
  if (!reference || !sources.source) return withoutReference(rows);
  const found = referenceProgram(reference, sources.source, rows[0]?.input, sources.readSource);
  if ('code' in found) return { examples: rows.filter(isComplete), diagnostics: [found] };
  const examples: LocatedExample[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const row of rows) {
    const answer = answerOf(found, row, reference.path);
    if ('code' in answer) diagnostics.push(answer);
    else examples.push(answer);
  }
  return { examples, diagnostics };
}

const isComplete = (row: ExampleRow): row is LocatedExample => row.output !== null;

function withoutReference(rows: readonly ExampleRow[]): Outputs {
  const message = 'This example has no output. Add “-> […]”, or a line “#: reference other.rasp” that names the program which gives the outputs.';
  const open = rows.filter((row) => !isComplete(row));
  return { examples: rows.filter(isComplete), diagnostics: open.map(({ span }) => fault('example-output', message, span)) };
}

const fault = (code: string, message: string, span: Span): Diagnostic => ({ code, severity: 'error', message, span });

function referenceProgram(
  { path, span }: NonNullable<RowFile['reference']>,
  source: SourceFile,
  runningExample: readonly Value[] | undefined,
  readSource: ReadSource = () => undefined,
): Program | Diagnostic {
  const candidates = besidePaths(source.path, path);
  if (candidates.includes(source.path)) return fault('example-reference', 'A program cannot be its own reference. Name a program that is right.', span);
  const file = candidates.map((candidate) => ({ path: candidate, text: readSource(candidate) })).find(({ text }) => text !== undefined);
  if (file?.text === undefined) return fault('example-reference', `There is no file “${path}” beside this one. Name the program that gives the outputs.`, span);
  const analysis = analyse({ path: file.path, text: file.text }, { readSource, ...(runningExample ? { runningExample } : {}) });
  const error = analysis.diagnostics.find(({ severity, code }) => severity === 'error' && code !== 'evaluation');
  if (error) return fault('example-reference', `The reference program “${path}” has an error: ${error.message}`, span);
  return programOf(analysis) ?? fault('example-reference', `The reference program “${path}” has no s-op that could be run.`, span);
}

function answerOf(program: Program, row: ExampleRow, path: string): LocatedExample | Diagnostic {
  try {
    const output = interpret(program, row.input);
    if (!row.output || isSame(row.output, output)) return { ...row, output: row.output ?? output };
    return fault('example-reference', `“${path}” gives ${list(output)} here and the row says ${list(row.output)}. Remove the output or mend it.`, row.span);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return fault('example-reference', `“${path}” fails on this input: ${error.message}. Remove the row or mend the reference.`, row.span);
  }
}

const isSame = (a: readonly Value[], b: readonly Value[]): boolean =>
  a.length === b.length && a.every((value, i) => sameValue(value, b[i] ?? null));

/** `[1, "a", True]` */
export const list = (values: readonly Value[]): string => `[${values.map(describe).join(', ')}]`;

/** One example for each input; a second row with another output contradicts the first. */
function distinct(examples: readonly LocatedExample[]): { examples: Example[]; contradictions: Diagnostic[] } {
  const first = new Map<string, LocatedExample>();
  const contradictions: Diagnostic[] = [];
  for (const example of examples) {
    const key = JSON.stringify(example.input);
    const earlier = first.get(key);
    if (!earlier) first.set(key, example);
    else if (!isSame(earlier.output, example.output)) contradictions.push(contradiction(earlier, example));
  }
  return { examples: [...first.values()].map(({ input, output, span }) => ({ input, output, span })), contradictions };
}

function contradiction(earlier: LocatedExample, later: LocatedExample): Diagnostic {
  const place = earlier.span.file === later.span.file ? `line ${earlier.line}` : `line ${earlier.line} of ${fileName(earlier.span.file)}`;
  const message =
    `Line ${later.line} contradicts ${place}: on the input ${list(later.input)} one wants ${list(later.output)} ` +
    `and the other ${list(earlier.output)}. No program can give both; remove one row.`;
  return fault('contradictory-examples', message, later.span);
}

const fileName = (path: string): string => path.split(/[\\/]/).at(-1) ?? path;

function outsideVocabulary(rows: readonly ExampleRow[], vocabulary: readonly Value[]): Diagnostic[] {
  const known = new Set(vocabulary);
  return rows.flatMap(({ input, span }): Diagnostic[] => {
    const foreign = input.find((token) => !known.has(token));
    if (foreign === undefined) return [];
    const message = `The token ${describe(foreign)} is not in the vocabulary ${list(vocabulary)}. Add it there or change the row.`;
    return [{ code: 'outside-vocabulary', severity: 'warning', message, span }];
  });
}

/** What a program does on one example. */
export type ExampleResult = {
  readonly example: Example;
  readonly ok: boolean;
  readonly expected: readonly Value[];
} & (
  | {
      readonly actual: readonly Value[];
      /** The first position that is wrong; null where all are right. */
      readonly firstDifference: number | null;
    }
  | { readonly error: string; readonly errorSpan: Span }
);

/** Runs one example under the interpreter. Numbers within 1e-9 are equal, and True equals 1 as in Python. */
export function runExample(program: Program, example: Example): ExampleResult {
  const { input, output: expected } = example;
  try {
    const actual = interpret(program, input);
    const longest = Math.max(actual.length, expected.length);
    let difference = 0;
    while (difference < longest && isAlike(actual[difference], expected[difference])) difference++;
    const firstDifference = difference < longest ? difference : null;
    return { example, ok: firstDifference === null, expected, actual, firstDifference };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return { example, ok: false, expected, error: error.message, errorSpan: error.node.origin.span };
  }
}

const isAlike = (a: Value | undefined, b: Value | undefined): boolean => a !== undefined && b !== undefined && sameValue(a, b);

/** Runs every example; see runExample. */
export function runExamples(program: Program, examples: readonly Example[]): ExampleResult[] {
  return examples.map((example) => runExample(program, example));
}

/** One line for a failing example: `[3, 1] gives [3, 1] and should give [1, 3]: position 0 is 3, not 1`. */
export function describeFailure(result: ExampleResult): string {
  const input = list(result.example.input);
  if ('error' in result) return `${input} should give ${list(result.expected)}, but the program fails: ${result.error}`;
  const { actual, expected, firstDifference } = result;
  if (firstDifference === null) return `${input} gives ${list(actual)}, as it should`;
  const [got, wanted] = [actual[firstDifference], expected[firstDifference]];
  const where = got === undefined || wanted === undefined ? 'the lengths differ' : `position ${firstDifference} is ${describe(got)}, not ${describe(wanted)}`;
  return `${input} gives ${list(actual)} and should give ${list(expected)}: ${where}`;
}
