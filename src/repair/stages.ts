// What a method does: its tasks in order, which earlier ones each may learn from, and until when each may run.
import type { RepairTask, Start, TaskResult } from './task.ts';
import { STARTS_KEPT } from './taskRunner.ts';
import type { RepairMethod } from './types.ts';

/** Each round of the search over forms is wider than the one before. */
const narrow = { perOp: 25, beams: 6, depth: 6, perSet: 2, pairs: 6000 } as const;
const wide = { perOp: 25, beams: 20, depth: 6, perSet: 3 } as const;
const widest = { perOp: 40, beams: 48, depth: 6, perSet: 4 } as const;
/** From a program on the way: what is left may be two bugs that hide each other. */
const onward = { perOp: 25, beams: 6, depth: 2, perSet: 2, pairs: 8000 } as const;

/** Programs on the way that get a search of their own, how many candidates each of those tries, and in how many lanes. */
const FROM_BEST = 24;
const FROM_BEST_EVALUATIONS = 12_000;
const FROM_BEST_ABREAST = 2;
/** Candidates that the rounds from the program as written try. */
const NARROW_EVALUATIONS = 20_000;
const WIDE_EVALUATIONS = 60_000;
/** Programs on the way in which single ops are tried as dictionaries. */
const LOOKUP_STARTS = 6;

type StageName = 'forms' | 'edits' | 'fromBest' | 'wide' | 'widest' | 'lookups' | 'tables' | 'weights';

/** A task by its place in the method's order. */
export interface Stage {
  readonly name: StageName;
  /** Places of the tasks whose results it may use, ascending; all before its own. */
  readonly after: readonly number[];
  /** Share of the time budget at which it ends. */
  readonly until: number;
  /** Gives its lane to earlier tasks as they become ready, and begins again. */
  readonly yields: boolean;
  /** Null: there is nothing for it to do. */
  task(text: string, known: Known): RepairTask | null;
}

/** What the tasks that a stage comes after have found. */
export interface Known {
  readonly hard: readonly number[];
  /** Best first; only those that no search has begun at. */
  readonly starts: readonly Start[];
}

type Plan = readonly { readonly name: StageName; readonly until: number; readonly after?: readonly StageName[] }[];

const plans: Record<RepairMethod, Plan> = {
  auto: [
    { name: 'forms', until: 0.3 },
    { name: 'edits', until: 0.4 },
    { name: 'fromBest', until: 0.75, after: ['forms', 'edits'] },
    { name: 'wide', until: 0.83, after: ['forms'] },
    { name: 'widest', until: 0.83, after: ['forms', 'wide'] },
    { name: 'lookups', until: 0.87, after: ['forms', 'edits'] },
    { name: 'tables', until: 0.9 },
    { name: 'weights', until: 1 },
  ],
  search: [
    { name: 'forms', until: 0.35 },
    { name: 'fromBest', until: 0.8, after: ['forms'] },
    { name: 'wide', until: 1, after: ['forms'] },
    { name: 'widest', until: 1, after: ['forms', 'wide'] },
  ],
  edits: [{ name: 'edits', until: 1 }],
  tables: [
    { name: 'tables', until: 0.9 },
    { name: 'lookups', until: 1 },
  ],
  weights: [{ name: 'weights', until: 1 }],
};

type TaskOf = Stage['task'];

const formTask = (width: Extract<RepairTask, { kind: 'forms' }>['width'], evaluations = Number.POSITIVE_INFINITY): TaskOf =>
  (text, { hard }) => ({ kind: 'forms', text, changes: 0, width, hard, evaluations, reports: true });

/**
 * Op forms again, from the most promising program so far. What a change made possible has forms of its own there: an op
 * may be changed twice, and a form that said nothing before may now matter.
 */
const fromBestTask: TaskOf = (_text, { hard, starts: [start] }) =>
  start ? { kind: 'forms', text: start.text, changes: start.changes, width: onward, hard, evaluations: FROM_BEST_EVALUATIONS, reports: false } : null;

const tasks: Record<StageName, TaskOf> = {
  forms: formTask(narrow, NARROW_EVALUATIONS),
  edits: () => ({ kind: 'edits' }),
  fromBest: fromBestTask,
  wide: formTask(wide, WIDE_EVALUATIONS),
  widest: formTask(widest, WIDE_EVALUATIONS),
  lookups: (text, { hard, starts }) => ({ kind: 'lookups', texts: [text, ...starts.slice(0, LOOKUP_STARTS).map((start) => start.text)], hard }),
  tables: () => ({ kind: 'tables' }),
  weights: () => ({ kind: 'weights' }),
};

const yielding: ReadonlySet<StageName> = new Set<StageName>(['wide', 'widest', 'lookups', 'tables', 'weights']);

/** The tasks of a method, in the order in which their results count. */
export function stagesOf(method: RepairMethod): Stage[] {
  const stages: Stage[] = [];
  for (const { name, until, after = [] } of plans[method]) {
    const before = stages.flatMap((stage, place) => (after.includes(stage.name) ? [place] : []));
    const stage = { name, until, yields: yielding.has(name), task: tasks[name] };
    if (name !== 'fromBest') stages.push({ ...stage, after: before });
    else stages.push(...fromBestStages(stage, before, stages.length));
  }
  return stages;
}

/** One task for each start. The next start is chosen when all but the last few searches are done, so that they run abreast. */
function fromBestStages(stage: Omit<Stage, 'after'>, before: readonly number[], first: number): Stage[] {
  return Array.from({ length: FROM_BEST }, (_, k) => {
    const done = Math.max(0, k + 1 - FROM_BEST_ABREAST);
    return { ...stage, after: [...before, ...Array.from({ length: done }, (_each, i) => first + i)] };
  });
}

/**
 * What the results at a stage's `after` say, in their order.
 * @param begun texts that tasks before this one began at
 */
export function knownFrom(results: readonly TaskResult[], begun: ReadonlySet<string>): Known {
  const hard = [...new Set(results.flatMap((result) => result.hard))];
  const starts = new Map<string, Start>();
  for (const start of results.flatMap((result) => result.starts)) {
    if (!begun.has(start.text) && !starts.has(start.text)) starts.set(start.text, start);
  }
  return { hard, starts: [...starts.values()].sort((a, b) => b.value - a.value).slice(0, STARTS_KEPT) };
}
