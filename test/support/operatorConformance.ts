// Holds operators, their expansions and their gradients against the operator cases of the ONNX standard.
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate, NoGradientError } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { fusedExpansion, withoutFused } from '../../src/onnx/expand.ts';
import { floatTensor, floatsOf, isFloatType } from '../../src/onnx/float16.ts';
import { toFloat64 } from '../../src/onnx/float64.ts';
import type { Graph, ShapeOf, Tensor } from '../../src/onnx/graph.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import { blocksGradient, gradientInputs } from '../../src/onnx/rules.ts';
import { RuleRefusal } from '../../src/onnx/rules/context.ts';
import type { Execute } from '../../src/onnx/shapes.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import { upgradeOpset } from '../../src/onnx/upgrade.ts';
import { RuntimeError } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import type { OperatorCase } from './operatorCases.ts';
import { baseName, readOperatorCases } from './operatorCases.ts';
import { execute as executeAsWritten, sharedHost } from './host.ts';

/** The largest error relative to the largest element (of outputs) or to the slope (of gradients), or why it does not apply. */
export type Outcome = { readonly error: number } | { readonly leftOut: string };

export interface CaseOutcome {
  /** ONNX Runtime runs the model and gives the standard's outputs. */
  readonly operator: Outcome;
  /** The operator's expansion gives the standard's outputs; absent where it has none. */
  readonly expansion?: Outcome;
  /** The gradient agrees with central differences in float64. */
  readonly gradient: Outcome;
}

export class Disagreement extends Error {
  override readonly name = 'Disagreement';
}

const leftOut = (reason: string): Outcome => ({ leftOut: reason });

export async function checkCase(test: OperatorCase): Promise<CaseOutcome> {
  const operator = await checkOperator(test);
  const isExpanded = !test.isTwin && test.graph.nodes.some(fusedExpansion);
  const expansion = isExpanded ? { expansion: await checkExpansion(test) } : {};
  const runs = 'error' in operator || (expansion.expansion && 'error' in expansion.expansion);
  return { operator, ...expansion, gradient: runs ? await checkGradient(test) : leftOut('ONNX Runtime does not run the model') };
}

/** Without optimisation ONNX Runtime refuses graphs that cast float16 to float16; with it they run. */
const execute: Execute = async (model, feeds) => {
  try {
    return await executeAsWritten(model, feeds);
  } catch (error) {
    if (!(error instanceof RuntimeError && error.message.includes('InsertedPrecisionFreeCast'))) throw error;
    const session = await sharedHost().createSession(model, { provider: 'cpu', optimization: 'all' });
    return session.run(feeds).finally(() => session.release());
  }
};

async function checkOperator(test: OperatorCase): Promise<Outcome> {
  try {
    return { error: compare(test, await execute(encodeGraph(test.graph), test.feeds), 'the operator') };
  } catch (error) {
    if (error instanceof RuntimeError) return leftOut(runtimeReason(error.message));
    throw error;
  }
}

function runtimeReason(message: string): string {
  if (/Could not find an implementation/.test(message)) return 'ONNX Runtime has no kernel for it on the CPU';
  return `ONNX Runtime refuses the model: ${/^[^:]*/.exec(message)?.[0]}`;
}

/** The shapes of a case's own values, which its data say. */
const givenShapes = ({ feeds, expected, graph }: OperatorCase): ShapeOf => (value) => {
  const known = feeds[value] ?? expected[value] ?? graph.initializers.get(value);
  if (!known) throw new RangeError(`the case does not say the shape of ${value}`);
  return known.dims;
};

async function checkExpansion(test: OperatorCase): Promise<Outcome> {
  const graph = upgradeOpset(test.graph);
  try {
    return { error: compare(test, await execute(encodeGraph(withoutFused(graph, givenShapes(test))), test.feeds), 'its expansion') };
  } catch (error) {
    if (error instanceof RuleRefusal) return leftOut(error.message.replace(/\(.*?\) /, ''));
    throw error;
  }
}

const LOSS = 'the sum of outputs';

