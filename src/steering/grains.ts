// GrAInS from contrast pairs to states: which tokens each pair hides, and what the model holds with and without them.
import type { Attributor } from './attribution.ts';
import { COMPLETENESS_LIMIT, openAttributor } from './attribution.ts';
import type { Baseline } from './baseline.ts';
import type { PairStates, TokenSets } from './differences.ts';
import { pairStates } from './differences.ts';
import type { AttributionMethod } from './path.ts';
import { ResidualStates } from './residualStates.ts';
import type { TokenPair } from './tokenPairs.ts';
import { DEFAULT_SET_SIZE, tokenSets } from './tokenSets.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';
import { Random } from '../shared/random.ts';

export type SignedSet = 'positive' | 'negative';
export const signedSets = ['positive', 'negative'] as const satisfies readonly SignedSet[];

export interface GrainsOptions {
  /** k: tokens of S⁺ and of S⁻; default 10. */
  readonly size?: number;
  /** Default integrated gradients. */
  readonly method?: AttributionMethod;
  /** Default zero. */
  readonly baseline?: Baseline;
  /** Points of the path; default 20. */
  readonly steps?: number;
  /** More points where the contrast bends, until the attribution adds up. */
  readonly refine?: boolean;
  /** As many tokens at random in place of those that attribution finds: a control. */
  readonly random?: boolean;
  readonly seed?: number;
  readonly session?: Partial<SessionOptions>;
  readonly token?: CancellationToken;
  readonly onProgress?: (stage: 'attribution' | 'states', done: number, of: number) => void;
}

export interface GrainsStates {
  readonly sets: TokenSets<SignedSet>;
  readonly states: PairStates<SignedSet>;
  /** Pairs whose attribution leaves more than 5 % of F(E) − F(E′) unexplained; null without attribution. */
  readonly incomplete: number | null;
}

export type GrainsResult = { readonly ok: true; readonly grains: GrainsStates } | { readonly ok: false; readonly message: string };

/**
 * Attributes each pair, hides S⁺ and S⁻ in turn, and reads the states at the end of both responses.
 * @param mask the token that hides others
 * @throws AttributionError, LanguageModelError, RuntimeError, HostDiedError, CancelledError
 */
export async function grainsStates(host: ModelHost, folder: ModelFolder, pairs: readonly TokenPair[], mask: number, options: GrainsOptions = {}): Promise<GrainsResult> {
  const attributed = options.random === true ? { ok: true as const, value: { sets: randomSets(pairs, options), incomplete: null } } : await attributedSets(host, folder, pairs, options);
  if (!attributed.ok) return attributed;
  const opened = await ResidualStates.open(host, folder, options.session);
  if (!opened.ok) return opened;
  try {
    const { token = neverCancelled, onProgress } = options;
    const states = await pairStates(opened.states, pairs, attributed.value.sets, signedSets, mask, { token, onProgress: (done, of) => onProgress?.('states', done, of) });
    return { ok: true, grains: { ...attributed.value, states } };
  } finally {
    await opened.states.release();
  }
}

type Attributed = { readonly ok: true; readonly value: Omit<GrainsStates, 'states'> } | { readonly ok: false; readonly message: string };

async function attributedSets(host: ModelHost, folder: ModelFolder, pairs: readonly TokenPair[], options: GrainsOptions): Promise<Attributed> {
  const { token = neverCancelled, session = {}, onProgress } = options;
  const opened = await openAttributor(folder, host, { session, token });
  if (!opened.ok) return { ok: false, message: opened.problem.message };
  const { attributor } = opened;
  try {
    const sets: Record<SignedSet, readonly number[]>[] = [];
    let incomplete = 0;
    for (const pair of pairs) {
      throwIfCancelled(token);
      const found = await attributedPair(attributor, pair, options);
      if (!found.complete) incomplete++;
      sets.push(found.sets);
      onProgress?.('attribution', sets.length, pairs.length);
    }
    return { ok: true, value: { sets, incomplete } };
  } finally {
    await attributor.release();
  }
}

async function attributedPair(attributor: Attributor, { prompt, preferred, dispreferred, maskable }: TokenPair, { size = DEFAULT_SET_SIZE, method, baseline, steps, refine = false, seed = 1, token = neverCancelled }: GrainsOptions): Promise<{ readonly sets: Record<SignedSet, readonly number[]>; readonly complete: boolean }> {
  const fixed = prompt.ids.flatMap((_, place) => (maskable.includes(place) ? [] : [place]));
  const { tokens, completeness } = await attributor.attribute({ prompt: prompt.ids, images: prompt.embeddings, preferred, dispreferred, fixed, method, baseline, steps, seed, ...(refine ? { refine: {} } : {}) }, { token });
  const { positive, negative } = tokenSets(tokens, { size, excluded: fixed }, new Random(seed));
  return { sets: { positive, negative }, complete: completeness.relative <= COMPLETENESS_LIMIT };
}

/** Two sets of k tokens without a token in common, as attribution's are. */
function randomSets(pairs: readonly TokenPair[], { size = DEFAULT_SET_SIZE, seed = 1 }: GrainsOptions): TokenSets<SignedSet> {
  const random = new Random(seed);
  return pairs.map(({ prompt, maskable }) => {
    const drawn = prompt.ids.map(() => random.next());
    const excluded = prompt.ids.flatMap((_, place) => (maskable.includes(place) ? [] : [place]));
    const { positive, negative } = tokenSets(drawn, { size, excluded }, random);
    return { positive, negative };
  });
}
