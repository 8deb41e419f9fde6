// Every method that the benchmark measures: the repair under test in its modes, and the baselines.
import { breadthFirst } from './baselines/breadthFirst.ts';
import { genetic } from './baselines/genetic.ts';
import { randomInit } from './baselines/randomInit.ts';
import type { Outcome, RepairTask } from './baselines/task.ts';
import { unguided } from './baselines/unguided.ts';
import { repaired } from './repaired.ts';
import type { RepairMethod } from '../../src/repair/types.ts';
import type { ModelHost } from '../../src/runtime/client.ts';

/** Training all weights gives models and no patches: `npm run bench -- weights` measures it. */
export type Method = Exclude<RepairMethod, 'weights'> | 'unguided' | 'random-init' | 'genetic' | 'breadth-first';

interface MethodEntry {
  readonly purpose: string;
  /** The file that all of its behaviour hangs on, from the project's root. */
  readonly entry: string;
  /** Milliseconds until which the clock decides nothing: results of shorter runs are the same on every machine. */
  clockFree(budgetMillis: number): number;
  run(task: RepairTask, host: ModelHost): Promise<Outcome>;
}

const whole = (budgetMillis: number): number => budgetMillis;

const underTest = (method: RepairMethod, purpose: string, clockFree = whole): MethodEntry => ({
  purpose,
  entry: 'src/repair/repair.ts',
  clockFree,
  run: (task, host) => repaired(method, task, { host }),
});

const baseline = (file: string, purpose: string, run: MethodEntry['run']): MethodEntry => ({ purpose, entry: `bench/raspbugs/baselines/${file}.ts`, clockFree: whole, run });

export const methods: Readonly<Record<Method, MethodEntry>> = {
  // Its first stage may take 0.3 of the budget, its searches from the best so far 1.5 s each.
  auto: underTest('auto', 'all of the repair\'s stages in turns', (budgetMillis) => Math.min(0.3 * budgetMillis, 1500)),
  search: underTest('search', 'gradient-guided search over op forms alone (the headline)'),
  edits: underTest('edits', 'beam search over text edits alone; its edits are like the mutations\', so it knows what to look for'),
  tables: underTest('tables', 'training of the op tables alone'),
  unguided: baseline('unguided', 'baseline: `search` with a seeded random order in the place of the gradient, otherwise the same', unguided),
  'random-init': baseline('randomInit', 'baseline: `tables` from op forms drawn at random instead of the program\'s own', randomInit),
  genetic: baseline('genetic', 'baseline: genetic search over source edits, 500 candidate programs, fitness the share of screening examples right', (task) => genetic(task)),
  'breadth-first': baseline('breadthFirst', 'baseline: all single source edits, then pairs, and so on, 10,000 candidate programs', (task) => breadthFirst(task)),
};

export const isMethod = (name: string): name is Method => Object.hasOwn(methods, name);
