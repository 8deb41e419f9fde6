// One step of gradient descent as an ONNX graph: forward, backward and the optimiser's update in a single run.
import { GraphBuilder } from './builder.ts';
import { differentiate, gradientName } from './differentiate.ts';
import { elementCount } from './graph.ts';
import type { Graph, ShapeOf, TensorType } from './graph.ts';

export interface TrainingStepOptions {
  readonly loss: string;
  /** Inputs of the graph that are trained. */
  readonly parameters: readonly string[];
  /**
   * For a parameter that the graph only cuts into pieces: values that together are all of it, in order. Its gradient
   * is put together from theirs, which is cheaper than differentiating each cut.
   */
  readonly parts?: Readonly<Record<string, readonly string[]>>;
  readonly shapes: ShapeOf;
  /** Default: Adam. */
  readonly optimizer?: Optimizer;
  /** Scales all gradients down together where their joint Euclidean norm is above this. Default: never. */
  readonly clipNorm?: number;
}

export const optimizerNames = ['adam', 'adamw', 'adabelief', 'ademamix', 'grams', 'diffgrad'] as const;
export type OptimizerName = (typeof optimizerNames)[number];

export interface AdamConstants {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface Optimizer extends AdamConstants {
  readonly name: OptimizerName;
  /** AdamW: how much of a parameter is taken off a step, times the learning rate. */
  readonly weightDecay: number;
  /** AdEMAMix: the decay of the slow average, and its weight. */
  readonly beta3: number;
  readonly alpha: number;
}

const constants: Readonly<Record<OptimizerName, Partial<Optimizer>>> = {
  adam: {},
  adamw: { weightDecay: 0.01 },
  adabelief: { epsilon: 1e-16 },
  ademamix: {},
  grams: { epsilon: 1e-6 },
  diffgrad: {},
};

/** An optimiser with the constants of its paper, but for those given. */
export function optimizer(name: OptimizerName, given: Partial<Omit<Optimizer, 'name'>> = {}): Optimizer {
  return { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, beta3: 0.9999, alpha: 2, ...constants[name], ...given, name };
}

export const defaultAdam = optimizer('adam');

/** What an optimiser remembers of each parameter from step to step, each of the parameter's shape and 0 at first. */
export function memoryOf({ name }: Optimizer): readonly string[] {
  if (name === 'ademamix') return ['m', 'v', 'slow'];
  return name === 'diffgrad' ? ['m', 'v', 'previous'] : ['m', 'v'];
}

/**
 * The step of an optimiser. Further inputs: `MEMORY/NAME` for each parameter and each of `memoryOf`, of the parameter's
 * shape (start with zeros), `learningRate` [], `correction1` [] = 1 − β1ᵗ and `correction2` [] = 1 − β2ᵗ for step t from
 * 1. Further outputs: `next/NAME` and `next/MEMORY/NAME`.
 * @throws NoGradientError
 */
export function trainingStep(graph: Graph, options: TrainingStepOptions): Graph {
  const { loss, parameters, parts = {}, shapes, optimizer: chosen = defaultAdam } = options;
  const type = graph.outputs.find(({ name }) => name === loss)?.type ?? 'float32';
  const withRespectTo = parameters.flatMap((name) => parts[name] ?? [name]);
  const withGradients = differentiate(graph, { loss, withRespectTo, shapes });
  const b = new GraphBuilder({ ...withGradients, outputs: graph.outputs }, 'optimizer/');
  for (const name of ['learningRate', 'correction1', 'correction2']) b.input(name, type, []);
  const whole = parameters.map((name) => joined(b, name, parts[name], shapes));
  const gradients = clipped(b, type, whole, options.clipNorm);
  const step = new Step(b, type, chosen);
  parameters.forEach((name, i) => {
    const dims = graph.inputs.find((input) => input.name === name)?.dims;
    if (!dims) throw new RangeError(`the parameter ${name} is no input of the graph`);
    for (const memory of memoryOf(chosen)) b.input(`${memory}/${name}`, type, dims);
    step.update(name, gradients[i] ?? '');
    for (const output of ['', ...memoryOf(chosen).map((memory) => `${memory}/`)]) b.output(`next/${output}${name}`, type, dims);
  });
  return b.build();
}

/** The two bias corrections that step t (from 1) must be fed. */
export function adamCorrections(step: number, { beta1, beta2 }: AdamConstants = defaultAdam): { correction1: number; correction2: number } {
  return { correction1: 1 - beta1 ** step, correction2: 1 - beta2 ** step };
}

/** A parameter's gradient, from those of its parts. */
function joined(b: GraphBuilder, name: string, parts: readonly string[] | undefined, shapes: ShapeOf): string {
  if (!parts) return gradientName(name);
  const dims = shapes(name);
  const flat = parts.map((part) => {
    const size = b.initializer(b.fresh('size'), { type: 'int64', dims: [1], data: BigInt64Array.of(BigInt(elementCount(shapes(part).map(Number)))) });
    return b.node('Reshape', [gradientName(part), size]);
  });
  const shape = b.initializer(b.fresh('shape'), { type: 'int64', dims: [dims.length], data: BigInt64Array.from(dims, BigInt) });
  return b.node('Reshape', [b.node('Concat', flat, { axis: 0 }), shape]);
}

const scalar = (b: GraphBuilder, type: TensorType, name: string, value: number): string =>
  b.initializer(`optimizer/${name}`, { type, dims: [], data: type === 'float64' ? Float64Array.of(value) : Float32Array.of(value) });

/** g · min(1, limit / ‖g‖), the norm taken over all gradients together. */
function clipped(b: GraphBuilder, type: TensorType, gradients: readonly string[], limit: number | undefined): readonly string[] {
  if (limit === undefined) return gradients;
  const bound = scalar(b, type, 'clipNorm', limit);
  const squares = gradients.map((gradient) => b.node('ReduceSumSquare', [gradient], { keepdims: 0 }));
  const norm = b.node('Sqrt', [squares.reduce((sum, square) => b.node('Add', [sum, square]))]);
  const scale = b.node('Div', [bound, b.node('Max', [norm, bound])]);
  return gradients.map((gradient) => b.node('Mul', [gradient, scale]));
}

/** Writes one optimiser's update of a parameter: θ − lr · direction. */
class Step {
  constructor(
    private readonly b: GraphBuilder,
    private readonly type: TensorType,
    private readonly chosen: Optimizer,
  ) {}

