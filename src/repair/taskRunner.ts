// Runs the tasks of one repair in this process: what a lane does, whichever process it is in.
import type { Batch, BatchState } from './batch.ts';
import { sampleOf, sizeOf, spansOf, textOf, withoutNeedless } from './choice.ts';
import { Acceptance, GRADIENT_BATCH, programOfText, SCREEN } from './context.ts';
import { EditSearch } from './editSearch.ts';
import type { OpGroup } from './forms.ts';
import type { Ranking } from './gradient.ts';
import { lookups } from './lookup.ts';
import type { Prepared } from './prepare.ts';
import { prepareSearch } from './prepare.ts';
import type { Candidate, SearchOutcome } from './search.ts';
import { FormSearch } from './search.ts';
import { distinctExamples } from './sampling.ts';
import { blendSuspects, suspectsOf } from './suspects.ts';
import type { FormTask, LookupTask, RepairContext, RepairTask, Solution, Start, TaskEvent, TaskResult } from './task.ts';
import { trainTables } from './train.ts';
import type { RepairStage, Suspect } from './types.ts';
import { WeightReadings } from './weightReadings.ts';
import { repairWeights } from './weights.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Span } from '../rasp/diagnostic.ts';
import { lineAt } from '../rasp/diagnostic.ts';
import { editSites } from '../rasp/frontend.ts';
import { TableExplosion } from '../numeric/tableProgram.ts';
import type { ModelHost } from '../runtime/client.ts';
import { RuntimeError } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { interruptAndCheck } from '../shared/cancellation.ts';
import { Random } from '../shared/random.ts';

/** Programs on the way that a task hands on. */
export const STARTS_KEPT = 24;
const ENOUGH = 3;
const editWidth = { beams: 6, depth: 5, perState: 120 } as const;

export interface TaskOptions {
  /** How long it may take. */
  readonly millis: number;
  readonly token: CancellationToken;
  readonly onEvent: (event: TaskEvent) => void;
}

/** Keeps what it has prepared for the program as written from one task to the next. */
export class TaskRunner {
  private whole: { readonly hard: string; readonly prepared: Prepared } | null = null;

  constructor(
    private readonly context: RepairContext,
    private readonly host: ModelHost,
    private readonly reorder?: (ranking: Ranking) => Ranking,
  ) {}

  /** @throws CancelledError; HostDiedError where the model host cannot be kept alive */
  run(task: RepairTask, options: TaskOptions): Promise<TaskResult> {
    const run = new TaskRun(this.context, this.host, options, 'hard' in task ? task.hard : [], (text, hard, prepare) => this.prepared(text, hard, prepare), this.reorder);
    switch (task.kind) {
      case 'forms':
        return run.searchForms(task);
      case 'edits':
        return run.searchEdits();
      case 'lookups':
        return run.searchLookups(task);
      case 'tables':
        return run.trainTables();
      case 'weights':
        return run.trainWeights();
    }
  }

  async dispose(): Promise<void> {
    const { whole } = this;
    this.whole = null;
    await whole?.prepared.ranking.dispose();
  }

  private async prepared(text: string, hard: readonly number[], prepare: Preparation): Promise<Borrowed | null> {
    if (text !== this.context.source.text) {
      const prepared = await prepare();
      return prepared && { prepared, giveBack: () => prepared.ranking.dispose() };
    }
    const key = hard.join();
    if (this.whole?.hard !== key) {
      await this.dispose();
      const prepared = await prepare();
      this.whole = prepared && { hard: key, prepared };
    }
    return this.whole && { prepared: this.whole.prepared, giveBack: () => Promise.resolve() };
  }
}

type Preparation = () => Promise<Prepared | null>;

interface Borrowed {
  readonly prepared: Prepared;
  giveBack(): Promise<void>;
}

/** One task under way. */
class TaskRun {
  private readonly deadline: number;
  private readonly acceptance: Acceptance;
  private readonly tried: string[] = [];
  private starts: Start[] = [];
  private suspects: readonly Suspect[] | null = null;
  private evaluations = 0;
  private firstSolutionAt: number | null = null;
  private provider: string | null = null;
  private lastLoss = Number.NaN;

