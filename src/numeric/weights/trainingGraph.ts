// The graph that trains a transformer: its weights are one flat vector, its examples are padded to one length.
import { mapMatrices, namedMatrices, transformerGraph } from './graph.ts';
import type { TransformerWeights } from './transformer.ts';
import { GraphBuilder } from '../../onnx/builder.ts';
import type { Graph, GraphNode, Tensor } from '../../onnx/graph.ts';

/** The input that holds the weights that are trained, [parameters]. */
export const FLAT = 'theta';

/** How far a number may be off and still count as right. */
export const TOLERANCE = 0.01;

export interface TrainingGraphOptions {
  /** Factor of the logits in the loss alone: at 1, the loss of a right program whose logits are 0 and 1 is far from 0. */
  readonly sharpness: number;
  /** Of the categorical outputs; numbers always have squared errors. */
  readonly loss: 'cross-entropy' | 'squared';
  /** The names of the matrices that are trained; the others are constants. Default: all. */
  readonly trained?: readonly string[];
}

/** The names of the matrices, in the order in which the flat vector holds them. */
export const partsOf = (weights: TransformerWeights): readonly string[] => [...namedMatrices(weights).keys()];

/** The weights, or those of some matrices, as one vector. */
export function flatten(weights: TransformerWeights, trained = partsOf(weights)): Float32Array {
  const matrices = [...namedMatrices(weights)].filter(([name]) => trained.includes(name)).map(([, matrix]) => matrix);
  const flat = new Float32Array(matrices.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of matrices) {
    flat.set(data, at);
    at += data.length;
  }
  return flat;
}

/** The same transformer with the numbers of a vector that `flatten` laid out. */
export function unflatten(weights: TransformerWeights, flat: Float32Array, trained = partsOf(weights)): TransformerWeights {
  let at = 0;
  return mapMatrices(weights, (name, matrix) => (trained.includes(name) ? { ...matrix, data: flat.slice(at, (at += matrix.data.length)) } : matrix));
}

/**
 * Inputs: `theta` [parameters]; `tokens` int64 [batch, length + 1], BOS first, any token at padding; `present` float32
 * [batch, length + 1], 1 at BOS and tokens; `logitScale` []; `shares` float32 [batch, length + 1], each position's share
 * of the loss (0 at BOS and padding); `targets` [batch, length + 1], int64 classes or float32 numbers.
 * Outputs: `loss` [], the sum of share · (cross-entropy or squared error); `right` float32 [batch], 1 where every
 * position with a share has the right class or number.
 */
export function trainingGraph(weights: TransformerWeights, options: TrainingGraphOptions): Graph {
  const trained = options.trained ?? partsOf(weights);
  const graph = transformerGraph(weights, { weightsAsInputs: trained, logitScale: true, padding: true });
  const cut = cutFrom(weights, trained);
  const inputs = graph.inputs.filter(({ name }) => !cut.initializers.has(`cut/${name}/shape`));
  const initializers = new Map([...graph.initializers, ...cut.initializers]);
  const b = new GraphBuilder({ ...graph, inputs, initializers, nodes: [...cut.nodes, ...graph.nodes], outputs: [] }, 'loss/');
  b.input(FLAT, 'float32', [cut.size]);
  b.input('shares', 'float32', ['batch', 'positions']);
  new Loss(b, options).build(weights);
  return b.build();
}

