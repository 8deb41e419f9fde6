// Compares a fused operator with its expansion, both run by ONNX Runtime, and the expansion's gradient with differences.
import assert from 'node:assert/strict';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { Emitter, Expansion } from '../../src/onnx/expand/expander.ts';
import { Expander } from '../../src/onnx/expand/expander.ts';
import { floatTensor } from '../../src/onnx/float16.ts';
import type { Attribute, Graph, GraphNode, StoredTensor, Tensor } from '../../src/onnx/graph.ts';
import { elementCount } from '../../src/onnx/graph.ts';
import { RuleRefusal } from '../../src/onnx/rules/context.ts';
import type { Random } from '../../src/shared/random.ts';
import { checkGradient } from './gradientCheck.ts';
import { execute } from './host.ts';

type Constant = Tensor | StoredTensor;

/** A float input by its shape, a constant, or null for one left out. */
export type FusedInput = { readonly dims: readonly number[] } | Constant | null;

export interface FusedCase {
  readonly op: string;
  /** Default com.microsoft. */
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly inputs: readonly FusedInput[];
  /** Which outputs the node has and are compared; default the first. */
  readonly outputs?: readonly boolean[];
  /** The elements that are defined, of each output; default all. */
  readonly defined?: (output: number, element: number) => boolean;
  readonly tolerance?: number;
  /** What to compare with where ONNX Runtime's CPU provider lacks the node itself: a value for each output, from the float inputs. */
  readonly reference?: ((b: GraphBuilder, names: readonly string[]) => readonly string[]) | undefined;
  readonly opset?: number;
}

const isConstant = (input: FusedInput): input is Constant => input !== null && 'data' in input;

export const ints = (dims: readonly number[], values: readonly number[], type: 'int32' | 'int64' = 'int32'): Tensor =>
  type === 'int32' ? { type, dims, data: Int32Array.from(values) } : { type, dims, data: BigInt64Array.from(values, BigInt) };
export const bytes = (dims: readonly number[], random: Random): Tensor =>
  ({ type: 'uint8', dims, data: Uint8Array.from({ length: elementCount(dims) }, () => Math.floor(256 * random.next())) });
export const floats = (...dims: readonly number[]): { readonly dims: readonly number[] } => ({ dims });
export const constant = (dims: readonly number[], values: ArrayLike<number>): Tensor => ({ type: 'float32', dims, data: Float32Array.from(values) });

function emitterOf(b: GraphBuilder): Emitter {
  return {
    opWith: (op, inputs, attributes) => b.node(op, inputs, attributes),
    scalar: (value, type) => b.initializer(b.fresh('scalar'), floatTensor(type, [], [value])),
    int64: (...values) => b.initializer(b.fresh('int64'), { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) }),
  };
}

/** The node, its constants added to the graph; `names` are those of the float inputs, in order. */
function nodeOf(b: GraphBuilder, test: FusedCase, names: readonly string[]): GraphNode {
  let next = 0;
  const inputs = test.inputs.map((input, i) => {
    if (input === null) return '';
    return isConstant(input) ? b.initializer(`constant${i}`, input) : (names[next++] ?? '');
  });
  const outputs = (test.outputs ?? [true]).map((wanted, i) => (wanted ? `y${i}` : ''));
  return { op: test.op, domain: test.domain ?? 'com.microsoft', inputs, outputs, attributes: test.attributes ?? {} };
}

const floatShapes = ({ inputs }: FusedCase): (readonly number[])[] => inputs.flatMap((input) => (input && !isConstant(input) ? [input.dims] : []));

function expand(b: GraphBuilder, test: FusedCase, names: readonly string[], expansion: Expansion): string[] {
  const node = nodeOf(b, test, names);
  const known = new Map(node.inputs.map((name, i) => [name, test.inputs[i] ?? null] as const));
  const context = new Expander(
    emitterOf(b),
    (value) => known.get(value)?.dims ?? assert.fail(`the shape of ${value} is not that of an input`),
    (value) => { const input = known.get(value) ?? null; return isConstant(input) ? input.type : 'float32'; },
  );
  const values = expansion(context, node);
  return node.outputs.flatMap((output, i) => (output === '' ? [] : [values[i] ?? assert.fail(`output ${i} has no expansion`)]));
}

const emptyBuilder = ({ opset = 21 }: FusedCase): GraphBuilder =>
  new GraphBuilder({ opset, metadata: {}, nodes: [], inputs: [], outputs: [], initializers: new Map() });

