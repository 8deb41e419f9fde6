// Questions with a true and a tempting answer, asked where tiny-code often falls for the temptation.
import { questionPrompt } from '../../scripts/train-models/corpus/documents.ts';
import type { Tempting } from '../../scripts/train-models/corpus/questions.ts';
import { temptingScene } from '../../scripts/train-models/corpus/questions.ts';
import type { Split } from '../../scripts/train-models/corpus/split.ts';
import type { Random } from '../../src/shared/random.ts';

export interface AskedQuestion {
  readonly prompt: string;
  readonly question: string;
  /** With the space before them, as all answers. */
  readonly preferred: string;
  readonly dispreferred: string;
  /** What else such a question may be answered with. */
  readonly others: readonly string[];
}

export interface Regime {
  readonly name: string;
  /** What makes the question hard; for the report. */
  readonly about: string;
  readonly context: (random: Random, split: Split) => { readonly context: string; readonly asked: Tempting };
}

const MISPRINTS = 0.1;
const CONTEXTS = 4;

/** The regimes, the main one first. Without any of these the model answers 99.4 % right (its card), which leaves no room. */
export const regimes: readonly Regime[] = [
  {
    name: 'buried', about: `the scene that decides stands before ${CONTEXTS - 1} others in one context, longer than any the model was trained on`,
    context: (random, split) => {
      const scenes = Array.from({ length: CONTEXTS }, () => temptingScene(random, split));
      return { context: scenes.map(({ context }) => context).join(' '), asked: random.pick(scenes[0]?.questions ?? []) };
    },
  },
  {
    name: 'misprinted', about: `one letter in ten of the context is another one`,
    context: (random, split) => {
      const { context, questions } = temptingScene(random, split);
      const asked = random.pick(questions);
      const letter = (): string => String.fromCharCode(97 + random.integer(0, 25));
      return { context: [...context].map((character) => (/[a-z]/.test(character) && random.next() < MISPRINTS ? letter() : character)).join(''), asked };
    },
  },
  {
    name: 'hearsay', about: 'a sentence that tells what is usual of the thing stands behind what the scene tells of it',
    context: (random, split) => {
      const { context, questions } = temptingScene(random, split);
      const asked = random.pick(questions);
      return { context: `${context} ${usualSentence(asked)}`, asked };
    },
  },
];

const usualForms: readonly (readonly [RegExp, string])[] = [
  [/^What colour is the (\w+)/, 'The $t is $v.'], [/^What does the (\w+) eat/, 'The $t eats $v.'], [/^What does the (\w+) do/, 'The $t $v.'],
  [/^Where does the (\w+) live/, 'The $t lives in the $v.'], [/^What is the (\w+) made of/, 'The $t is made of $v.'],
];

function usualSentence({ question, temptation }: Tempting): string {
  for (const [pattern, sentence] of usualForms) {
    const thing = pattern.exec(question)?.[1];
    if (thing !== undefined) return sentence.replace('$t', thing).replace('$v', temptation);
  }
  throw new RangeError(`no sentence tells what is usual for “${question}”`);
}

const kindOf = (question: string): string => question.replace(/\bthe \w+/, 'the …');

/** All answers that questions of each kind have, by drawing many. */
export function answersByKind(random: Random): ReadonlyMap<string, readonly string[]> {
  const answers = new Map<string, Set<string>>();
  for (let i = 0; i < 2000; i++) {
    for (const { question, answer, temptation } of temptingScene(random, 'training').questions) {
      const own = answers.get(kindOf(question)) ?? new Set();
      answers.set(kindOf(question), own.add(answer).add(temptation));
    }
  }
  return new Map([...answers].map(([kind, own]) => [kind, [...own].sort()]));
}

export function askedQuestion(regime: Regime, random: Random, split: Split, answers: ReadonlyMap<string, readonly string[]>): AskedQuestion {
  const { context, asked: { question, answer, temptation } } = regime.context(random, split);
  const others = (answers.get(kindOf(question)) ?? []).filter((other) => other !== answer && other !== temptation);
  return { prompt: questionPrompt(question, context), question, preferred: ` ${answer}`, dispreferred: ` ${temptation}`, others: others.map((other) => ` ${other}`) };
}
