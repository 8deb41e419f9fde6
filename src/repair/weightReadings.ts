// Reads each state that the training of weights ends with back to the source, and says what was read.
import { Batch } from './batch.ts';
import { GRADIENT_BATCH, programOfText, SCREEN } from './context.ts';
import type { OpGroup } from './forms.ts';
import { groupsOf } from './prepare.ts';
import type { ReadBack, ReadOp } from './readBack.ts';
import { readBack } from './readBack.ts';
import { overridesOf } from './search.ts';
import type { RepairContext } from './task.ts';
import type { TaskOptions } from './taskRunner.ts';
import type { TrainedState } from './weights.ts';
import { lineAt } from '../rasp/diagnostic.ts';
import type { Program } from '../rasp/program.ts';
import type { ModelHost } from '../runtime/client.ts';
import { HostDiedError, RuntimeError, survivingDeaths } from '../runtime/client.ts';

type Accept = (groups: readonly OpGroup[], choice: readonly number[], batch: Batch) => boolean;

/** Inputs at which activations are read. */
const INPUTS = 80;
/** Ops that are named where no reading passes. */
const NAMED = 3;

export class WeightReadings {
  /** Of the best state, or of the one that a patch was read from. */
  found: ReadBack | null = null;
  private fault: string | null = null;
  private library: { readonly batch: Batch; readonly groups: readonly OpGroup[] } | null = null;

  constructor(
    private readonly context: RepairContext,
    private readonly program: Program,
    private readonly host: ModelHost,
    private readonly options: Pick<TaskOptions, 'token' | 'onEvent'> & { readonly deadline: number },
    /** The last word on a choice that is right on the screened examples. */
    private readonly accept: Accept,
  ) {}

  /** @returns whether a patch was read. @throws CancelledError; a host that dies costs the reading, not the model */
  async read({ weights, isBest }: TrainedState, deadline: number): Promise<boolean> {
    const { program, host, context, options } = this;
    options.onEvent({ type: 'said', stage: 'weights', message: 'Reading the trained weights back.' });
    const before = performance.now();
    const { batch, groups } = (this.library ??= this.prepare());
    const until = Math.min(options.deadline, deadline + performance.now() - before);
    const verify = (all: readonly OpGroup[], choice: readonly number[]): boolean => isRight(batch, all, choice) && this.accept(all, choice, batch);
    const examples = context.sampled.slice(0, INPUTS);
    try {
      const result = await survivingDeaths(() => readBack({ program, source: context.source, groups, weights, examples, host, token: options.token, deadline: until, verify }));
      if (isBest || result.passed > 0 || !this.found) this.found = result;
      return result.passed > 0;
    } catch (error) {
      if (!(error instanceof RuntimeError || error instanceof HostDiedError)) throw error;
      this.fault = error.message;
      return false;
    }
  }

  /** What was read, one plain line each. */
  lines(): string[] {
    const { found, fault, context } = this;
    if (!found) return fault === null ? [] : [`Reading the trained weights back: not possible. ${fault}`];
    return readBackLines(found, context.source.text);
  }

  private prepare(): { readonly batch: Batch; readonly groups: readonly OpGroup[] } {
    const { program, context } = this;
    const { source, sampled } = context;
    const batch = new Batch(program.output, program.dialect, sampled.slice(0, SCREEN));
    const ofText = (text: string): Program | undefined => programOfText(context, text);
    return { batch, groups: groupsOf({ program, source, gradientBatch: sampled.slice(0, GRADIENT_BATCH), programOfText: ofText }, batch, batch.evaluate()) };
  }
}

function isRight(batch: Batch, groups: readonly OpGroup[], choice: readonly number[]): boolean {
  const overrides = overridesOf(groups, choice);
  return overrides !== null && batch.score(batch.evaluate(overrides)).sequences === 1;
}

/** One line about the whole, then one for each op that a reading explains better than the source does. */
function readBackLines({ ops, verified, passed }: ReadBack, text: string): string[] {
  const readings = `${verified} ${verified === 1 ? 'reading' : 'readings'}`;
  const head = passed > 0 ? `${passed} of ${readings} ${passed === 1 ? 'is' : 'are'} right on every example.` : verified === 0 ? 'no block reads as another form of its op.' : `none of ${readings} is right on every example.`;
  const most = [...ops].filter(({ isClear }) => isClear).sort((a, b) => b.changed - a.changed).filter(({ span }, i, all) => all.findIndex((other) => other.span.start === span.start) === i).slice(0, NAMED);
  const blocks = passed > 0 || most.length === 0 ? '' : ` The blocks that changed most: ${most.map((op) => `${placeOf(op, text)}, ${percent(op.changed)} of the positions`).join('; ')}.`;
  return [`Reading the trained weights back: ${head}${blocks}`, ...ops.flatMap((op) => (op.isClear && op.reading !== null ? [readingLine(op, text)] : []))];
}

function readingLine(op: ReadOp, text: string): string {
  const { kind, reading, agreement, clarity, consistency } = op;
  const does = kind === 'attention' ? 'attends as' : 'computes';
  const table = consistency === null ? '' : `, consistent ${percent(consistency)}`;
  return `${placeOf(op, text)} ${does} “${reading ?? ''}”: agrees ${percent(agreement.read)}, as written ${percent(agreement.written)} (clear ${percent(clarity)}${table}).`;
}

const placeOf = ({ label, span }: ReadOp, text: string): string => `${label} in line ${lineAt(text, span.start)}`;

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
