// Items in three parts: vectors are built from the first, layers and strength chosen on the second, figures measured on the third.
import type { Random } from '../shared/random.ts';

export const splitNames = ['build', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];

export type Splits<Item> = Readonly<Record<SplitName, readonly Item[]>>;

/** An item that two parts share. */
export interface Leak {
  readonly key: string;
  readonly parts: readonly SplitName[];
}

/** Shuffled, and so many items in each part; `test` gets what is left. */
export function splitItems<Item>(items: readonly Item[], sizes: { readonly build: number; readonly validation: number }, random: Random): Splits<Item> {
  const shuffled = random.shuffle(items);
  const { build, validation } = sizes;
  return { build: shuffled.slice(0, build), validation: shuffled.slice(build, build + validation), test: shuffled.slice(build + validation) };
}

/** Items of different parts that are the same but for case, spaces and punctuation; `keys` are all texts that an item must not share. */
export function leaksOf<Item>(splits: Splits<Item>, keys: (item: Item) => readonly string[]): readonly Leak[] {
  const seen = new Map<string, Set<SplitName>>();
  for (const name of splitNames) {
    for (const key of splits[name].flatMap(keys).map(plain)) seen.set(key, (seen.get(key) ?? new Set()).add(name));
  }
  return [...seen].flatMap(([key, parts]) => (parts.size > 1 ? [{ key, parts: [...parts] }] : []));
}

const plain = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ' ').trim();

/** Takes out of the later parts what an earlier one has: out of `test` before all. */
export function withoutLeaks<Item>(splits: Splits<Item>, keys: (item: Item) => readonly string[]): Splits<Item> {
  const taken = new Set<string>();
  const rest = (items: readonly Item[]): readonly Item[] => {
    const kept = items.filter((item) => keys(item).every((key) => !taken.has(plain(key))));
    for (const key of kept.flatMap(keys)) taken.add(plain(key));
    return kept;
  };
  const own = (items: readonly Item[]): readonly Item[] => {
    for (const key of items.flatMap(keys)) taken.add(plain(key));
    return items;
  };
  return { build: own(splits.build), validation: rest(splits.validation), test: rest(splits.test) };
}
