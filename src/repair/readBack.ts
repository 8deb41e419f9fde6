// Stage 5 after the training of weights: what the trained blocks do, as forms of the source's ops, and as patches.
import type { BatchState, Override, Overrides } from './batch.ts';
import type { OpGroup } from './forms.ts';
import { canBeWritten, lookupForm, MOST_ENTRIES, unaryMap } from './lookup.ts';
import { consistencyOf, JudgedOp } from './readings.ts';
import { overridesOf } from './search.ts';
import { labelOf } from './suspects.ts';
import type { Example } from './types.ts';
import { readOps } from '../numeric/weights/readBack.ts';
import type { OpReading } from '../numeric/weights/readBack.ts';
import type { TransformerWeights } from '../numeric/weights/transformer.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Span } from '../rasp/diagnostic.ts';
import type { Node, Program, Value } from '../rasp/program.ts';
import { spanIn } from '../rasp/program.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { interruptAndCheck } from '../shared/cancellation.ts';

export interface ReadBackTask {
  /** As written; the weights have its layout. */
  readonly program: Program;
  readonly source: SourceFile;
  readonly groups: readonly OpGroup[];
  readonly weights: TransformerWeights;
  /** Inputs to read at; their outputs are not looked at. */
  readonly examples: readonly Example[];
  readonly host: ModelHost;
  readonly token: CancellationToken;
  /** performance.now() at which it ends with what it has. */
  readonly deadline: number;
  /** The last word on a reading, a choice of forms: true if it is right on every example. */
  readonly verify: (groups: readonly OpGroup[], choice: readonly number[]) => boolean;
}

/** What one op of the program turned out to do in the trained transformer. */
export interface ReadOp {
  readonly span: Span;
  readonly label: string;
  /** An op whose head was read, or whose value was. */
  readonly kind: OpReading['kind'];
  /** Share of positions where it is not what the program as written has there. */
  readonly changed: number;
  /** How clear-cut the activations are, 0 to 1. */
  readonly clarity: number;
  /** Clear enough to be taken for what it seems. */
  readonly isClear: boolean;
  /** How often the op gave the commonest result of its arguments; null where it has no table of its own. */
  readonly consistency: number | null;
  /** The form that it has in the reading that passed, else in the one that agrees best; null where that is the one written. */
  readonly reading: string | null;
  /** Of what is written and of the reading. */
  readonly agreement: { readonly written: number; readonly read: number };
}

export interface ReadBack {
  /** The ops that changed, in the order in which the transformer computes them. */
  readonly ops: readonly ReadOp[];
  /** Forms that were compared with what was read. */
  readonly compared: number;
  /** Readings, single and joint, that were held against the examples. */
  readonly verified: number;
  readonly passed: number;
}

/** Changes below are noise. */
const CHANGED = 0.02;
const AGREED = 0.995;
const MOST_COST = 2.7;
const MOST_FORMS = 400;
/** A form's cost in agreement: the shortest of forms that agree alike. */
const PRICE = 0.03;
/** Changes for one reading that go on from a hypothesis. */
const BRANCHES = 6;
/** Hypotheses that go on to the next op: at most so many, and as many again of those that it changed nothing in. */
const BEAM = 5;
/** Ops that are changed for one reading. */
const ROUNDS = 2;
/** Readings that are verified: of each op, and in all. */
const VERIFIED_PER_OP = 24;
const MOST_VERIFIED = 160;
/** A table that says different things of one argument is none. */
const CONSISTENT = 0.8;
/** From this clarity on attention, and values in directions, are taken for what they seem. */
const CLEAR = { attention: 0.3, values: 0.5 } as const;

/** @throws RuntimeError, HostDiedError, CancelledError */
export async function readBack(task: ReadBackTask): Promise<ReadBack> {
  const { program, weights, examples, host, token } = task;
  const readings = await readOps(program, weights, examples.map(({ input }) => input), host, token);
  return new Reconstruction(task, readings).run();
}

/** What the ops read so far may do. */
interface Hypothesis {
  readonly choice: readonly number[];
  /** Agreements so far, less what the forms cost. */
  readonly score: number;
}

interface Option {
  readonly group: number;
  readonly form: number;
  readonly agreement: number;
  readonly cost: number;
}

class Reconstruction {
  private groups: readonly OpGroup[];
  private readonly judged: readonly JudgedOp[];
  private readonly written: readonly number[];
  /** Single changes for the op that is read. */
  private singles: { readonly choice: readonly number[]; readonly gain: number }[] = [];
  private readonly tried: Set<string>;
  private readonly held = new Map<Node, Override>();
  private compared = 0;
  private passed = 0;
  /** The first choice that passed. */
  private right: readonly number[] | null = null;
  private opDeadline = Number.POSITIVE_INFINITY;

  constructor(
    private readonly task: ReadBackTask,
    readings: readonly OpReading[],
  ) {
    this.groups = task.groups;
    this.written = task.groups.map(() => 0);
    this.tried = new Set([this.written.join()]);
    this.judged = readings.map((reading) => new JudgedOp(reading, task.program.dialect, task.examples));
  }

