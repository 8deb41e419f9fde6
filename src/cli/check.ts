// gradlens check: the diagnostics of a program and of its examples, and which examples fail.
import { readProgram, readProgramExamples, readSource } from './files.ts';
import type { Outcome } from './outcome.ts';
import { jsonDiagnostic, Places, printedDiagnostics } from './places.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import type { Analysis } from '../rasp/analyse.ts';
import { programOf } from '../rasp/analyse.ts';
import { analyse } from '../rasp/frontend.ts';
import type { Program } from '../rasp/program.ts';
import type { ExampleResult } from '../repair/examples.ts';
import { describeFailure, runExamples } from '../repair/examples.ts';
import { suggestion } from '../rasp/rasp/suggestion.ts';

const SHOWN_FAILURES = 5;
const LISTED_FAILURES = 100;

export function check({ positionals, values }: ParsedArguments): Outcome {
  const source = readProgram(positionals);
  const set = readProgramExamples(source, values['examples']);
  const [first] = set.examples;
  const analysis = analyse(source, { readSource, ...(first ? { runningExample: first.input } : {}) });
  const program = entryOf(analysis, values['entry']);
  const results = program ? runExamples(program, set.examples) : [];
  const failures = results.filter(({ ok }) => !ok);
  const diagnostics = [...analysis.diagnostics, ...set.diagnostics];
  const places = new Places([source, ...set.files]);
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  return {
    exitCode: errors > 0 || failures.length > 0 || !program ? 1 : 0,
    json: {
      dialect: analysis.dialect,
      entries: analysis.entries.map(({ name }) => name),
      diagnostics: diagnostics.map((diagnostic) => jsonDiagnostic(places, diagnostic)),
      examples: { total: results.length, right: results.length - failures.length, failures: failures.slice(0, LISTED_FAILURES).map((failure) => jsonFailure(places, failure)) },
    },
    lines: [
      ...printedDiagnostics(places, diagnostics),
      ...failures.slice(0, SHOWN_FAILURES).map((failure) => `${nameOf(places, failure)}: ${describeFailure(failure)}`),
      ...(failures.length > SHOWN_FAILURES ? [`… and ${failures.length - SHOWN_FAILURES} more.`] : []),
      summary(program, errors, results, failures.length),
    ],
  };
}

function summary(program: Program | undefined, errors: number, results: readonly ExampleResult[], failures: number): string {
  if (!program) return 'The file has no s-op that could be run.';
  const found = errors === 0 ? 'No errors' : `${errors} error${errors === 1 ? '' : 's'}`;
  if (results.length === 0) return `${found} in ${program.name}; there are no examples.`;
  return `${found} in ${program.name}; ${results.length - failures} of ${results.length} examples are right.`;
}

const nameOf = (places: Places, { example }: ExampleResult): string => (example.span ? places.name(example.span) : 'example');

function jsonFailure(places: Places, result: ExampleResult): unknown {
  const { example, expected } = result;
  const answer = 'error' in result ? { error: result.error } : { actual: result.actual, firstDifference: result.firstDifference };
  return { input: example.input, expected, ...answer, ...(example.span ? { range: places.range(example.span) } : {}) };
}

/** The entry that is meant. @throws UsageError for a name that the file does not have. */
export function entryOf(analysis: Analysis, name: string | undefined): Program | undefined {
  const program = programOf(analysis, name);
  if (program || name === undefined) return program;
  const names = analysis.entries.map((entry) => entry.name);
  const meant = suggestion(name, names);
  const hint = meant ? `Did you mean “${meant}”?` : names.length > 0 ? `It has: ${names.join(', ')}.` : 'It has none that could be run.';
  throw new UsageError(`${analysis.source.path} has no entry “${name}”. ${hint}`);
}
