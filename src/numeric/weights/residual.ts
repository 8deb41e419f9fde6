// The residual stream while a program is compiled: named directions, and linear forms that read them.
import type { Value } from '../../rasp/program.ts';

/** When a direction is written: −1 by the embedding, 2ℓ by the attention of layer ℓ, 2ℓ + 1 by its MLP. */
export type Stage = number;

/** What the numbers of a direction stand for: codes[i] for values[i]. */
export interface Levels {
  readonly values: readonly Value[];
  readonly codes: readonly number[];
}

/** An axis of the residual stream. */
export interface Direction {
  /** The op whose result it carries: its name in the source, or a description. */
  readonly label: string;
  /** It is 1 where the op's result is one of these; null: it holds a number. */
  readonly values: readonly Value[] | null;
  readonly stage: Stage;
  /** Of a number. */
  readonly levels?: Levels;
}

/** A linear functional of the residual stream: the coefficient of each direction, by its index. */
export type Form = ReadonlyMap<number, number>;

/** Σ coefficient · form; coefficients that cancel are left out. */
export function combine(terms: Iterable<readonly [Form, number]>): Form {
  const sum = new Map<number, number>();
  for (const [form, factor] of terms) {
    if (factor === 0) continue;
    for (const [direction, coefficient] of form) sum.set(direction, (sum.get(direction) ?? 0) + factor * coefficient);
  }
  for (const [direction, coefficient] of sum) if (coefficient === 0) sum.delete(direction);
  return sum;
}

export const sumOf = (forms: readonly Form[]): Form => combine(forms.map((form) => [form, 1]));

/**
 * The directions of one model. Two are always there: `one` is 1 at every position of the input and 0 at BOS, `bos` the
 * other way round. Every form that stands for an op's result is 0 at BOS.
 */
export class Residual {
  private readonly list: Direction[] = [];
  readonly one: number;
  readonly bos: number;

  constructor() {
    this.bos = this.add('BOS', [true], -1);
    this.one = this.add('one', [true], -1);
  }

  get directions(): readonly Direction[] {
    return this.list;
  }

  add(label: string, values: readonly Value[] | null, stage: Stage): number {
    this.list.push({ label, values, stage });
    return this.list.length - 1;
  }

  /** A direction that holds a number. */
  addNumber(label: string, levels: Levels, stage: Stage): number {
    this.list.push({ label, values: null, stage, levels });
    return this.list.length - 1;
  }

  /** When everything that the forms read is written. */
  stageOf(forms: Iterable<Form>): Stage {
    let stage = -1;
    for (const form of forms) for (const direction of form.keys()) stage = Math.max(stage, this.list[direction]?.stage ?? -1);
    return stage;
  }

  /** The constant as a form: 0 at BOS. */
  constant(value: number): Form {
    return new Map(value === 0 ? [] : [[this.one, value]]);
  }
}

/** The first attention after a stage, and the first MLP after it. */
export const attentionAfter = (stage: Stage): Stage => (stage % 2 === 0 ? stage + 2 : stage + 1);
export const mlpAfter = (stage: Stage): Stage => (stage % 2 === 0 ? stage + 1 : stage + 2);
