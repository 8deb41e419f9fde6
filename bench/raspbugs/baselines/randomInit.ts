// Baseline: the op tables trained as in `tables`, but from tables drawn at random instead of the program's own.
import { FormProblem, nothing } from './formProblem.ts';
import type { Outcome, RepairTask } from './task.ts';
import { GRADIENT_BATCH } from '../../../src/repair/context.ts';
import type { OpGroup } from '../../../src/repair/forms.ts';
import { GradientRanking } from '../../../src/repair/gradient.ts';
import { trainTables } from '../../../src/repair/train.ts';
import { TableExplosion } from '../../../src/numeric/tableProgram.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { RuntimeError } from '../../../src/runtime/client.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';

/** What the program says about its ops is not used where training starts: its own form is one of the library's. */
export async function randomInit(task: RepairTask, host: ModelHost): Promise<Outcome> {
  const started = performance.now();
  const problem = FormProblem.of(task);
  if (!problem) return nothing(started);
  const random = new Random(task.seed);
  const { batch, groups: written } = problem.prepare();
  const groups = written.map((group) => withRandomFirst(group, random));
  const examples = problem.examples.slice(0, GRADIENT_BATCH);
  try {
    const ranking = await GradientRanking.create(batch, batch.evaluate(), groups, examples, host);
    try {
      const accept = (candidate: { readonly choice: readonly number[] }): boolean => problem.accept({ batch, groups: written }, asWritten(written, groups, candidate.choice));
      const outcome = await trainTables({ batch, groups, ranking, examples, host, random, deadline: problem.deadline, token: neverCancelled, accept, onStep: () => undefined });
      problem.evaluations += outcome.steps;
    } finally {
      await ranking.dispose();
    }
  } catch (error) {
    // Ops whose tables are too large, or a graph that the runtime refuses: nothing to train, as in the repair itself.
    if (!(error instanceof TableExplosion) && !(error instanceof RuntimeError)) throw error;
  }
  return problem.outcome('random-init');
}

/** Training starts with most weight on the first form. */
export function withRandomFirst(group: OpGroup, random: Random): OpGroup {
  const first = random.pick(group.forms);
  return { ...group, forms: [first, ...group.forms.filter((form) => form !== first)] };
}

/** A choice among the forms as they are drawn, as one among the forms as they are written. */
const asWritten = (written: readonly OpGroup[], drawn: readonly OpGroup[], choice: readonly number[]): number[] =>
  written.map(({ forms }, g) => {
    const form = drawn[g]?.forms[choice[g] ?? 0];
    return form ? forms.indexOf(form) : 0;
  });
