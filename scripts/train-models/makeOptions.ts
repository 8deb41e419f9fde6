// What each of the models that come with the project is made with.
import type { ModelHost } from '../../src/runtime/client.ts';

export interface MakeOptions {
  readonly host: ModelHost;
  /** Steps of training; null: the model's own number. */
  readonly steps: number | null;
  /** Threads that share one operator. */
  readonly threads: number;
  /** The model folder to write. */
  readonly out: string;
  /** Where checkpoints lie, so that an interrupted training goes on. */
  readonly checkpoints: string;
  /** Evaluates the model that is in `out` instead of training it. */
  readonly evaluateOnly: boolean;
  /** Items that each ability is evaluated on. */
  readonly items: number;
  readonly log: (line: string) => void;
}
