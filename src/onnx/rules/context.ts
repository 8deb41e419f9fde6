// What the gradient rules build with: short names for the ops, constants, shapes, and the sum of gradients so far.
import type { GraphBuilder } from '../builder.ts';
import { floatTensor, isFloatType } from '../float16.ts';
import type { Attribute, Graph, GraphNode, ShapeOf, Tensor } from '../graph.ts';
import { dataTypes, isComputable, typeCode, valuesReadBy } from '../graph.ts';
import type { ElementType, TypeOf } from '../types.ts';

/**
 * Gives d loss / d input for each input of the node; null where the input takes no gradient, `ELSEWHERE` where it was
 * dealt with. `dy` is the gradient of the
 * first output, `gradients` those of all outputs (null: the loss does not depend on it).
 */
export type Rule = (
  c: RuleContext,
  node: GraphNode,
  dy: string,
  gradients: readonly (string | null)[],
) => readonly (string | null)[];

export type Rules = Readonly<Record<string, Rule>>;

/** In place of a gradient: the input's share is in another input's gradient, or was handed to the context. */
export const ELSEWHERE = '';

/** The gradient of a slice: elements `start` to `end` along an axis of `size`. */
export interface Part {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly size: number;
  readonly gradient: string;
  /** The gradient with zeros around it, in the shape of the whole. */
  readonly padded: () => string;
}

/** An op whose rule does not cover this use of it. `reason` continues "there is no gradient for the op X: ". */
export class RuleRefusal extends Error {
  override readonly name = 'RuleRefusal';
}

const unchanging: ReadonlySet<string> = new Set(['Cast', 'CastLike', 'Identity', 'Dropout']);

export class RuleContext {
  private readonly sums = new Map<string, string>();
  private readonly parts = new Map<string, Part[]>();
  private readonly emitted = new Map<string, string>();
  /** What the Expand nodes of the gradient were made from. */
  private readonly expanded = new Map<string, string>();
  private readonly producers: ReadonlyMap<string, GraphNode>;
  private readonly readers = new Map<string, GraphNode[]>();

  constructor(
    readonly builder: GraphBuilder,
    private readonly graph: Graph,
    readonly shapes: ShapeOf,
    private readonly typeOf: TypeOf,
    /** Of the constants that a rule makes; its node's. */
    private type: ElementType,
    /** Values whose gradient must be whole, whoever else reads them. */
    private readonly wanted: ReadonlySet<string> = new Set(),
  ) {
    this.producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    for (const node of graph.nodes) for (const value of valuesReadBy(node)) this.readers.set(value, [...(this.readers.get(value) ?? []), node]);
  }

  /** The node that computes a value of the graph. */
  producer(value: string): GraphNode | undefined {
    return this.producers.get(value);
  }

  /** The one node that reads a value, if there is only one. */
  onlyReader(value: string): GraphNode | undefined {
    const readers = this.readers.get(value) ?? [];
    return readers.length === 1 ? readers[0] : undefined;
  }

  /** Does the loss depend on the value through one node alone, and nobody ask for its gradient? */
  isReadOnce(value: string): boolean {
    return this.onlyReader(value) !== undefined && !this.wanted.has(value);
  }

  /** Applies a rule: its constants have the type of the node's outputs. */
  within<T>(node: GraphNode, rule: () => T): T {
    return this.withType(this.typeOf(node.outputs.find((output) => output !== '') ?? '') ?? this.type, rule);
  }

  /** The gradients that `compute` gives for values cast to at least float32, cast back: for sums of squares, which overflow float16. */
  widened(values: readonly string[], compute: (...wide: readonly string[]) => readonly (string | null)[]): readonly (string | null)[] {
    if (this.type !== 'float16' && this.type !== 'bfloat16') return compute(...values);
    const back = typeCode(this.type);
    const wide = values.map((value) => (value === '' ? '' : this.opWith('Cast', [value], { to: dataTypes.float32 })));
    const results = this.withType('float32', () => compute(...wide));
    return results.map((result) => result && this.opWith('Cast', [result], { to: back }));
  }

  private withType<T>(type: ElementType, compute: () => T): T {
    const outer = this.type;
    this.type = type;
    try {
      return compute();
    } finally {
      this.type = outer;
    }
  }

