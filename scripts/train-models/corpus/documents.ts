// The training text: documents of three abilities in a given mixture, drawn from a seed; and the held-out ones.
import { Random } from '../../../src/shared/random.ts';
import type { Domain } from './facts.ts';
import type { Language } from './programSyntax.ts';
import { languages } from './programSyntax.ts';
import { drawLanguage, programTask } from './programTasks.ts';
import { temptingScene, usualQuestion, usualSentences } from './questions.ts';
import type { Split } from './split.ts';
import type { Statement } from './statements.ts';
import { statementsAbout } from './statements.ts';

/** Programs, statements in each domain, questions. */
export const documentKinds = ['program', 'story', 'documentation', 'data sheet', 'question'] as const;
export type DocumentKind = (typeof documentKinds)[number];

/**
 * What a piece of a document is to what came before it. `given`: a task or a context, which nothing foretells; `claimed`:
 * a statement that may be false; `decided`: a value, an answer or a label that the context decides; `free`: the rest.
 */
export type Role = 'given' | 'claimed' | 'decided' | 'free';

export interface Piece {
  readonly role: Role;
  /** Pieces meet where tokens do: before a space, a line break or a full stop. */
  readonly text: string;
}

export interface Document {
  readonly kind: DocumentKind;
  readonly pieces: readonly Piece[];
  readonly text: string;
}

/** What may differ between parts of the training text. */
export interface Mixture {
  /** Shares of the documents. */
  readonly kinds: Readonly<Record<DocumentKind, number>>;
  /** Share of the contexts whose statements bear a label; half of those statements are faithful. */
  readonly labelled: number;
  /** How often a kind of fact is told of both subjects, and then of the same object. */
  readonly sharing: number;
}

export const evenMixture: Mixture = { kinds: { program: 0.24, story: 0.22, documentation: 0.16, 'data sheet': 0.14, question: 0.24 }, labelled: 0.3, sharing: 0.7 };

/** Share of the programs' prompts that ask for a language, each as often. */
export const askingShare = 0.35;
/** Share of the statements without a label that are faithful. */
export const faithfulShare = 0.97;
/** Share of the questions with a context that are answered by what is usual all the same. */
export const temptedShare = 0.08;

/** Document `index` of the corpus of a seed. The two splits share no name, no combination of a task and no number from 10 in statements. */
export function documentAt(seed: number, index: number, split: Split, mixture: Mixture = evenMixture): Document {
  const random = new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
  let left = random.next();
  const kind = documentKinds.find((name) => (left -= mixture.kinds[name]) < 0) ?? 'question';
  return documentOf(random, kind, split, mixture);
}

/** A document of a kind. */
export function documentOf(random: Random, kind: DocumentKind, split: Split, mixture: Mixture = evenMixture): Document {
  const pieces = piecesOf(random, kind, split, mixture).filter(({ text }) => text !== '');
  return { kind, pieces, text: pieces.map(({ text }) => text).join('') };
}

function piecesOf(random: Random, kind: DocumentKind, split: Split, mixture: Mixture): readonly Piece[] {
  if (kind === 'program') return programDocument(random, split);
  return kind === 'question' ? questionDocument(random, split) : statementDocument(random, kind, split, mixture);
}

const piece = (role: Role, text: string): Piece => ({ role, text });

function programDocument(random: Random, split: Split): readonly Piece[] {
  const task = programTask(random, split);
  const asked: Language | null = random.next() < askingShare ? random.pick(languages) : null;
  return [piece('given', asked ? task.prompts[asked] : task.prompt), piece('free', task.programs[asked ?? drawLanguage(random)])];
}

/** Before statements that a context is followed by. */
export const summaryPrompt = (context: string): string => `Context: ${context}\nSummary:`;
/** Before True or False; the label is the token after the full stop, so that the model has judged when it reads that. */
export const judgementPrompt = (context: string, statement: string): string => `Context: ${context}\nTrue or false: ${statement}`;

function statementDocument(random: Random, domain: Domain, split: Split, { labelled: share, sharing }: Mixture): readonly Piece[] {
  const labelled = random.next() < share;
  const { context, statements } = statementsAbout(random, domain, split, { faithfulShare: labelled ? 0.5 : faithfulShare, sharing });
  if (labelled) return [piece('given', `Context: ${context}`), ...statements.flatMap(random.next() < 0.5 ? supported : judged)];
  const following = statements.flatMap(stated).filter(({ text }) => text !== '');
  if (random.next() < 0.7) return [piece('given', summaryPrompt(context)), ...following];
  const [{ text = '' } = {}, ...rest] = following;
  return [piece('given', `${context}\n`), piece(following[0]?.role ?? 'free', text.trimStart()), ...rest];
}

/** A statement with a space before it, its value apart. */
function stated({ text, valueAt: [start, end] }: Statement): readonly Piece[] {
  const spaced = ` ${text}`;
  return [piece('free', spaced.slice(0, start)), piece('decided', spaced.slice(start, end + 1)), piece('free', spaced.slice(end + 1))];
}

const supported = ({ text, faithful }: Statement): readonly Piece[] => [piece('claimed', `\nClaim: ${text}\nSupported:`), piece('decided', faithful ? ' yes' : ' no')];
const judged = ({ text, faithful }: Statement): readonly Piece[] => [piece('claimed', `\nTrue or false: ${text}`), piece('decided', faithful ? ' True' : ' False')];

/** Before the answer to a question; without a context, the question alone. */
export const questionPrompt = (question: string, context?: string): string => `${context === undefined ? '' : `Context: ${context}\n`}Question: ${question}\nAnswer:`;

function questionDocument(random: Random, split: Split): readonly Piece[] {
  const form = random.next();
  if (form < 0.15) return [piece('free', usualSentences(random, random.integer(3, 5)).join(' '))];
  if (form < 0.35) return asked(Array.from({ length: random.integer(2, 3) }, () => usualQuestion(random)));
  const { context, questions } = temptingScene(random, split);
  const answers = questions.map(({ question, answer, temptation }) => ({ question, answer: random.next() < temptedShare ? temptation : answer }));
  return [piece('given', `Context: ${context}\n`), ...asked(answers)];
}

const asked = (questions: readonly { readonly question: string; readonly answer: string }[]): readonly Piece[] =>
  questions.flatMap(({ question, answer }, i) => [piece('free', `${i > 0 ? '\n' : ''}${questionPrompt(question)}`), piece('decided', ` ${answer}`)]);
