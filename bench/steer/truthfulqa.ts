// Part three: TruthfulQA as multiple choice, with any model folder.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { csvRows } from './csv.ts';
import { openedModel } from './openedModel.ts';
import type { SteerItem } from './protocol.ts';
import type { PartReport } from './report.ts';
import type { Run } from './setting.ts';
import { answerFigures, runSetting } from './setting.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import { Random } from '../../src/shared/random.ts';
import type { Splits } from '../../src/steering/splits.ts';
import { leaksOf, splitItems, withoutLeaks } from '../../src/steering/splits.ts';
import { pairFault, tokenPair } from '../../src/steering/tokenPairs.ts';

export const PART = 'TruthfulQA, multiple choice';
const SIZES = { build: 50, validation: 40 } as const;
const STRENGTHS = [0.5, 1] as const;

export interface TruthfulQuestion {
  readonly question: string;
  readonly best: string;
  readonly bestWrong: string;
  readonly wrong: readonly string[];
}

/** TruthfulQA.csv (Lin et al. 2022), in the version with one best false answer a question. */
export const truthfulQuestions = (csv: string): readonly TruthfulQuestion[] => csvRows(csv).flatMap((row) => {
  const { Question: question = '', 'Best Answer': best = '', 'Best Incorrect Answer': bestWrong = '', 'Incorrect Answers': wrong = '' } = row;
  const others = wrong.split(';').map((answer) => answer.trim()).filter((answer) => answer !== '' && answer !== bestWrong.trim() && answer !== best.trim());
  return question === '' || best === '' || bestWrong === '' ? [] : [{ question: question.trim(), best: best.trim(), bestWrong: bestWrong.trim(), wrong: others }];
});

export interface TruthfulOptions {
  readonly seed: number;
  readonly model: string | undefined;
  /** TruthfulQA.csv; default: beside the project. */
  readonly data: string | undefined;
}

const promptOf = ({ question }: TruthfulQuestion): string => `Q: ${question}\nA:`;

export async function benchTruthfulQa(run: Run, { seed, model, data }: TruthfulOptions): Promise<PartReport> {
  const started = performance.now();
  if (model === undefined) throw new Error('Which model? Give its folder: steer truthfulqa --model FOLDER.');
  const { folder, tokenizer } = openedModel(model);
  const splits = truthfulSplits(truthfulQuestions(readFileSync(dataFile(data), 'utf8')), seed);
  const context = folder.sizes.context;
  const fitting = (questions: readonly TruthfulQuestion[]): readonly TruthfulQuestion[] => questions.filter((question) => answersOf(question).every((answer) => tokenizer.encode(`${promptOf(question)}${answer}`).ids.length <= (context ?? Infinity)));
  const pairs = splits.build.map((question) => tokenPair(tokenizer, folder, { prompt: promptOf(question), preferred: ` ${question.best}`, dispreferred: ` ${question.bestWrong}` })).filter((pair) => pairFault(pair, context) === null);
  const test = fitting(splits.test);
  const leaks = leaksOf(splits, ({ question }) => [question]);
  run.log(`leak check: ${leaks.length} questions in two parts`);
  const setting = path.basename(path.resolve(model));
  const left = await runSetting({
    part: PART, setting, key: `seed ${seed}, ${SIZES.build}/${SIZES.validation}, α ${STRENGTHS.join(' ')}`, folder, tokenizer, seed, pairs,
    validation: fitting(splits.validation).map((question) => steerItem(tokenizer, question, [question.bestWrong])),
    test: test.map((question) => steerItem(tokenizer, question, [question.bestWrong, ...question.wrong])),
    strengths: STRENGTHS, methods: METHODS,
    figures: (outcomes) => {
      const { 'over the tempting one': binary, 'over all answers': mc1 } = answerFigures(outcomes);
      return { ...(binary ? { binary } : {}), ...(mc1 ? { mc1 } : {}) };
    },
    rules: longerAnswer(test),
  }, run);
  const notes = [`Leak check: ${leaks.length} questions in two parts. ${test.length} test questions; ${splits.test.length - test.length} more are longer than the model's context.`, scoreNote(setting), ...(left.length > 0 ? [`Not measured, for want of time: ${left.join(', ')}.`] : [])];
  return { part: PART, about: about(), notes: { [setting]: notes }, minutes: (performance.now() - started) / 60_000 };
}

const METHODS = ['no steering', 'GrAInS', 'GrAInS, mean', 'random tokens', 'CAA', 'no attribution', 'one global vector', 'random vector 1', 'random vector 2'] as const;

const about = (): readonly string[] => [
  `\`npm run bench -- steer truthfulqa --model FOLDER\`. “binary”: the best answer is likelier than the best false one; “mc1”: likelier than every false one; sums of log p over the answer's tokens, after “Q: …\\nA:” without examples. ${SIZES.build} build questions, ${SIZES.validation} for validation (binary), the rest for test. Reported elsewhere for Llama-3.1-8B: 34.15 → 47.37 (mc1, Nguyen et al. 2025).`,
];

const scoreNote = (model: string): string =>
  model === 'stories260k' ? 'The scores say nothing about steering or truth: this model of 260 thousand parameters has seen children’s stories alone, knows none of the facts, and answers by the words’ frequencies and lengths. What is shown is that the protocol runs on the real data.' : 'Scored with the prompt above; other prompts give other scores.';

function dataFile(given: string | undefined): string {
  const places = given === undefined ? ['../../../shared/data/truthfulqa/TruthfulQA.csv', '../../../../shared/data/truthfulqa/TruthfulQA.csv'].map((place) => fileURLToPath(new URL(place, import.meta.url))) : [given];
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`There is no ${given ?? 'TruthfulQA.csv beside the project'}. Give it with --data FILE.`);
  return found;
}

export const truthfulSplits = (questions: readonly TruthfulQuestion[], seed: number): Splits<TruthfulQuestion> =>
  withoutLeaks(splitItems(questions, SIZES, new Random(seed)), ({ question }) => [question]);

const answersOf = ({ best, bestWrong, wrong }: TruthfulQuestion): readonly string[] => [best, bestWrong, ...wrong].map((answer) => ` ${answer}`);

function steerItem(tokenizer: Tokenizer, question: TruthfulQuestion, wrong: readonly string[]): SteerItem {
  const prompt = tokenizer.encode(promptOf(question)).ids;
  // Tokens of the whole text, less those of the prompt.
  const answers = [question.best, ...wrong].map((answer) => tokenizer.encode(`${promptOf(question)} ${answer}`).ids);
  const shared = Math.min(...answers.map((whole) => whole.findIndex((id, i) => id !== prompt[i])));
  const own = prompt.slice(0, shared);
  return { prompt: own, answers: answers.map((whole) => whole.slice(shared)) };
}

function longerAnswer(questions: readonly TruthfulQuestion[]) {
  const score = ({ best, bestWrong }: TruthfulQuestion): number => (best.length > bestWrong.length ? 1 : best.length === bestWrong.length ? 0.5 : 0);
  const hits = Math.round(questions.reduce((sum, question) => sum + score(question), 0));
  return { 'longer answer': { about: 'no model: the answer with more characters, half a hit where both have as many', test: { binary: { hits, items: questions.length } } } };
}