  /**
   * Op by op in program order: forms that agree with a reading make hypotheses, the best go on and are verified. It ends
   * with the op that makes one pass.
   */
  async run(): Promise<ReadBack> {
    let beam: readonly Hypothesis[] = [{ choice: this.written, score: 0 }];
    const reports: ((right: readonly number[] | null) => readonly ReadOp[])[] = [];
    for (const [place, op] of this.judged.entries()) {
      const changeable = this.changeable(op, place);
      this.opDeadline = performance.now() + (this.task.deadline - performance.now()) / Math.max(1, this.judged.slice(place).filter(({ reading }) => weightOf(reading) > 0).length);
      if (!this.right && weightOf(op.reading) > 0) beam = await this.advanced(beam, op, changeable);
      const best = beam[0]?.choice ?? this.written;
      reports.push((right) => this.report(op, changeable, right ?? best));
      if (!this.right) await this.verify(beam);
      this.hold(op.reading);
    }
    return { ops: reports.flatMap((report) => report(this.right)), compared: this.compared, verified: this.tried.size - 1, passed: this.passed };
  }

  private isLate(): boolean {
    return performance.now() > this.opDeadline;
  }

  /**
   * The groups that a reading judges: those that no earlier reading has judged. Attention and the output are more to be
   * trusted than directions, which training may give another meaning: those judge again.
   */
  private changeable(op: JudgedOp, place: number): number[] {
    const before = this.judged.slice(0, place).filter(({ reading }) => weightOf(reading) > 0 && (!isSure(op.reading) || isSure(reading)));
    const touches = (judge: JudgedOp, { nodes }: OpGroup): boolean => nodes.some((node) => judge.below.has(node));
    return this.groups.flatMap((group, g) => (touches(op, group) && !before.some((other) => touches(other, group)) ? [g] : []));
  }

  private async advanced(beam: readonly Hypothesis[], op: JudgedOp, changeable: readonly number[]): Promise<Hypothesis[]> {
    const next = new Map<string, Hypothesis>();
    let open = beam;
    this.addLookup(op, this.starts(op, beam[0]?.choice ?? this.written));
    for (let round = 0; round <= ROUNDS && open.length > 0; round++) {
      const found: Hypothesis[] = [];
      for (const hypothesis of open) {
        const { own, options } = await this.options(op, hypothesis, round < ROUNDS ? changeable : []);
        next.set(hypothesis.choice.join(), { ...hypothesis, score: hypothesis.score + weightOf(op.reading) * own });
        for (const { group, form, cost } of options) found.push({ choice: changed(hypothesis.choice, group, form), score: hypothesis.score - PRICE * cost });
      }
      open = found.filter(({ choice }) => !next.has(choice.join()));
    }
    const ranked = [...next.values()].sort((a, b) => b.score - a.score);
    const before = new Set(beam.map(({ choice }) => choice.join()));
    const kept = ranked.filter(({ choice }) => before.has(choice.join())).slice(0, BEAM);
    return [...new Set([...ranked.slice(0, BEAM), ...kept])].sort((a, b) => b.score - a.score);
  }

  /** How well a hypothesis agrees with the reading, and the changes of one more op that agree better. */
  private async options(op: JudgedOp, { choice }: Hypothesis, changeable: readonly number[]): Promise<{ own: number; options: readonly Option[] }> {
    const starts = this.starts(op, choice);
    const own = bestAgreement(op, starts);
    if (own >= AGREED) return { own, options: [] };
    const open = changeable.filter((g) => choice[g] === 0 || isSure(op.reading));
    const found = await this.agreeing(op, starts, choice, this.formsOf(open, choice), own);
    const worth = ({ agreement, cost }: Option): number => agreement - PRICE * cost;
    const options = found.sort((a, b) => worth(b) - worth(a));
    for (const option of options) this.singles.push({ choice: changed(this.written, option.group, option.form), gain: worth(option) - own });
    return { own, options: options.slice(0, BRANCHES) };
  }

  /** The program as chosen, once with its own values and once with those that the trained model has. */
  private starts(op: JudgedOp, choice: readonly number[]): readonly BatchState[] {
    const overrides = overridesOf(this.groups, choice);
    if (!overrides) return [];
    const held = this.withHeld(op, overrides);
    return [overrides, ...(held.size > overrides.size ? [held] : [])].map((each) => op.evaluate(each));
  }

  private withHeld({ root, below }: JudgedOp, overrides: Overrides): Overrides {
    const held = [...this.held].filter(([node]) => node !== root && below.has(node));
    return new Map([...overrides, ...held]);
  }

  /** The other forms of some groups, the plainest first, so that time runs out over the others. */
  private formsOf(groups: readonly number[], choice: readonly number[]): Omit<Option, 'agreement'>[] {
    const all = groups.flatMap((group) => {
      const isLookup = (form: number): boolean => form >= (this.task.groups[group]?.forms.length ?? 0);
      const forms = (this.groups[group]?.forms ?? []).map(({ cost }, form) => ({ group, form, cost }));
      return forms.filter(({ form, cost }) => form !== 0 && form !== choice[group] && (isLookup(form) || (cost <= MOST_COST && form <= MOST_FORMS)));
    });
    return all.sort((a, b) => a.cost - b.cost);
  }

