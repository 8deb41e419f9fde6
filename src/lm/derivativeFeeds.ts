// What a decoder's gradient graph is fed: tokens or embeddings in padded rows, and the outcomes whose values are wanted.
import { integers } from './interface.ts';
import { targetInputs } from './target.ts';
import type { HostTensor } from '../runtime/protocol.ts';

/** A token at a place: its logit or log-probability there is what the model says of it. */
export interface Outcome {
  readonly row: number;
  /** The position whose logits are meant, one before the token's own. */
  readonly position: number;
  readonly token: number;
  /** What it counts for in the target; default 1. */
  readonly weight?: number;
}

/** A rectangle of tokens. */
export interface TokenRows {
  /** [batch][sequence], every row as long; also where embeddings are given, for models that look at the ids again. */
  readonly ids: readonly (readonly number[])[];
  /** 1 for a token, 0 for padding, [batch][sequence]; all 1 if absent. */
  readonly mask?: readonly (readonly number[])[] | undefined;
}

/** The input that stands in for what the tokens are embedded as: float32 [batch, sequence, hidden]. */
export const EMBEDDINGS = 'embeddings';

export type Feeds = Readonly<Record<string, HostTensor>>;

/** A place is computed once, however many outcomes it has. */
export function outcomeFeeds(outcomes: readonly Outcome[]): Feeds {
  const places = new Map<string, number>();
  const positions: number[] = [];
  const indices = outcomes.map(({ row, position }) => {
    const key = `${row},${position}`;
    const known = places.get(key) ?? places.size;
    if (known === places.size) positions.push(row, position);
    places.set(key, known);
    return known;
  });
  return {
    [targetInputs.positions]: integers('int64', [places.size, 2], positions),
    [targetInputs.outcomes]: integers('int64', [outcomes.length, 2], outcomes.flatMap(({ token }, i) => [indices[i] ?? 0, token])),
    [targetInputs.weights]: { type: 'float32', dims: [outcomes.length], data: Float32Array.from(outcomes, ({ weight = 1 }) => weight) },
  };
}
