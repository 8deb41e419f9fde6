// The self-check of the execution providers: one small forward and backward pass of the ops that table programs use.
import { differentiate } from '../onnx/differentiate.ts';
import { encodeGraph } from '../onnx/encode.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { SelfCheck } from '../runtime/providers.ts';
import { Random } from '../shared/random.ts';
import { shapesOf } from './run.ts';

const BATCH = 16;
const LENGTH = 10;
const VALUES = 12;

/** Selects, averages and maps random one-hot rows, with the gradient by both tables. */
export async function selfCheck(host: ModelHost): Promise<SelfCheck> {
  const b = new GraphBuilder();
  b.input('x', 'float32', ['batch', LENGTH, VALUES]);
  b.input('select', 'float32', [VALUES, VALUES]);
  b.input('map', 'float32', [VALUES, VALUES]);
  const axis = b.initializer('axis', { type: 'int64', dims: [1], data: BigInt64Array.of(-1n) });
  const one = b.initializer('one', { type: 'float32', dims: [], data: Float32Array.of(1) });
  const keys = b.node('Transpose', [b.node('MatMul', ['x', b.node('Sigmoid', ['select'])])], { perm: [0, 2, 1] });
  const selected = b.node('MatMul', ['x', keys]);
  const total = b.node('Max', [b.node('ReduceSum', [selected, axis], { keepdims: 1 }), one]);
  const mixed = b.node('MatMul', [b.node('Div', [selected, total]), 'x']);
  const mapped = b.node('MatMul', [mixed, b.node('Softmax', ['map'], { axis: -1 })]);
  const logs = b.node('Log', [b.node('Add', [mapped, one])]);
  b.node('ReduceMean', [b.node('Mul', [logs, mapped])], { keepdims: 0 }, 'loss');
  b.output('loss', 'float32', []);
  const graph = b.build();
  const withGradient = differentiate(graph, { loss: 'loss', withRespectTo: ['select', 'map'], shapes: await shapesOf(graph, host) });
  const random = new Random(7);
  const normal = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
  const x = new Float32Array(BATCH * LENGTH * VALUES);
  for (let row = 0; row < BATCH * LENGTH; row++) x[row * VALUES + random.integer(0, VALUES - 1)] = 1;
  return {
    model: encodeGraph(withGradient),
    feeds: {
      x: { type: 'float32', dims: [BATCH, LENGTH, VALUES], data: x },
      select: { type: 'float32', dims: [VALUES, VALUES], data: normal(VALUES * VALUES) },
      map: { type: 'float32', dims: [VALUES, VALUES], data: normal(VALUES * VALUES) },
    },
  };
}