  constructor(
    private readonly context: RepairContext,
    private readonly host: ModelHost,
    private readonly options: TaskOptions,
    private readonly knownHard: readonly number[],
    private readonly borrow: (text: string, hard: readonly number[], prepare: Preparation) => Promise<Borrowed | null>,
    private readonly reorder: ((ranking: Ranking) => Ranking) | undefined,
  ) {
    this.deadline = performance.now() + options.millis;
    this.acceptance = new Acceptance(context, knownHard, () =>
      options.onEvent({ type: 'said', stage: 'verify', message: `A patch passes all ${context.examples.length} examples.` }),
    );
  }

  /** Stages 1 and 2: localise, then search over op forms; again with the examples that told almost right ones apart. */
  async searchForms(task: FormTask): Promise<TaskResult> {
    for (let round = 0; round < ROUNDS; round++) {
      const outcome = await this.searchRound(task, round === 0);
      if (!outcome?.outgrown || outcome.solutions.length > 0 || performance.now() > this.deadline) break;
    }
    return this.result();
  }

  private async searchRound({ text, changes, width, evaluations, reports }: FormTask, isFirst: boolean): Promise<SearchOutcome | null> {
    const source = { path: this.context.source.path, text };
    const borrowed = await this.prepared(source);
    if (!borrowed) return null;
    const { batch, groups, ranking } = borrowed.prepared;
    const events = {
      accept: (candidate: Candidate) => this.acceptForms(source, groups, candidate, batch, 'search'),
      onProgress: (best: Candidate, loss: number) => this.moved('search', best.score.sequences, loss, spansOf(groups, best.choice), batch, best.state),
      onRanking: ({ loss, gains }: { loss: number; gains: readonly Float64Array[] }) => {
        if (reports && isFirst) this.localise(groups, loss, gains);
      },
    };
    try {
      const left = evaluations - this.evaluations;
      const outcome = await new FormSearch(batch, groups, ranking, { ...width, evaluations: left, deadline: this.deadline, enough: ENOUGH }, this.options.token, events).run();
      if (outcome.firstSolutionAt !== null) this.firstSolutionAt ??= this.evaluations + outcome.firstSolutionAt;
      this.evaluations += outcome.evaluations;
      this.keepStarts(thrifty(outcome.beams, changes).map(({ choice, ...start }) => ({ ...start, text: textOf(source, this.context.dialect, groups, choice) })));
      if (reports) this.tell(outcome, groups, width);
      return outcome;
    } finally {
      await borrowed.giveBack();
    }
  }

  /** Stage 2 as well: small edits of the text itself. */
  async searchEdits(): Promise<TaskResult> {
    const { source, dialect, sampled } = this.context;
    const sites = editSites(source, dialect);
    const task = {
      source,
      sites,
      examples: sampled.slice(0, SCREEN),
      programOf: (text: string) => programOfText(this.context, text),
      accept: (text: string, edits: number) => this.acceptance.accept({ text, method: 'edits', changes: edits, cost: edits }),
    };
    const search = new EditSearch(task, { ...editWidth, deadline: this.deadline, enough: ENOUGH }, this.options.token, (best) => {
      this.moved('edits', best.score.sequences, Number.NaN, [], null, null);
    });
    const { best, evaluations } = await search.run();
    this.evaluations = evaluations;
    this.keepStarts(best.map(({ text, value, moves }) => ({ text, changes: moves.length, value: thrift(value, moves.length) })));
    this.tried.push(`Search over text edits: ${evaluations} candidates at ${sites.length} ${sites.length === 1 ? 'place' : 'places'}; the best gets ${percent(best[0]?.score.sequences ?? 0)} of the screened examples right.`);
    return this.result();
  }

