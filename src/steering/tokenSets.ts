// The tokens that speak most for and against a response: S⁺ and S⁻ of GrAInS (Nguyen et al. 2025), and controls.
import type { Random } from '../shared/random.ts';

/** `positive`: the highest; `negative`: the lowest; `both`: the highest and the lowest; `absolute`: the largest of either sign; `random`: as many at random, a control. */
export type TokenSetMode = 'positive' | 'negative' | 'both' | 'absolute' | 'random';

export const tokenSetModes: readonly TokenSetMode[] = ['positive', 'negative', 'both', 'absolute', 'random'];

export const DEFAULT_SET_SIZE = 10;

export interface TokenSets {
  /** Places of the prompt, the strongest first. In modes with one set it is this one, and the other is empty. */
  readonly positive: readonly number[];
  readonly negative: readonly number[];
}

export interface TokenSetOptions {
  readonly mode?: TokenSetMode;
  /** k: of each set, at most. */
  readonly size?: number;
  /** Places that are never in a set: special tokens. A response has no places here. */
  readonly excluded?: readonly number[];
}

/**
 * The k highest and the k lowest tokens. Where a prompt is shorter than 2k the sets may not share a token: each takes at
 * most half of it. The sign plays no part but in the order: among tokens that all speak for a response the lowest speak
 * least for it, as published. Ties go to the earlier place.
 * @param random only `random` draws from it
 */
export function tokenSets(values: readonly number[], { mode = 'both', size = DEFAULT_SET_SIZE, excluded = [] }: TokenSetOptions, random: Random): TokenSets {
  const places = values.map((_, place) => place).filter((place) => !excluded.includes(place) && !Number.isNaN(values[place]));
  const most = Math.min(size, places.length);
  const highest = (of: (value: number) => number, count = most): number[] => [...places].sort((a, b) => of(values[b] ?? 0) - of(values[a] ?? 0) || a - b).slice(0, count);
  switch (mode) {
    case 'positive': return { positive: highest((value) => value), negative: [] };
    case 'negative': return { positive: [], negative: highest((value) => -value) };
    case 'absolute': return { positive: highest(Math.abs), negative: [] };
    case 'random': return { positive: random.shuffle(places).slice(0, most), negative: [] };
    case 'both': {
      const each = Math.min(most, Math.floor(places.length / 2));
      // One token alone is the highest.
      const positive = highest((value) => value).slice(0, Math.max(each, Math.min(1, most)));
      const rest = new Set(positive);
      return { positive, negative: highest((value) => -value, places.length).filter((place) => !rest.has(place)).slice(0, each) };
    }
  }
}

/** 1 for the token with the highest number; null for excluded ones. Ties go to the earlier place. */
export function ranks(values: readonly number[], excluded: readonly number[] = []): readonly (number | null)[] {
  const order = values.map((_, place) => place).filter((place) => !excluded.includes(place)).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
  const found = new Array<number | null>(values.length).fill(null);
  order.forEach((place, i) => (found[place] = i + 1));
  return found;
}
