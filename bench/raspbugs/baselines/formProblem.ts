// What a form baseline shares with the repair under test: its ops, its library of forms, its screen, its verdict.
import type { Outcome, RepairTask } from './task.ts';
import { screeningOrder } from './task.ts';
import { programOfText } from '../generate.ts';
import { Batch } from '../../../src/repair/batch.ts';
import { sizeOf, textOf, withoutNeedless } from '../../../src/repair/choice.ts';
import { Acceptance, GRADIENT_BATCH, plainestFirst, programOfText as programInContext, SCREEN } from '../../../src/repair/context.ts';
import type { OpGroup } from '../../../src/repair/forms.ts';
import { makePatch } from '../../../src/repair/patch.ts';
import { groupsOf } from '../../../src/repair/prepare.ts';
import type { RepairContext } from '../../../src/repair/task.ts';
import type { Example } from '../../../src/repair/types.ts';
import type { Program } from '../../../src/rasp/program.ts';

export interface Prepared {
  readonly batch: Batch;
  readonly groups: readonly OpGroup[];
}

/** A buggy program whose op forms are searched by some means, the candidates judged as in the repair under test. */
export class FormProblem {
  private readonly context: RepairContext;
  private readonly acceptance: Acceptance;
  private readonly started = performance.now();
  private firstMillis: number | null = null;
  evaluations = 0;

  private constructor(
    private readonly task: RepairTask,
    readonly program: Program,
  ) {
    const { bug, examples, seed } = task;
    const source = { path: bug.path, text: bug.source };
    this.context = { source, dialect: bug.dialect, entry: program.name, files: [], examples, test: null, sampled: screeningOrder(program, task), seed };
    this.acceptance = new Acceptance(this.context, [], () => {
      this.firstMillis ??= this.elapsed;
    });
  }

  /** Null where the text is no program. */
  static of(task: RepairTask): FormProblem | null {
    const { bug, examples } = task;
    const program = programOfText(bug.path, bug.source, bug.dialect, examples[0]?.input as string[]);
    return program ? new FormProblem(task, program) : null;
  }

  /** Distinct, in the order of the repair under test. */
  get examples(): readonly Example[] {
    return this.context.sampled;
  }

  get deadline(): number {
    return this.started + this.task.budgetMillis;
  }

  private get elapsed(): number {
    return Math.round(performance.now() - this.started);
  }

  /** The screening inputs and every op with its library, the original first. */
  prepare(): Prepared {
    const { context, program } = this;
    const batch = new Batch(program.output, context.dialect, context.sampled.slice(0, SCREEN));
    const input = { program, source: context.source, gradientBatch: context.sampled.slice(0, GRADIENT_BATCH), programOfText: (text: string) => programInContext(context, text) };
    return { batch, groups: groupsOf(input, batch, batch.evaluate()) };
  }

  /** Is the choice, as text and without what it does not need, right on every example? */
  accept({ batch, groups }: Prepared, candidate: readonly number[]): boolean {
    const choice = withoutNeedless(candidate, groups, batch);
    const text = textOf(this.context.source, this.context.dialect, groups, choice);
    return this.acceptance.accept({ text, method: 'tables', ...sizeOf(choice, groups) });
  }

  outcome(method: string): Outcome {
    const { path, text: before } = this.context.source;
    const [best] = plainestFirst(this.context.source, this.acceptance.solutions);
    const found = best && { status: 'repaired' as const, foundBy: method, text: best.text, firstMillis: this.firstMillis, summary: makePatch(path, before, best.text).summary };
    return { ...nothing(this.started), evaluations: this.evaluations, ...found };
  }
}

/** The outcome of a search that found nothing. */
export function nothing(started: number): Outcome {
  return { status: 'unrepairable', foundBy: null, text: null, suspects: [], evaluations: 0, firstEvaluations: null, millis: Math.round(performance.now() - started), firstMillis: null, summary: '' };
}
