// Contexts as lists of facts, in stories, code documentation and data sheets: how each is told, restated and contradicted.
import type { Random } from '../../../src/shared/random.ts';
import * as names from './names.ts';
import type { Split } from './split.ts';
import { distinct, numberOf } from './split.ts';

export const domains = ['story', 'documentation', 'data sheet'] as const;
export type Domain = (typeof domains)[number];

/** One thing that a context says, and the ways to restate it. */
export interface Fact {
  /** Facts of one kind have values that could be exchanged. */
  readonly kind: string;
  /** What else the fact is about; '' for nothing. */
  readonly object: string;
  readonly value: string;
  /** Its sentence in the context, with any value in the true one's place. */
  readonly told: (value: string) => string;
  /** The fact in other words, with any value in the true one's place. */
  readonly restated: readonly ((value: string) => string)[];
  /** Another value of the kind. */
  readonly other: () => string;
}

export type FactMaker = (subject: string, random: Random, split: Split, object?: string) => Fact;

export interface FactForm {
  readonly kind: string;
  readonly draw: (random: Random, split: Split) => string;
  readonly told: readonly string[];
  readonly restated: readonly string[];
}

/** In the sentences, `$s` is the subject, `$v` the value, `$o` another thing that the fact is about. */
export const form = ({ kind, draw, told, restated }: FactForm, about?: (random: Random) => string): FactMaker => (subject, random, split, given) => {
  const object = given ?? about?.(random) ?? '';
  const fill = (words: string, value: string): string => words.replaceAll('$s', subject).replaceAll('$v', value).replaceAll('$o', object);
  const value = draw(random, split);
  const sentence = random.pick(told);
  return {
    kind: `${kind} ${object}`.trim(),
    object,
    value,
    told: (other) => fill(sentence, other),
    restated: restated.map((words) => (other: string) => fill(words, other)),
    other: () => draw(random, split),
  };
};

export const picked = (words: readonly string[]) => (random: Random): string => random.pick(words);
export const number = (low: number, high: number) => (random: Random, split: Split): string => String(numberOf(random, split, low, high));

const story: readonly FactMaker[] = [
  form({ kind: 'home', draw: names.place, told: ['$s lives in $v.', '$s has a house in $v.', '$s came home to $v.'], restated: ['$s lives in $v.', 'The home of $s is $v.', '$s has a home in $v.'] }),
  form({ kind: 'age', draw: number(5, 95), told: ['$s is $v years old.', '$s turned $v this year.'], restated: ['$s is $v years old.', 'The age of $s is $v.'] }),
  form({ kind: 'count', draw: number(2, 99), told: ['$s has $v $o.', '$s keeps $v $o.', 'There are $v $o in the yard of $s.'], restated: ['$s has $v $o.', '$s owns $v $o.'] }, picked(names.animals)),
  form({ kind: 'colour', draw: picked(names.colours), told: ['$s wears a $v $o.', 'The $o of $s is $v.', '$s bought a $v $o.'], restated: ['The $o of $s is $v.', '$s has a $v $o.'] }, picked(names.garments)),
  form({ kind: 'friend', draw: names.person, told: ['$s met $v at the $o.', '$s waited for $v at the $o.', '$s found $v at the $o.'], restated: ['At the $o $s saw $v.', 'The friend of $s is $v.', '$s knows $v.'] }, picked(names.spots)),
  form({ kind: 'job', draw: picked(names.jobs), told: ['$s works as a $v.', '$s is a $v.', '$s became a $v.'], restated: ['$s is a $v.', '$s works as a $v.', 'The work of $s is that of a $v.'] }),
  form({ kind: 'price', draw: number(2, 99), told: ['$s paid $v coins for a $o.', '$s bought a $o for $v coins.'], restated: ['The $o cost $s $v coins.', 'For the $o $s paid $v coins.'] }, picked(names.things)),
  form({ kind: 'day', draw: picked(names.days), told: ['On $v $s went to the $o.', '$s went to the $o on $v.'], restated: ['$s was at the $o on $v.', 'The day when $s went to the $o was $v.'] }, picked(names.spots)),
  form({ kind: 'journey', draw: names.place, told: ['$s travelled to $v by $o.', 'A $o took $s to $v.'], restated: ['$s went to $v.', 'The journey of $s ended in $v.', '$s took the $o to $v.'] }, picked(names.vehicles)),
  form({ kind: 'lost', draw: picked(names.things), told: ['$s lost a $v at the $o.', '$s left a $v at the $o.'], restated: ['At the $o $s lost a $v.', 'What $s lost was a $v.'] }, picked(names.spots)),
];

