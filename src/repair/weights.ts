// Stage 4: where no patch explains the examples, all weights of the compiled program are trained; a model comes out, and what can be read from it.
import { sameValue } from './batch.ts';
import type { Course } from './starts.ts';
import { bestOfStarts } from './starts.ts';
import type { Example } from './types.ts';
import type { ModelDescription, ModelSource } from '../numeric/compiledModel.ts';
import { describedGraph } from '../numeric/compiledModel.ts';
import { CompiledModel } from '../numeric/compiledRun.ts';
import { describeWeights } from '../numeric/exportModel.ts';
import { compileWeights } from '../numeric/weights/compile.ts';
import { transformerGraph } from '../numeric/weights/graph.ts';
import { withClasses } from '../numeric/weights/relax.ts';
import { withRoom } from '../numeric/weights/room.ts';
import type { EpochReport, Evaluation, WeightTrainingOptions, WeightTrainingResult } from '../numeric/weights/train.ts';
import { defaultRecipe, hasConverged, isBetter, trainWeights } from '../numeric/weights/train.ts';
import { TrainingData } from '../numeric/weights/trainingData.ts';
import { TOLERANCE } from '../numeric/weights/trainingGraph.ts';
import type { TransformerWeights } from '../numeric/weights/transformer.ts';
import { shapeOf } from '../numeric/weights/transformer.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { Program, Value } from '../rasp/program.ts';
import { describe, isNumeric } from '../rasp/scalar.ts';
import { distinctValues } from '../rasp/valueSets.ts';
import type { ModelHost } from '../runtime/client.ts';
import { RuntimeError } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import type { Random } from '../shared/random.ts';

export interface WeightsTask {
  readonly program: Program;
  /** The program's file: its name and text go into the model. */
  readonly source: { readonly path: string; readonly text: string };
  /** Distinct. */
  readonly examples: readonly Example[];
  /** Never trained on; null where there are none. */
  readonly test: readonly Example[] | null;
  readonly host: ModelHost;
  readonly random: Random;
  readonly deadline: number;
  readonly token: CancellationToken;
  readonly onEpoch: (epoch: EpochReport) => void;
  /** Trained once by it; default: ours, from the best of several starts. */
  readonly recipe?: WeightTrainingOptions;
  /**
   * With the best state of each start that is read: true where the right program was read from it, so that no other
   * start is needed. It should end by `deadline`.
   */
  readonly onTrained?: (state: TrainedState, deadline: number) => Promise<boolean>;
}

export interface TrainedState {
  readonly weights: TransformerWeights;
  /** The best of the starts so far. */
  readonly isBest: boolean;
}

/** A transformer that was trained from the program's weights: an ordinary ONNX model. */
export interface RepairedModel {
  readonly onnx: Uint8Array;
  readonly description: ModelDescription;
  readonly parameters: number;
  readonly epochs: number;
  readonly steps: number;
  /** Rows that training saw, and rows that only chose among its states. */
  readonly rows: { readonly training: number; readonly validation: number };
  /** Shares of sequences that the model gets exactly right. */
  readonly exact: { readonly examples: number; readonly validation: number; readonly test: number | null };
}

export type WeightsOutcome = { readonly ok: true; readonly model: RepairedModel } | { readonly ok: false; readonly reason: string };

const MOST_EXAMPLES = 40_000;
/** One row in so many is held out of the training. */
const HELD_OUT = 8;
/** Steps that training takes at least, where there is time. */
const STEPS = 800;
/** The share of the time that one reading may take, that of a good state of what is left, and the most milliseconds. */
const READING = 0.1;
const READING_OF_LEFT = 0.3;
const GOOD = 0.5;
const LONGEST_READING = 5_000;
/** The share of the time for the start without room, and its largest attention logit: it may well learn its selectors anew. */
const PLAIN = 0.2;
const PLAIN_LOGIT = 1;
/** With fewer there is nothing to hold out, and what a model got right would say nothing. */
const FEWEST = 40;

/** Trains until the recipe ends or the deadline comes. @throws CancelledError, HostDiedError after three deaths at one piece of work */
export async function repairWeights(task: WeightsTask): Promise<WeightsOutcome> {
  try {
    return await train(task);
  } catch (error) {
    if (error instanceof RuntimeError) return { ok: false, reason: `The runtime refused the transformer: ${error.message}` };
    throw error;
  }
}

async function train(task: WeightsTask): Promise<WeightsOutcome> {
  const { program, random, host } = task;
  const examples = random.shuffle(task.examples).slice(0, MOST_EXAMPLES);
  const inputs = [...examples, ...(task.test ?? [])].map(({ input }) => input);
  const vocabulary = sorted(distinctValues(inputs.flat()));
  const maxLength = inputs.reduce((longest, { length }) => Math.max(longest, length), 1);
  const compiled = compileWeights(program, { vocabulary, maxLength, gradual: true });
  if (!compiled.ok) return { ok: false, reason: compiled.problem.message };
  if (examples.length < FEWEST) return { ok: false, reason: `${examples.length} examples are too few to train on some and hold others out; give ${FEWEST} at least, better hundreds.` };
  const [training, validation] = split(examples);
  const classed = withClasses(compiled.weights, distinctValues(examples.flatMap(({ output }) => output)));
  const reason = unlearnable(classed, examples);
  if (reason !== null) return { ok: false, reason };
  const data = { training: new TrainingData(training, classed), validation: new TrainingData(validation, classed) };
  const once = (own: Course): Promise<WeightTrainingResult> => trainWeights({ ...data, weights: own.weights, deadline: own.deadline, host, random, token: task.token, onEpoch: task.onEpoch }, own.recipe);
  const trained = await trainedAndRead(task, classed, task.recipe ?? recipeFor(training.length), once);
  return { ok: true, model: await exported(task, trained, examples, { training: training.length, validation: validation.length }) };
}

