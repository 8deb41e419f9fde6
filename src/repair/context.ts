// What texts mean in the context of one repair, which of them are right on its examples, and which of those is best.
import { editsBetween } from './patch.ts';
import { isFatal } from './refusal.ts';
import type { RepairContext, Solution } from './task.ts';
import { isExact, passesAll } from './verify.ts';
import type { Program } from '../rasp/program.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import { programOf } from '../rasp/analyse.ts';
import type { TextEdit } from '../rasp/diagnostic.ts';
import { analyse } from '../rasp/frontend.ts';

/** Inputs that screen the candidates; the gradient sees a few more. */
export const SCREEN = 100;
export const GRADIENT_BATCH = 128;
/** Examples that candidates are verified on before they are verified on all. */
export const SAMPLED = 2000;

/** The program of the repair's entry in a text, or undefined if the text has errors. */
export function programOfText(context: RepairContext, text: string): Program | undefined {
  const [first] = context.examples;
  const analysis = analyse(
    { path: context.source.path, text },
    {
      dialect: context.dialect,
      readSource: (path) => context.files.find(([known]) => known === path)?.[1],
      ...(first ? { runningExample: first.input } : {}),
    },
  );
  if (analysis.diagnostics.some(isFatal)) return undefined;
  return programOf(analysis, context.entry);
}

/** Stage 6: takes the texts that are right on every example, and keeps the examples that told others apart. */
export class Acceptance {
  readonly solutions: Solution[] = [];
  /** Places in `sampled`, those found before first. */
  readonly hard: number[];

  constructor(
    private readonly context: RepairContext,
    known: readonly number[],
    private readonly onAccepted: () => void,
  ) {
    this.hard = [...known];
  }

  /** The patched text under the interpreter, on every example. */
  accept(solution: Solution): boolean {
    if (this.solutions.some(({ text }) => text === solution.text)) return false;
    const program = programOfText(this.context, solution.text);
    if (!program) return false;
    const failing = this.failing(program);
    if (failing.length > 0 && this.hard.length < SCREEN) this.hard.push(...failing.filter((place) => !this.hard.includes(place)));
    if (failing.length > 0 || !passesAll(program, this.context.examples)) return false;
    this.solutions.push(solution);
    this.onAccepted();
    return true;
  }

  /** The first few examples that a program gets wrong. */
  private failing(program: Program): number[] {
    const failing: number[] = [];
    this.context.sampled.forEach((example, place) => {
      if (failing.length < 4 && !isExact(program, example)) failing.push(place);
    });
    return failing;
  }
}

/** Fewest changed places first, then fewest changed numbers (another symbol is more general), then the least text touched, then the plainest form. */
export function plainestFirst({ path, text: before }: SourceFile, solutions: readonly Solution[]): Solution[] {
  const sizeOf = (edits: readonly TextEdit[]): number => edits.reduce((sum, { span, newText }) => sum + Math.max(span.end - span.start, newText.length), 0);
  return solutions
    .map((solution) => {
      const edits = editsBetween(path, before, solution.text);
      return { solution, numbers: edits.filter((edit) => changesNumber(before, edit)).length, size: sizeOf(edits) };
    })
    .sort((a, b) => a.solution.changes - b.solution.changes || a.numbers - b.numbers || a.size - b.size || a.solution.cost - b.solution.cost)
    .map(({ solution }) => solution);
}

/** Another number in its place, or a sign right before one. */
function changesNumber(before: string, { span, newText }: TextEdit): boolean {
  const old = before.slice(span.start, span.end);
  const isSign = /-$/.test(newText) || (newText === '' && old.endsWith('-'));
  return (/\d/.test(old) && /\d/.test(newText)) || (isSign && /^\d/.test(before.slice(span.end)));
}
