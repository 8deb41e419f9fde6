// A few examples, as many wrong as right: whether two changes at once gain anything is seen on them at a small part of the cost.
import type { BatchScore, BatchState, Overrides } from './batch.ts';
import { Batch, sameValue } from './batch.ts';
import type { Value } from '../rasp/program.ts';

/** Examples that a program gets wrong, and as many that it gets right. */
const EACH = 8;

export class Probe {
  /** By the overrides with one of two changes. */
  private readonly states = new Map<Overrides, BatchState>();

  private constructor(
    private readonly batch: Batch,
    private readonly origin: BatchState,
    private readonly least: number,
  ) {}

  /** @param state what the program at hand gives on the batch */
  static of(whole: Batch, state: BatchState): Probe {
    const [wrong, right] = [false, true].map((wanted) => whole.examples.filter(({ output }, e) => isRight(whole.outputOf(state, e), output) === wanted).slice(0, EACH));
    const batch = new Batch(whole.root, whole.dialect, [...(wrong ?? []), ...(right ?? [])]);
    const origin = batch.evaluate(state.overrides);
    return new Probe(batch, origin, valueOf(batch.score(origin)));
  }

  /** More of them right than the program at hand gets? `first` are the overrides with one of the two changes, `both` with both. */
  gains(first: Overrides, both: Overrides): boolean {
    let state = this.states.get(first);
    if (!state) {
      state = this.batch.evaluate(first, this.origin);
      this.states.set(first, state);
    }
    return valueOf(this.batch.score(this.batch.evaluate(both, state))) > this.least + 1e-9;
  }
}

const valueOf = ({ sequences, tokens }: BatchScore): number => sequences + tokens;

const isRight = (given: readonly Value[] | null, wanted: readonly Value[]): boolean =>
  given !== null && given.every((value, i) => sameValue(value, wanted[i] ?? null));
