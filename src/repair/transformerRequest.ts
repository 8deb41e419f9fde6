// Compiles a file's program into a transformer for the editor, and runs it: settings as texts in, a picture or a model out.
import path from 'node:path';
import { readCommentRows, readSequence } from './exampleRows.ts';
import type { Example } from './types.ts';
import type { WorkerFile } from './workerProtocol.ts';
import type { ModelSource } from '../numeric/compiledModel.ts';
import { inputProblem } from '../numeric/compiledModel.ts';
import { describeWeights, exportWeights } from '../numeric/exportModel.ts';
import { compileWeights } from '../numeric/weights/compile.ts';
import type { CompileOptions } from '../numeric/weights/compile.ts';
import { InspectedTransformer } from '../numeric/weights/inspect.ts';
import { pictureOf, placeOf } from '../numeric/weights/picture.ts';
import type { CompileProblem } from '../numeric/weights/problem.ts';
import type { TransformerWeights } from '../numeric/weights/transformer.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { Analysis, ReadSource } from '../rasp/analyse.ts';
import { lineAt } from '../rasp/diagnostic.ts';
import { entryAt } from '../rasp/entryAt.ts';
import { analyse } from '../rasp/frontend.ts';
import type { Program, Value } from '../rasp/program.ts';
import { describe } from '../rasp/scalar.ts';
import { distinctValues } from '../rasp/valueSets.ts';
import { exampleText } from '../rasp/valueText.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { TransformerProblem, TransformerSettings } from '../shared/transformerMessages.ts';
import type { SourcePlace, TransformerPicture } from '../shared/transformerPicture.ts';

/** Inputs are short when no example says otherwise. */
const SHORTEST_MAXIMUM = 10;
/** Attention matrices of longer inputs cannot be looked at. */
export const LONGEST_PICTURED = 64;

export interface TransformerCall {
  readonly file: WorkerFile;
  /** Where in the file the program is. */
  readonly offset: number;
  /** Null: what the examples and the running example suggest. */
  readonly settings: TransformerSettings | null;
}

export type TransformerAnswer<T> = { readonly name: string; readonly settings: TransformerSettings | null } & (
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly problem: TransformerProblem }
);
export type PictureAnswer = TransformerAnswer<{ readonly picture: TransformerPicture }>;
export type ModelAnswer = TransformerAnswer<{ readonly model: Uint8Array }>;

interface Chosen {
  readonly program: Program;
  readonly settings: TransformerSettings;
  readonly options: CompileOptions;
  readonly input: readonly Value[];
}

type ExamplesOf = (file: WorkerFile) => readonly Example[];

interface Opened {
  readonly key: string;
  readonly program: Program;
  readonly weights: TransformerWeights;
  readonly transformer: InspectedTransformer;
}

/** Files' programs as transformers. The last one stays open, for one is run on many inputs. */
export class Transformers {
  private opened: Opened | null = null;

  constructor(
    private readonly examplesOf: ExamplesOf,
    private readonly readSource: ReadSource,
    private readonly host: () => ModelHost,
  ) {}

  /** @throws RuntimeError, HostDiedError */
  async picture(call: TransformerCall): Promise<PictureAnswer> {
    const chosen = choose(call, this.examplesOf, this.readSource);
    if ('ok' in chosen) return chosen;
    const { program: { name }, settings, options, input } = chosen;
    const refused = (problem: TransformerProblem): PictureAnswer => ({ name, settings, ok: false, problem });
    if (options.maxLength > LONGEST_PICTURED) return refused(fieldProblem('maxLength', `This page shows inputs of up to ${LONGEST_PICTURED} tokens. For longer ones export the model, or compile it with “gradlens compile”.`));
    const opened = await this.open(chosen, call.file);
    if ('message' in opened) return refused(opened);
    const { program, weights, transformer } = opened;
    const problem = inputProblem(describeWeights(weights), input);
    if (problem !== null) return refused(fieldProblem('input', problem));
    return { name, settings, ok: true, picture: pictureOf(program, call.file, weights, input, await transformer.run(input)) };
  }

  private async open({ program, options }: Chosen, file: WorkerFile): Promise<Opened | TransformerProblem> {
    const key = JSON.stringify([file.path, file.text, program.name, options]);
    if (this.opened?.key === key) return this.opened;
    const compiled = compileWeights(program, options);
    if (!compiled.ok) return compileProblem(compiled.problem, program, file);
    const transformer = await InspectedTransformer.open(compiled.weights, this.host());
    const before = this.opened;
    this.opened = { key, program, weights: compiled.weights, transformer };
    await before?.transformer.dispose();
    return this.opened;
  }
}