  private async agreeing(op: JudgedOp, starts: readonly BatchState[], choice: readonly number[], forms: readonly Omit<Option, 'agreement'>[], own: number): Promise<Option[]> {
    const found: Option[] = [];
    for (const option of forms) {
      await interruptAndCheck(this.task.token);
      if (this.isLate()) break;
      const overrides = overridesOf(this.groups, changed(choice, option.group, option.form));
      if (!overrides) continue;
      const agreement = Math.max(...starts.map((start, s) => op.agreement(op.evaluate(s === 0 ? overrides : this.withHeld(op, overrides), start))));
      this.compared++;
      if (agreement > own + CHANGED) found.push({ ...option, agreement });
    }
    return found;
  }

  /** What the op was seen to do becomes one of its forms: a dictionary. */
  private addLookup(op: JudgedOp, [state]: readonly BatchState[]): void {
    const g = this.groups.findIndex((group) => group.nodes.includes(op.root) && unaryMap(group) !== null && canBeWritten(group.origin));
    const group = this.groups[g];
    const table = state && op.table(state);
    if (!group || !table || table.length === 0 || table.length > MOST_ENTRIES || consistencyOf(table) < CONSISTENT) return;
    const entries = new Map(table.map(({ args, result }): [Value, Value] => [args[0] ?? null, result]));
    const form = lookupForm(entries, group.origin, this.task.program.dialect);
    this.groups = this.groups.map((each, i) => (i === g ? { ...each, forms: [...each.forms, form] } : each));
  }

  /** What changed of the program as written, and what a choice makes of it; nothing where nothing changed. */
  private report(op: JudgedOp, changeable: readonly number[], choice: readonly number[]): readonly ReadOp[] {
    const { reading, root } = op;
    const starts = this.starts(op, this.written);
    const [state] = starts;
    const { text, path } = this.task.source;
    // What comes from a library cannot be mended here.
    const span = spanIn(root.origin, path);
    const differing = state ? op.differing(state) : 0;
    if (!state || !span || differing <= CHANGED) return [];
    const table = op.table(starts.at(-1) ?? state);
    const forms = changeable.flatMap((g) => ((choice[g] ?? 0) > 0 ? this.formText(op, g, choice[g] ?? 0) : []));
    return [{
      span,
      label: root.name ?? labelOf(text, span),
      kind: reading.kind,
      changed: differing,
      clarity: reading.clarity,
      isClear: weightOf(reading) > 0,
      consistency: table && consistencyOf(table),
      reading: forms.length > 0 ? forms.join(', ') : null,
      agreement: { written: bestAgreement(op, starts), read: bestAgreement(op, this.starts(op, choice)) },
    }];
  }

  /** A form, with the text that it takes the place of where that is not the op itself. */
  private formText({ root }: JudgedOp, g: number, form: number): string {
    const { origin, nodes = [], forms = [] } = this.groups[g] ?? {};
    const label = forms[form]?.label ?? '';
    return origin && !nodes.includes(root) ? `${label} for ${labelOf(this.task.source.text, origin.span)}` : label;
  }

  /** Later ops are also judged on what the trained model has here, where that is one value. */
  private hold(reading: OpReading): void {
    if (reading.kind !== 'values' || weightOf(reading) === 0) return;
    const { node, values } = reading;
    if (values.every((read) => read.length === 1)) this.held.set(node, { held: values.map(([value = null]) => value) });
  }

  /** Joint readings, those that agree most first, then single ones. */
  private async verify(beam: readonly Hypothesis[]): Promise<void> {
    const singles = this.singles.sort((a, b) => b.gain - a.gain);
    this.singles = [];
    const fresh = [...beam, ...singles].filter(({ choice }) => !this.tried.has(choice.join()));
    for (const { choice } of fresh.slice(0, VERIFIED_PER_OP)) {
      const key = choice.join();
      if (this.tried.size > MOST_VERIFIED) return;
      if (this.tried.has(key)) continue;
      this.tried.add(key);
      await interruptAndCheck(this.task.token);
      if (!this.task.verify(this.groups, choice)) continue;
      this.passed++;
      this.right ??= choice;
    }
  }
}

/** How much a reading counts: training may give directions another meaning, but not the output and hardly attention. */
function weightOf({ kind, stage, clarity }: OpReading): number {
  if (stage === Number.POSITIVE_INFINITY) return 1;
  return clarity < CLEAR[kind] ? 0 : kind === 'attention' ? 1 : 0.5;
}

const changed = (choice: readonly number[], group: number, form: number): number[] => choice.map((own, g) => (g === group ? form : own));

const bestAgreement = (op: JudgedOp, states: readonly BatchState[]): number => Math.max(0, ...states.map((state) => op.agreement(state)));

const isSure = (reading: OpReading): boolean => weightOf(reading) === 1;
