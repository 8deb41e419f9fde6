// Values as small numbers, and what functions make of them: each function runs once per distinct argument of a search.
import type { Value } from '../rasp/program.ts';
import { isNumeric, ScalarError } from '../rasp/scalar.ts';

/** Stands for a computation that failed. */
export const FAILED = -1;
const UNKNOWN = -2;

/** Results of one function by its arguments' codes: a hash table that grows as it fills. */
export class Memo {
  private first = new Int32Array(64);
  private second = new Int32Array(64);
  private results = new Int32Array(64).fill(UNKNOWN);
  size = 0;

  /** The slot of a pair, or that where it would go. */
  private slot(a: number, b: number): number {
    const mask = this.results.length - 1;
    let at = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> 7;
    for (at &= mask; this.results[at] !== UNKNOWN; at = (at + 1) & mask) {
      if (this.first[at] === a && this.second[at] === b) return at;
    }
    return at;
  }

  /** UNKNOWN if the pair has not been set. */
  private get(a: number, b: number): number {
    return this.results[this.slot(a, b)] ?? UNKNOWN;
  }

  /** The remembered result, or that of `fn`, which is remembered. */
  result(a: number, b: number, fn: (a: number, b: number) => number): number {
    const known = this.get(a, b);
    if (known !== UNKNOWN) return known;
    const result = fn(a, b);
    this.set(a, b, result);
    return result;
  }

  private set(a: number, b: number, result: number): void {
    if (2 * this.size >= this.results.length) this.grow();
    const at = this.slot(a, b);
    this.first[at] = a;
    this.second[at] = b;
    this.results[at] = result;
    this.size++;
  }

  private grow(): void {
    const { first, second, results } = this;
    this.first = new Int32Array(2 * results.length);
    this.second = new Int32Array(2 * results.length);
    this.results = new Int32Array(2 * results.length).fill(UNKNOWN);
    this.size = 0;
    results.forEach((result, at) => {
      if (result !== UNKNOWN) this.set(first[at] ?? 0, second[at] ?? 0, result);
    });
  }
}

/** Interns the values of one search and remembers the results of functions on them. */
export class ValuePool {
  readonly values: Value[] = [];
  /** values[code] as a number, NaN if it is none. */
  readonly numbers: number[] = [];
  private readonly codes = new Map<Value, number>();
  private readonly memos = new Map<object, Memo>();
  private readonly longRows = new Map<object, Map<string, number>>();

  /** How many values and results it holds. */
  get size(): number {
    let size = this.values.length;
    for (const memo of this.memos.values()) size += memo.size;
    for (const rows of this.longRows.values()) size += rows.size;
    return size;
  }

  code(value: Value): number {
    let code = this.codes.get(value);
    if (code === undefined) {
      code = this.values.length;
      this.values.push(value);
      this.numbers.push(isNumeric(value) ? Number(value) : Number.NaN);
      this.codes.set(value, code);
    }
    return code;
  }

  value(code: number): Value {
    return this.values[code] ?? null;
  }

  /** The code of what a computation gives, FAILED if it raises a scalar error. */
  result(compute: () => Value): number {
    try {
      return this.code(compute());
    } catch (error) {
      if (error instanceof ScalarError) return FAILED;
      throw error;
    }
  }

  /**
   * fn(a, b) at each position, by its codes; `second` null for a function of one argument. A FAILED argument gives
   * FAILED. Results are remembered under `key`, which must stand for one function.
   */
  apply(key: object, first: Int32Array, second: Int32Array | null, fn: (a: number, b: number) => number): Int32Array {
    const memo = this.memo(key);
    const out = new Int32Array(first.length);
    for (let i = 0; i < out.length; i++) {
      const a = first[i] ?? FAILED;
      const b = second ? (second[i] ?? FAILED) : 0;
      out[i] = a === FAILED || b === FAILED ? FAILED : memo.result(a, b, fn);
    }
    return out;
  }

  /** As `apply`, for functions of three arguments and more. */
  applyLong(key: object, args: readonly Int32Array[], fn: (codes: readonly number[]) => number): Int32Array {
    let known = this.longRows.get(key);
    if (!known) this.longRows.set(key, (known = new Map()));
    const out = new Int32Array(args[0]?.length ?? 0);
    for (let i = 0; i < out.length; i++) {
      const codes = args.map((column) => column[i] ?? FAILED);
      const row = codes.join();
      let result = codes.includes(FAILED) ? FAILED : known.get(row);
      if (result === undefined) {
        known.set(row, (result = fn(codes)));
      }
      out[i] = result;
    }
    return out;
  }

  /** What is remembered under a key, which must stand for one function. */
  memo(key: object): Memo {
    let memo = this.memos.get(key);
    if (!memo) this.memos.set(key, (memo = new Memo()));
    return memo;
  }
}