/** One Slice and one Reshape for each matrix. */
function cutFrom(weights: TransformerWeights, trained: readonly string[]): { nodes: GraphNode[]; initializers: Map<string, Tensor>; size: number } {
  const nodes: GraphNode[] = [];
  const initializers = new Map<string, Tensor>();
  const constant = (name: string, ...values: readonly number[]): string => {
    initializers.set(name, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
    return name;
  };
  const node = (op: string, inputs: readonly string[], output: string): void => void nodes.push({ op, domain: '', inputs, outputs: [output], attributes: {} });
  let size = 0;
  for (const [name, { rows, columns, data }] of namedMatrices(weights)) {
    if (!trained.includes(name)) continue;
    const cut = `cut/${name}`;
    node('Slice', [FLAT, constant(`${cut}/from`, size), constant(`${cut}/to`, size + data.length)], cut);
    node('Reshape', [cut, constant(`${cut}/shape`, rows, columns)], name);
    size += data.length;
  }
  return { nodes, initializers, size };
}

class Loss {
  constructor(
    private readonly b: GraphBuilder,
    private readonly options: TrainingGraphOptions,
  ) {}

  build({ readout }: TransformerWeights): void {
    const { b } = this;
    b.input('targets', readout.kind === 'logits' ? 'int64' : 'float32', ['batch', 'positions']);
    const { error, hit } = readout.kind === 'values' ? this.numbers() : this.classes(readout.classes.length);
    b.node('ReduceSum', [b.node('Mul', [error, 'shares'])], { keepdims: 0 }, 'loss');
    b.output('loss', 'float32', []);
    const idle = b.node('Equal', ['shares', this.float('zero', 0)]);
    const fine = b.node('Cast', [b.node('Or', [hit, idle])], { to: 1 });
    b.node('ReduceMin', [fine, this.int64('last', -1)], { keepdims: 0 }, 'right');
    b.output('right', 'float32', ['batch']);
  }

  private numbers(): { error: string; hit: string } {
    const { b } = this;
    const gap = b.node('Sub', ['values', 'targets']);
    return { error: b.node('Mul', [gap, gap]), hit: b.node('LessOrEqual', [b.node('Abs', [gap]), this.float('tolerance', TOLERANCE)]) };
  }

  private classes(count: number): { error: string; hit: string } {
    const { b, options } = this;
    const hit = b.node('Equal', [b.node('ArgMax', ['logits'], { axis: -1, keepdims: 0 }), 'targets']);
    return { error: options.loss === 'squared' ? this.distance(count) : this.crossEntropy(), hit };
  }

  /** log Σ exp − the target's, of logits from which about the largest is taken. */
  private crossEntropy(): string {
    const { b } = this;
    const last = this.int64('last', -1);
    const sharp = b.node('Mul', ['logits', this.float('sharpness', this.options.sharpness)]);
    // Floor lets no gradient pass: that of the shift is nothing but rounding errors, which Adam would make steps of.
    const low = b.node('Sub', [sharp, b.node('Floor', [b.node('ReduceMax', [sharp, last])])]);
    const total = b.node('Log', [b.node('ReduceSum', [b.node('Exp', [low]), last], { keepdims: 0 })]);
    const own = b.node('Squeeze', [b.node('GatherElements', [low, b.node('Unsqueeze', ['targets', last])], { axis: 2 }), last]);
    return b.node('Sub', [total, own]);
  }

  /** Σ (logit − 1 at the target, 0 elsewhere)² */
  private distance(count: number): string {
    const { b } = this;
    const identity = Float32Array.from({ length: count * count }, (_, i) => (i % (count + 1) === 0 ? 1 : 0));
    b.initializer('loss/identity', { type: 'float32', dims: [count, count], data: identity });
    const gap = b.node('Sub', ['logits', b.node('Gather', ['loss/identity', 'targets'], { axis: 0 })]);
    return b.node('ReduceSum', [b.node('Mul', [gap, gap]), this.int64('last', -1)], { keepdims: 0 });
  }

  private float(name: string, value: number): string {
    return this.once(name, { type: 'float32', dims: [], data: Float32Array.of(value) });
  }

  private int64(name: string, value: number): string {
    return this.once(name, { type: 'int64', dims: [1], data: BigInt64Array.of(BigInt(value)) });
  }

  private once(name: string, tensor: Tensor): string {
    const whole = `loss/${name}`;
    return this.b.has(whole) ? whole : this.b.initializer(whole, tensor);
  }
}
