// What a decoder's gradient graph is fed: tokens or embeddings in padded rows, and the outcomes whose values are wanted.
import type { ModelInterface } from './interface.ts';
import { emptyCache, integers } from './interface.ts';
import { targetInputs } from './target.ts';
import type { ValueInfo } from '../onnx/graph.ts';
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

const rowLengths: ReadonlySet<string> = new Set(['seqlens_k', 'past_seq_len', 'past_sequence_length']);
const totalLengths: ReadonlySet<string> = new Set(['total_sequence_length', 'total_seq_len']);

/** What a first run without a cache is fed of tokens, masks and positions. */
export function rowFeeds(io: ModelInterface, { ids, mask = ids.map((row) => row.map(() => 1)) }: TokenRows): Feeds {
  const [batch, length] = [ids.length, ids[0]?.length ?? 0];
  const feeds = emptyCache(io, batch);
  const put = (input: Pick<ValueInfo, 'name' | 'type'> | null, dims: readonly number[], values: readonly number[]): void => {
    if (input) feeds[input.name] = integers(input.type, dims, values);
  };
  put(io.ids, [batch, length], ids.flat());
  put(io.attentionMask, [batch, length], mask.flat());
  put(io.positionIds, [batch, length], mask.flatMap(positionsOf));
  put(io.useCacheBranch, [1], [1]);
  put(io.logitsToKeep, [], [0]);
  const tokens = mask.map((row) => row.reduce((sum, one) => sum + one, 0));
  for (const input of io.others) {
    if (rowLengths.has(input.name)) put(input, input.dims.map((_, axis) => (axis === 0 ? batch : 1)), tokens.map((count) => count - 1));
    if (totalLengths.has(input.name)) put(input, input.dims.map(() => 1), [length]);
  }
  return feeds;
}

/** Positions count the tokens of a row, not its padding. */
function positionsOf(mask: readonly number[]): readonly number[] {
  let count = -1;
  return mask.map((one) => Math.max(0, (count += one)));
}

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
