// Do the neurons that a localisation names matter? The score without them, against the score without as many others.
import type { Localiser, Neuron } from './localise.ts';
import type { Estimate } from './metrics.ts';
import { estimated } from './metrics.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import type { Random } from '../shared/random.ts';

export interface RemovalOptions {
  /** Neurons taken away from each text. */
  readonly count: number;
  /** Random sets drawn for each text. */
  readonly draws: number;
  readonly random: Random;
  readonly token?: CancellationToken;
}

export interface RemovalEffect {
  readonly texts: number;
  /** Mean |change of the score| without the top neurons of each text. */
  readonly top: Estimate;
  /** The same without as many neurons drawn at random from the layers. */
  readonly others: Estimate;
  /** How much more the former is. */
  readonly difference: Estimate;
}

/** Texts end with the token that is scored; intervals by bootstrap over texts. @throws RuntimeError, HostDiedError, CancelledError */
export async function removalEffect(localiser: Localiser, texts: readonly (readonly number[])[], { count, draws, random, token }: RemovalOptions): Promise<RemovalEffect> {
  const changes: { readonly top: number; readonly others: number }[] = [];
  for (const ids of texts) {
    const { score, neurons } = await localiser.localise(ids, token);
    const change = async (removed: readonly Neuron[]): Promise<number> => Math.abs((await localiser.scoreWithout(ids, removed, token)) - score);
    let others = 0;
    for (let draw = 0; draw < draws; draw++) others += (await change(random.shuffle(neurons.slice(count)).slice(0, count))) / draws;
    changes.push({ top: await change(neurons.slice(0, count)), others });
  }
  const mean = (of: (change: (typeof changes)[number]) => number) => (weights: ArrayLike<number>): number => {
    const total = changes.reduce((sum, _, i) => sum + (weights[i] ?? 0), 0);
    return changes.reduce((sum, change, i) => sum + (weights[i] ?? 0) * of(change), 0) / total;
  };
  return { texts: texts.length, ...estimated({ top: mean(({ top }) => top), others: mean(({ others }) => others), difference: mean(({ top, others }) => top - others) }, texts.map((_, i) => String(i)), { random }) };
}
