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
import { measureShapes } from '../../src/onnx/shapes.ts';
import { upgradeOpset } from '../../src/onnx/upgrade.ts';
import { RuntimeError } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import type { OperatorCase } from './operatorCases.ts';
import { execute, sharedHost } from './host.ts';

/** `passed`, or why it does not apply; a disagreement is an exception. */
export type Outcome = 'passed' | { readonly leftOut: string };

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
  const runs = operator === 'passed' || expansion.expansion === 'passed';
  return { operator, ...expansion, gradient: runs ? await checkGradient(test) : leftOut('ONNX Runtime does not run the model') };
}

async function checkOperator(test: OperatorCase): Promise<Outcome> {
  try {
    compare(test, await execute(encodeGraph(test.graph), test.feeds), 'the operator');
    return 'passed';
  } catch (error) {
    if (error instanceof RuntimeError) return leftOut(runtimeReason(error.message));
    throw error;
  }
}

function runtimeReason(message: string): string {
  if (/Could not find an implementation/.test(message)) return 'ONNX Runtime has no kernel for it on the CPU';
  return `ONNX Runtime refuses the model: ${message.split('\n')[0]}`;
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
    compare(test, await execute(encodeGraph(withoutFused(graph, givenShapes(test))), test.feeds), 'its expansion');
    return 'passed';
  } catch (error) {
    if (error instanceof RuleRefusal) return leftOut(error.message.replace(/\(.*?\) /, ''));
    throw error;
  }
}

const LOSS = 'the sum of outputs';

const RELATIVE = 1e-3;
/** Of the largest element. */
const ABSOLUTE = { float16: 2e-3, float32: 1e-6, float64: 1e-7 } as const;

function compare({ name, expected }: OperatorCase, found: Readonly<Record<string, Tensor>>, what: string): void {
  for (const [output, truth] of Object.entries(expected)) {
    const ours = found[output];
    const fault = (reason: string): Disagreement => new Disagreement(`${name}: ${what} gives ${output} ${reason}`);
    if (ours?.type !== truth.type || ours.dims.join() !== truth.dims.join()) throw fault(`as ${ours?.type} [${ours?.dims.join()}] and not ${truth.type} [${truth.dims.join()}]`);
    const numbers = (tensor: Tensor): number[] => [...(isFloatType(tensor.type) ? floatsOf(tensor) : (tensor.data as Iterable<number | bigint>))].map(Number);
    const [a, b] = [numbers(truth), numbers(ours)];
    const scale = Math.max(1, ...a.filter(Number.isFinite).map(Math.abs));
    const allowed = isFloatType(truth.type) ? ABSOLUTE[truth.type] * scale : 0;
    a.forEach((value, i) => {
      const other = b[i] ?? Number.NaN;
      if (Object.is(value, other) || value === other) return;
      if (!(Math.abs(value - other) <= allowed + (allowed > 0 ? RELATIVE : 0) * Math.abs(value))) throw fault(`at ${i} as ${other} and not ${value}`);
    });
  }
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
const TOLERANCE = 1e-6;

/** Along random directions of all float inputs at once. */
async function agrees({ name, feeds }: OperatorCase, graph: Graph, names: readonly string[]): Promise<Outcome> {
  const session = await sharedHost().createSession(encodeGraph(graph), { provider: 'cpu', optimization: 'disabled' });
  try {
    const at: Feeds = Object.fromEntries(Object.entries(feeds).map(([input, tensor]) => [input, widened(tensor)]));
    const loss = async (inputs: Feeds): Promise<number> => Number((await session.run(inputs, { outputs: [LOSS] }))[LOSS]?.data[0]);
    const found = await session.run(at, { outputs: [...names.map((input) => `grad/${input}`), LOSS] });
    const centre = Number(found[LOSS]?.data[0]);
    const random = new Random(17);
    for (let i = 0; i < DIRECTIONS; i++) {
      const direction = new Map(names.map((input) => [input, Float64Array.from({ length: at[input]?.data.length ?? 0 }, () => 2 * random.next() - 1)]));
      const moved = (step: number): Feeds => ({ ...at, ...Object.fromEntries([...direction].map(([input, along]) => [input, shifted(at[input], along, step)])) });
      const [after, before] = [await loss(moved(STEP)), await loss(moved(-STEP))];
      if (Number.isFinite(centre) && !Number.isFinite(after + before)) return leftOut('the case lies at the edge of what the operator is defined for');
      const slope = (after - before) / (2 * STEP);
      const scale = Math.max(1, Math.abs(slope), Math.abs(centre));
      if (Math.abs(after - 2 * centre + before) / STEP > 1e-2 * scale) return leftOut('the operator has a kink or a jump where the case is');
      const ours = [...direction].reduce((sum, [input, along]) => sum + dot(found[`grad/${input}`]?.data as Float64Array, along), 0);
      if (!(Math.abs(ours - slope) <= TOLERANCE * scale)) throw new Disagreement(`${name}: along a direction its gradient gives ${ours} and not ${slope}`);
    }
    return 'passed';
  } finally {
    await session.release();
  }
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

function shifted(tensor: Tensor | undefined, along: Float64Array, step: number): Tensor {
  if (!tensor) throw new RangeError('no such feed');
  return { ...tensor, data: (tensor.data as Float64Array).map((value, i) => value + step * (along[i] ?? 0)) };
}
