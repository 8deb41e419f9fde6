// What an expression gives on one input, as plain data that can be sent and shown.
import type { ElementType, Node, Value } from './program.ts';
import { isSelector } from './program.ts';
import { Evaluation, EvaluationError } from './interpret.ts';
import type { Dialect } from './program.ts';

export type ShownValue =
  | { readonly kind: 's-op'; readonly values: readonly Value[]; readonly type: ElementType }
  /** matrix[q][k] */
  | { readonly kind: 'selector'; readonly matrix: readonly (readonly boolean[])[] }
  /** Not a sequence: an atom, a list, a function; as the language writes it. */
  | { readonly kind: 'plain'; readonly what: string; readonly text: string }
  | { readonly kind: 'failure'; readonly message: string };

export interface Inspected {
  /** What the value is of. */
  readonly start: number;
  readonly end: number;
  readonly shown: ShownValue;
  /** The input that gives it. */
  readonly example: readonly Value[];
  /** How often the expression has been carried out; the value is the last one's. */
  readonly times: number;
}

/** Longer inputs are cut: a selector costs the square of their length. */
export const longestExample = 64;

/** Evaluates nodes on inputs; what nodes share is computed once for each input. */
export class NodeValues {
  private readonly evaluations = new Map<readonly Value[], Evaluation>();

  constructor(private readonly dialect: Dialect) {}

  show(node: Node, example: readonly Value[]): ShownValue {
    const evaluation = this.evaluationOn(example);
    try {
      evaluation.evaluate(node);
      if (isSelector(node)) return { kind: 'selector', matrix: evaluation.matrix(node) };
      const { values, type } = evaluation.sequence(node);
      return { kind: 's-op', values, type };
    } catch (error) {
      if (error instanceof EvaluationError) return { kind: 'failure', message: error.message };
      throw error;
    }
  }

  private evaluationOn(example: readonly Value[]): Evaluation {
    const known = this.evaluations.get(example);
    if (known) return known;
    const evaluation = new Evaluation(this.dialect, example);
    this.evaluations.set(example, evaluation);
    return evaluation;
  }
}

/** The last value of each place of a text, and how often there was one. */
export class Records<T> {
  private readonly byPlace = new Map<number, Recorded<T>>();

  add(start: number, end: number, value: T, example: readonly Value[]): void {
    const key = placeKey(start, end);
    const known = this.byPlace.get(key);
    if (known) this.byPlace.set(key, { start, end, value, example, times: known.times + 1 });
    else this.byPlace.set(key, { start, end, value, example, times: 1 });
  }

  get(start: number, end: number): Recorded<T> | undefined {
    return this.byPlace.get(placeKey(start, end));
  }

  /** The smallest place that holds both offsets. */
  around(start: number, end: number): Recorded<T> | undefined {
    let best: Recorded<T> | undefined;
    for (const record of this.byPlace.values()) {
      if (record.start > start || record.end < end) continue;
      if (best === undefined || record.end - record.start < best.end - best.start) best = record;
    }
    return best;
  }
}

/** One number for both offsets, exact up to 64 million characters. */
const placeKey = (start: number, end: number): number => start * 2 ** 26 + end;

export interface Recorded<T> {
  readonly start: number;
  readonly end: number;
  readonly value: T;
  readonly example: readonly Value[];
  readonly times: number;
}
