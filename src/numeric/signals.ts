// What flows between the ops of a table program: distributions over value sets and numbers, and how one becomes the other.
import { hatWeights } from './grid.ts';
import { valueIndex } from './tableParameter.ts';
import type { GraphBuilder } from '../onnx/builder.ts';
import type { Value } from '../rasp/program.ts';
import { isNumeric } from '../rasp/scalar.ts';

/** A value at every position: a distribution over a finite set, or a number. */
export type Signal =
  | { readonly kind: 'finite'; readonly name: string; readonly values: readonly Value[] }
  | { readonly kind: 'real'; readonly name: string; readonly values: readonly Value[] };

/** Adds conversions and constants to a graph, each constant once. */
export class SignalBuilder {
  private readonly constants = new Set<string>();

  constructor(
    private readonly builder: GraphBuilder,
    private readonly maxLength: number,
  ) {}

  /** A signal as a distribution, over its own set or a wider one. Real numbers spread linearly between neighbours. */
  finite(signal: Signal, onto: readonly Value[] = signal.values): Signal {
    if (signal.kind === 'finite') return { kind: 'finite', name: this.onto(signal, onto), values: onto };
    const grid = onto.filter(isNumeric);
    const { up, upBias, down, downBias } = hatWeights(grid.map(Number));
    const { builder: b } = this;
    const id = b.fresh('grid');
    const row = (name: string, data: Float32Array): string => this.constant(`${id}/${name}`, [1, 1, data.length], data);
    const rising = b.node('Add', [b.node('Mul', [signal.name, row('up', up)]), row('upBias', upBias)]);
    const falling = b.node('Add', [b.node('Mul', [signal.name, row('down', down)]), row('downBias', downBias)]);
    const hat = b.node('Min', [rising, falling]);
    const name = b.node('Clip', [hat, this.scalar('zero', 0), this.scalar('unit', 1)]);
    return { kind: 'finite', name: this.onto({ kind: 'finite', name, values: grid }, onto), values: onto };
  }

  /** Re-indexes a distribution to another value set; values that are not in it lose their probability. */
  onto(signal: Signal, values: readonly Value[]): string {
    if (values === signal.values || sameList(values, signal.values)) return signal.name;
    const map = new Float32Array(signal.values.length * values.length);
    signal.values.forEach((value, i) => {
      const j = valueIndex(values, value);
      if (j >= 0) map[i * values.length + j] = 1;
    });
    const name = this.builder.fresh('onto');
    return this.builder.node('MatMul', [signal.name, this.constant(name, [signal.values.length, values.length], map)]);
  }

  /** Expected value [.., 1]. Values that are no numbers count as 0. */
  real(signal: Signal): string {
    if (signal.kind === 'real') return signal.name;
    const numbers = Float32Array.from(signal.values, (value) => (isNumeric(value) ? Number(value) : 0));
    const name = this.builder.fresh('numbers');
    return this.builder.node('MatMul', [signal.name, this.constant(name, [numbers.length, 1], numbers)]);
  }

  /** Signals that do not depend on the position have one row; an aggregate needs one per key. */
  overKeys(name: string): string {
    return this.builder.node('Mul', [name, this.onePerKey()]);
  }

  oneHot(values: readonly Value[], value: Value): string {
    const index = valueIndex(values, value);
    const name = `oneHot/${values.length}/${index}`;
    const data = Float32Array.from(values, (_, i) => (i === index ? 1 : 0));
    return this.constant(name, [1, 1, values.length], data);
  }

  constant(name: string, dims: readonly number[], data: Float32Array): string {
    if (!this.constants.has(name)) this.builder.initializer(name, { type: 'float32', dims: [...dims], data });
    this.constants.add(name);
    return name;
  }

  scalar(name: string, value: number): string {
    return this.constant(`scalar/${name}`, [], Float32Array.of(value));
  }

  /** [1, keys, 1] of ones. */
  onePerKey(): string {
    const { maxLength: n } = this;
    return this.constant('onePerKey', [1, n, 1], new Float32Array(n).fill(1));
  }

  int64(name: string, values: readonly number[]): string {
    if (!this.constants.has(name)) {
      const data = BigInt64Array.from(values, BigInt);
      this.builder.initializer(name, { type: 'int64', dims: [values.length], data });
    }
    this.constants.add(name);
    return name;
  }
}

export const sameList = (a: readonly Value[], b: readonly (Value | undefined)[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);
