// The contestants: GrAInS in its variants, and what it is held against.
import type { ModelFolder } from '../../src/lm/folder.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';
import type { Baseline } from '../../src/steering/baseline.ts';
import type { GrainsStates } from '../../src/steering/grains.ts';
import { grainsStates } from '../../src/steering/grains.ts';
import type { MadeDirections } from '../../src/steering/makeVector.ts';
import { contrastiveDirections, globalDirections, grainsDirections, randomDirections, responseDirections } from '../../src/steering/makeVector.ts';
import type { TokenPair } from '../../src/steering/tokenPairs.ts';

export interface Method {
  readonly name: string;
  /** What it is, for the report. */
  readonly about: string;
  /** None: no steering. */
  readonly directions: ((made: MadeStates) => MadeDirections) | null;
  /** It takes the refined attribution, which costs most. */
  readonly refined?: true;
}

export const REFINED = 'GrAInS, refined';

const RANDOM_VECTORS = 3;

/** What the methods make their directions of. */
export interface MadeStates {
  /** By the baseline of the attribution; from the mean embedding it is refined until it adds up. */
  readonly attributed: Readonly<Record<'zero' | 'mean', GrainsStates>>;
  readonly randomTokens: GrainsStates;
}

export const NONE = 'no steering';
export const GRAINS = 'GrAInS';

const all = ({ attributed: { zero } }: MadeStates): readonly number[] => zero.states.whole.preferred.map((_, layer) => layer);

export const methods: readonly Method[] = [
  { name: NONE, about: 'the model as it is', directions: null },
  { name: GRAINS, about: 'as published: zero baseline, centred PCA, v⁺ − v⁻, k = 10', directions: ({ attributed }) => grainsDirections(attributed.zero.states, 'both', 'pca') },
  { name: 'GrAInS, uncentred', about: 'the first singular vector of the differences as they are', directions: ({ attributed }) => grainsDirections(attributed.zero.states, 'both', 'uncentred') },
  { name: 'GrAInS, mean', about: 'the mean of the differences', directions: ({ attributed }) => grainsDirections(attributed.zero.states, 'both', 'mean') },
  { name: 'GrAInS, v⁺ alone', about: 'only tokens that speak for the right answer are hidden', directions: ({ attributed }) => grainsDirections(attributed.zero.states, 'positive', 'pca') },
  { name: REFINED, refined: true, about: 'the attribution begins at the mean embedding and takes points until it adds up', directions: ({ attributed }) => grainsDirections(attributed.mean.states, 'both', 'pca') },
  { name: 'random tokens', about: 'GrAInS with tokens drawn at random in place of the attributed ones', directions: ({ randomTokens }) => grainsDirections(randomTokens.states, 'both', 'pca') },
  { name: 'CAA', about: 'the mean of h(x, y⁺) − h(x, y⁻)', directions: ({ attributed }) => contrastiveDirections(attributed.zero.states.whole) },
  { name: 'no attribution', about: 'the first principal direction of h(x, y⁺) − h(x, y⁻), nothing hidden', directions: ({ attributed }) => responseDirections(attributed.zero.states.whole, 'pca') },
  { name: 'one global vector', about: 'GrAInS with one direction for all layers', directions: (made) => globalDirections(made.attributed.zero.states, 'both', 'pca', all(made)) },
  ...Array.from({ length: RANDOM_VECTORS }, (_, i): Method => ({ name: `random vector ${i + 1}`, about: 'a drawn direction of the same norm at each layer', directions: ({ attributed }) => randomDirections(attributed.zero.states.whole, new Random(100 + i)) })),
];

/** Attribution, and the states with and without the tokens that it finds; without `refined` the cheaper attribution stands for both. */
export async function madeStates(host: ModelHost, folder: ModelFolder, pairs: readonly TokenPair[], { mask, seed, refined }: { readonly mask: number; readonly seed: number; readonly refined: boolean }): Promise<MadeStates> {
  const made = async (baseline: Baseline | null): Promise<GrainsStates> => {
    const states = await grainsStates(host, folder, pairs, mask, { seed, session: { provider: 'cpu', threads: 1 }, ...(baseline ? { baseline, refine: baseline === 'mean' } : { random: true }) });
    if (!states.ok) throw new Error(states.message);
    return states.grains;
  };
  const zero = await made('zero');
  return { attributed: { zero, mean: refined ? await made('mean') : zero }, randomTokens: await made(null) };
}
