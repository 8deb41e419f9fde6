// What the expansions of com.microsoft's fused operators build with: short names for ops, sizes and parts of values.
import type { FloatType } from '../float16.ts';
import { isFloatType } from '../float16.ts';
import type { Attribute, GraphNode, ShapeOf } from '../graph.ts';
import { dataTypes, typeCode } from '../graph.ts';
import { range } from '../rules/context.ts';
import type { ElementType, TypeOf } from '../types.ts';

/** Computes what the node computes, in standard ops: a value for each output, null for those that take no gradient. */
export type Expansion = (c: Expander, node: GraphNode) => readonly (string | null)[];

export type Expansions = Readonly<Record<string, Expansion>>;

/** Adds nodes and constants to a graph. */
export interface Emitter {
  opWith(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>>): string;
  /** A constant of a float type. */
  scalar(value: number, type: FloatType): string;
  /** A constant int64 list. */
  int64(...values: readonly number[]): string;
}

export class Expander {
  constructor(
    private readonly emitter: Emitter,
    /** The shapes of the node's own inputs. */
    readonly shapes: ShapeOf,
    readonly typeOf: TypeOf,
    /** Of the constants that an expansion makes; its node's. */
    private type: ElementType = 'float32',
  ) {}

  op(op: string, ...inputs: readonly string[]): string {
    return this.emitter.opWith(op, inputs, {});
  }

  opWith(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>>): string {
    return this.emitter.opWith(op, inputs, attributes);
  }

  /** A constant of the node's type. */
  scalar(value: number): string {
    const { type } = this;
    if (isFloatType(type)) return this.emitter.scalar(value, type);
    return this.opWith('Cast', [this.emitter.scalar(value, 'float32')], { to: typeCode(type) });
  }

  /**
   * What `compute` gives for values cast to at least float32, cast back but for the results that are `kept`: sums of
   * squares overflow float16.
   */
  widened<T extends Readonly<Record<string, string>>>(values: readonly string[], compute: (...wide: readonly string[]) => T, kept: readonly string[] = []): T {
    const { type } = this;
    if (type !== 'float16' && type !== 'bfloat16') return compute(...values);
    const cast = (value: string, to: number): string => (value === '' ? '' : this.opWith('Cast', [value], { to }));
    this.type = 'float32';
    try {
      const results = Object.entries(compute(...values.map((value) => cast(value, dataTypes.float32))));
      return Object.fromEntries(results.map(([name, value]) => [name, kept.includes(name) ? value : cast(value, typeCode(type))])) as T;
    } finally {
      this.type = type;
    }
  }

  int64(...values: readonly number[]): string {
    return this.emitter.int64(...values);
  }

  rank(value: string): number {
    return this.shapes(value).length;
  }

  /** The size along an axis, as int64 [1]. */
  size(value: string, axis: number): string {
    return this.opWith('Shape', [value], { start: axis, end: axis + 1 });
  }

  /** 0, 1, … up to a size given as int64 [1]. */
  rangeTo(size: string): string {
    const scalar = (value: string): string => this.op('Squeeze', value);
    return this.op('Range', scalar(this.int64(0)), scalar(size), scalar(this.int64(1)));
  }

  integers(value: string): string {
    return this.opWith('Cast', [value], { to: dataTypes.int64 });
  }

  /** The value in the type of another, of which no gradient comes back where that type is known. */
  castLike(value: string, like: string): string {
    const type = this.typeOf(like);
    return type === undefined ? this.op('CastLike', value, like) : this.opWith('Cast', [value], { to: typeCode(type) });
  }

  /** Elements `start` to `end` of the last axis. */
  part(value: string, start: number, end: number): string {
    return this.op('Slice', value, this.int64(start), this.int64(end), this.int64(-1));
  }

  concat(axis: number, ...values: readonly string[]): string {
    return this.opWith('Concat', values, { axis });
  }

  unsqueeze(value: string, ...axes: readonly number[]): string {
    return this.op('Unsqueeze', value, this.int64(...axes));
  }

  transpose(value: string, ...perm: readonly number[]): string {
    return this.opWith('Transpose', [value], { perm });
  }

  /** Exchanges the last two of `rank` axes. */
  swap(value: string, rank: number): string {
    return this.transpose(value, ...range(rank - 2), rank - 1, rank - 2);
  }
}