  update(name: string, gradient: string): void {
    const { b, chosen } = this;
    let direction = directions[chosen.name](this, name, gradient);
    if (chosen.weightDecay > 0) direction = this.op('Add', direction, this.op('Mul', name, this.constant('weightDecay', chosen.weightDecay)));
    b.node('Sub', [name, this.op('Mul', direction, 'learningRate')], {}, `next/${name}`);
  }

  op(op: string, ...inputs: readonly string[]): string {
    return this.b.node(op, inputs);
  }

  constant(name: string, value: number): string {
    const whole = `optimizer/${name}`;
    return this.b.has(whole) ? whole : scalar(this.b, this.type, name, value);
  }

  get epsilon(): string {
    return this.constant('epsilon', this.chosen.epsilon);
  }

  get alpha(): string {
    return this.constant('alpha', this.chosen.alpha);
  }

  /** β · memory + (1 − β) · fresh (+ a constant), remembered. */
  average(memory: string, name: string, beta: 'beta1' | 'beta2' | 'beta3', fresh: string, more?: string): string {
    const rate = this.chosen[beta];
    const kept = this.op('Mul', `${memory}/${name}`, this.constant(beta, rate));
    const taken = this.op('Mul', fresh, this.constant(`1-${beta}`, 1 - rate));
    return this.b.node('Add', [kept, more === undefined ? taken : this.op('Add', taken, more)], {}, `next/${memory}/${name}`);
  }

  remember(memory: string, name: string, value: string): string {
    return this.b.node('Identity', [value], {}, `next/${memory}/${name}`);
  }

  /** The mean gradient, bias corrected. */
  mean(name: string, gradient: string): string {
    return this.op('Div', this.average('m', name, 'beta1', gradient), 'correction1');
  }

  squares(name: string, gradient: string): string {
    return this.average('v', name, 'beta2', this.op('Mul', gradient, gradient));
  }

  /** √(v / correction) + ε */
  spread(v: string): string {
    return this.op('Add', this.op('Sqrt', this.op('Div', v, 'correction2')), this.epsilon);
  }

  /** (√v + ε) / √correction: Adam's second form, where ε counts before the correction (Kingma and Ba 2015, section 2). */
  earlySpread(v: string): string {
    return this.op('Div', this.op('Add', this.op('Sqrt', v), this.epsilon), this.op('Sqrt', 'correction2'));
  }
}

const adam = (s: Step, name: string, g: string): string => s.op('Div', s.mean(name, g), s.spread(s.squares(name, g))); // m̂ / (√v̂ + ε)

const directions: Readonly<Record<OptimizerName, (s: Step, name: string, gradient: string) => string>> = {
  /** Kingma and Ba 2015, algorithm 1. */
  adam,
  /** Loshchilov and Hutter 2019: the decay is taken beside Adam's step. */
  adamw: adam,
  /** Zhuang et al. 2020: the spread of the gradient around its mean, s = β2 s + (1 − β2)(g − m)² + ε. */
  adabelief(s, name, g) {
    const m = s.average('m', name, 'beta1', g);
    const surprise = s.op('Sub', g, m);
    const spread = s.average('v', name, 'beta2', s.op('Mul', surprise, surprise), s.epsilon);
    return s.op('Div', s.op('Div', m, 'correction1'), s.spread(spread));
  },
  /** Pagliardini et al. 2024: (m̂ + α · slow mean) / (√v̂ + ε), without warm-up. */
  ademamix(s, name, g) {
    const slow = s.op('Mul', s.average('slow', name, 'beta3', g), s.alpha);
    return s.op('Div', s.op('Add', s.mean(name, g), slow), s.spread(s.squares(name, g)));
  },
  /** Cao et al. 2024: as far as Adam goes, in the present gradient's direction. */
  grams: (s, name, g) => s.op('Mul', s.op('Abs', s.op('Div', s.mean(name, g), s.earlySpread(s.squares(name, g)))), s.op('Sign', g)),
  /** Dubey et al. 2020: Adam's step times σ(|change of the gradient|). */
  diffgrad(s, name, g) {
    const friction = s.op('Sigmoid', s.op('Abs', s.op('Sub', `previous/${name}`, g)));
    s.remember('previous', name, g);
    return s.op('Mul', friction, s.op('Div', s.mean(name, g), s.earlySpread(s.squares(name, g))));
  },
};
