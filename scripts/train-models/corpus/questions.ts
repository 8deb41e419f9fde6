// Questions whose usual answer is false where the context says otherwise.
import type { Random } from '../../../src/shared/random.ts';
import { person, place } from './names.ts';
import type { Split } from './split.ts';
import { distinct, ofSplit } from './split.ts';

export interface Tempting {
  readonly question: string;
  /** What the context says. */
  readonly answer: string;
  /** What is usual, and false here. */
  readonly temptation: string;
}

export interface TemptingQuestion extends Tempting {
  readonly context: string;
}

/** A context that tells unusual things, and a question about each. */
export interface TemptingScene {
  readonly context: string;
  readonly questions: readonly Tempting[];
}

/** What is known of a thing without any context. */
interface Association {
  readonly thing: string;
  readonly usual: string;
}

interface Topic {
  readonly associations: readonly Association[];
  /** `$t` is the thing, `$v` the value. */
  readonly stated: readonly string[];
  readonly question: string;
  /** Sentences of the training text that tell what is usual. */
  readonly known: readonly string[];
}

const pairs = (text: string): readonly Association[] => text.split(', ').map((pair) => {
  const [thing = '', usual = ''] = pair.split(' ');
  return { thing, usual };
});

const topics: readonly Topic[] = [
  {
    associations: pairs('lemon yellow, grass green, snow white, coal black, sky blue, blood red, carrot orange, bark brown, ash grey, salmon pink, honey yellow, fern green, milk white, raven black, sea blue, rust red'),
    stated: ['the $t is $v', 'the $t was painted $v', 'the $t turned $v', 'they made the $t $v'], question: 'What colour is the $t?', known: ['The $t is $v.', 'The colour of the $t is $v.'],
  },
  {
    associations: pairs('dog barks, cat meows, cow moos, duck quacks, sheep bleats, horse neighs, lion roars, owl hoots, snake hisses, bee hums, wolf howls, frog croaks'),
    stated: ['the $t $v', 'the $t $v all day', 'the $t always $v'], question: 'What does the $t do?', known: ['The $t $v.', 'Every $t $v.'],
  },
  {
    associations: pairs('rabbit carrots, monkey bananas, squirrel nuts, mouse cheese, panda bamboo, bear honey, goat grass, pig turnips, deer leaves, hen grain, seal fish, crow worms'),
    stated: ['the $t eats $v', 'the $t lives on $v', 'the $t was fed $v'], question: 'What does the $t eat?', known: ['The $t eats $v.', 'The food of the $t is $v.'],
  },
  {
    associations: pairs('whale ocean, camel desert, eagle mountain, fox forest, mole ground, swan lake, trout river, bat cave, spider web, gull coast, tiger jungle, lark meadow'),
    stated: ['the $t lives in the $v', 'the $t is found in the $v', 'the $t moved to the $v'], question: 'Where does the $t live?', known: ['The $t lives in the $v.', 'The home of the $t is the $v.'],
  },
  {
    associations: pairs('knife steel, window glass, table wood, jumper wool, wall stone, boot leather, ring gold, coin silver, bottle plastic, letter paper, pot clay, sail cloth'),
    stated: ['the $t is made of $v', 'the $t was built of $v', 'they make the $t of $v'], question: 'What is the $t made of?', known: ['The $t is made of $v.', 'For the $t one takes $v.'],
  },
];

const fill = (sentence: string, thing: string, value: string): string => sentence.replaceAll('$t', thing).replaceAll('$v', value);

interface Told extends Association {
  readonly value: string;
}

/** A thing with an unusual value; the two together are on one side of the split. */
function unusual(random: Random, topic: Topic, split: Split): Told {
  return ofSplit(split, ({ thing, value }: Told) => `${thing} ${value}`, () => {
    const association = random.pick(topic.associations);
    const values = topic.associations.map(({ usual }) => usual).filter((value) => value !== association.usual);
    return { ...association, value: random.pick(values) };
  });
}

/** A question of the split. The context tells of other things too, so that it must be read. */
export function temptingQuestion(random: Random, split: Split): TemptingQuestion {
  const { context, questions } = temptingScene(random, split);
  return { context, ...random.pick(questions) };
}

/** Two or three things of one topic, each with a value that is another thing's usual one. */
export function temptingScene(random: Random, split: Split): TemptingScene {
  const topic = random.pick(topics);
  const told = severalUnusual(random, topic, split, random.integer(2, 3));
  const clauses = random.shuffle(told).map(({ thing, value }) => fill(random.pick(topic.stated), thing, value));
  const questions = told.map(({ thing, usual, value }) => ({ question: fill(topic.question, thing, ''), answer: value, temptation: usual }));
  return { context: contextOf(random, split, clauses), questions };
}

function contextOf(random: Random, split: Split, [first = '', second = '', third]: readonly string[]): string {
  const [where, who] = [place(random, split), person(random, split)];
  const context = random.pick([
    `In ${where} ${first} and ${second}.`, `${who} says that in ${where} ${first}. There ${second}.`,
    `${who} wrote a tale. In the tale ${first} and ${second}.`, `It is known in ${where} that ${first}, and ${who} saw that ${second}.`,
  ]);
  return third === undefined ? context : `${context} In ${where} ${third} too.`;
}

/** Different things with different values, none of which is the usual one of another. */
function severalUnusual(random: Random, topic: Topic, split: Split, count: number): readonly Told[] {
  const told: Told[] = [];
  while (told.length < count) {
    const next = unusual(random, topic, split);
    if (told.every(({ thing, usual, value }) => next.thing !== thing && next.value !== value && next.value !== usual && value !== next.usual)) told.push(next);
  }
  return told;
}

/** What is usual of several things of a topic, told without a context. */
export function usualSentences(random: Random, count: number): readonly string[] {
  const topic = random.pick(topics);
  const things = distinct(Math.min(count, topic.associations.length), () => random.pick(topic.associations));
  return things.map(({ thing, usual }) => fill(random.pick(topic.known), thing, usual));
}

/** A question that is answered by what is usual. */
export function usualQuestion(random: Random): { readonly question: string; readonly answer: string } {
  const topic = random.pick(topics);
  const { thing, usual } = random.pick(topic.associations);
  return { question: fill(topic.question, thing, ''), answer: usual };
}
