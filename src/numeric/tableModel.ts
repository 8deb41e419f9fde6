// The op tables of a program as an ordinary ONNX model: token ids in, logits or values out, as a compiled transformer has.
import { exactTables } from './exactTables.ts';
import type { TableProgram } from './tableProgram.ts';
import { TableExplosion } from './tableProgram.ts';
import type { ModelDescription, ModelSource } from './compiledModel.ts';
import { BOS, describedGraph } from './compiledModel.ts';
import type { ExportResult } from './exportModel.ts';
import type { CompileOptions } from './weights/compile.ts';
import { checkVocabulary } from './weights/vocabulary.ts';
import type { CompileProblem } from './weights/problem.ts';
import { CompileFault, explosion } from './weights/problem.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import type { Graph, GraphNode } from '../onnx/graph.ts';
import type { Program } from '../rasp/program.ts';
import { isNumeric } from '../rasp/scalar.ts';

/** The program as op tables, with the inputs and outputs that its transformer would have. */
export function exportTables(program: Program, options: CompileOptions, source: ModelSource | null = null): ExportResult {
  try {
    checkVocabulary(options.vocabulary, options.maxLength);
    const tables = exactTables(program, options);
    if (!('graph' in tables)) throw explosion(tables.node, tables.sizes, tables.limit);
    const numerical = program.output.encoding === 'numerical' && tables.outputValues.every(isNumeric);
    const { maxLength, vocabulary } = tables;
    const description: ModelDescription = { vocab: [BOS, ...vocabulary], classes: numerical ? null : tables.outputValues, maxLength, source };
    return { ok: true, description, graph: describedGraph(wrapped(tables, numerical), description) };
  } catch (error) {
    return { ok: false, problem: problemOf(error) };
  }
}

function problemOf(error: unknown): CompileProblem {
  if (error instanceof CompileFault) return error.problem;
  if (error instanceof TableExplosion) return explosion(error.node, error.sizes, error.limit).problem;
  throw error;
}

/** Inputs of the table program that the model computes from its tokens. */
const given = ['tokens', 'mask', 'lengths'] as const;

function wrapped(tables: TableProgram, numerical: boolean): Graph {
  // A prefix of its own: the tables' nodes keep their names.
  const b = new GraphBuilder(undefined, 'model/');
  b.input('tokens', 'int64', ['batch', 'positions']);
  encoding(b, tables);
  const rename = (name: string): string => (given.some((input) => input === name) ? `tables/${name}` : name);
  for (const [name, tensor] of tables.graph.initializers) b.initializer(name, tensor);
  for (const { name, dims, initial } of tables.parameters) b.initializer(name, { type: 'float32', dims, data: initial });
  for (const node of needed(tables.graph.nodes, 'output')) b.nodeWithOutputs(node.op, node.inputs.map(rename), node.outputs, node.attributes, node.domain);
  readout(b, tables, numerical);
  return b.build();
}

const int64 = (b: GraphBuilder, name: string, values: readonly number[]): string =>
  b.has(`model/${name}`) ? `model/${name}` : b.initializer(`model/${name}`, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });

/** One-hot tokens, their mask and the one-hot length, padded to the longest input. */
function encoding(b: GraphBuilder, { maxLength: n, vocabulary }: TableProgram): void {
  const one = int64(b, 'one', [1]);
  const positions = b.node('Slice', [b.node('Shape', ['tokens']), one, int64(b, 'two', [2])]);
  const length = b.node('Sub', [positions, one], {}, 'model/length');
  const ids = b.node('Sub', [b.node('Slice', ['tokens', one, positions, one]), one]);
  const offOn = b.initializer('model/offOn', { type: 'float32', dims: [2], data: Float32Array.of(0, 1) });
  const rows = b.node('OneHot', [ids, int64(b, 'vocabulary', [vocabulary.length]), offOn], { axis: -1 });
  const missing = b.node('Sub', [int64(b, 'longest', [n]), length]);
  const zero = int64(b, 'zero', [0]);
  b.node('Pad', [rows, b.node('Concat', [int64(b, 'front', [0, 0, 0, 0]), missing, zero], { axis: 0 })], {}, 'tables/tokens');
  b.node('ReduceSum', ['tables/tokens', int64(b, 'last', [-1])], { keepdims: 0 }, 'tables/mask');
  const batch = b.node('Slice', [b.node('Shape', ['tokens']), zero, one]);
  const lengths = b.node('Expand', [length, b.node('Concat', [batch, one], { axis: 0 })]);
  b.node('OneHot', [lengths, int64(b, 'lengths', [n + 1]), offOn], { axis: -1 }, 'tables/lengths');
}

/** The positions that the input has, behind an empty one for BOS. */
function readout(b: GraphBuilder, { outputValues }: TableProgram, numerical: boolean): void {
  const rows = b.node('Slice', ['output', int64(b, 'zero', [0]), 'model/length', int64(b, 'one', [1])]);
  const pads = int64(b, 'bos', [0, 1, 0, 0, 0, 0]);
  if (!numerical) {
    b.node('Pad', [rows, pads], {}, 'logits');
    b.output('logits', 'float32', ['batch', 'positions', outputValues.length]);
    return;
  }
  const numbers = b.initializer('model/numbers', { type: 'float32', dims: [outputValues.length, 1], data: Float32Array.from(outputValues, Number) });
  const column = b.node('Pad', [b.node('MatMul', [rows, numbers]), pads]);
  b.node('Reshape', [column, int64(b, 'flat', [0, 0])], {}, 'values');
  b.output('values', 'float32', ['batch', 'positions']);
}

/** The nodes that a value needs, in their order. */
function needed(nodes: readonly GraphNode[], value: string): GraphNode[] {
  const wanted = new Set([value]);
  const kept: GraphNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    kept.unshift(node);
    for (const input of node.inputs) wanted.add(input);
  }
  return kept;
}
