// The derivative of every op: one short rule each, the mathematics behind it.
import type { GraphBuilder } from './builder.ts';
import type { Attribute, GraphNode, TensorType } from './graph.ts';

/** The dimensions of a value, as measured; names stand for sizes that change from run to run. */
export type ShapeOf = (value: string) => readonly (number | string)[];

/** Gives d loss / d input for each input of the node; null where there is none. */
type Rule = (c: RuleContext, node: GraphNode, gradients: readonly (string | null)[]) => readonly (string | null)[];

/** What the rules build with: short names for the ops, and the sum of gradients so far. */
export class RuleContext {
  private readonly sums = new Map<string, string>();
  private readonly constants = new Map<string, string>();

  constructor(
    readonly builder: GraphBuilder,
    readonly shapes: ShapeOf,
    private readonly type: TensorType,
  ) {}

  op(op: string, ...inputs: readonly string[]): string {
    return this.builder.node(op, inputs);
  }

  opWith(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>>): string {
    return this.builder.node(op, inputs, attributes);
  }

  rank(value: string): number {
    return this.shapes(value).length;
  }

  accumulate(value: string, gradient: string): void {
    const sum = this.sums.get(value);
    this.sums.set(value, sum === undefined ? gradient : this.op('Add', sum, gradient));
  }

  gradient(value: string): string | null {
    return this.sums.get(value) ?? null;
  }

  /** A constant of the loss's type, of that many dimensions of size 1. */
  scalar(value: number, rank = 0): string {
    const data = this.type === 'float64' ? Float64Array.of(value) : Float32Array.of(value);
    return this.constant(`scalar/${value}/${rank}`, () => ({ type: this.type, dims: Array.from({ length: rank }, () => 1), data }));
  }

  int64(...values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.constant(`int64/${values.join()}`, () => ({ type: 'int64', dims: [values.length], data }));
  }

  private constant(key: string, make: () => Parameters<GraphBuilder['initializer']>[1]): string {
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const name = this.builder.initializer(this.builder.fresh(key), make());
    this.constants.set(key, name);
    return name;
  }

  zerosLike(value: string): string {
    return this.op('Mul', value, this.scalar(0));
  }

  shapeOf(value: string): string {
    return this.op('Shape', value);
  }

  sum(value: string, axes: readonly number[], keepdims: boolean): string {
    return this.opWith('ReduceSum', [value, this.int64(...axes)], { keepdims: keepdims ? 1 : 0 });
  }

  transpose(value: string): string {
    const rank = this.rank(value);
    return this.swap(value, rank);
  }

