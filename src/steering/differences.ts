// Sets of differences: what a model's residual stream loses at a response's end when tokens of the prompt are hidden.
import type { Rows } from './directions.ts';
import type { LayerRows, ResidualStates, StateOptions } from './residualStates.ts';
import type { TokenPair, TokenSequence } from './tokenPairs.ts';
import { followed, hidden } from './tokenPairs.ts';

/** The states after both responses, one row a pair. */
export interface ResponseStates {
  readonly preferred: LayerRows;
  readonly dispreferred: LayerRows;
}

export interface PairStates<Name extends string> {
  readonly whole: ResponseStates;
  /** With the tokens of each set hidden. */
  readonly masked: Readonly<Record<Name, ResponseStates>>;
}

/** Of each pair, by the name of the set: the positions of the prompt that are hidden. */
export type TokenSets<Name extends string> = readonly Readonly<Record<Name, readonly number[]>>[];

/**
 * Reads what the differences are made of: h(x, y⁺) and h(x, y⁻), and the same for each set's masked prompt x̃.
 * @param mask the token that hides others
 * @throws CancelledError, LanguageModelError, RuntimeError, HostDiedError
 */
export async function pairStates<Name extends string>(states: Pick<ResidualStates, 'lastTokens'>, pairs: readonly TokenPair[], sets: TokenSets<Name>, names: readonly Name[], mask: number, options: StateOptions = {}): Promise<PairStates<Name>> {
  const prompts = (name: Name | null): readonly TokenSequence[] =>
    pairs.map(({ prompt, maskable }, i) => (name === null ? prompt : hidden(prompt, (sets[i]?.[name] ?? []).filter((position) => maskable.includes(position)), mask)));
  const kinds = [null, ...names];
  const sequences = kinds.flatMap((name) => {
    const own = prompts(name);
    return [...pairs.map(({ preferred }, i) => followed(own[i] ?? none, preferred)), ...pairs.map(({ dispreferred }, i) => followed(own[i] ?? none, dispreferred))];
  });
  const rows = await states.lastTokens(sequences, options);
  const part = (k: number): LayerRows => rows.map(({ width, data }) => ({ width, data: data.slice(k * pairs.length * width, (k + 1) * pairs.length * width) }));
  const responses = (k: number): ResponseStates => ({ preferred: part(2 * k), dispreferred: part(2 * k + 1) });
  return { whole: responses(0), masked: Object.fromEntries(names.map((name, k) => [name, responses(k + 1)])) as Record<Name, ResponseStates> };
}

const none: TokenSequence = { ids: [], embeddings: [] };

/** D_S of each layer: h(x, y) − h(x̃_S, y) after both responses, 2N rows. */
export const differenceSet = (whole: ResponseStates, masked: ResponseStates): LayerRows =>
  whole.preferred.map((rows, layer) => joined(difference(rows, masked.preferred[layer]), difference(whole.dispreferred[layer] ?? rows, masked.dispreferred[layer])));

/** h(x, y⁺) − h(x, y⁻) of each layer, N rows: what contrastive activation addition is the mean of. */
export const responseDifferences = ({ preferred, dispreferred }: ResponseStates): LayerRows => preferred.map((rows, layer) => difference(rows, dispreferred[layer]));

const difference = ({ width, data }: Rows, other: Rows | undefined): Rows => ({ width, data: data.map((value, i) => value - (other?.data[i] ?? 0)) });

const joined = (a: Rows, b: Rows): Rows => ({ width: a.width, data: Float32Array.from([...a.data, ...b.data]) });

/** Mean norm of the rows of each layer, with nothing hidden. */
export const meanNorms = ({ preferred, dispreferred }: ResponseStates): readonly number[] =>
  preferred.map((rows, layer) => meanNorm(joined(rows, dispreferred[layer] ?? rows)));

function meanNorm({ width, data }: Rows): number {
  const count = data.length / width;
  let sum = 0;
  for (let r = 0; r < count; r++) sum += Math.hypot(...data.subarray(r * width, (r + 1) * width));
  return sum / count;
}
