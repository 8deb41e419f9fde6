// Pairs of plain changes: where two bugs hide each other, no change of one alone gains anything.
import type { Batch, BatchState } from './batch.ts';
import type { OpGroup } from './forms.ts';
import type { Ranking } from './gradient.ts';
import type { Change } from './rewrite.ts';

/** One op group takes one of its forms. */
export type Move = readonly [group: number, form: number];

/** A plain change and its rank among those of its op, from 0. */
export interface PlainMove {
  readonly move: Move;
  readonly rank: number;
}

/** Forms up to this cost, one small change each, are tried in pairs; only the best few symbols and wrappings of an op. */
const PLAIN_COST = 1.1;
const PLAIN_PER_OP = 8;
/** How many ranks a wrapping stands behind; symbols stand closer together, as there are few of them. */
const WRAP_RANKS = 4;

/**
 * The plain changes of each op, best promised gain first: the gradient of the whole says little where bugs hide each
 * other, but it still orders the changes of one op. Another symbol is plainer than a wrapping.
 */
export function plainMoves(groups: readonly OpGroup[], ranking: Ranking, choice: readonly number[]): PlainMove[] {
  const plain = (group: number, wraps: boolean): PlainMove[] =>
    (groups[group]?.forms ?? [])
      .map(({ cost, changes }, form) => ({ form, cost, changes, gain: ranking.gains[group]?.[form] ?? 0 }))
      .filter(({ form, cost, changes }) => form !== choice[group] && cost <= PLAIN_COST && changes.some(isWrap) === wraps)
      .sort((a, b) => b.gain - a.gain || a.cost - b.cost)
      .slice(0, PLAIN_PER_OP)
      .map(({ form }, rank) => ({ move: [group, form], rank: wraps ? WRAP_RANKS + rank : rank / 2 }));
  return groups.flatMap((_, g) => [...plain(g, false), ...plain(g, true)]);
}

/** Is the form one plain change of a symbol? */
export function isSymbol(groups: readonly OpGroup[], group: number, form: number): boolean {
  const found = groups[group]?.forms[form];
  return found !== undefined && found.cost <= PLAIN_COST && !found.changes.some(isWrap);
}

/** Two moves of different ops, those first that rank highest among their own ops' changes. */
export function rankedPairs(moves: readonly PlainMove[], most: number): [Move, Move][] {
  return pairsOf(moves)
    .filter(([a, b]) => a.move[0] !== b.move[0])
    .sort(([a, b], [c, d]) => a.rank + b.rank - (c.rank + d.rank))
    .slice(0, most)
    .map(([a, b]) => [a.move, b.move]);
}

/**
 * What the ops of a group give in a state, as a key: two forms with equal keys do the same there. Null where the states'
 * values cannot be compared.
 */
export function behaviourOf({ nodes }: OpGroup, state: BatchState, reference: BatchState): string | null {
  if (state.pool !== reference.pool) return null;
  return nodes.map((node) => {
    const results = state.columns.get(node)?.codes ?? state.matrices.get(node);
    return results ? hashOf(results) : '';
  }).join();
}

function hashOf(numbers: Int32Array | Uint8Array): string {
  let [a, b] = [2166136261, 40503];
  for (const x of numbers) {
    a = Math.imul(a ^ x, 16777619);
    b = Math.imul(b + x, 2654435761) ^ (b >>> 15);
  }
  return `${a >>> 0}.${b >>> 0}`;
}

/** The pair's op that is computed first comes first: from its state, the other costs only what hangs on it. */
export function upstreamFirst(batch: Batch, groups: readonly OpGroup[]): (pair: readonly [Move, Move]) => readonly [Move, Move] {
  const place = new Map(batch.order.map((node, i) => [node, i]));
  const first = groups.map(({ nodes }) => Math.min(...nodes.map((node) => place.get(node) ?? 0)));
  return ([a, b]) => ((first[a[0]] ?? 0) <= (first[b[0]] ?? 0) ? [a, b] : [b, a]);
}

export function pairsOf<T>(list: readonly T[]): [T, T][] {
  return list.flatMap((a, i) => list.slice(i + 1).map((b): [T, T] => [a, b]));
}

const isWrap = ({ kind }: Change): boolean => kind === 'operand' || kind === 'result' || kind === 'around';