  /** Exchanges the last two of `rank` axes. */
  swap(value: string, rank: number): string {
    const perm = Array.from({ length: rank }, (_, i) => i);
    [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
    return this.opWith('Transpose', [value], { perm });
  }

  /**
   * Sums a gradient of rank `rank` over the axes along which `target` was broadcast, so that it gets target's shape.
   * An axis is known to be broadcast where target lacks it or has size 1 there.
   */
  unbroadcast(gradient: string, rank: number, target: string): string {
    const dims = this.shapes(target);
    const extra = rank - dims.length;
    let result = gradient;
    if (extra > 0) result = this.sum(result, Array.from({ length: extra }, (_, i) => i), false);
    const ones = dims.flatMap((dim, i) => (dim === 1 ? [i] : []));
    return ones.length > 0 ? this.sum(result, ones, true) : result;
  }
}

const attributeInt = (node: GraphNode, name: string, fallback: number): number => {
  const value = node.attributes[name];
  return typeof value === 'number' ? value : fallback;
};

const attributeInts = (node: GraphNode, name: string): readonly number[] | null => {
  const value = node.attributes[name];
  return Array.isArray(value) ? (value as readonly number[]) : null;
};

const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** An elementwise op of one input: derivative times the incoming gradient. */
const unary =
  (derivative: (c: RuleContext, x: string, y: string, dy: string) => string): Rule =>
  (c, { inputs: [x = ''], outputs: [y = ''] }, [dy]) => [dy ? derivative(c, x, y, dy) : null];

/** An elementwise op of two inputs with broadcasting. */
const binary =
  (
    left: (c: RuleContext, a: string, b: string, y: string, dy: string) => string,
    right: (c: RuleContext, a: string, b: string, y: string, dy: string) => string,
  ): Rule =>
  (c, { inputs: [a = '', b = ''], outputs: [y = ''] }, [dy]) => {
    if (!dy) return [null, null];
    const rank = c.rank(y);
    return [c.unbroadcast(left(c, a, b, y, dy), rank, a), c.unbroadcast(right(c, a, b, y, dy), rank, b)];
  };

const toFloat = (c: RuleContext, condition: string, like: string): string => c.op('CastLike', condition, like);

/** Max and Min of two inputs: the gradient goes to the winner, half to each in a tie. */
const winner =
  (better: 'Greater' | 'Less'): Rule =>
  (c, { inputs, outputs: [y = ''] }, [dy]) => {
    if (!dy) return inputs.map(() => null);
    const [a = '', b = ''] = inputs;
    if (inputs.length > 2) throw new RangeError('Max and Min of more than two inputs have no rule');
    if (inputs.length === 1) return [dy];
    const half = c.op('Mul', toFloat(c, c.op('Equal', a, b), dy), c.scalar(0.5));
    const side = (x: string, other: string): string => {
      const share = c.op('Add', toFloat(c, c.op(better, x, other), dy), half);
      return c.unbroadcast(c.op('Mul', dy, share), c.rank(y), x);
    };
    return [side(a, b), side(b, a)];
  };

/** Sums or means over axes: the gradient spreads back over them. */
const reduction =
  (spread: (c: RuleContext, x: string, y: string, dy: string) => string): Rule =>
  (c, node, [dy]) => {
    const [x = '', axes] = node.inputs;
    const [y = ''] = node.outputs;
    if (!dy) return [null];
    const kept = attributeInt(node, 'keepdims', 1) === 1 || !axes;
    const open = kept ? dy : c.op('Unsqueeze', dy, axes);
    const value = kept ? y : c.op('Unsqueeze', y, axes);
    return [spread(c, x, value, c.op('Expand', open, c.shapeOf(x)))];
  };

function matMul(c: RuleContext, { inputs: [a = '', b = ''] }: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const [rankA, rankB] = [c.rank(a), c.rank(b)];
  if (rankA < 2 || rankB < 2) throw new RangeError('MatMul of vectors has no rule; make them matrices');
  if (!dy) return [null, null];
  const rank = Math.max(rankA, rankB);
  const da = c.op('MatMul', dy, c.swap(b, rankB)); // dA = dY Bᵀ
  if (rankB === 2 && rankA > 2) return [da, c.op('MatMul', c.swap(flat(c, a), 2), flat(c, dy))]; // dB = Aᵀ dY over all rows
  const db = c.op('MatMul', c.swap(a, rankA), dy); // dB = Aᵀ dY
  return [unbroadcastBatch(c, da, rank, a), unbroadcastBatch(c, db, rank, b)];
}

/** [.., n] as [rows, n]. */
function flat(c: RuleContext, value: string): string {
  const last = c.op('Slice', c.shapeOf(value), c.int64(-1), c.int64(2 ** 31 - 1));
  return c.op('Reshape', value, c.opWith('Concat', [c.int64(-1), last], { axis: 0 }));
}

function unbroadcastBatch(c: RuleContext, gradient: string, rank: number, target: string): string {
  const dims = c.shapes(target);
  const extra = rank - dims.length;
  let result = gradient;
  if (extra > 0) result = c.sum(result, Array.from({ length: extra }, (_, i) => i), false);
  const ones = dims.slice(0, -2).flatMap((dim, i) => (dim === 1 ? [i] : []));
  return ones.length > 0 ? c.sum(result, ones, true) : result;
}

function gemm(c: RuleContext, node: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const [a = '', b = '', bias] = node.inputs;
  const flag = (name: string): boolean => attributeInt(node, name, 0) === 1;
  const factor = (name: string): number => {
    const value = node.attributes[name];
    return typeof value === 'object' && 'float' in value ? value.float : 1;
  };
  if (!dy) return [null, null, null];
  const scaled = c.op('Mul', dy, c.scalar(factor('alpha')));
  const t = (value: string, yes: boolean): string => (yes ? c.swap(value, 2) : value);
  const da = flag('transA') ? c.op('MatMul', t(b, flag('transB')), t(scaled, true)) : c.op('MatMul', scaled, t(b, !flag('transB')));
  const db = flag('transB') ? c.op('MatMul', t(scaled, true), t(a, flag('transA'))) : c.op('MatMul', t(a, !flag('transA')), scaled);
  const dbias = bias ? c.unbroadcast(c.op('Mul', dy, c.scalar(factor('beta'))), 2, bias) : null;
  return [da, db, dbias];
}

function softmax(c: RuleContext, node: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const [y = ''] = node.outputs;
  const axis = positive(attributeInt(node, 'axis', -1), c.rank(y));
  if (!dy) return [null];
  const total = c.sum(c.op('Mul', dy, y), [axis], true);
  return [c.op('Mul', y, c.op('Sub', dy, total))]; // y (dy − Σ y dy)
}

function logSoftmax(c: RuleContext, node: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const [y = ''] = node.outputs;
  const axis = positive(attributeInt(node, 'axis', -1), c.rank(y));
  if (!dy) return [null];
  return [c.op('Sub', dy, c.op('Mul', c.op('Exp', y), c.sum(dy, [axis], true)))]; // dy − e^y Σ dy
}

function concat(c: RuleContext, node: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const axis = attributeInt(node, 'axis', 0);
  const at = c.int64(axis);
  let start = c.int64(0);
  return node.inputs.map((input) => {
    if (!dy) return null;
    const size = c.opWith('Gather', [c.shapeOf(input), c.int64(positive(axis, c.rank(input)))], { axis: 0 });
    const end = c.op('Add', start, size);
    const part = c.op('Slice', dy, start, end, at);
    start = end;
    return part;
  });
}

/** The gradient of a slice is scattered into zeros: d x = Σ one-hot rows, written as padding for unit steps. */
function slice(c: RuleContext, node: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const [x = '', starts = '', ends = '', axes, steps] = node.inputs;
  if (!dy) return [null];
  // Positions of the kept elements: slice the element numbers as the input was sliced, then scatter-add flat.
  const shape = c.shapeOf(x);
  const size = c.opWith('ReduceProd', [shape], { keepdims: 1 });
  const zero = c.op('Squeeze', c.int64(0));
  const one = c.op('Squeeze', c.int64(1));
  const numbers = c.op('Reshape', c.op('Range', zero, c.op('Squeeze', size), one), shape);
  const kept = c.op('Slice', ...[numbers, starts, ends, axes, steps].filter((name) => name !== undefined));
  const indices = c.op('Reshape', kept, c.int64(-1, 1));
  const zeros = c.op('Reshape', c.zerosLike(x), c.int64(-1));
  const updates = c.op('Reshape', dy, c.int64(-1));
  const scattered = c.opWith('ScatterND', [zeros, indices, updates], { reduction: 'add' });
  return [c.op('Reshape', scattered, shape)];
}

function gather(c: RuleContext, node: GraphNode, [dy]: readonly (string | null)[]): (string | null)[] {
  const [x = '', indices = ''] = node.inputs;
  if (attributeInt(node, 'axis', 0) !== 0) throw new RangeError('Gather has a rule for axis 0 alone');
  if (!dy) return [null, null];
  const at = c.op('Unsqueeze', indices, c.int64(-1));
  return [c.opWith('ScatterND', [c.zerosLike(x), at, dy], { reduction: 'add' }), null]; // rows add up where indices repeat
}

const back = (c: RuleContext, dy: string, x: string): string => c.op('Reshape', dy, c.shapeOf(x));

const reshaping: Rule = (c, { inputs: [x = ''] }, [dy]) => [dy ? back(c, dy, x) : null];

const transpose: Rule = (c, node, [dy]) => {
  const rank = c.rank(node.inputs[0] ?? '');
  const perm = attributeInts(node, 'perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const inverse = perm.map((_, i) => perm.indexOf(i));
  return [dy ? c.opWith('Transpose', [dy], { perm: inverse }) : null];
};

const expand: Rule = (c, { inputs: [x = ''], outputs: [y = ''] }, [dy]) => [dy ? c.unbroadcast(dy, c.rank(y), x) : null, null];

const clip: Rule = (c, { inputs: [x = '', low, high] }, [dy]) => {
  if (!dy) return [null];
  let inside = dy;
  if (low) inside = c.op('Mul', inside, toFloat(c, c.op('GreaterOrEqual', x, low), dy));
  if (high) inside = c.op('Mul', inside, toFloat(c, c.op('LessOrEqual', x, high), dy));
  return [inside]; // dy where low ≤ x ≤ high
};

const where: Rule = (c, { inputs: [condition = '', a = '', b = ''], outputs: [y = ''] }, [dy]) => {
  if (!dy) return [null];
  const zero = c.scalar(0);
  const rank = c.rank(y);
  const [left, right] = [c.op('Where', condition, dy, zero), c.op('Where', condition, zero, dy)];
  return [null, c.unbroadcast(left, rank, a), c.unbroadcast(right, rank, b)];
};

const reduceMax: Rule = reduction((c, x, y, dy) => {
  const hits = toFloat(c, c.op('Equal', x, c.op('Expand', y, c.shapeOf(x))), dy);
  return c.op('Mul', dy, hits); // to every position that attains the maximum
});

const squared = (c: RuleContext, x: string): string => c.op('Mul', x, x);
const oneMinus = (c: RuleContext, x: string): string => c.op('Sub', c.scalar(1), x);

export const rules = {
  Add: binary((_c, _a, _b, _y, dy) => dy, (_c, _a, _b, _y, dy) => dy),
  Sub: binary((_c, _a, _b, _y, dy) => dy, (c, _a, _b, _y, dy) => c.op('Neg', dy)),
  Mul: binary((c, _a, b, _y, dy) => c.op('Mul', dy, b), (c, a, _b, _y, dy) => c.op('Mul', dy, a)),
  Div: binary(
    (c, _a, b, _y, dy) => c.op('Div', dy, b),
    (c, _a, b, y, dy) => c.op('Neg', c.op('Div', c.op('Mul', dy, y), b)), // −y / b
  ),
  Pow: binary(
    (c, a, b, _y, dy) => c.op('Mul', dy, c.op('Mul', b, c.op('Pow', a, c.op('Sub', b, c.scalar(1))))), // b a^(b−1)
    (c, a, _b, y, dy) => c.op('Mul', dy, c.op('Mul', y, c.op('Log', a))), // y ln a
  ),
  Max: winner('Greater'),
  Min: winner('Less'),
  Neg: unary((c, _x, _y, dy) => c.op('Neg', dy)),
  Exp: unary((c, _x, y, dy) => c.op('Mul', dy, y)),
  Log: unary((c, x, _y, dy) => c.op('Div', dy, x)),
  Sqrt: unary((c, _x, y, dy) => c.op('Div', c.op('Mul', dy, c.scalar(0.5)), y)), // 1 / 2y
  Reciprocal: unary((c, _x, y, dy) => c.op('Neg', c.op('Mul', dy, squared(c, y)))), // −y²
  Abs: unary((c, x, _y, dy) => c.op('Mul', dy, c.op('Sign', x))),
  Relu: unary((c, x, _y, dy) => c.op('Mul', dy, toFloat(c, c.op('Greater', x, c.scalar(0)), dy))),
  Sigmoid: unary((c, _x, y, dy) => c.op('Mul', dy, c.op('Mul', y, oneMinus(c, y)))), // y (1 − y)
  Tanh: unary((c, _x, y, dy) => c.op('Mul', dy, oneMinus(c, squared(c, y)))), // 1 − y²
  Erf: unary((c, x, _y, dy) => c.op('Mul', dy, c.op('Mul', c.scalar(2 / Math.sqrt(Math.PI)), c.op('Exp', c.op('Neg', squared(c, x)))))), // 2/√π e^−x²
  Sin: unary((c, x, _y, dy) => c.op('Mul', dy, c.op('Cos', x))),
  Cos: unary((c, x, _y, dy) => c.op('Neg', c.op('Mul', dy, c.op('Sin', x)))),
  Identity: unary((_c, _x, _y, dy) => dy),
  Cast: unary((c, x, _y, dy) => c.op('CastLike', dy, x)),
  CastLike: (c, { inputs: [x = ''] }, [dy]) => [dy ? c.op('CastLike', dy, x) : null, null],
  Clip: clip,
  Where: where,
  MatMul: matMul,
  Gemm: gemm,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  ReduceSum: reduction((_c, _x, _y, dy) => dy),
  ReduceMean: reduction((c, x, y, dy) => c.op('Mul', dy, c.op('Div', c.op('CastLike', c.op('Size', y), dy), c.op('CastLike', c.op('Size', x), dy)))), // dy / count
  ReduceMax: reduceMax,
  Transpose: transpose,
  Reshape: reshaping,
  Flatten: reshaping,
  Squeeze: reshaping,
  Unsqueeze: reshaping,
  Expand: expand,
  Concat: concat,
  Slice: slice,
  Gather: gather,
} satisfies Record<string, Rule>;

/** Ops whose outputs do not change with their inputs, or only in steps. */
export const notDifferentiable: ReadonlySet<string> = new Set([
  'Shape', 'Size', 'Range', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'And', 'Or', 'Not', 'Xor',
  'ArgMax', 'ArgMin', 'OneHot', 'Sign', 'Floor', 'Ceil', 'Round', 'ConstantOfShape', 'NonZero', 'TopK', 'IsNaN', 'IsInf',
]);
