// Statements about a context, faithful or contradicting it in one value.
import type { Random } from '../../../src/shared/random.ts';
import type { Domain, Fact } from './facts.ts';
import { factsOf } from './facts.ts';
import type { Split } from './split.ts';

/** The same context with a statement that it supports and one that differs from that only in what contradicts. */
export interface ContradictionPair {
  readonly domain: Domain;
  readonly context: string;
  readonly faithful: string;
  readonly contradicting: string;
  readonly trueValue: string;
  readonly falseValue: string;
  /** `exchanged`: the false value is what the context says of the other subject; `invented`: it is not in the context. */
  readonly falsehood: 'exchanged' | 'invented';
}

export interface Statement {
  readonly text: string;
  readonly faithful: boolean;
  /** Where in the text its value stands, [start, end). */
  readonly valueAt: readonly [start: number, end: number];
}

export interface StatementOptions {
  readonly faithfulShare: number;
  /** How often a kind of fact is told of both subjects, and then of the same object. */
  readonly sharing: number;
}

/** A pair of the split: its names and its numbers from 10 are on one side only. */
export const contradictionPair = (random: Random, domain: Domain, split: Split): ContradictionPair =>
  ({ domain, ...contradictionAmong(random, factsOf(random, split, domain, factCount(random))) });

/** A context of these facts, and a pair of statements about one of them. */
export function contradictionAmong(random: Random, facts: readonly Fact[]): Omit<ContradictionPair, 'domain'> {
  const context = contextOf(facts);
  const fact = random.pick(facts);
  const { value: falseValue, exchanged } = falseValueOf(random, fact, facts, context);
  const sentence = random.pick(fact.restated);
  return {
    context, faithful: sentence(fact.value), contradicting: sentence(falseValue),
    trueValue: fact.value, falseValue, falsehood: exchanged ? 'exchanged' : 'invented',
  };
}

/** Share of the statements of the training text that have the context's own words. */
export const verbatimShare = 0.3;

/** A context and statements about it, so large a share of them faithful. */
export function statementsAbout(random: Random, domain: Domain, split: Split, { faithfulShare, sharing }: StatementOptions): { readonly context: string; readonly statements: readonly Statement[] } {
  const facts = factsOf(random, split, domain, factCount(random), sharing);
  const context = contextOf(facts);
  const statements = random.shuffle(facts).slice(0, random.integer(2, Math.min(6, facts.length))).map((fact): Statement => {
    const faithful = random.next() < faithfulShare;
    const value = faithful ? fact.value : falseValueOf(random, fact, facts, context).value;
    const sentence = random.next() < verbatimShare ? fact.told : random.pick(fact.restated);
    const start = sentence('\0').indexOf('\0');
    return { text: sentence(value), faithful, valueAt: [start, start + value.length] };
  });
  return { context, statements };
}

/** Mostly short contexts, some long ones. */
export const factCount = (random: Random): number => (random.next() < 0.75 ? random.integer(3, 5) : random.integer(6, 9));

const contextOf = (facts: readonly Fact[]): string => facts.map(({ told, value }) => told(value)).join(' ');

function falseValueOf(random: Random, fact: Fact, facts: readonly Fact[], context: string): { value: string; exchanged: boolean } {
  const others = facts.filter(({ kind, value }) => kind === fact.kind && value !== fact.value);
  if (others.length > 0 && random.next() < 0.5) return { value: random.pick(others).value, exchanged: true };
  for (;;) {
    const value = fact.other();
    if (value !== fact.value && !` ${context}`.includes(` ${value}`)) return { value, exchanged: false };
  }
}
