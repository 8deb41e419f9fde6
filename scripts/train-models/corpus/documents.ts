// The training text: documents of three abilities in a fixed mixture, drawn from a seed; and the held-out ones.
import { Random } from '../../../src/shared/random.ts';
import type { Domain } from './facts.ts';
import { domains } from './facts.ts';
import type { Language } from './programSyntax.ts';
import { languages } from './programSyntax.ts';
import { drawLanguage, programTask } from './programTasks.ts';
import { temptingScene, usualQuestion, usualSentences } from './questions.ts';
import type { Split } from './split.ts';
import type { Statement } from './statements.ts';
import { statementsAbout } from './statements.ts';

/** `program`: the whole text; the others likewise. Domains are reported apart. */
export const documentKinds = ['program', 'story', 'documentation', 'data sheet', 'question'] as const;
export type DocumentKind = (typeof documentKinds)[number];

export interface Document {
  readonly kind: DocumentKind;
  readonly text: string;
  /** Where in the text the context or the task ends, which nothing foretells. */
  readonly start: number;
}

/** A document in two parts: what is given, and what follows from it. */
type Parts = readonly [given: string, following: string];

/** Shares of the documents. */
export const mixture: Readonly<Record<DocumentKind, number>> = { program: 0.24, story: 0.22, documentation: 0.16, 'data sheet': 0.14, question: 0.24 };

/** Share of the programs' prompts that ask for a language, each as often. */
export const askingShare = 0.35;
/** Share of the statements without a label that are faithful. */
export const faithfulShare = 0.97;
/** Share of the contexts whose statements bear a label; half of those statements are faithful. */
export const labelledShare = 0.3;
/** Share of the questions with a context that are answered by what is usual all the same. */
export const temptedShare = 0.08;

/** Document `index` of the corpus of a seed. The two splits share no name, no combination of a task and no number from 10 in statements. */
export function documentAt(seed: number, index: number, split: Split): Document {
  const random = new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
  let left = random.next();
  const kind = documentKinds.find((name) => (left -= mixture[name]) < 0) ?? 'question';
  return documentOf(random, kind, split);
}

/** A document of a kind. */
export function documentOf(random: Random, kind: DocumentKind, split: Split): Document {
  const [given, following] = partsOf(random, kind, split);
  return { kind, text: given + following, start: given.length };
}

function partsOf(random: Random, kind: DocumentKind, split: Split): Parts {
  if (kind === 'program') return programDocument(random, split);
  return kind === 'question' ? questionDocument(random, split) : statementDocument(random, kind, split);
}

function programDocument(random: Random, split: Split): Parts {
  const task = programTask(random, split);
  const asked: Language | null = random.next() < askingShare ? random.pick(languages) : null;
  return [asked ? task.prompts[asked] : task.prompt, task.programs[asked ?? drawLanguage(random)]];
}

/** Before statements that a context is followed by. */
export const summaryPrompt = (context: string): string => `Context: ${context}\nSummary:`;
/** Before a statement that is to be labelled. */
export const claimPrompt = (context: string): string => `Context: ${context}\nClaim:`;

function statementDocument(random: Random, domain: Domain, split: Split): Parts {
  const labelled = random.next() < labelledShare;
  const { context, statements } = statementsAbout(random, domain, split, labelled ? 0.5 : faithfulShare);
  if (labelled) return [`Context: ${context}`, statements.map(random.next() < 0.5 ? supported : judged).join('')];
  const text = statements.map(({ text: sentence }) => ` ${sentence}`).join('');
  return random.next() < 0.7 ? [summaryPrompt(context), text] : [`${context}\n`, text.trimStart()];
}

const supported = ({ text, faithful }: Statement): string => `\nClaim: ${text}\nSupported: ${faithful ? 'yes' : 'no'}`;
/** The label is the token after the full stop, so that the model has judged when it reads that. */
const judged = ({ text, faithful }: Statement): string => `\nTrue or false: ${text} ${faithful ? 'True' : 'False'}`;

/** Before the answer to a question; without a context, the question alone. */
export const questionPrompt = (question: string, context?: string): string => `${context === undefined ? '' : `Context: ${context}\n`}Question: ${question}\nAnswer:`;

function questionDocument(random: Random, split: Split): Parts {
  const form = random.next();
  if (form < 0.15) return ['', usualSentences(random, random.integer(3, 5)).join(' ')];
  if (form < 0.35) return ['', asked(Array.from({ length: random.integer(2, 3) }, () => usualQuestion(random)))];
  const { context, questions } = temptingScene(random, split);
  return [`Context: ${context}\n`, asked(questions.map(({ question, answer, temptation }) => ({ question, answer: random.next() < temptedShare ? temptation : answer })))];
}

const asked = (questions: readonly { readonly question: string; readonly answer: string }[]): string =>
  questions.map(({ question, answer }) => `${questionPrompt(question)} ${answer}`).join('\n');

export const isStatementDomain = (kind: DocumentKind): kind is Domain => (domains as readonly string[]).includes(kind);
