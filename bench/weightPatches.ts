// For the weights benchmark: patches read from trained weights, and whether they are right on inputs that no example has.
import type { Bug } from './raspbugs/generate.ts';
import { sizeOf, textOf, withoutNeedless } from '../src/repair/choice.ts';
import { Acceptance, programOfText, SAMPLED } from '../src/repair/context.ts';
import { distinctExamples, sampleExamples } from '../src/repair/sampling.ts';
import type { RepairContext } from '../src/repair/task.ts';
import type { Example } from '../src/repair/types.ts';
import { exactShare } from '../src/repair/verify.ts';
import { WeightReadings } from '../src/repair/weightReadings.ts';
import type { TrainedState } from '../src/repair/weights.ts';
import type { Program } from '../src/rasp/program.ts';
import type { ModelHost } from '../src/runtime/client.ts';
import { neverCancelled } from '../src/shared/cancellation.ts';
import { Random } from '../src/shared/random.ts';

export class WeightPatches {
  private readonly context: RepairContext;
  private readonly acceptance: Acceptance;
  private readonly readings: WeightReadings;

  constructor(bug: Bug, program: Program, examples: readonly Example[], seed: number, deadline: number, host: ModelHost) {
    const { path, source: text, dialect } = bug;
    const sampled = sampleExamples(program, distinctExamples(examples), SAMPLED, new Random(seed)).slice(0, SAMPLED);
    const context: RepairContext = { source: { path, text }, dialect, entry: program.name, files: [], examples, test: null, sampled, seed };
    const acceptance = new Acceptance(context, [], () => undefined);
    const options = { token: neverCancelled, onEvent: () => undefined, deadline };
    this.readings = new WeightReadings(context, program, host, options, (groups, choice, batch) => {
      const kept = withoutNeedless(choice, groups, batch);
      return acceptance.accept({ text: textOf(context.source, dialect, groups, kept), method: 'weights', ...sizeOf(kept, groups) });
    });
    this.context = context;
    this.acceptance = acceptance;
  }

  /** Reads, and lets the training go on as if nothing had been read. */
  async read(state: TrainedState, deadline: number): Promise<boolean> {
    await this.readings.read(state, deadline);
    return false;
  }

  /** The best share of the fresh inputs that a patch gets exactly right; null where none was read. */
  shareOf(fresh: readonly Example[]): number | null {
    const shares = this.acceptance.solutions.flatMap(({ text }) => {
      const program = programOfText(this.context, text);
      return program ? [exactShare(program, fresh)] : [];
    });
    return shares.length === 0 ? null : Math.max(...shares);
  }
}