  /** Ops that no form describes: one op as a dictionary. */
  async searchLookups({ texts }: LookupTask): Promise<TaskResult> {
    let accuracy = 0;
    for (const text of texts) {
      if (this.acceptance.solutions.length > 0 || performance.now() > this.deadline) break;
      const source = { path: this.context.source.path, text };
      const borrowed = await this.prepared(source);
      if (!borrowed) continue;
      try {
        accuracy = Math.max(accuracy, await this.lookUp(source, borrowed.prepared));
      } finally {
        await borrowed.giveBack();
      }
    }
    this.tried.push(`One op as a lookup table: ${this.evaluations} tried; the best gets ${percent(accuracy)} of the screened examples right.`);
    return this.result();
  }

  /** @returns the best candidate's share of screened examples */
  private async lookUp(source: SourceFile, prepared: Prepared): Promise<number> {
    let accuracy = 0;
    for await (const { groups, ...candidate } of lookups(prepared, this.context.dialect)) {
      this.evaluations++;
      accuracy = Math.max(accuracy, candidate.score.sequences);
      if (candidate.score.sequences === 1) this.acceptForms(source, groups, candidate, prepared.batch, 'tables');
      await interruptAndCheck(this.options.token);
      if (performance.now() > this.deadline) break;
    }
    return accuracy;
  }

  /** Stage 3: all op tables at once. */
  async trainTables(): Promise<TaskResult> {
    const { source, sampled, seed } = this.context;
    const borrowed = await this.prepared(source);
    if (!borrowed) return this.result();
    const { batch, groups, ranking } = borrowed.prepared;
    const outcome = await trainTables({
      batch,
      groups,
      ranking,
      examples: sampled.slice(0, GRADIENT_BATCH),
      host: this.host,
      random: new Random(seed),
      deadline: this.deadline,
      token: this.options.token,
      accept: (candidate) => this.acceptForms(source, groups, candidate, batch, 'tables'),
      onStep: (loss, accuracy, choice) => this.moved('train', accuracy, loss, spansOf(groups, choice), null, null),
    });
    this.evaluations = outcome.steps;
    this.tried.push(`Training of the op tables: ${outcome.steps} steps, ${outcome.restarts} starts; the best snapped program gets ${percent(outcome.accuracy)} of the screened examples right.`);
    return this.result();
  }

  /** Stage 4: all weights of the compiled program, for a model where there is no patch; and the patches that its blocks may be read as. */
  async trainWeights(): Promise<TaskResult> {
    const { source, examples, test, seed } = this.context;
    const program = programOfText(this.context, source.text);
    if (!program) return this.result();
    const readings = new WeightReadings(this.context, program, this.host, { ...this.options, deadline: this.deadline }, (groups, choice, batch) => this.acceptForms(source, groups, { choice }, batch, 'weights'));
    const outcome = await repairWeights({
      program,
      source,
      examples: distinctExamples(examples),
      test,
      host: this.host,
      random: new Random(seed),
      deadline: this.deadline,
      token: this.options.token,
      onEpoch: ({ loss, validation }) => this.moved('weights', validation.exact, loss, [], null, null),
      onTrained: (state, deadline) => readings.read(state, deadline),
    });
    if (!outcome.ok) {
      this.tried.push(`Training of all weights: not possible. ${outcome.reason}`);
      return this.result();
    }
    const { parameters, epochs, steps, rows, exact } = outcome.model;
    this.provider = this.host.provider;
    this.evaluations = steps;
    this.tried.push(`Training of all ${parameters} weights: ${steps} steps on ${rows.training} examples; after ${epochs} epochs the model gets ${percent(exact.validation)} of ${rows.validation} held-out examples exactly right.`, ...readings.lines());
    return { ...this.result(), model: outcome.model, readBack: readings.found };
  }

  private async prepared(source: SourceFile): Promise<Borrowed | null> {
    const borrowed = await this.borrow(source.text, [...this.acceptance.hard], () => this.prepare(source));
    if (borrowed) this.provider = borrowed.prepared.ranking.provider;
    return borrowed;
  }

