// gradlens run: the output of a program, or of a compiled one, on one input.
import { entryOf } from './check.ts';
import { isModelPath, parseInput, readModel, readProgram, readSource } from './files.ts';
import type { Environment, Outcome } from './outcome.ts';
import { jsonDiagnostic, Places, printedDiagnostics } from './places.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import { inputProblem, outputName, readDescription } from '../numeric/compiledModel.ts';
import { CompiledModel } from '../numeric/compiledRun.ts';
import { decodeModel } from '../onnx/decode.ts';
import { analyse } from '../rasp/frontend.ts';
import type { Diagnostic } from '../rasp/diagnostic.ts';
import { EvaluationError, interpret } from '../rasp/interpret.ts';
import type { Value } from '../rasp/program.ts';
import { ModelHost, RuntimeError } from '../runtime/client.ts';

export function run(args: ParsedArguments, environment: Environment): Outcome | Promise<Outcome> {
  const [path, ...more] = args.positionals;
  return isModelPath(path) ? runModel(path, more, parseInput(args.values['input']), environment) : runProgram(args);
}

async function runModel(path: string, more: readonly string[], input: readonly Value[], { hostPath }: Environment): Promise<Outcome> {
  const bytes = readModel(path, more);
  const decoded = decodeModel(bytes, path);
  if (!decoded.ok) throw new UsageError(decoded.fault.message);
  const description = readDescription(decoded.graph.metadata);
  if (typeof description === 'string') throw new UsageError(`${path} is not a compiled program: ${description}.`);
  const wanted = outputName(description);
  if (!decoded.graph.outputs.some(({ name }) => name === wanted)) throw new UsageError(`${path} is not a compiled program: it has no output “${wanted}”.`);
  const problem = inputProblem(description, input);
  if (problem !== null) throw new UsageError(problem);
  const host = ModelHost.start({ hostPath });
  try {
    const model = await CompiledModel.open(bytes, description, host);
    const [output = []] = await model.run([input]);
    return { exitCode: 0, json: { output }, lines: [JSON.stringify(output)] };
  } catch (error) {
    if (error instanceof RuntimeError) throw new UsageError(`${path} cannot be run: ${error.message}`);
    throw error;
  } finally {
    host.dispose();
  }
}

function runProgram({ positionals, values }: ParsedArguments): Outcome {
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

export function refusal(places: Places, diagnostics: readonly Diagnostic[], exitCode: 1 | 2): Outcome {
  return {
    exitCode,
    json: { diagnostics: diagnostics.map((diagnostic) => jsonDiagnostic(places, diagnostic)) },
    lines: printedDiagnostics(places, diagnostics),
  };
}