/** The program as a model file that says what its tokens and classes are. */
export function modelOf(call: TransformerCall, examplesOf: ExamplesOf, readSource: ReadSource): ModelAnswer {
  const chosen = choose(call, examplesOf, readSource);
  if ('ok' in chosen) return chosen;
  const { program, settings, options } = chosen;
  const { file } = call;
  const { name } = program;
  const source: ModelSource = { file: path.basename(file.path), text: file.text, entry: name, dialect: program.dialect, form: 'weights', causal: settings.causal };
  const result = exportWeights(program, options, source);
  if (!result.ok) return { name, settings, ok: false, problem: compileProblem(result.problem, program, file) };
  return { name, settings, ok: true, model: encodeGraph(result.graph) };
}

function choose({ file, offset, settings: given }: TransformerCall, examplesOf: ExamplesOf, readSource: ReadSource): Chosen | (TransformerAnswer<never> & { readonly ok: false }) {
  const examples = examplesOf(file);
  const [first] = examples;
  const analysis = analyse(file, { dialect: file.dialect, readSource, ...(first ? { runningExample: first.input } : {}) });
  const entry = entryAt(analysis, offset);
  const fault = faultOf(analysis, file) ?? (entry ? null : fieldProblem(null, 'There is no s-op in this file that could be compiled. Define one, for example “counts = selector_width(select(tokens, tokens, ==));”.'));
  if (fault || !entry) return { name: entry?.name ?? path.basename(file.path), settings: given, ok: false, problem: fault ?? fieldProblem(null, '') };
  const program: Program = { dialect: analysis.dialect, name: entry.name, output: entry.output };
  const settings = given ?? suggested(analysis.runningExample ?? first?.input ?? [...'hello'], examples, readCommentRows(file).vocabulary?.values ?? []);
  const read = readSettings(settings);
  return 'message' in read ? { name: program.name, settings, ok: false, problem: read } : { program, settings, ...read };
}

const fieldProblem = (field: TransformerProblem['field'], message: string): TransformerProblem => ({ message, field, place: null });

/** An error of the text; that an op fails on the running example is none. */
function faultOf({ diagnostics }: Analysis, { path: file, text }: WorkerFile): TransformerProblem | null {
  const found = diagnostics.find(({ severity, code }) => severity === 'error' && code !== 'evaluation');
  if (!found) return null;
  const { message, span } = found;
  return { message, field: null, place: span.file === file ? { start: span.start, end: span.end, line: lineAt(text, span.start) } : null };
}

function compileProblem({ message, node }: CompileProblem, program: Program, file: WorkerFile): TransformerProblem {
  const place: SourcePlace | null = node ? (placeOf(node, file) ?? placeOf(program.output, file)) : null;
  return { message, field: node ? null : 'vocabulary', place };
}

/** The tokens that are declared, those of the examples and of the running example; the longest input, but at least ten. */
function suggested(running: readonly Value[], examples: readonly Example[], declared: readonly Value[]): TransformerSettings {
  const inputs = [running, ...examples.map(({ input }) => input)];
  const tokens = [...distinctValues([...declared, ...inputs.flat()])].sort(byKindAndValue);
  return { input: exampleText(running), vocabulary: exampleText(tokens), maxLength: Math.max(SHORTEST_MAXIMUM, ...inputs.map(({ length }) => length)), causal: false };
}

function byKindAndValue(a: Value, b: Value): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [x, y] = [`${typeof a} ${describe(a)}`, `${typeof b} ${describe(b)}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

function readSettings({ input: inputText, vocabulary: vocabularyText, maxLength, causal }: TransformerSettings): Pick<Chosen, 'options' | 'input'> | TransformerProblem {
  const input = readSequence(inputText, 'input');
  if (typeof input === 'string') return fieldProblem('input', input);
  const vocabulary = readSequence(vocabularyText, 'vocabulary');
  if (typeof vocabulary === 'string') return fieldProblem('vocabulary', vocabulary);
  if (!Number.isInteger(maxLength) || maxLength < 1) return fieldProblem('maxLength', 'The longest input must be a whole number above 0.');
  return { input, options: { vocabulary, maxLength, causal } };
}
