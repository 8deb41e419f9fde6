// What a form baseline shares with the repair under test: its ops, its library of forms, its screen, its verdict.
import type { Outcome, RepairTask } from './task.ts';
import { SCREEN, screeningOrder } from './task.ts';
import { programOfText } from '../generate.ts';
import { Batch } from '../../../src/repair/batch.ts';
import type { OpGroup } from '../../../src/repair/forms.ts';
import { editsBetween, makePatch } from '../../../src/repair/patch.ts';
import { groupsOf } from '../../../src/repair/prepare.ts';
import { applyEdits, rewrite } from '../../../src/repair/rewrite.ts';
import type { Candidate } from '../../../src/repair/search.ts';
import { overridesOf } from '../../../src/repair/search.ts';
import type { Example, Suspect } from '../../../src/repair/types.ts';
import { isExact, passesAll } from '../../../src/repair/verify.ts';
import type { Program } from '../../../src/rasp/program.ts';

/** Examples that the gradient sees: as many as in the repair under test. */
export const GRADIENT_BATCH = 128;

interface Solution {
  readonly text: string;
  /** When it was found, milliseconds from the start. */
  readonly millis: number;
  readonly changes: number;
  readonly cost: number;
}

export interface Prepared {
  readonly batch: Batch;
  readonly groups: readonly OpGroup[];
}

/** A buggy program whose op forms are searched by some means, the candidates judged as in the repair under test. */
export class FormProblem {
  readonly examples: readonly Example[];
  private readonly started = performance.now();
  private readonly solutions: Solution[] = [];
  /** Examples that told an almost right candidate apart: the next round screens with them too. */
  private readonly hard: Example[] = [];
  evaluations = 0;

  private constructor(
    private readonly task: RepairTask,
    readonly program: Program,
  ) {
    this.examples = screeningOrder(program, task);
  }

  /** Null where the text is no program. */
  static of(task: RepairTask): FormProblem | null {
    const program = programOfTask(task, task.bug.source);
    return program ? new FormProblem(task, program) : null;
  }

  get deadline(): number {
    return this.started + this.task.budgetMillis;
  }

  get finished(): boolean {
    return this.solutions.length > 0 || performance.now() > this.deadline;
  }

  /** The screening inputs and every op with its library, the original first. */
  prepare(): Prepared {
    const { path, source: text, dialect } = this.task.bug;
    const batch = new Batch(this.program.output, dialect, [...this.hard, ...this.examples.slice(0, SCREEN)]);
    const base = batch.evaluate();
    const input = { program: this.program, source: { path, text }, gradientBatch: this.examples.slice(0, GRADIENT_BATCH), programOfText: (changed: string) => programOfTask(this.task, changed) };
    return { batch, groups: groupsOf(input, batch, base) };
  }

  /** Is the candidate, as text and without what it does not need, right on every example? */
  accept({ batch, groups }: Prepared, candidate: Pick<Candidate, 'choice'>): boolean {
    const choice = withoutNeedless(batch, groups, candidate.choice);
    const chosen = groups.flatMap(({ origin, forms }, g) => {
      const form = forms[choice[g] ?? 0];
      return form && form.changes.length > 0 ? [{ origin, changes: form.changes, cost: form.cost }] : [];
    });
    const { path, source, dialect } = this.task.bug;
    const text = applyEdits(source, rewrite(source, path, dialect, chosen));
    const solution = { text, millis: Math.round(performance.now() - this.started), changes: chosen.length, cost: chosen.reduce((sum, { cost }) => sum + cost, 0) };
    return !this.solutions.some((known) => known.text === text) && this.verify(solution);
  }

  outcome(method: string): Outcome {
    const { path, source } = this.task.bug;
    const size = ({ text }: Solution): number =>
      editsBetween(path, source, text).reduce((sum, { span, newText }) => sum + span.end - span.start + newText.length, 0);
    const ranked = [...this.solutions].sort((a, b) => a.changes - b.changes || size(a) - size(b) || a.cost - b.cost);
    const text = ranked[0]?.text ?? null;
    return { ...nothing(this.started), evaluations: this.evaluations, ...(text === null ? {} : { status: 'repaired', foundBy: method, text, firstMillis: this.solutions[0]?.millis ?? null, summary: makePatch(path, source, text).summary }) };
  }

  private verify(solution: Solution): boolean {
    const program = programOfTask(this.task, solution.text);
    if (!program) return false;
    const failing = this.examples.filter((example) => !isExact(program, example)).slice(0, 4);
    if (this.hard.length < SCREEN) this.hard.push(...failing.filter((example) => !this.hard.includes(example)));
    if (failing.length > 0 || !passesAll(program, this.task.examples)) return false;
    this.solutions.push(solution);
    return true;
  }
}

/** The outcome of a search that found nothing. */
export function nothing(started: number): Outcome {
  const suspects: readonly Suspect[] = [];
  return { status: 'unrepairable', foundBy: null, text: null, suspects, evaluations: 0, millis: Math.round(performance.now() - started), firstMillis: null, summary: '' };
}

function programOfTask({ bug, examples }: RepairTask, text: string): Program | undefined {
  return programOfText(bug.path, text, bug.dialect, examples[0]?.input as string[]);
}

/** Takes back every changed op that the screening examples do not need. */
function withoutNeedless(batch: Batch, groups: readonly OpGroup[], choice: readonly number[]): number[] {
  const kept = [...choice];
  groups.forEach(({ forms }, g) => {
    const original = forms.findIndex(({ cost }) => cost === 0);
    const chosen = kept[g] ?? original;
    if (chosen === original) return;
    kept[g] = original;
    const overrides = overridesOf(groups, kept);
    if (!overrides || batch.score(batch.evaluate(overrides)).sequences < 1) kept[g] = chosen;
  });
  return kept;
}
