// Part one: tiny-code's questions with a true and a tempting answer.
import { fileURLToPath } from 'node:url';
import type { SteerItem } from './protocol.ts';
import type { AskedQuestion, Regime } from './questions.ts';
import { answersByKind, askedQuestion, regimes } from './questions.ts';
import type { PartReport } from './report.ts';
import type { Run } from './setting.ts';
import { answerFigures, runSetting } from './setting.ts';
import { openedModel } from './openedModel.ts';
import type { Split } from '../../scripts/train-models/corpus/split.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import { Random } from '../../src/shared/random.ts';
import type { Splits } from '../../src/steering/splits.ts';
import { leaksOf, withoutLeaks } from '../../src/steering/splits.ts';
import { tokenPair } from '../../src/steering/tokenPairs.ts';

export const PART = 'tiny-code: true and tempting answers';
export const SIZES = { build: 50, validation: 150, test: 500 } as const;
const STRENGTHS = [0.2, 0.5, 1, 2] as const;

/** Test questions are of the corpus' held-out split: no name, no place and no pair of a thing and its value is in a build item. */
export async function benchTinyCode(run: Run, seed: number): Promise<PartReport> {
  const started = performance.now();
  const { folder, tokenizer } = openedModel(fileURLToPath(new URL('../../models/tiny-code', import.meta.url)));
  const answers = answersByKind(new Random(seed));
  const notes: Record<string, readonly string[]> = {};
  for (const regime of regimes) {
    const splits = questionSplits(regime, tokenizer, folder.sizes.context, answers, seed);
    const left = await runSetting({
      part: PART, setting: regime.name, key: `seed ${seed}, ${SIZES.build}/${SIZES.validation}/${SIZES.test}, α ${STRENGTHS.join(' ')}`, folder, tokenizer, seed,
      pairs: splits.build.map((item) => tokenPair(tokenizer, folder, item)),
      validation: splits.validation.map((item) => steerItem(tokenizer, item)),
      test: splits.test.map((item) => steerItem(tokenizer, item)),
      strengths: STRENGTHS, figures: answerFigures, rules: longerAnswer(splits.test),
    }, run);
    notes[regime.name] = [`${regime.about[0]?.toUpperCase() ?? ''}${regime.about.slice(1)}.`, leakNote(splits), ...(left.length > 0 ? [`Not measured, for want of time: ${left.join(', ')}.`] : [])];
  }
  return { part: PART, about: about(), notes, minutes: (performance.now() - started) / 60_000 };
}

const about = (): readonly string[] => [
  `${SIZES.build} build, ${SIZES.validation} validation, ${SIZES.test} test questions in each regime. With its context as it was trained the model answers 99.4 % right, which leaves steering no room; so three regimes were chosen on questions of the training split, before any test question was looked at: the context still holds the answer, and the model often falls for the usual one. “buried” is the main one: the model begins above 50 % there.`,
  '“Over the tempting one”: the true answer is likelier than the tempting one. A strength that ruins the model moves this rate towards 50 %, which is a gain where it began below; so settings are chosen by “over all answers”: the true answer is likelier than each of the dozen answers that such questions have.',
];

/** Drawn from different splits of the corpus; prompts that fit the context only. */
export function questionSplits(regime: Regime, tokenizer: Tokenizer, context: number | null, answers: ReadonlyMap<string, readonly string[]>, seed: number): Splits<AskedQuestion> {
  const draw = (split: Split, count: number, from: number): readonly AskedQuestion[] => {
    const random = new Random(from);
    const items: AskedQuestion[] = [];
    while (items.length < count) {
      const item = askedQuestion(regime, random, split, answers);
      if (tokenizer.encode(item.prompt).ids.length + 4 <= (context ?? Infinity)) items.push(item);
    }
    return items;
  };
  const splits = { build: draw('training', SIZES.build, 1000 + seed), validation: draw('training', SIZES.validation, 2000 + seed), test: draw('held-out', SIZES.test, 3000 + seed) };
  return withoutLeaks(splits, ({ prompt }) => [prompt]);
}

const decided = ({ question, preferred }: AskedQuestion): readonly string[] => [`${question}${preferred}`];

function leakNote(splits: Splits<AskedQuestion>): string {
  const prompts = leaksOf(splits, ({ prompt }) => [prompt]).length;
  const pairs = leaksOf(splits, decided).filter(({ parts }) => parts.includes('test')).length;
  return `Leak check: ${prompts} prompts in two parts; ${pairs} questions of the test items have the same answer in a build or validation item.`;
}

function steerItem(tokenizer: Tokenizer, { prompt, preferred, dispreferred, others }: AskedQuestion): SteerItem {
  const tokens = (text: string): readonly number[] => tokenizer.encode(text, false).ids;
  return { prompt: tokenizer.encode(prompt).ids, answers: [preferred, dispreferred, ...others].map(tokens) };
}

function longerAnswer(items: readonly AskedQuestion[]) {
  const score = ({ preferred, dispreferred }: AskedQuestion): number => (preferred.length > dispreferred.length ? 1 : preferred.length === dispreferred.length ? 0.5 : 0);
  const hits = Math.round(items.reduce((sum, item) => sum + score(item), 0));
  return { 'longer answer': { about: 'no model: the answer with more characters, half a hit where both have as many', test: { 'over the tempting one': { hits, items: items.length } } } };
}
