// Contexts with twin statements, one faithful and one that differs from it only in what contradicts the context.
import { changeLog } from './changeLog.ts';
import type { Domain } from '../../scripts/train-models/corpus/facts.ts';
import { factsIn } from '../../scripts/train-models/corpus/facts.ts';
import type { Split } from '../../scripts/train-models/corpus/split.ts';
import type { ContradictionPair } from '../../scripts/train-models/corpus/statements.ts';
import { contradictionAmong, contradictionPair, factCount } from '../../scripts/train-models/corpus/statements.ts';
import type { ProbeExample } from '../../src/probes/dataset.ts';
import { Random } from '../../src/shared/random.ts';

export const contradictionDomains = ['story', 'documentation', 'data sheet', 'change log'] as const satisfies readonly (Domain | 'change log')[];
export type ContradictionDomain = (typeof contradictionDomains)[number];

export interface TwinOptions {
  readonly seed: number;
  readonly pairs: number;
  /** Held-out names and numbers: contexts that no training text of the project's models has. */
  readonly split?: Split;
}

export interface TwinExample extends ProbeExample {
  readonly domain: ContradictionDomain;
  /** `exchanged`: the false value is in the context, told of something else; `invented`: it is not in the context. */
  readonly falsehood: ContradictionPair['falsehood'];
}

/**
 * Pairs of all domains in turn, every other false value exchanged. No two pairs share a context; the faithful statement
 * comes first in every other pair, though nothing depends on the order. The same seed gives the same examples.
 */
export function twinExamples({ seed, pairs, split = 'held-out' }: TwinOptions): readonly TwinExample[] {
  const random = new Random(seed);
  const seen = new Set<string>();
  return Array.from({ length: pairs }, (_, i) => i).flatMap((i) => {
    const domain = contradictionDomains[i % contradictionDomains.length] ?? 'story';
    const falsehood = Math.floor(i / contradictionDomains.length) % 2 === 0 ? 'exchanged' : 'invented';
    const pair = pairOf(random, { domain, falsehood, split, seen });
    const twins = ([pair.faithful, pair.contradicting] as const).map((continuation, label): TwinExample => ({
      id: `${i}${label === 1 ? 'b' : 'a'}`, group: `pair ${i}`, domain, falsehood, context: pair.context, continuation, from: 0, label: label === 1 ? 1 : 0,
    }));
    return i % 2 === 0 ? twins : twins.reverse();
  });
}

interface Wanted extends Pick<TwinExample, 'domain' | 'falsehood'> {
  readonly split: Split;
  readonly seen: Set<string>;
}

function pairOf(random: Random, { domain, falsehood, split, seen }: Wanted): Omit<ContradictionPair, 'domain'> {
  for (;;) {
    const pair = domain === 'change log' ? contradictionAmong(random, factsIn(random, split, changeLog, factCount(random))) : contradictionPair(random, domain, split);
    if (pair.falsehood !== falsehood || seen.has(pair.context)) continue;
    seen.add(pair.context);
    return pair;
  }
}
