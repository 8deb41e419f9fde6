// gradlens compile: a program as an ONNX model.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { entryOf } from './check.ts';
import { isModelPath, parseVocabulary, readProgram, readSource } from './files.ts';
import type { Environment, Outcome } from './outcome.ts';
import { Places } from './places.ts';
import { refusal } from './run.ts';
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';
import type { ModelDescription, ModelSource } from '../numeric/compiledModel.ts';
import type { ExportedModel } from '../numeric/exportModel.ts';
import { exportWeights } from '../numeric/exportModel.ts';
import { exportTables } from '../numeric/tableModel.ts';
import type { CompileOptions } from '../numeric/weights/compile.ts';
import type { CompileProblem } from '../numeric/weights/problem.ts';
import type { TransformerShape } from '../numeric/weights/transformer.ts';
import { shapeOf } from '../numeric/weights/transformer.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { ValueInfo } from '../onnx/graph.ts';
import { analyse } from '../rasp/frontend.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Program } from '../rasp/program.ts';
import { describe } from '../rasp/scalar.ts';

interface Request {
  readonly options: CompileOptions;
  readonly form: ModelSource['form'];
  readonly out: string;
}

interface Compiled extends ExportedModel {
  /** Null for tables. */
  readonly shape: TransformerShape | null;
}

export function compile(args: ParsedArguments, { now }: Environment): Outcome {
  const source = readProgram(args.positionals);
  const request = requestOf(args);
  const { vocabulary, maxLength } = request.options;
  const analysis = analyse(source, { readSource, ...(vocabulary.length > 0 ? { runningExample: vocabulary.slice(0, maxLength) } : {}) });
  const places = new Places([source]);
  const errors = analysis.diagnostics.filter(({ severity, code }) => severity === 'error' && code !== 'evaluation');
  if (errors.length > 0) return refusal(places, errors, 2);
  const program = entryOf(analysis, args.values['entry']);
  if (!program) throw new UsageError(`${source.path} has no s-op that could be compiled.`);
  const start = now();
  const result = compiled(program, request, source);
  if (!result.ok) return refused(result.problem, program, source, places);
  const bytes = encodeGraph(result.model.graph);
  const millis = now() - start;
  write(request.out, bytes);
  return outcome(result.model, request, program.name, bytes.byteLength, millis);
}

function requestOf({ values, flags }: ParsedArguments): Request {
  const { out, form = 'weights', 'max-length': length } = values;
  const vocabulary = parseVocabulary(values['vocab']);
  if (length === undefined || !/^[1-9]\d{0,5}$/.test(length)) throw new UsageError(`--max-length must be a whole number above 0${length === undefined ? '' : `, and it is “${length}”`}. It is the longest input that the model can take.`);
  if (form !== 'weights' && form !== 'tables') throw new UsageError(`There is no form “${form}”. The forms: weights, tables.`);
  if (out === undefined) throw new UsageError('Where should the model go? Give -o FILE.onnx.');
  if (!isModelPath(out)) throw new UsageError(`The model's file must end with .onnx: “${out}”.`);
  return { form, out, options: { vocabulary, maxLength: Number(length), causal: flags.has('causal') } };
}

function compiled(program: Program, { options, form }: Request, { path: file, text }: SourceFile): { ok: true; model: Compiled } | { ok: false; problem: CompileProblem } {
  const source: ModelSource = { file: path.basename(file), text, entry: program.name, dialect: program.dialect, form, causal: options.causal ?? false };
  if (form === 'tables') {
    const tables = exportTables(program, options, source);
    return tables.ok ? { ok: true, model: { ...tables, shape: null } } : tables;
  }
  const weights = exportWeights(program, options, source);
  return weights.ok ? { ok: true, model: { ...weights, shape: shapeOf(weights.weights) } } : weights;
}

/** The program cannot be compiled so: at the op that is to blame, where there is one. */
function refused({ code, message, node }: CompileProblem, program: Program, source: SourceFile, places: Places): Outcome {
  if (!node) throw new UsageError(message);
  const spans = [node.origin.span, ...node.origin.calls, program.output.origin.span];
  const span = spans.find(({ file }) => file === source.path) ?? node.origin.span;
  return refusal(places, [{ code: `compile-${code}`, severity: 'error', message, span }], 1);
}

function write(file: string, bytes: Uint8Array): void {
  try {
    writeFileSync(file, bytes);
  } catch (error) {
    throw new UsageError(`“${file}” cannot be written: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

function outcome({ graph, description, shape }: Compiled, { out, form, options }: Request, entry: string, bytes: number, millis: number): Outcome {
  const { inputs, outputs } = graph;
  const { vocab, classes, maxLength } = description;
  return {
    exitCode: 0,
    json: { output: out, entry, form, causal: options.causal ?? false, vocab, classes, maxLength, inputs, outputs, ...(shape ? { shape } : {}), bytes, millis },
    lines: [
      `${out}: ${entry} as ${form === 'weights' ? 'a transformer' : 'op tables'}, ${(bytes / 1024).toFixed(1)} KiB, compiled in ${millis.toFixed(0)} ms`,
      ...(shape ? [shapeLine(shape)] : []),
      ...inputs.map((input) => `  input   ${valueLine(input)}, token ids, BOS (0) first, then up to ${maxLength}`),
      ...outputs.map((output) => `  output  ${valueLine(output)}${classesText(description)}`),
      `  try it: gradlens run ${out} --input '${JSON.stringify(vocab.slice(1, 1 + Math.min(3, maxLength)))}'`,
    ],
  };
}

const plural = (count: number, what: string): string => `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;

const shapeLine = ({ layers, heads, keySize, mlpHidden, dModel, parameters, nonzero }: TransformerShape): string =>
  `  ${plural(layers, 'layer')}, up to ${plural(heads, 'head')} of key size ${keySize}, ${plural(mlpHidden, 'hidden unit')}, ${plural(dModel, 'residual direction')}; ${plural(parameters, 'parameter')}, ${nonzero.toLocaleString('en')} of them not 0`;

const valueLine = ({ name, type, dims }: ValueInfo): string => `${name} ${type} [${dims.map((dim) => (dim === 'positions' ? 'length + 1' : dim)).join(', ')}]`;

function classesText({ classes }: ModelDescription): string {
  if (!classes) return ': the numbers themselves';
  return `: classes ${classes.slice(0, 12).map(describe).join(', ')}${classes.length > 12 ? ', …' : ''}`;
}
