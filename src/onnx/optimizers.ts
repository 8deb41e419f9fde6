// One step of gradient descent as an ONNX graph: forward, backward and the optimiser's update in a single run.
import { GraphBuilder } from './builder.ts';
import { differentiate, gradientName } from './differentiate.ts';
import type { Graph } from './graph.ts';
import type { ShapeOf } from './rules.ts';

export interface TrainingStepOptions {
  readonly loss: string;
  /** Inputs of the graph that are trained. */
  readonly parameters: readonly string[];
  readonly shapes: ShapeOf;
  readonly adam?: AdamConstants;
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
 */
export function trainingStep(graph: Graph, options: TrainingStepOptions): Graph {
  const { parameters, adam = defaultAdam } = options;
  const type = graph.outputs.find(({ name }) => name === options.loss)?.type ?? 'float32';
  const withGradients = differentiate(graph, { loss: options.loss, withRespectTo: parameters, shapes: options.shapes });
  const b = new GraphBuilder(withGradients, 'adam/');
  const constant = (name: string, value: number): string =>
    b.initializer(`adam/${name}`, { type, dims: [], data: type === 'float64' ? Float64Array.of(value) : Float32Array.of(value) });
  const beta1 = constant('beta1', adam.beta1);
  const rest1 = constant('1-beta1', 1 - adam.beta1);
  const beta2 = constant('beta2', adam.beta2);
  const rest2 = constant('1-beta2', 1 - adam.beta2);
  const epsilon = constant('epsilon', adam.epsilon);
  for (const name of ['learningRate', 'correction1', 'correction2']) b.input(name, type, []);
  for (const name of parameters) {
    const dims = graph.inputs.find((input) => input.name === name)?.dims;
    if (!dims) throw new RangeError(`the parameter ${name} is no input of the graph`);
    const gradient = gradientName(name);
    const [m, v] = [b.input(`m/${name}`, type, dims), b.input(`v/${name}`, type, dims)];
    const nextM = b.node('Add', [b.node('Mul', [m, beta1]), b.node('Mul', [gradient, rest1])], {}, `next/m/${name}`);
    const squared = b.node('Mul', [gradient, gradient]);
    const nextV = b.node('Add', [b.node('Mul', [v, beta2]), b.node('Mul', [squared, rest2])], {}, `next/v/${name}`);
    const spread = b.node('Add', [b.node('Sqrt', [b.node('Div', [nextV, 'correction2'])]), epsilon]);
    const step = b.node('Div', [b.node('Div', [nextM, 'correction1']), spread]);
    b.node('Sub', [name, b.node('Mul', [step, 'learningRate'])], {}, `next/${name}`);
    for (const output of [`next/${name}`, `next/m/${name}`, `next/v/${name}`]) b.output(output, type, dims);
  }
  return b.build();
}