  /** @returns null where the program has no ops to change or no gradient; `tried` says why */
  private async prepare(source: SourceFile): Promise<Prepared | null> {
    const { sampled } = this.context;
    const hard = this.acceptance.hard.flatMap((place) => sampled[place] ?? []);
    const program = programOfText(this.context, source.text);
    if (!program) return null;
    try {
      return await prepareSearch({
        program,
        source,
        screen: [...hard, ...sampled.slice(0, SCREEN)],
        gradientBatch: [...hard, ...sampled].slice(0, GRADIENT_BATCH),
        programOfText: (changed) => programOfText(this.context, changed),
        host: this.host,
        ...(this.reorder ? { reorder: this.reorder } : {}),
      });
    } catch (error) {
      if (error instanceof TableExplosion) this.tried.push(`No gradient: in line ${lineAt(source.text, error.node.origin.span.start)} ${error.message}`);
      else if (error instanceof RuntimeError) this.tried.push(`No gradient: the runtime refused the table program: ${error.message}`);
      else throw error;
      return null;
    }
  }

  /** The gradient's word on which ops are to blame: each one's best promised gain. */
  private localise(groups: readonly OpGroup[], loss: number, gains: readonly Float64Array[]): void {
    const best = groups.map((_, g) => Math.max(0, ...(gains[g] ?? [])));
    this.suspects = suspectsOf(groups, best, this.context.source.text);
    this.lastLoss = loss;
    this.options.onEvent({ type: 'localised', loss, suspects: this.suspects });
  }

  private tell({ rises, best, evaluations }: SearchOutcome, groups: readonly OpGroup[], { pairs, beams }: FormTask['width']): void {
    this.suspects = blendSuspects(this.suspects ?? [], suspectsOf(groups, [...rises], this.context.source.text));
    const share = percent(best.score.sequences);
    this.tried.push(`Search over op forms, ${pairs === undefined ? '' : 'with pairs of changes, '}${beams} beams: ${evaluations} candidates over ${groups.length} ops; the best gets ${share} of the screened examples right.`);
  }

  private acceptForms(source: SourceFile, groups: readonly OpGroup[], candidate: Pick<Candidate, 'choice'>, batch: Batch, method: Solution['method']): boolean {
    const choice = withoutNeedless(candidate.choice, groups, batch);
    return this.acceptance.accept({ text: textOf(source, this.context.dialect, groups, choice), method, ...sizeOf(choice, groups) });
  }

  /** Only texts that can be read are worth a search of their own. */
  private keepStarts(found: readonly Start[]): void {
    const distinct = new Map<string, Start>();
    for (const start of found) {
      if (distinct.size < STARTS_KEPT && !distinct.has(start.text) && programOfText(this.context, start.text)) distinct.set(start.text, start);
    }
    this.starts = [...distinct.values()];
  }

  private moved(stage: RepairStage, accuracy: number, loss: number, moving: readonly Span[], batch: Batch | null, state: BatchState | null): void {
    if (Number.isFinite(loss)) this.lastLoss = loss;
    this.options.onEvent({ type: 'moved', stage, accuracy, loss: this.lastLoss, moving, sample: batch && state && sampleOf(batch, state) });
  }

  private result(): TaskResult {
    const { acceptance, starts, evaluations, firstSolutionAt, tried, suspects, provider } = this;
    return { solutions: acceptance.solutions, starts, hard: acceptance.hard.slice(this.knownHard.length), evaluations, firstSolutionAt, tried, suspects, provider, model: null, readBack: null };
  }
}

/** Searches of one task, each with the examples that the one before it was missing. */
const ROUNDS = 4;

/** What a change must have gained for a search to go on from it. */
const WORTH = 0.08;

const thrift = (value: number, changes: number): number => value - WORTH * changes;

/** Those first that came far with few changes: many changes fit the screened examples by chance. */
function thrifty(beams: readonly Candidate[], changes: number): (Omit<Start, 'text'> & { choice: Candidate['choice'] })[] {
  return beams
    .map(({ choice, value }) => ({ choice, value, changes: changes + choice.filter((form) => form !== 0).length }))
    .map((start) => ({ ...start, value: thrift(start.value, start.changes) }))
    .sort((a, b) => b.value - a.value)
    .slice(0, STARTS_KEPT);
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
