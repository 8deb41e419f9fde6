// One step of gradient descent as an ONNX graph: forward, backward and the optimiser's update in a single run.
import { GraphBuilder } from './builder.ts';
import { differentiate, gradientName } from './differentiate.ts';
import type { Graph, ShapeOf, TensorType } from './graph.ts';

export interface TrainingStepOptions {
  readonly loss: string;
  /** Inputs of the graph that are trained. */
  readonly parameters: readonly string[];
  readonly shapes: ShapeOf;
  readonly adam?: AdamConstants;
  /** Scales all gradients down together where their joint Euclidean norm is above this. Default: never. */
  readonly clipNorm?: number;
}

export interface AdamConstants {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export const defaultAdam: AdamConstants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

/**
 * Adam (Kingma and Ba 2015, algorithm 1). Further inputs: `m/NAME` and `v/NAME` of each parameter's shape (start with
 * zeros), `learningRate` [], `correction1` [] = 1 − β1ᵗ and `correction2` [] = 1 − β2ᵗ for step t from 1. Further outputs:
 * `next/NAME`, `next/m/NAME`, `next/v/NAME`.
 * @throws NoGradientError
 */
export function trainingStep(graph: Graph, options: TrainingStepOptions): Graph {
  const { loss, parameters, shapes } = options;
  const type = graph.outputs.find(({ name }) => name === loss)?.type ?? 'float32';
  const withGradients = differentiate(graph, { loss, withRespectTo: parameters, shapes });
  const b = new GraphBuilder({ ...withGradients, outputs: graph.outputs }, 'adam/');
  for (const name of ['learningRate', 'correction1', 'correction2']) b.input(name, type, []);
  const gradients = clipped(b, type, parameters.map(gradientName), options.clipNorm);
  const update = adam(b, type, options.adam ?? defaultAdam);
  parameters.forEach((name, i) => {
    const dims = graph.inputs.find((input) => input.name === name)?.dims;
    if (!dims) throw new RangeError(`the parameter ${name} is no input of the graph`);
    for (const moment of ['m', 'v']) b.input(`${moment}/${name}`, type, dims);
    update(name, gradients[i] ?? '');
    for (const output of [`next/${name}`, `next/m/${name}`, `next/v/${name}`]) b.output(output, type, dims);
  });
  return b.build();
}

/** The two bias corrections that step t (from 1) must be fed. */
export function adamCorrections(step: number, { beta1, beta2 }: AdamConstants = defaultAdam): { correction1: number; correction2: number } {
  return { correction1: 1 - beta1 ** step, correction2: 1 - beta2 ** step };
}

const scalar = (b: GraphBuilder, type: TensorType, name: string, value: number): string =>
  b.initializer(`adam/${name}`, { type, dims: [], data: type === 'float64' ? Float64Array.of(value) : Float32Array.of(value) });

/** g · min(1, limit / ‖g‖), the norm taken over all gradients together. */
function clipped(b: GraphBuilder, type: TensorType, gradients: readonly string[], limit: number | undefined): readonly string[] {
  if (limit === undefined) return gradients;
  const bound = scalar(b, type, 'clipNorm', limit);
  const squares = gradients.map((gradient) => b.node('ReduceSumSquare', [gradient], { keepdims: 0 }));
  const norm = b.node('Sqrt', [squares.reduce((sum, square) => b.node('Add', [sum, square]))]);
  const scale = b.node('Div', [bound, b.node('Max', [norm, bound])]);
  return gradients.map((gradient) => b.node('Mul', [gradient, scale]));
}

/** Gives the function that adds one parameter's update. */
function adam(b: GraphBuilder, type: TensorType, { beta1, beta2, epsilon }: AdamConstants): (name: string, gradient: string) => void {
  const [keep1, take1] = [scalar(b, type, 'beta1', beta1), scalar(b, type, '1-beta1', 1 - beta1)];
  const [keep2, take2] = [scalar(b, type, 'beta2', beta2), scalar(b, type, '1-beta2', 1 - beta2)];
  const floor = scalar(b, type, 'epsilon', epsilon);
  const blend = (old: string, keep: string, fresh: string, take: string, name: string): string =>
    b.node('Add', [b.node('Mul', [old, keep]), b.node('Mul', [fresh, take])], {}, name);
  return (name, gradient) => {
    const m = blend(`m/${name}`, keep1, gradient, take1, `next/m/${name}`); // β1 m + (1 − β1) g
    const v = blend(`v/${name}`, keep2, b.node('Mul', [gradient, gradient]), take2, `next/v/${name}`); // β2 v + (1 − β2) g²
    const spread = b.node('Add', [b.node('Sqrt', [b.node('Div', [v, 'correction2'])]), floor]);
    const step = b.node('Div', [b.node('Div', [m, 'correction1']), spread]);
    b.node('Sub', [name, b.node('Mul', [step, 'learningRate'])], {}, `next/${name}`); // θ − lr m̂ / (√v̂ + ε)
  };
}
