// What can be said of a statement without a model: baselines that every probe must beat.
import type { FeatureSource } from './crossValidation.ts';
import { givenFeatures } from './crossValidation.ts';
import type { ProbeExample } from './dataset.ts';
import { statementOf } from './dataset.ts';
import { matrixOf } from './features.ts';

/** Lower-case words and numbers; parts of names as `load_table` and `KX204` stay together. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}_]+(?:[.'’-][\p{L}\p{N}_]+)*/gu) ?? [];

const numbersOf = (text: string): string[] => text.match(/\d+(?:[.,]\d+)*/g) ?? [];

/** Names, as far as their spelling shows them: capitals, digits or underscores in a word, but not where a sentence begins. */
function entitiesOf(text: string): string[] {
  const words = [...text.matchAll(/[\p{L}\p{N}_]+/gu)];
  return words.filter(({ 0: word, index }) => /[\d_]/.test(word) || /.\p{Lu}/u.test(word) || (/^\p{Lu}/u.test(word) && !/(?:^|[.!?:]\s*)$/.test(text.slice(0, index)))).map(([word]) => word);
}

/** The share of the items that the known ones hold; 1 of none. */
const shareIn = (items: readonly string[], known: ReadonlySet<string>): number => (items.length === 0 ? 1 : items.filter((item) => known.has(item)).length / items.length);

const pairsOf = (words: readonly string[]): string[] => words.slice(1).map((word, i) => `${words[i] ?? ''} ${word}`);

/** How many words in a row the context has as well, at most. */
function longestRun(words: readonly string[], context: readonly string[]): number {
  let longest = 0;
  let before = new Array<number>(context.length + 1).fill(0);
  for (const word of words) {
    const runs = [0, ...context.map((other, i) => (other === word ? (before[i] ?? 0) + 1 : 0))];
    longest = Math.max(longest, ...runs);
    before = runs;
  }
  return longest;
}

const lengthFeatures = (statement: string): number[] => [statement.length, Math.log1p(statement.length), wordsOf(statement).length];

function overlapFeatures({ context }: ProbeExample, statement: string): number[] {
  const [words, contextWords] = [wordsOf(statement), wordsOf(context)];
  const [known, pairs] = [new Set(contextWords), new Set(pairsOf(contextWords))];
  const missing = words.filter((word) => !known.has(word)).length;
  return [shareIn(words, known), shareIn(pairsOf(words), pairs), missing, longestRun(words, contextWords), longestRun(words, contextWords) / Math.max(1, words.length)];
}

function entityFeatures({ context }: ProbeExample, statement: string): number[] {
  const [numbers, names] = [numbersOf(statement), entitiesOf(statement)];
  const [knownNumbers, knownNames] = [new Set(numbersOf(context)), new Set(context.match(/[\p{L}\p{N}_]+/gu) ?? [])];
  const count = (items: readonly string[], known: ReadonlySet<string>): number => items.filter((item) => !known.has(item)).length;
  return [shareIn(numbers, knownNumbers), shareIn(names, knownNames), count(numbers, knownNumbers), count(names, knownNames), numbers.length, names.length];
}

const VOCABULARY = 200;

/** How often each of the training texts' most frequent words is in the statement. */
function bagOfWords(examples: readonly ProbeExample[]): FeatureSource {
  const counted = examples.map((example) => {
    const counts = new Map<string, number>();
    for (const word of wordsOf(statementOf(example))) counts.set(word, (counts.get(word) ?? 0) + 1);
    return counts;
  });
  return {
    name: 'bag of words',
    features: (training) => {
      const frequency = new Map<string, number>();
      for (const i of training) for (const word of counted[i]?.keys() ?? []) frequency.set(word, (frequency.get(word) ?? 0) + 1);
      const words = [...frequency].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, VOCABULARY).map(([word]) => word);
      return matrixOf(counted.map((counts) => words.map((word) => counts.get(word) ?? 0)), words.length);
    },
  };
}

/** Length only, bag of words, lexical overlap with the context, number and entity overlap, and all but the words together. */
export function surfaceBaselines(examples: readonly ProbeExample[]): readonly FeatureSource[] {
  const rows = (features: (example: ProbeExample, statement: string) => number[]) => matrixOf(examples.map((example) => features(example, statementOf(example))));
  return [
    givenFeatures('length only', rows((_, statement) => lengthFeatures(statement))),
    bagOfWords(examples),
    givenFeatures('lexical overlap', rows(overlapFeatures)),
    givenFeatures('number and entity overlap', rows(entityFeatures)),
    givenFeatures('length and overlaps together', rows((example, statement) => [...lengthFeatures(statement), ...overlapFeatures(example, statement), ...entityFeatures(example, statement)])),
  ];
}