const documentation: readonly FactMaker[] = [
  form({ kind: 'default', draw: number(0, 999), told: ['The default of $o in $s is $v.', '$s uses $o = $v by default.', 'Without $o, $s takes $v.'], restated: ['The default of $o is $v in $s.', 'In $s the default $o is $v.'] }, picked(names.parameters)),
  form({ kind: 'type', draw: picked(names.types), told: ['$s returns a $v.', 'The result of $s is a $v.', 'Calling $s gives a $v.'], restated: ['$s returns a $v.', '$s gives a $v.', 'What $s returns is a $v.'] }),
  form({ kind: 'error', draw: picked(names.errors), told: ['$s raises $v if $o is missing.', 'If $o is missing, $s raises $v.'], restated: ['A missing $o makes $s raise $v.', '$s can raise $v.', 'The error of $s is $v.'] }, picked(names.parameters)),
  form({ kind: 'version', draw: (random) => `${random.integer(1, 9)}.${random.integer(0, 9)}`, told: ['$s was added in version $v.', 'New in version $v: $s.'], restated: ['$s is available since version $v.', '$s needs version $v.'] }),
  form({ kind: 'module', draw: names.module, told: ['$s is part of the module $v.', 'Import $s from $v.', 'The module $v holds $s.'], restated: ['$s belongs to $v.', '$s is found in $v.'] }),
  form({ kind: 'limit', draw: number(2, 999), told: ['In $s the largest $o is $v.', '$s allows $o up to $v.'], restated: ['The limit of $o in $s is $v.', '$s takes a $o of at most $v.'] }, picked(names.parameters)),
  form({ kind: 'author', draw: names.person, told: ['$s was written by $v.', '$v wrote $s.', '$v maintains $s.'], restated: ['The author of $s is $v.', '$s is the work of $v.'] }),
  form({ kind: 'argument', draw: picked(names.types), told: ['The first argument of $s is a $v.', '$s takes a $v.'], restated: ['$s expects a $v.', 'Give $s a $v.'] }),
];

const dataSheet: readonly FactMaker[] = [
  form({ kind: 'voltage', draw: number(2, 48), told: ['Supply voltage of the $s: $v V.', 'The $s is supplied with $v V.'], restated: ['The $s runs on $v V.', 'The $s needs $v V.'] }),
  form({ kind: 'current', draw: number(2, 900), told: ['Current of the $s: $v mA.', 'The $s draws up to $v mA.'], restated: ['The $s takes at most $v mA.', 'The current of the $s is $v mA.'] }),
  form({ kind: 'weight', draw: number(2, 900), told: ['Weight of the $s: $v g.', 'The $s weighs $v g.'], restated: ['The weight of the $s is $v g.', 'The $s has a mass of $v g.'] }),
  form({ kind: 'package', draw: picked(names.packages), told: ['Package of the $s: $v.', 'The $s comes in a $v package.'], restated: ['The $s is sold as $v.', 'The package of the $s is $v.'] }),
  form({ kind: 'bus', draw: picked(names.buses), told: ['Interface of the $s: $v.', 'The $s talks over $v.'], restated: ['The $s has a $v interface.', 'The $s is read over $v.'] }),
  form({ kind: 'memory', draw: number(2, 512), told: ['Memory of the $s: $v kB.', 'The $s stores $v kB.'], restated: ['The $s holds $v kB.', 'The memory of the $s is $v kB.'] }),
  form({ kind: 'clock', draw: number(2, 400), told: ['Clock of the $s: $v MHz.', 'The $s is clocked at $v MHz.'], restated: ['The $s runs at $v MHz.', 'The clock of the $s is $v MHz.'] }),
  form({ kind: 'maker', draw: names.place, told: ['Maker of the $s: $v Works.', 'The $s is made by $v Works.'], restated: ['$v Works makes the $s.', 'The $s comes from $v Works.'] }),
  form({ kind: 'heat', draw: number(40, 150), told: ['Highest temperature of the $s: $v C.', 'The $s works up to $v C.'], restated: ['The $s stands up to $v C.', 'The limit of the $s is $v C.'] }),
];

export interface DomainForm {
  readonly facts: readonly FactMaker[];
  readonly subject: (random: Random, split: Split) => string;
}

const forms: Readonly<Record<Domain, DomainForm>> = {
  story: { facts: story, subject: names.person },
  documentation: { facts: documentation, subject: names.functionName },
  'data sheet': { facts: dataSheet, subject: names.part },
};

/** So many facts about two subjects; what is told of both comes with different values. */
export const factsOf = (random: Random, split: Split, domain: Domain, count: number, sharing?: number): readonly Fact[] => factsIn(random, split, forms[domain], count, sharing);

/** The same in a domain of one's own. */
export function factsIn(random: Random, split: Split, { facts, subject }: DomainForm, count: number, sharing = 0.7): readonly Fact[] {
  const [first = '', second = ''] = distinct(2, () => subject(random, split));
  const made: Fact[] = [];
  for (const maker of random.shuffle(facts)) {
    const fact = maker(first, random, split);
    made.push(fact);
    // Most kinds are told of both, so that a value alone does not say whose it is.
    if (random.next() < sharing) made.push(another(fact, () => maker(second, random, split, random.next() < sharing ? fact.object : undefined)));
    if (made.length >= count) break;
  }
  return random.shuffle(made.slice(0, count));
}

function another({ kind, value }: Fact, make: () => Fact): Fact {
  for (;;) {
    const fact = make();
    if (fact.kind !== kind || fact.value !== value) return fact;
  }
}
