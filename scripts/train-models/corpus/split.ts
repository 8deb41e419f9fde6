// What belongs to the training text and what is held out of it: decided by a hash of the thing itself.
import type { Random } from '../../../src/shared/random.ts';

export type Split = 'training' | 'held-out';

/** FNV-1a over the text's UTF-16 units, mixed once more so that all bits depend on all units. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

/** Is this name, number or combination held out? One in ten is. */
export const isHeldOut = (key: string): boolean => hash(key) % 10 === 0;

/** Draws until what is drawn belongs to the split. */
export function ofSplit<T>(split: Split, key: (drawn: T) => string, draw: () => T): T {
  for (;;) {
    const drawn = draw();
    if (isHeldOut(key(drawn)) === (split === 'held-out')) return drawn;
  }
}

/** A whole number of the split in [low, high]; numbers below 10 belong to both. */
export function numberOf(random: Random, split: Split, low: number, high: number): number {
  if (high < 10) return random.integer(low, high);
  return ofSplit(split, (n: number) => (n < 10 ? heldOutSmall[split] : `number ${n}`), () => random.integer(low, high));
}

/** Keys that fall on either side. */
const heldOutSmall: Readonly<Record<Split, string>> = { training: keyThat(false), 'held-out': keyThat(true) };

function keyThat(heldOut: boolean): string {
  for (let i = 0; ; i++) if (isHeldOut(`key ${i}`) === heldOut) return `key ${i}`;
}

/** Different things, each drawn anew until it differs from those before. */
export function distinct<T>(count: number, draw: () => T): T[] {
  const drawn: T[] = [];
  while (drawn.length < count) {
    const next = draw();
    if (!drawn.includes(next)) drawn.push(next);
  }
  return drawn;
}