function graphOf(test: FusedCase, outputs: (b: GraphBuilder, names: readonly string[]) => readonly string[]): Graph {
  const b = emptyBuilder(test);
  const names = floatShapes(test).map((dims, i) => b.input(`x${i}`, 'float32', dims));
  outputs(b, names).forEach((value, i) => {
    b.node('Identity', [value], {}, `out${i}`);
    b.output(`out${i}`, 'float32', []);
  });
  const graph = b.build();
  return { ...graph, outputs: graph.outputs.map((output) => ({ ...output, unknownRank: true })) };
}

export const fusedGraph = (test: FusedCase): Graph =>
  graphOf(test, (b, names) => {
    if (test.reference) return test.reference(b, names);
    const { op, domain, inputs, outputs, attributes } = nodeOf(b, test, names);
    b.nodeWithOutputs(op, inputs, outputs, attributes, domain);
    return outputs.filter((output) => output !== '');
  });

export const expandedGraph = (test: FusedCase, expansion: Expansion): Graph => graphOf(test, (b, names) => expand(b, test, names, expansion));

export function drawFeeds(test: FusedCase, random: Random): Record<string, Tensor> {
  const draw = (dims: readonly number[]): Tensor => ({
    type: 'float32', dims, data: Float32Array.from({ length: elementCount(dims) }, () => 3 * random.next() - 1.5),
  });
  return Object.fromEntries(floatShapes(test).map((dims, i) => [`x${i}`, draw(dims)]));
}

/** Asserts that the operator and its expansion agree to 1e-5 of the largest element, in float32. */
export async function checkExpansion(test: FusedCase, expansion: Expansion, random: Random): Promise<void> {
  const feeds = drawFeeds(test, random);
  const expected = await execute(encodeGraph(fusedGraph(test)), feeds);
  const found = await execute(encodeGraph(expandedGraph(test, expansion)), feeds);
  (test.outputs ?? [true]).flatMap((wanted, i) => (wanted ? [i] : [])).forEach((output, i) => {
    const [y, z] = [expected[`out${i}`], found[`out${i}`]];
    assert.deepEqual(z?.dims, y?.dims, `the shape of output ${output}`);
    assertNear(y?.data as Float32Array, z?.data as Float32Array, { output, tolerance: test.tolerance ?? 1e-5, defined: test.defined });
  });
}

interface Nearness {
  readonly output: number;
  readonly tolerance: number;
  readonly defined: FusedCase['defined'];
}

function assertNear(expected: Float32Array, found: Float32Array, { output, tolerance, defined }: Nearness): void {
  const kept = [...expected.keys()].filter((i) => defined?.(output, i) ?? true);
  assert.ok(kept.length > 0, `output ${output} has elements to compare`);
  const scale = Math.max(...kept.map((i) => Math.abs(expected[i] ?? 0)));
  const worst = Math.max(...kept.map((i) => Math.abs((expected[i] ?? 0) - (found[i] ?? Number.NaN))));
  assert.ok(worst <= tolerance * scale, `output ${output}: off by ${worst} of ${scale}; expected ${shown(expected)}; found ${shown(found)}`);
}

const shown = (values: Float32Array): string => [...values.subarray(0, 24)].map((value) => value.toPrecision(4)).join(' ');

/** Asserts that the gradient of all outputs of the expansion is right to 1e-7, by each float input or those at `by`. */
export async function checkExpandedGradient(test: FusedCase, expansion: Expansion, random: Random, by?: readonly number[]): Promise<void> {
  await checkGradient({
    inputs: floatShapes(test),
    opset: test.opset ?? 21,
    ...(by ? { by } : {}),
    build: (b, names) => {
      const all = b.initializer('all', ints([1], [-1], 'int64'));
      const flat = expand(b, test, names, expansion).map((value) => b.node('Reshape', [value, all]));
      return b.node('Concat', flat, { axis: 0 });
    },
  }, random);
}

/** Why the operator has no expansion. */
export function expansionRefusal(test: FusedCase, expansion: Expansion): string {
  try {
    expandedGraph(test, expansion);
  } catch (error) {
    if (error instanceof RuleRefusal) return error.message;
    throw error;
  }
  return 'it does not refuse';
}

/** What ONNX Runtime says when it refuses the operator. */
export async function refusal(test: FusedCase, random: Random): Promise<string> {
  try {
    await execute(encodeGraph(fusedGraph(test)), drawFeeds(test, random));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'it does not refuse';
}