/**
 * Where the weights are to be read back, a short start without room to grow comes first: it trains faster and, as
 * everything must happen in the program's own blocks, reads better. A patch ends the training.
 */
async function trainedAndRead(task: WeightsTask, classed: TransformerWeights, recipe: WeightTrainingOptions, once: (course: Course) => Promise<WeightTrainingResult>): Promise<WeightTrainingResult> {
  const { deadline, onTrained, program, random } = task;
  const began = performance.now();
  const until = (share: number): number => began + share * (deadline - began);
  const read = async ({ weights, validation }: WeightTrainingResult, isBest: boolean): Promise<boolean> =>
    (await onTrained?.({ weights, isBest }, readingEnd(validation, began, deadline))) ?? false;
  const plain = onTrained && !task.recipe ? await once({ weights: classed, recipe: { ...recipe, room: null, largestLogit: PLAIN_LOGIT }, deadline: until(PLAIN) }) : null;
  if (plain && ((await read(plain, true)) || hasConverged(plain.validation))) return plain;
  const weights = recipe.room ? withRoom(classed, recipe.room, program.output, random) : classed;
  const course = { weights, recipe, deadline: onTrained ? until(1 - READING) : deadline };
  const roomy = task.recipe ? await once(course) : await bestOfStarts({ ...course, train: once });
  const isBest = !plain || isBetter(roomy.validation, plain.validation);
  await read(roomy, isBest);
  const best = isBest ? roomy : plain;
  return { ...best, epochs: roomy.epochs + (plain?.epochs ?? 0), steps: roomy.steps + (plain?.steps ?? 0) };
}

/** A good state is worth more of what is left. */
function readingEnd({ exact }: Evaluation, began: number, deadline: number): number {
  const now = performance.now();
  const millis = Math.max(READING * (deadline - began), exact >= GOOD ? READING_OF_LEFT * (deadline - now) : 0);
  return Math.min(deadline, now + Math.min(LONGEST_READING, millis));
}

/** Few rows are taken more often, so that there are steps enough. */
function recipeFor(rows: number): WeightTrainingOptions {
  const { batch } = defaultRecipe;
  const perEpoch = Math.max(1, Math.floor(rows / batch));
  const epochs = Math.max(defaultRecipe.epochs, Math.ceil(STEPS / perEpoch));
  return { ...defaultRecipe, batch, epochs, patience: Math.ceil(epochs / 2) };
}

function split(examples: readonly Example[]): readonly [readonly Example[], readonly Example[]] {
  const held = Math.ceil(examples.length / HELD_OUT);
  return [examples.slice(held), examples.slice(0, held)];
}

/** Numbers by size, then the rest as it comes. */
function sorted(values: readonly Value[]): Value[] {
  const numbers = values.filter((value) => typeof value === 'number').sort((a, b) => a - b);
  return [...numbers, ...values.filter((value) => typeof value !== 'number')];
}

function unlearnable({ readout }: TransformerWeights, examples: readonly Example[]): string | null {
  if (readout.kind === 'logits') return null;
  const wrong = examples.flatMap(({ output }) => output).find((value) => !isNumeric(value));
  return wrong === undefined ? null : `The program's output is numerical, and an example's holds ${describe(wrong)}.`;
}

async function exported(task: WeightsTask, trained: WeightTrainingResult, examples: readonly Example[], rows: RepairedModel['rows']): Promise<RepairedModel> {
  const { weights, validation, epochs, steps } = trained;
  const { program, source } = task;
  const origin: ModelSource = { file: source.path.replace(/^.*[\\/]/, ''), text: source.text, entry: program.name, dialect: program.dialect, form: 'weights', causal: false };
  const description = describeWeights(weights, origin);
  const graph = describedGraph(transformerGraph(weights), description);
  // The source alone would say that the model computes what is written there.
  const note = JSON.stringify({ rows, epochs, validationExact: validation.exact });
  const onnx = encodeGraph({ ...graph, metadata: { ...graph.metadata, 'gradlens.trained': note } });
  const model = await CompiledModel.open(onnx, description, task.host);
  try {
    const exact = { examples: await exactShareOf(model, examples), validation: validation.exact, test: task.test && (await exactShareOf(model, task.test)) };
    return { onnx, description, parameters: shapeOf(weights).parameters, epochs, steps, rows, exact };
  } finally {
    await model.dispose();
  }
}

/** Share of the examples whose every position the model gets right. */
async function exactShareOf(model: CompiledModel, examples: readonly Example[]): Promise<number> {
  const outputs = await model.run(examples.map(({ input }) => input));
  const same = model.description.classes ? sameValue : nearly;
  const right = examples.filter(({ output }, e) => output.every((value, i) => same(outputs[e]?.[i] ?? null, value)));
  return right.length / Math.max(1, examples.length);
}

const nearly = (a: Value, b: Value): boolean => isNumeric(a) && isNumeric(b) && Math.abs(Number(a) - Number(b)) <= TOLERANCE;
