// What tiny-code does on held-out text: programs, statements, questions, and how well it predicts each domain.
import { wilson } from '../../bench/raspbugs/statistics.ts';
import type { DocumentKind } from './corpus/documents.ts';
import { documentKinds, documentOf, judgementPrompt, questionPrompt, summaryPrompt } from './corpus/documents.ts';
import { domains } from './corpus/facts.ts';
import { languageOf } from './corpus/languageOf.ts';
import type { Language } from './corpus/programSyntax.ts';
import { languages } from './corpus/programSyntax.ts';
import type { ProgramTask } from './corpus/programTasks.ts';
import { languagePrior, programTask } from './corpus/programTasks.ts';
import { sameProgram } from './corpus/sameProgram.ts';
import { temptingQuestion } from './corpus/questions.ts';
import type { ContradictionPair } from './corpus/statements.ts';
import { contradictionPair } from './corpus/statements.ts';
import { generate } from '../../src/lm/generate.ts';
import type { Sampling } from '../../src/shared/sampling.ts';
import { greedy } from '../../src/shared/sampling.ts';
import type { LanguageModel } from '../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../src/lm/score.ts';
import { Random } from '../../src/shared/random.ts';

/** A share of items, with Wilson's 95 % interval. */
export interface Rate {
  readonly hits: number;
  readonly items: number;
  readonly share: number;
  readonly interval: readonly [number, number];
}

export interface Evaluation {
  readonly seed: number;
  /** Programs sampled at temperature 1 from prompts that ask for no language. */
  readonly programs: {
    readonly identifiable: Rate;
    readonly languages: Readonly<Record<Language, Rate & { readonly prior: number }>>;
    /** The corpus' program of the task in the language found, but for names that are free to choose. */
    readonly right: Rate;
    /** Written greedily in the language that the prompt asks for. */
    readonly obeyed: Readonly<Record<Language, Rate>>;
  };
  /** Pairs where the faithful statement has the higher log probability. */
  readonly statements: Readonly<Record<string, Rate>>;
  /** Statements that are rightly called True or False. */
  readonly judged: Readonly<Record<string, Rate>>;
  /** Questions where the true answer has the higher log probability than the tempting one. */
  readonly questions: { readonly withContext: Rate; readonly withoutContext: Rate };
  /** Mean −log p a token of held-out documents, nats. */
  readonly nll: Readonly<Record<DocumentKind, { readonly nll: number; readonly tokens: number; readonly documents: number }>>;
}

export interface EvaluationOptions {
  readonly seed: number;
  /** Items an ability, and a domain of statements. */
  readonly items: number;
}

export function rateOf(outcomes: readonly boolean[]): Rate {
  const hits = outcomes.filter(Boolean).length;
  return { hits, items: outcomes.length, share: hits / outcomes.length, interval: wilson(hits, outcomes.length) };
}

/** All figures. @throws LanguageModelError, RuntimeError, HostDiedError */
export async function evaluate(model: LanguageModel, { seed, items }: EvaluationOptions): Promise<Evaluation> {
  const drawn = (offset: number): Random => new Random(seed + offset);
  const pairs = domains.flatMap((domain, d) => {
    const random = drawn(10 + d);
    return Array.from({ length: items }, () => contradictionPair(random, domain, 'held-out'));
  });
  return {
    seed,
    programs: await programs(model, drawn(1), items),
    statements: byGroup(pairs, await preferences(model, pairs)),
    judged: byGroup(pairs.flatMap((pair) => [pair, pair]), await judgements(model, pairs)),
    questions: await questions(model, drawn(2), items),
    nll: await domainLosses(model, drawn(3), Math.ceil(items / 2)),
  };
}

async function written(model: LanguageModel, prompt: string, sampling: Sampling, random: Random): Promise<string> {
  const { decoder, tokenizer, folder: { sizes, tokens } } = model;
  const { text } = await generate({ decoder }, tokenizer, tokenizer.encode(prompt).ids, { sampling, maxTokens: 120, contextLength: sizes.context, endIds: tokens.eos, stop: [], cache: true }, random);
  return text;
}

async function programs(model: LanguageModel, random: Random, items: number): Promise<Evaluation['programs']> {
  const found: (Language | null)[] = [];
  const right: boolean[] = [];
  for (let i = 0; i < items; i++) {
    const task = programTask(random, 'held-out');
    const text = await written(model, task.prompt, { ...greedy, temperature: 1 }, random);
    const language = languageOf(text);
    found.push(language);
    right.push(language !== null && sameProgram(text, task.programs[language], task.description));
  }
  const share = (language: Language): Rate & { prior: number } => ({ ...rateOf(found.map((one) => one === language)), prior: languagePrior[language] });
  return { identifiable: rateOf(found.map((one) => one !== null)), languages: record(languages, share), right: rateOf(right), obeyed: await obeyed(model, random, Math.ceil(items / 5)) };
}

