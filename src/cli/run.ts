// gradlens run: a program's output on one input.
import { entryOf } from './check.ts';
import { parseInput, readProgram, readSource } from './files.ts';
import type { Outcome } from './outcome.ts';
import { jsonDiagnostic, Places, printedDiagnostics } from './places.ts';
import type { ParsedArguments } from './usage.ts';
import { analyse } from '../rasp/frontend.ts';
import type { Diagnostic } from '../rasp/diagnostic.ts';
import { EvaluationError, interpret } from '../rasp/interpret.ts';

export function run({ positionals, values }: ParsedArguments): Outcome {
  const source = readProgram(positionals);
  const input = parseInput(values['input']);
  const analysis = analyse(source, { readSource, runningExample: input });
  const errors = analysis.diagnostics.filter(({ severity, code }) => severity === 'error' && code !== 'evaluation');
  const places = new Places([source]);
  if (errors.length > 0) return refusal(places, errors, 2);
  const program = entryOf(analysis, values['entry']);
  if (!program) return { exitCode: 2, json: { error: 'no entry' }, lines: [`${source.path} has no s-op that could be run.`] };
  try {
    const output = interpret(program, input);
    return { exitCode: 0, json: { output }, lines: [JSON.stringify(output)] };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return refusal(places, [{ code: 'evaluation', severity: 'error', message: error.message, span: error.node.origin.span }], 1);
  }
}

function refusal(places: Places, diagnostics: readonly Diagnostic[], exitCode: 1 | 2): Outcome {
  return {
    exitCode,
    json: { diagnostics: diagnostics.map((diagnostic) => jsonDiagnostic(places, diagnostic)) },
    lines: printedDiagnostics(places, diagnostics),
  };
}
