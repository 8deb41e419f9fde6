// One repair of one bug, measured: what it found, how good that is on inputs it never saw, what it cost.
import { createHash } from 'node:crypto';
import type { Outcome } from './baselines/task.ts';
import type { Bug } from './generate.ts';
import { programOfText } from './generate.ts';
import { judge } from './judge.ts';
import { located } from './located.ts';
import type { Method } from './methods.ts';
import { methods } from './methods.ts';
import type { BaseProgram } from './programs.ts';
import { basePrograms, sourceOf } from './programs.ts';
import type { Example } from '../../src/repair/types.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

export interface Settings {
  readonly seed: number;
  readonly budgetMillis: number;
  /** Distinct examples that the repair is given. */
  readonly examples: number;
  /** Inputs that no example has, on which the result is judged. */
  readonly fresh: number;
}

export interface Job {
  readonly bug: Bug;
  readonly method: Method;
  readonly settings: Settings;
}

export interface Measurement {
  readonly id: string;
  readonly program: string;
  readonly dialect: string;
  readonly order: number;
  readonly mutations: readonly string[];
  readonly method: Method;
  /** `failed`: the worker process died over it, twice. */
  readonly status: Outcome['status'] | 'failed';
  readonly foundBy: string | null;
  /** A patch that passes every example was found. */
  readonly patched: boolean;
  /** Share of fresh inputs that the result gets exactly right; the buggy program's share where there is no patch. */
  readonly fresh: number;
  /** Mean of the shares among balanced and among other inputs; null but for the bracket programs. */
  readonly balanced: number | null;
  /** The patch gives the correct program's text back. */
  readonly sameText: boolean;
  /** Is the op that was mutated among the first three suspects? Null but for order 1 and where nothing was localised. */
  readonly located: boolean | null;
  readonly evaluations: number;
  /** Those up to the first patch that passes every example; null where none was found or they are not counted. */
  readonly firstEvaluations: number | null;
  readonly millis: number;
  /** When the first patch that passes every example was found; null where none was. */
  readonly firstMillis: number | null;
  /** The whole job: examples, repair and judging. */
  readonly jobMillis: number;
  /** It ran so long that a deadline may have decided: another machine, or more workers, may measure otherwise. */
  readonly clocked: boolean;
  readonly summary: string;
}

/** Repaired: right on every example and on every fresh input. */
export const isFixed = ({ patched, fresh }: Measurement): boolean => patched && fresh === 1;

export async function measure({ bug, method, settings }: Job, host: ModelHost): Promise<Measurement> {
  const started = performance.now();
  const base = basePrograms.find(({ name }) => name === bug.program);
  if (!base) throw new RangeError(`no base program ${bug.program}`);
  // Examples of its own for each bug: one unlucky draw must not decide over all of them.
  const seed = settings.seed + bugSeed(bug);
  const examples = distinctExamples(base, new Random(seed), settings.examples);
  const outcome = await methods[method].run({ bug, examples, seed, budgetMillis: settings.budgetMillis }, host);
  const text = outcome.text ?? bug.source;
  const verdict = judge(programOfText(bug.path, text, bug.dialect, examples[0]?.input as string[]), base, examples, { ...settings, seed });
  return {
    ...identity(bug, method),
    status: outcome.status,
    foundBy: outcome.foundBy,
    patched: outcome.text !== null,
    ...verdict,
    sameText: text === sourceOf(bug.program, bug.dialect),
    located: located(bug, outcome.suspects),
    evaluations: outcome.evaluations,
    firstEvaluations: outcome.firstEvaluations,
    millis: outcome.millis,
    firstMillis: outcome.firstMillis,
    jobMillis: Math.round(performance.now() - started),
    clocked: outcome.millis >= methods[method].clockFree(settings.budgetMillis),
    summary: outcome.summary,
  };
}

/** What stands for a bug over which the worker process died: not repaired. */
export function failedMeasurement({ bug, method }: Job, reason: string): Measurement {
  const nothing = { foundBy: null, patched: false, balanced: null, sameText: false, located: null, evaluations: 0, firstEvaluations: null, millis: 0, firstMillis: null, jobMillis: 0, clocked: true };
  return { ...identity(bug, method), status: 'failed', ...nothing, fresh: bug.exact, summary: reason };
}

function identity({ id, program, dialect, order, mutations }: Bug, method: Method) {
  return { id, program, dialect, order, mutations, method };
}

/** A number that the bug's text decides. */
const bugSeed = ({ source }: Bug): number => createHash('sha256').update(source).digest().readUInt32LE() >>> 8;

/** Distinct inputs, as far as there are so many. */
function distinctExamples(base: BaseProgram, random: Random, count: number): Example[] {
  const found = new Map<string, Example>();
  for (let tries = 0; found.size < count && tries < 50 * count; tries++) {
    const input = base.sample(random);
    found.set(JSON.stringify(input), { input, output: base.reference(input) });
  }
  return [...found.values()];
}