async function obeyed(model: LanguageModel, random: Random, items: number): Promise<Readonly<Record<Language, Rate>>> {
  const outcomes = record(languages, (): boolean[] => []);
  const tasks: ProgramTask[] = Array.from({ length: items }, () => programTask(random, 'held-out'));
  for (const language of languages) {
    for (const task of tasks) outcomes[language].push(languageOf(await written(model, task.prompts[language], greedy, random)) === language);
  }
  return record(languages, (language) => rateOf(outcomes[language]));
}

/** log p of each continuation after its prompt. */
async function scores({ decoder, tokenizer }: LanguageModel, items: readonly { readonly prompt: string; readonly continuation: string }[]): Promise<number[]> {
  const scored = await scoreContinuations(decoder, items.map(({ prompt, continuation }) => ({ prompt: tokenizer.encode(prompt).ids, continuation: tokenizer.encode(continuation, false).ids })), { batchSize: 16 });
  return scored.map(({ logProbability }) => logProbability);
}

/** Is the first of each two likelier than the second? */
async function firstLikelier(model: LanguageModel, items: readonly { readonly prompt: string; readonly continuations: readonly [string, string] }[]): Promise<boolean[]> {
  const each = await scores(model, items.flatMap(({ prompt, continuations }) => continuations.map((continuation) => ({ prompt, continuation }))));
  return items.map((_, i) => (each[2 * i] ?? 0) > (each[2 * i + 1] ?? 0));
}

const preferences = (model: LanguageModel, pairs: readonly ContradictionPair[]): Promise<boolean[]> =>
  firstLikelier(model, pairs.map(({ context, faithful, contradicting }) => ({ prompt: summaryPrompt(context), continuations: [` ${faithful}`, ` ${contradicting}`] })));

/** For each pair: is the faithful statement called True, is the other called False? */
function judgements(model: LanguageModel, pairs: readonly ContradictionPair[]): Promise<boolean[]> {
  const items = pairs.flatMap(({ context, faithful, contradicting }) => [
    { prompt: judgementPrompt(context, faithful), continuations: [' True', ' False'] as const },
    { prompt: judgementPrompt(context, contradicting), continuations: [' False', ' True'] as const },
  ]);
  return firstLikelier(model, items);
}

/** Rates by domain, by kind of falsehood, and of all. */
function byGroup(pairs: readonly ContradictionPair[], outcomes: readonly boolean[]): Readonly<Record<string, Rate>> {
  const of = (belongs: (pair: ContradictionPair) => boolean): Rate => rateOf(outcomes.filter((_, i) => belongs(pairs[i] as ContradictionPair)));
  return {
    all: of(() => true),
    ...record(domains, (domain) => of((pair) => pair.domain === domain)),
    exchanged: of(({ falsehood }) => falsehood === 'exchanged'),
    invented: of(({ falsehood }) => falsehood === 'invented'),
  };
}

async function questions(model: LanguageModel, random: Random, items: number): Promise<Evaluation['questions']> {
  const asked = Array.from({ length: items }, () => temptingQuestion(random, 'held-out'));
  const preferring = async (withContext: boolean): Promise<Rate> =>
    rateOf(await firstLikelier(model, asked.map(({ context, question, answer, temptation }) => ({ prompt: questionPrompt(question, withContext ? context : undefined), continuations: [` ${answer}`, ` ${temptation}`] }))));
  return { withContext: await preferring(true), withoutContext: await preferring(false) };
}

async function domainLosses(model: LanguageModel, random: Random, documents: number): Promise<Evaluation['nll']> {
  const losses: Partial<Record<DocumentKind, Evaluation['nll'][DocumentKind]>> = {};
  for (const kind of documentKinds) {
    const rows = Array.from({ length: documents }, () => [...model.tokenizer.encode(documentOf(random, kind, 'held-out').text).ids, ...model.folder.tokens.eos])
      .filter((ids) => ids.length <= (model.folder.sizes.context ?? Infinity));
    const scored = await scoreContinuations(model.decoder, rows.map((ids) => ({ prompt: ids.slice(0, 1), continuation: ids.slice(1) })), { batchSize: 16 });
    const tokens = scored.reduce((sum, { perToken }) => sum + perToken.length, 0);
    losses[kind] = { nll: -scored.reduce((sum, { logProbability }) => sum + logProbability, 0) / tokens, tokens, documents: rows.length };
  }
  return losses as Evaluation['nll'];
}

function record<K extends string, V>(keys: readonly K[], value: (key: K) => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;
}