  op(op: string, ...inputs: readonly string[]): string {
    return this.opWith(op, inputs, {});
  }

  /** The output of a node; the same node is emitted once. */
  opWith(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>>): string {
    const key = JSON.stringify([op, inputs, attributes], (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
    const name = this.emitted.get(key) ?? this.builder.node(op, inputs, attributes);
    this.emitted.set(key, name);
    if (op === 'Expand') this.expanded.set(name, inputs[0] ?? '');
    return name;
  }

  /** Zeros with values added at indices, in at least float32: the runtime's CPU provider adds no float16 by index. */
  scatterAdd(op: 'ScatterND' | 'ScatterElements', zeros: string, indices: string, values: string, attributes: Readonly<Record<string, Attribute>> = {}): string {
    const [sums] = this.widened([zeros, values], (wideZeros = '', wide = '') => [this.opWith(op, [wideZeros, indices, wide], { ...attributes, reduction: 'add' })]);
    return sums ?? '';
  }

  /** The second output of a node. */
  second(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>>): string {
    const [first, second] = [this.builder.fresh(op), this.builder.fresh(`${op}/second`)];
    this.builder.nodeWithOutputs(op, inputs, [first, second], attributes);
    return second;
  }

  accumulate(value: string, gradient: string): void {
    const sum = this.sums.get(value);
    this.sums.set(value, sum === undefined ? gradient : this.op('Add', sum, gradient));
  }

  gradient(value: string): string | null {
    const parts = this.parts.get(value) ?? [];
    this.parts.delete(value);
    for (const whole of joined(this, parts)) this.accumulate(value, whole);
    return this.sums.get(value) ?? null;
  }

  /** The gradient of a slice of a value. Slices that make up the whole are put together instead of padded and added. */
  accumulatePart(value: string, part: Part): void {
    this.parts.set(value, [...(this.parts.get(value) ?? []), part]);
  }

  /** What an Expand of the gradient was made from, for ops that broadcast; other values as they are. */
  unexpanded(value: string): string {
    return this.expanded.get(value) ?? value;
  }

  rank(value: string): number {
    return this.shapes(value).length;
  }

  /** A constant of the node's type. */
  scalar(value: number): string {
    const { type } = this;
    if (isFloatType(type)) return this.constant(`scalar/${type}/${value}`, floatTensor(type, [], [value]));
    return this.opWith('Cast', [this.constant(`scalar/${value}`, floatTensor('float32', [], [value]))], { to: typeCode(type) });
  }

  int64(...values: readonly number[]): string {
    return this.constant(`int64/${values.join()}`, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  /** 1 where the condition holds, else 0. */
  indicator(condition: string): string {
    return this.opWith('Cast', [condition], { to: typeCode(this.type) });
  }

  /** dy where the condition holds, else 0. */
  only(condition: string, dy: string): string {
    return this.op('Where', condition, dy, this.scalar(0));
  }

  private constant(key: string, tensor: Tensor): string {
    const name = this.emitted.get(key) ?? this.builder.initializer(this.builder.fresh(key), tensor);
    this.emitted.set(key, name);
    return name;
  }

  /** In the type and shape of a value of the graph. */
  filled(value: number, like: string): string {
    const shape = this.shapes(like);
    const scalar = this.withType(this.typeOf(like) ?? this.type, () => this.scalar(value));
    return shape.length === 0 ? scalar : this.op('Expand', scalar, this.shapeOf(like));
  }

  /** The dimensions of a value as int64 [rank]; computed when the graph runs only where they may change. */
  shapeOf(value: string): string {
    const dims = this.shapes(value);
    return dims.every((dim) => typeof dim === 'number') ? this.int64(...dims) : this.op('Shape', value);
  }

  /** dy with the shape of x, whose elements it has in the same order. */
  reshapedLike(dy: string, x: string): string {
    const dims = this.shapes(x);
    const open = dims.filter((dim) => typeof dim === 'string').length;
    if (open !== 1 || dims.includes(0)) return this.op('Reshape', dy, this.shapeOf(x));
    return this.op('Reshape', dy, this.int64(...dims.map((dim) => (typeof dim === 'number' ? dim : -1))));
  }

  sum(value: string, axes: readonly number[], keepdims: boolean): string {
    if (axes.length === 0) return value;
    return this.opWith('ReduceSum', [value, this.int64(...axes)], { keepdims: keepdims ? 1 : 0 });
  }

  /** Exchanges the last two of `rank` axes. */
  swap(value: string, rank: number): string {
    const perm = range(rank);
    [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
    return this.opWith('Transpose', [value], { perm });
  }

  /** Sums a gradient of y's shape over the axes along which `target` was broadcast to y. */
  unbroadcast(gradient: string, y: string, target: string): string {
    return this.sumTo(gradient, this.shapes(y), this.shapes(target));
  }

  /** Sums a gradient of shape `from` to shape `to`, which broadcasts to `from`. */
  sumTo(gradient: string, from: readonly (number | string)[], to: readonly (number | string)[]): string {
    const extra = from.length - to.length;
    const inner = this.sum(gradient, range(extra), false);
    const ones = range(to.length).filter((i) => to[i] === 1 && from[i + extra] !== 1);
    return this.sum(inner, ones, true);
  }

  /** Whether one of the ops reads the value, or reads it after nothing but a change of its type or name. */
  isReadBy(value: string, ops: readonly string[]): boolean {
    return this.graph.nodes.some(({ op, inputs, outputs: [output = ''] }) =>
      inputs.includes(value) && (ops.includes(op) || (unchanging.has(op) && this.isReadBy(output, ops))));
  }

  /** The numbers of an int64 constant, or null where they are computed when the graph runs. */
  ints(value: string | undefined): readonly number[] | null {
    if (!value) return null;
    const initializer = this.graph.initializers.get(value);
    const attribute = this.producers.get(value)?.op === 'Constant' ? this.producers.get(value)?.attributes : undefined;
    const tensor = initializer ?? attribute?.value;
    if (typeof tensor === 'object' && 'data' in tensor) return [...(tensor.data as Iterable<number | bigint>)].map(Number);
    const ints = attribute?.value_ints ?? attribute?.value_int;
    return ints === undefined ? null : ([ints].flat() as readonly (number | bigint)[]).map(Number);
  }

  /** The number of a constant of one element, or null. */
  number(value: string): number | null {
    const tensor = this.graph.initializers.get(value) ?? (this.producers.get(value)?.op === 'Constant' ? this.producers.get(value)?.attributes.value : undefined);
    if (typeof tensor !== 'object' || !('data' in tensor) || tensor.data.length !== 1 || tensor.type === 'float16' || !isComputable(tensor.type)) return null;
    return Number(tensor.data[0]);
  }

  /** A value of another numeric type in the node's type; of that type it stays as it is. */
  floating(value: string): string {
    const type = this.typeOf(value);
    return type === undefined || type === this.type ? value : this.indicator(value);
  }
}

/** Parts that tile an axis, as one; others each with zeros around. */
function joined(c: RuleContext, parts: readonly Part[]): readonly string[] {
  const sorted = [...parts].sort((a, b) => a.start - b.start);
  const [first] = sorted;
  const tiles = sorted.length > 1 && sorted.every(({ axis, start, end, size }, i) => axis === first?.axis && start === (sorted[i - 1]?.end ?? 0) && (sorted[i + 1] !== undefined || end === size));
  return tiles && first ? [c.opWith('Concat', sorted.map(({ gradient }) => gradient), { axis: first.axis })] : parts.map(({ padded }) => padded());
}

export const range = (count: number): number[] => Array.from({ length: Math.max(0, count) }, (_, i) => i);

export const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

export const attributeInt = (node: GraphNode, name: string, fallback: number): number => {
  const value = node.attributes[name];
  return typeof value === 'number' ? value : fallback;
};

export const attributeFloat = (node: GraphNode, name: string, fallback: number): number => {
  const value = node.attributes[name];
  return typeof value === 'object' && 'float' in value ? value.float : fallback;
};

export const attributeInts = (node: GraphNode, name: string): readonly number[] | null => {
  const value = node.attributes[name];
  return Array.isArray(value) ? (value as readonly (number | bigint)[]).map(Number) : null;
};

export const attributeString = (node: GraphNode, name: string, fallback: string): string => {
  const value = node.attributes[name];
  return typeof value === 'string' ? value : fallback;
};