const LARGEST_FLOAT = 3.4028234663852886e38;
const RELATIVE = 1e-3;
/** Of the largest element. */
const ABSOLUTE = { float16: 2e-3, float32: 1e-6, float64: 1e-7 } as const;

/** The largest error relative to the largest element. @throws Disagreement */
function compare({ name, expected }: OperatorCase, found: Readonly<Record<string, Tensor>>, what: string): number {
  const errors = Object.entries(expected).map(([output, truth]) => {
    const fault = (reason: string): Disagreement => new Disagreement(`${name}: ${what} gives ${output} ${reason}`);
    const ours = found[output];
    if (ours?.type !== truth.type || ours.dims.join() !== truth.dims.join()) throw fault(`as ${ours?.type} [${ours?.dims.join()}] and not ${truth.type} [${truth.dims.join()}]`);
    return compareNumbers(numbersOf(truth), numbersOf(ours), truth.type, fault);
  });
  return Math.max(0, ...errors);
}

const numbersOf = (tensor: Tensor): number[] => [...(isFloatType(tensor.type) ? floatsOf(tensor) : (tensor.data as Iterable<number | bigint>))].map(Number);

function compareNumbers(truth: readonly number[], ours: readonly number[], type: string, fault: (reason: string) => Disagreement): number {
  const scale = Math.max(1, ...truth.filter(Number.isFinite).map(Math.abs));
  const allowed = isFloatType(type) ? ABSOLUTE[type] * scale : 0;
  const errors = truth.map((value, i) => {
    const other = ours[i] ?? Number.NaN;
    if (Object.is(value, other) || value === other) return 0;
    // ONNX Runtime masks scores with the lowest finite number where the standard has −∞.
    if (Math.abs(value) === Infinity && other === Math.sign(value) * LARGEST_FLOAT) return 0;
    if (!Number.isFinite(value)) throw fault(`at ${i} as ${other} and not ${value}`);
    const error = Math.abs(value - other);
    if (!(error <= allowed + (allowed > 0 ? RELATIVE : 0) * Math.abs(value))) throw fault(`at ${i} as ${other} and not ${value}`);
    return error / scale;
  });
  return errors.reduce((a, b) => Math.max(a, b), 0);
}

/** loss = Σ weights · outputs over the finite elements of float outputs; null where there is none. */
function lossOf({ graph, expected }: OperatorCase): Graph | null {
  const outputs = Object.entries(expected).filter(([, tensor]) => isFloatType(tensor.type) && floatsOf(tensor).some(Number.isFinite));
  if (outputs.length === 0) return null;
  const b = new GraphBuilder({ ...upgradeOpset(graph), outputs: [] }, 'loss/');
  const zero = b.initializer(b.fresh('zero'), floatTensor('float32', [], [0]));
  const parts = outputs.map(([name, tensor]) => {
    const { dims, type } = tensor;
    const numbers = [...floatsOf(tensor)];
    const cast = type === 'float32' ? name : b.node('Cast', [name], { to: 1 });
    const kept = numbers.every(Number.isFinite) ? null : b.initializer(b.fresh('finite'), { type: 'bool', dims, data: Uint8Array.from(numbers, (value) => Number(Number.isFinite(value))) });
    const wide = kept ? b.node('Where', [kept, cast, zero]) : cast;
    const weights = b.initializer(b.fresh('weights'), floatTensor('float32', dims, Array.from({ length: elementCount(dims) }, (_, i) => Math.cos(2.4 * i))));
    return b.node('ReduceSum', [b.node('Mul', [wide, weights])], { keepdims: 0 });
  });
  b.node('Sum', parts, {}, LOSS);
  b.output(LOSS, 'float32', []);
  return b.build();
}

