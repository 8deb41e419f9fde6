// The source edits of the text baselines, and their candidates: sets of edits that do not overlap, as texts and programs.
import type { MutationKind } from '../mutate.ts';
import { mutationsOf } from '../mutate.ts';
import type { Outcome, RepairTask } from './task.ts';
import { screeningOrder } from './task.ts';
import { programOfText } from '../generate.ts';
import { Batch } from '../../../src/repair/batch.ts';
import { SCREEN } from '../../../src/repair/context.ts';
import { makePatch } from '../../../src/repair/patch.ts';
import { applyEdits } from '../../../src/repair/rewrite.ts';
import type { Example } from '../../../src/repair/types.ts';
import { isExact, passesAll } from '../../../src/repair/verify.ts';
import type { SourceFile } from '../../../src/rasp/analyse.ts';
import type { TextEdit } from '../../../src/rasp/diagnostic.ts';
import { editSites } from '../../../src/rasp/frontend.ts';
import type { Dialect, Program } from '../../../src/rasp/program.ts';

export interface Move {
  readonly kind: MutationKind | 'operand' | 'iterable';
  readonly edit: TextEdit;
}

/**
 * The mutation operators on a text, and the inverses that they lack: an operand dropped with its literal (undoes
 * `indices ± 1`), an integer's sign changed (undoes the removal of one), a list put where a loop runs over nothing. So
 * one move undoes one mistake.
 */
export function movesOf(source: SourceFile, dialect: Dialect): Move[] {
  const mutations = mutationsOf(source, dialect).map(({ kind, span, newText }): Move => ({ kind, edit: { span, newText } }));
  const inverses = editSites(source, dialect).flatMap(({ kind, span, alternatives }): Move[] => {
    if (kind !== 'operand' && kind !== 'iterable' && kind !== 'integer') return [];
    const negated = String(-Number(source.text.slice(span.start, span.end)));
    return alternatives.filter((newText) => kind !== 'integer' || newText === negated).map((newText) => ({ kind, edit: { span, newText } }));
  });
  return [...mutations, ...inverses];
}

export function overlap({ edit: a }: Move, { edit: b }: Move): boolean {
  return a.span.start < b.span.end && b.span.start < a.span.end;
}

/** Counts, screens and verifies the candidates of one search, and keeps the first that is right on every example. */
export class Candidates {
  readonly moves: readonly Move[];
  private readonly started = performance.now();
  private readonly screen: readonly Example[];
  private readonly seen: Set<string>;
  private found: string | null = null;
  private best = 0;
  private readonly before: number;
  evaluations = 0;

  /** @param budget candidate programs that may be looked at */
  constructor(
    private readonly task: RepairTask,
    private readonly budget: number,
  ) {
    const { path, source, dialect } = task.bug;
    this.moves = movesOf({ path, text: source }, dialect);
    const program = this.programOf(source);
    this.screen = program ? screeningOrder(program, task).slice(0, SCREEN) : task.examples.slice(0, SCREEN);
    this.seen = new Set([source]);
    this.before = program ? this.shareOf(program) : 0;
  }

  /** A patch is found, or the candidates or the time have run out. */
  get finished(): boolean {
    return this.found !== null || this.evaluations >= this.budget || performance.now() > this.started + this.task.budgetMillis;
  }

  /** Share of the screening examples that the edited program gets exactly right, or null if the text is not new. */
  fitness(moves: readonly Move[]): number | null {
    const text = this.newText(moves);
    if (text === null) return null;
    const program = this.programOf(text);
    const share = program ? this.shareOf(program) : 0;
    if (program && share === 1) this.verify(text, program);
    this.best = Math.max(this.best, share);
    return share;
  }

  /** Is the edited program right on every example? Ends at the first that it gets wrong. */
  tryOut(moves: readonly Move[]): void {
    const text = this.newText(moves);
    const program = text === null ? undefined : this.programOf(text);
    if (text !== null && program && this.screen.every((example) => isExact(program, example))) this.verify(text, program);
  }

  outcome(method: string): Outcome {
    const { path, source } = this.task.bug;
    const text = this.found;
    const millis = Math.round(performance.now() - this.started);
    return {
      status: text !== null ? 'repaired' : this.best > this.before ? 'partial' : 'unrepairable',
      foundBy: text === null ? null : method,
      text,
      suspects: [],
      evaluations: this.evaluations,
      firstEvaluations: text === null ? null : this.evaluations,
      millis,
      firstMillis: text === null ? null : millis,
      summary: text === null ? '' : makePatch(path, source, text).summary,
    };
  }

  private newText(moves: readonly Move[]): string | null {
    const edits = moves.map(({ edit }) => edit).sort((a, b) => a.span.start - b.span.start);
    const text = applyEdits(this.task.bug.source, edits);
    if (this.seen.has(text)) return null;
    this.seen.add(text);
    this.evaluations++;
    return text;
  }

  private programOf(text: string): Program | undefined {
    const { path, dialect } = this.task.bug;
    return programOfText(path, text, dialect, this.task.examples[0]?.input as string[]);
  }

  private shareOf(program: Program): number {
    const batch = new Batch(program.output, this.task.bug.dialect, this.screen);
    return batch.score(batch.evaluate()).sequences;
  }

  private verify(text: string, program: Program): void {
    if (passesAll(program, this.task.examples)) this.found = text;
  }
}