async function checkGradient(test: OperatorCase): Promise<Outcome> {
  const continuous = new Set(test.graph.nodes.flatMap(gradientInputs));
  const names = Object.entries(test.feeds).filter(([name, tensor]) => isFloatType(tensor.type) && tensor.data.length > 0 && continuous.has(name)).map(([name]) => name);
  if (names.length === 0) return leftOut('it has no float input');
  if (!test.isTwin && test.graph.nodes.every(blocksGradient)) return leftOut('no gradient passes it: it changes in steps');
  const graph = lossOf(test);
  if (!graph) return leftOut('it has no finite float output');
  try {
    const differentiated = await gradients(test, graph, names);
    return await agrees(test, toFloat64(differentiated), names);
  } catch (error) {
    if (error instanceof NoGradientError) return leftOut(`refused: ${error.message.replace(/; it lies on.*/, '')}`);
    throw error;
  }
}

async function gradients(test: OperatorCase, graph: Graph, names: readonly string[]): Promise<Graph> {
  const measure = async (whole: Graph): Promise<ShapeOf> => measureShapes(whole, [test.feeds, test.feeds], execute);
  const isExpanded = graph.nodes.some(fusedExpansion);
  const plain = isExpanded ? withoutFused(graph, test.isTwin ? await measure(graph) : givenShapes(test)) : graph;
  const shapes = await measure(plain);
  return differentiate(plain, { loss: LOSS, withRespectTo: names, shapes });
}

type Feeds = Readonly<Record<string, Tensor>>;

const widened = (tensor: Tensor): Tensor => (isFloatType(tensor.type) ? floatTensor('float64', tensor.dims, floatsOf(tensor)) : tensor);

const STEP = 1e-5;
const DIRECTIONS = 3;
const TOLERANCE = 1e-7;

/** Along random directions of all float inputs at once. */
async function agrees({ name, feeds }: OperatorCase, graph: Graph, names: readonly string[]): Promise<Outcome> {
  const session = await sharedHost().createSession(encodeGraph(graph), { provider: 'cpu', optimization: 'disabled' });
  try {
    const at: Feeds = Object.fromEntries(Object.entries(feeds).map(([input, tensor]) => [input, widened(tensor)]));
    const loss = async (inputs: Feeds): Promise<number> => Number((await session.run(inputs, { outputs: [LOSS] }))[LOSS]?.data[0]);
    const found = await session.run(at, { outputs: [...names.map((input) => `grad/${input}`), LOSS] });
    const centre = Number(found[LOSS]?.data[0]);
    // Differences of large numbers are coarse.
    const largest = Math.max(...names.flatMap((input) => [...(at[input]?.data as Float64Array)]).filter(Number.isFinite).map(Math.abs));
    const random = new Random(17);
    let worst = 0;
    for (let i = 0; i < DIRECTIONS; i++) {
      const direction = new Map(names.map((input) => [input, Float64Array.from({ length: at[input]?.data.length ?? 0 }, () => 2 * random.next() - 1)]));
      const moved = (step: number): Feeds => ({ ...at, ...Object.fromEntries([...direction].map(([input, along]) => [input, shifted(at[input], along, step)])) });
      const [after, before] = [await loss(moved(STEP)), await loss(moved(-STEP))];
      if (Number.isFinite(centre) && !Number.isFinite(after + before)) return leftOut('the case lies at the edge of what the operator is defined for');
      const slope = (after - before) / (2 * STEP);
      const scale = Math.max(1, Math.abs(slope), Math.abs(centre), largest);
      if (Math.abs(after - 2 * centre + before) / STEP > 1e-2 * scale) return leftOut('the operator has a kink or a jump where the case is');
      const ours = [...direction].reduce((sum, [input, along]) => sum + dot(found[`grad/${input}`]?.data as Float64Array, along), 0);
      worst = Math.max(worst, Math.abs(ours - slope) / scale);
      if (!(Math.abs(ours - slope) <= TOLERANCE * scale)) throw new Disagreement(`${name}: along a direction its gradient gives ${ours} and not ${slope}`);
    }
    return { error: worst };
  } finally {
    await session.release();
  }
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

function shifted(tensor: Tensor | undefined, along: Float64Array, step: number): Tensor {
  if (!tensor) throw new RangeError('no such feed');
  return { ...tensor, data: (tensor.data as Float64Array).map((value, i) => value + step * (along[i] ?? 0)) };
}

/** How many cases of an operator passed. */
export interface OperatorRecord {
  readonly cases: number;
  /** The same cases written out by the standard itself. */
  readonly twins: number;
  readonly operator: number;
  readonly expansion: number;
  readonly gradient: number;
  /** Of the twins: they run, and their gradient agrees. */
  readonly twinOperator: number;
  readonly twinGradient: number;
  /** Why a part of a case does not apply, and how many. */
  readonly leftOut: Readonly<Record<string, number>>;
}

export interface ConformanceRecord {
  readonly cases: number;
  /** Cases that cannot be read, by the reason. */
  readonly unread: Readonly<Record<string, number>>;
  readonly operators: Readonly<Record<string, OperatorRecord>>;
}

export interface ConformanceRun {
  readonly record: ConformanceRecord;
  readonly disagreements: readonly string[];
  /** The largest errors, and in which case. */
  readonly worst: Readonly<Record<'operator' | 'expansion' | 'gradient', readonly [error: number, name: string]>>;
}

type Counts = { -readonly [K in keyof OperatorRecord]: OperatorRecord[K] extends number ? number : Record<string, number> };

const noCounts = (): Counts => ({ cases: 0, twins: 0, operator: 0, expansion: 0, gradient: 0, twinOperator: 0, twinGradient: 0, leftOut: {} });

/** Runs all cases. */
export async function checkAllCases(): Promise<ConformanceRun> {
  const tally = new Tally();
  for (const read of readOperatorCases()) {
    if (!read.ok) tally.unread(read.reason);
    else await tally.add(read.case);
  }
  return tally.run();
}

const sorted = <T>(table: Readonly<Record<string, T>>): Readonly<Record<string, T>> => Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));

class Tally {
  private cases = 0;
  private readonly reasons: Record<string, number> = {};
  private readonly operators: Record<string, Counts> = {};
  private readonly named = new Map<string, string>();
  private readonly disagreements: string[] = [];
  private readonly worst: { operator: [number, string]; expansion: [number, string]; gradient: [number, string] } = { operator: [0, ''], expansion: [0, ''], gradient: [0, ''] };

  unread(reason: string): void {
    this.cases += 1;
    this.reasons[reason] = (this.reasons[reason] ?? 0) + 1;
  }

  async add(test: OperatorCase): Promise<void> {
    this.cases += 1;
    // A twin follows the case that it belongs to.
    if (!test.isTwin) this.named.set(test.name, test.graph.nodes[0]?.op ?? '');
    const counts = (this.operators[this.named.get(baseName(test.name)) ?? 'of a case that cannot be read'] ??= noCounts());
    counts[test.isTwin ? 'twins' : 'cases'] += 1;
    try {
      const outcome = await checkCase(test);
      for (const kind of ['operator', 'expansion', 'gradient'] as const) if (outcome[kind]) this.count(counts, test, kind, outcome[kind]);
    } catch (error) {
      this.disagreements.push(`${test.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private count(counts: Counts, { name, isTwin }: OperatorCase, kind: 'operator' | 'expansion' | 'gradient', outcome: Outcome): void {
    if ('leftOut' in outcome) {
      const reason = `${isTwin ? 'written out, ' : ''}${kind}: ${outcome.leftOut}`;
      counts.leftOut[reason] = (counts.leftOut[reason] ?? 0) + 1;
      return;
    }
    const key = isTwin ? ({ operator: 'twinOperator', gradient: 'twinGradient', expansion: 'expansion' } as const)[kind] : kind;
    counts[key] += 1;
    if (outcome.error > this.worst[kind][0]) this.worst[kind] = [outcome.error, name];
  }

  run(): ConformanceRun {
    const operators = Object.entries(this.operators).map(([op, counts]) => [op, { ...counts, leftOut: sorted(counts.leftOut) }] as const);
    return { record: { cases: this.cases, unread: sorted(this.reasons), operators: sorted(Object.fromEntries(operators)) }, disagreements: this.disagreements, worst: this.worst };
  }
}
