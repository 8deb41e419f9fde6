// Gradient-based program repair: examples in, verified patch of the source out. The stages run under one time budget.
import { sameValue } from './batch.ts';
import type { Batch, BatchState } from './batch.ts';
import { EditSearch } from './editSearch.ts';
import type { OpGroup } from './forms.ts';
import type { Ranking } from './gradient.ts';
import { editsBetween, makePatch } from './patch.ts';
import type { Prepared } from './prepare.ts';
import { prepareSearch } from './prepare.ts';
import { applyEdits, rewrite } from './rewrite.ts';
import { distinctExamples, sampleExamples } from './sampling.ts';
import type { Candidate } from './search.ts';
import type { SearchWidth } from './search.ts';
import { FormSearch, overridesOf } from './search.ts';
import { blendSuspects, suspectsOf } from './suspects.ts';
import { trainTables } from './train.ts';
import type {
  Example,
  Patch,
  RepairMethod,
  RepairOptions,
  RepairRefusal,
  RepairRequest,
  RepairResult,
  RepairStage,
  Suspect,
  TrajectoryPoint,
} from './types.ts';
import type { RepairedModel } from './weights.ts';
import { repairWeights } from './weights.ts';
import { exactShare, findBadRows, isExact, passesAll } from './verify.ts';
import type { Analysis, SourceFile } from '../rasp/analyse.ts';
import { dialectOf, programOf } from '../rasp/analyse.ts';
import { analyse, editSites } from '../rasp/frontend.ts';
import type { Diagnostic, Span } from '../rasp/diagnostic.ts';
import type { Dialect, Program, Value } from '../rasp/program.ts';
import { TableExplosion } from '../numeric/tableProgram.ts';
import type { ModelHost } from '../runtime/client.ts';
import { RuntimeError } from '../runtime/client.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';
import { Random } from '../shared/random.ts';

export interface RepairServices {
  readonly host: ModelHost;
}

/** Inputs that screen the candidates; the gradient sees a few more. */
const SCREEN = 100;
const GRADIENT_BATCH = 128;
const FULL = 2000;
/** Programs on the way that wait for a search of their own, and how long that may take. */
const STARTS_KEPT = 24;
const SEARCH_FROM_MS = 1500;

/** Each round of the search over forms is wider than the one before. */
const rounds = [
  { perOp: 25, beams: 6, depth: 6, perSet: 2 },
  { perOp: 25, beams: 20, depth: 6, perSet: 3 },
  { perOp: 40, beams: 48, depth: 6, perSet: 4 },
] as const;

const pairRound = { perOp: 10, beams: 12, depth: 3, perSet: 3, pairs: 6000 } as const;

/**
 * Repairs a program from examples of right behaviour.
 * @throws CancelledError when the token says so; everything else that the user can mend is a refusal or a result.
 * Source: Silva, Thorén, Monperrus, "Gradient-Based Program Repair" (arXiv 2505.17703); the op tables are ours.
 */
export async function repair(
  request: RepairRequest,
  services: RepairServices,
  options: RepairOptions = {},
): Promise<RepairResult | RepairRefusal> {
  const dialect = request.dialect ?? dialectOf(request.source.path);
  const analysis = analyse(request.source, analyseOptions(request, dialect));
  const refusal = refuse(request, analysis);
  if (refusal.length > 0) return { status: 'refused', diagnostics: refusal };
  const program = programOf(analysis, request.entry);
  if (!program) return { status: 'refused', diagnostics: [noEntry(request, analysis)] };
  return new Repair(request, program, services, options).run();
}

function analyseOptions(request: RepairRequest, dialect: Dialect): Parameters<typeof analyse>[1] {
  const [first] = request.examples;
  return {
    dialect,
    ...(request.readSource ? { readSource: request.readSource } : {}),
    ...(first ? { runningExample: first.input } : {}),
  };
}

function refuse(request: RepairRequest, analysis: Analysis): Diagnostic[] {
  const errors = analysis.diagnostics.filter(isFatal);
  if (errors.length > 0) return errors;
  return findBadRows(request.examples, request.source.path);
}

/** An op that fails on some input is a bug to repair, not a reason to refuse. */
const isFatal = ({ severity, code }: Diagnostic): boolean => severity === 'error' && code !== 'evaluation';

function noEntry({ entry, source }: RepairRequest, analysis: Analysis): Diagnostic {
  const names = analysis.entries.map(({ name }) => name);
  const known = names.length > 0 ? `The file has: ${[...new Set(names)].join(', ')}.` : 'The file has none.';
  const wanted = entry === undefined ? 'There is no s-op to repair.' : `There is no s-op named “${entry}”.`;
  return {
    code: 'unknown-entry',
    severity: 'error',
    message: `${wanted} ${known}`,
    span: { file: source.path, start: 0, end: 0 },
  };
}

/** A program on the way: changed, not yet right. */
interface Start {
  readonly text: string;
  readonly program: Program;
  /** What the search that found it made of it. */
  readonly value: number;
}

interface Solution {
  readonly text: string;
  readonly method: 'search' | 'edits' | 'tables';
  readonly changes: number;
  readonly cost: number;
}

class Repair {
  private readonly started = performance.now();
  private readonly deadline: number;
  private readonly random: Random;
  private readonly dialect: Dialect;
  private readonly token;
  private readonly trajectory: TrajectoryPoint[] = [];
  private readonly tried: string[] = [];
  private readonly solutions: Solution[] = [];
  private model: RepairedModel | null = null;
  private whole: { readonly prepared: Prepared; readonly hard: number } | null = null;
  private starts: Start[] = [];
  private readonly startedFrom = new Set<string>();
  private suspects: readonly Suspect[] = [];
  private evaluations = 0;
  private provider = 'none';
  private bestAccuracy = 0;
  private lastLoss = Number.NaN;
  private readonly full: Example[];
  private readonly screen: Example[];
  private readonly gradientBatch: Example[];
  /** Examples that told an almost right candidate apart: the next search screens with them too. */
  private readonly hard: Example[] = [];

  constructor(
    private readonly request: RepairRequest,
    private readonly program: Program,
    private readonly services: RepairServices,
    private readonly options: RepairOptions,
  ) {
    this.deadline = this.started + (request.budgetMillis ?? 60_000);
    this.random = new Random(request.seed ?? 1);
    this.dialect = program.dialect;
    this.token = options.token ?? neverCancelled;
    const sampled = sampleExamples(program, distinctExamples(request.examples), FULL, this.random);
    this.full = sampled.slice(0, FULL);
    this.screen = sampled.slice(0, SCREEN);
    this.gradientBatch = sampled.slice(0, GRADIENT_BATCH);
  }

  async run(): Promise<RepairResult> {
    this.report('check', 'Running the examples.');
    const before = exactShare(this.program, this.request.examples);
    this.point('check', before);
    if (before === 1) return this.result('correct', null);
    const method = this.request.method ?? 'auto';
    try {
      for (const [stage, share] of stages[method]) {
        throwIfCancelled(this.token);
        if (this.solutions.length > 0 || performance.now() > this.deadline) break;
        await this[stage](this.started + share * (this.deadline - this.started));
      }
    } finally {
      await this.whole?.prepared.ranking.dispose();
    }
    return this.finish();
  }

  /** Stages 1 and 2: localise, then search over op forms, wider each time it fails. */
  private async searchForms(until: number): Promise<void> {
    await this.formSearch(this.written(), [rounds[0]], until);
  }

  /** Two bugs that hide each other: no change of one alone gains anything. */
  private async searchPairs(until: number): Promise<void> {
    await this.formSearch(this.written(), [pairRound], until);
  }

  private async searchFormsWidely(until: number): Promise<void> {
    await this.formSearch(this.written(), rounds.slice(1), until);
  }

  private written(): { program: Program; text: string } {
    return { program: this.program, text: this.request.source.text };
  }

  /** Prepared once for the program as written, and again when more examples screen. */
  private async preparedFor(program: Program, text: string): Promise<Prepared | null> {
    if (program !== this.program) return this.prepare(program, text);
    if (this.whole && this.whole.hard === this.hard.length) return this.whole.prepared;
    await this.whole?.prepared.ranking.dispose();
    const hard = this.hard.length;
    const prepared = await this.prepare(program, text);
    this.whole = prepared && { prepared, hard };
    return prepared;
  }

  private async formSearch(
    { program, text }: { program: Program; text: string },
    widths: readonly SearchWidth[],
    until: number,
    { report = true, most = Number.POSITIVE_INFINITY }: { report?: boolean; most?: number } = {},
  ): Promise<void> {
    for (const width of widths) {
      if (this.solutions.length > 0 || performance.now() > until) return;
      const prepared = await this.preparedFor(program, text);
      if (!prepared) return;
      const deadline = Math.min(until, performance.now() + most);
      const { batch, groups, ranking } = prepared;
      try {
        const events = {
          accept: (candidate: Candidate) => this.acceptForms(text, groups, candidate, batch, 'search'),
          onProgress: (best: Candidate, loss: number) => this.searchProgress('search', best.score.sequences, loss, spansOf(groups, best.choice), batch, best.state),
          onRanking: (first: Ranking) => { if (report) this.localise(groups, first); },
        };
        const outcome = await new FormSearch(batch, groups, ranking, { ...width, deadline, enough: 3 }, this.token, events).run();
        this.evaluations += outcome.evaluations;
        this.addStarts(outcome.beams.slice(0, STARTS_KEPT).map((candidate) => ({ text: this.textOf(text, groups, candidate.choice), value: candidate.value })));
        if (report) {
          this.suspects = blendSuspects(this.suspects, suspectsOf(groups, [...outcome.rises], text));
          const share = percent(outcome.best.score.sequences);
          this.tried.push(`Search over op forms, ${width.pairs === undefined ? '' : 'pairs first, '}${width.beams} beams: ${outcome.evaluations} candidates over ${groups.length} ops; the best gets ${share} of the screened examples right.`);
        }
      } finally {
        if (program !== this.program) await ranking.dispose();
      }
    }
  }

  /** @returns null where the program has no ops to change or no gradient; `tried` says why */
  private async prepare(program: Program, text: string): Promise<Prepared | null> {
    try {
      const prepared = await prepareSearch({
        program,
        source: { path: this.request.source.path, text },
        screen: [...this.hard, ...this.screen],
        gradientBatch: this.gradientBatch,
        programOfText: (changed) => this.programOfText(changed),
        host: this.services.host,
      });
      if (prepared) this.provider = prepared.ranking.provider;
      return prepared;
    } catch (error) {
      if (error instanceof TableExplosion) this.tried.push(`No gradient: in line ${lineOf(text, error.node.origin.span)} ${error.message}`);
      else if (error instanceof RuntimeError) this.tried.push(`No gradient: the runtime refused the table program: ${error.message}`);
      else throw error;
      return null;
    }
  }

  /** The gradient's word on which ops are to blame: each one's best promised gain. */
  private localise(groups: readonly OpGroup[], first: Ranking): void {
    const gains = groups.map((_, g) => Math.max(0, ...(first.gains[g] ?? [])));
    this.suspects = suspectsOf(groups, gains, this.request.source.text);
    this.lastLoss = first.loss;
    this.options.onProgress?.({ stage: 'localise', message: 'The gradient has ranked the ops.', suspects: this.suspects });
    this.point('localise', this.bestAccuracy);
  }

  private acceptForms(text: string, groups: readonly OpGroup[], candidate: Candidate, batch: Batch, method: Solution['method']): boolean {
    const choice = this.withoutNeedless(candidate.choice, groups, batch);
    const cost = choice.reduce((sum, f, g) => sum + (groups[g]?.forms[f]?.cost ?? 0), 0);
    return this.acceptText(this.textOf(text, groups, choice), method, choice.filter((f) => f !== 0).length, cost);
  }

  private textOf(text: string, groups: readonly OpGroup[], choice: readonly number[]): string {
    const ops = groups.flatMap(({ origin, forms }, g) => {
      const form = forms[choice[g] ?? 0];
      return form && form.changes.length > 0 ? [{ origin, changes: form.changes }] : [];
    });
    return applyEdits(text, rewrite(text, this.request.source.path, this.dialect, ops));
  }

  /** Takes back every changed op that the examples do not need. */
  private withoutNeedless(choice: readonly number[], groups: readonly OpGroup[], batch: Batch): number[] {
    const kept = [...choice];
    choice.forEach((form, g) => {
      if (form === 0) return;
      kept[g] = 0;
      const overrides = overridesOf(groups, kept);
      if (!overrides || batch.score(batch.evaluate(overrides)).sequences < 1) kept[g] = form;
    });
    return kept;
  }

  /** Stage 6: the patched text under the interpreter, on every example. */
  private acceptText(text: string, method: Solution['method'], changes: number, cost: number): boolean {
    if (this.solutions.some((solution) => solution.text === text)) return false;
    const program = this.programOfText(text);
    if (!program) return false;
    const failing = this.full.filter((example) => !isExact(program, example)).slice(0, 4);
    if (failing.length > 0 && this.hard.length < SCREEN) this.hard.push(...failing.filter((example) => !this.hard.includes(example)));
    if (failing.length > 0 || !passesAll(program, this.request.examples)) return false;
    this.solutions.push({ text, method, changes, cost });
    this.report('verify', `A patch passes all ${this.request.examples.length} examples.`);
    return true;
  }

  private programOfText(text: string): Program | undefined {
    const source: SourceFile = { path: this.request.source.path, text };
    const analysis = analyse(source, analyseOptions(this.request, this.dialect));
    if (analysis.diagnostics.some(isFatal)) return undefined;
    return programOf(analysis, this.program.name);
  }

  private async searchEdits(until: number): Promise<void> {
    this.addStarts(await this.editSearch(this.request.source, until));
  }

  private addStarts(found: readonly Omit<Start, 'program'>[]): void {
    for (const { text, value } of found) {
      if (this.startedFrom.has(text) || this.starts.some((start) => start.text === text)) continue;
      const program = this.programOfText(text);
      if (program) this.starts.push({ text, value, program });
    }
    this.starts = this.starts.sort((a, b) => b.value - a.value).slice(0, STARTS_KEPT);
  }

  /**
   * Op forms again, from the most promising programs so far. What a change made possible has forms of its own there:
   * an op may be changed twice, and a form that said nothing before may now matter.
   */
  private async searchFromBest(until: number): Promise<void> {
    let tried = 0;
    for (let start = this.starts.shift(); start && this.solutions.length === 0 && performance.now() < until; start = this.starts.shift()) {
      tried++;
      this.startedFrom.add(start.text);
      await this.formSearch(start, [{ ...rounds[0], depth: 4 }], until, { report: false, most: SEARCH_FROM_MS });
    }
    this.tried.push(`Search over op forms from the ${tried} best programs on the way.`);
  }

  private async editSearch(source: SourceFile, deadline: number): Promise<readonly { readonly text: string; readonly value: number }[]> {
    const sites = editSites(source, this.dialect);
    const task = {
      source,
      sites,
      examples: this.screen,
      programOf: (text: string) => this.programOfText(text),
      accept: (text: string, moves: number) => this.acceptText(text, 'edits', moves, moves),
    };
    const settings = { beams: 6, depth: 5, perState: 120, deadline, enough: 3 };
    const search = new EditSearch(task, settings, this.token, (best) => {
      this.searchProgress('edits', best.score.sequences, Number.NaN, [], null, null);
    });
    const outcome = await search.run();
    this.evaluations += outcome.evaluations;
    const best = percent(outcome.best[0]?.score.sequences ?? 0);
    this.tried.push(`Search over text edits: ${outcome.evaluations} candidates at ${sites.length} places; the best gets ${best} of the screened examples right.`);
    return outcome.best;
  }

  private async trainTables(until: number): Promise<void> {
    const prepared = await this.preparedFor(this.program, this.request.source.text);
    if (!prepared) return;
    const { batch, groups, ranking } = prepared;
    const outcome = await trainTables({
      batch,
      groups,
      ranking,
      examples: this.gradientBatch,
      host: this.services.host,
      random: this.random,
      deadline: until,
      token: this.token,
      accept: (candidate) => this.acceptForms(this.request.source.text, groups, candidate, batch, 'tables'),
      onStep: (loss, accuracy, choice) => {
        this.searchProgress('train', accuracy, loss, spansOf(groups, choice), null, null);
      },
    });
    this.evaluations += outcome.steps;
    this.tried.push(`Training of the op tables: ${outcome.steps} steps, ${outcome.restarts} starts; the best snapped program gets ${percent(outcome.accuracy)} of the screened examples right.`);
  }

  /** Stage 4: a model, where no patch was found. */
  private async trainWeights(until: number): Promise<void> {
    const outcome = await repairWeights({
      program: this.program,
      source: this.request.source,
      examples: distinctExamples(this.request.examples),
      test: this.request.test && this.request.test.length > 0 ? this.request.test : null,
      host: this.services.host,
      random: this.random,
      deadline: until,
      token: this.token,
      onEpoch: ({ loss, validation }) => this.searchProgress('weights', validation.exact, loss, [], null, null),
    });
    if (!outcome.ok) return void this.tried.push(`Training of all weights: not possible. ${outcome.reason}`);
    const { parameters, epochs, steps, rows, exact } = outcome.model;
    this.provider = this.services.host.provider;
    this.tried.push(`Training of all ${parameters} weights: ${steps} steps on ${rows.training} examples; after ${epochs} epochs the model gets ${percent(exact.validation)} of ${rows.validation} held-out examples exactly right.`);
    if (exact.examples > (this.trajectory[0]?.accuracy ?? 0)) this.model = outcome.model;
  }

  private finish(): RepairResult {
    // Fewest changed places first, then the least text touched, then the plainest form.
    const size = ({ text }: Solution): number =>
      editsBetween(this.request.source.path, this.request.source.text, text).reduce((sum, { span, newText }) => sum + span.end - span.start + newText.length, 0);
    const ranked = this.solutions
      .map((solution) => ({ solution, size: size(solution) }))
      .sort((a, b) => a.solution.changes - b.solution.changes || a.size - b.size || a.solution.cost - b.solution.cost)
      .map(({ solution }) => solution);
    const [best] = ranked;
    if (!best && this.model) return this.modelResult(this.model);
    if (!best) return this.result(this.bestAccuracy > (this.trajectory[0]?.accuracy ?? 0) ? 'partial' : 'unrepairable', null);
    // A program is discrete: where it is right, p is 1.
    this.lastLoss = 0;
    this.point('verify', 1);
    const alternatives = ranked.slice(1, 3).map(({ text }) => this.patchOf(text));
    return { ...this.result('repaired', best), alternatives };
  }

  private modelResult(model: RepairedModel): RepairResult {
    const { examples, test } = model.exact;
    return { ...this.result('partial', null), method: 'weights', exact: { examples, test }, model };
  }

  private patchOf(text: string): Patch {
    return makePatch(this.request.source.path, this.request.source.text, text);
  }

  private result(status: RepairResult['status'], solution: Solution | null): RepairResult {
    const patched = solution ? this.programOfText(solution.text) : this.program;
    const shareOf = (examples: readonly Example[] | undefined): number | null =>
      examples && examples.length > 0 && patched ? exactShare(patched, examples) : null;
    return {
      status,
      method: solution?.method ?? null,
      exact: { examples: shareOf(this.request.examples) ?? 0, test: shareOf(this.request.test) },
      patch: solution ? this.patchOf(solution.text) : null,
      model: null,
      alternatives: [],
      suspects: this.suspects,
      trajectory: this.trajectory,
      tried: this.tried,
      evaluations: this.evaluations,
      millis: Math.round(performance.now() - this.started),
      provider: this.provider,
    };
  }

  private searchProgress(stage: RepairStage, accuracy: number, loss: number, moving: readonly Span[], batch: Batch | null, state: BatchState | null): void {
    if (Number.isFinite(loss)) this.lastLoss = loss;
    this.point(stage, accuracy);
    const shown = batch && wrongExample(batch);
    const example = shown && batch.examples[shown.index];
    this.options.onProgress?.({
      stage,
      message: stageMessages[stage],
      moving,
      ...(this.trajectory.at(-1) ? { point: this.trajectory.at(-1) as TrajectoryPoint } : {}),
      ...(state && example ? { sample: { input: example.input, target: example.output, before: shown.before, output: batch.outputOf(state, shown.index) } } : {}),
    });
  }

  private point(stage: RepairStage, accuracy: number): void {
    this.bestAccuracy = Math.max(this.bestAccuracy, accuracy);
    this.trajectory.push({
      step: this.trajectory.length,
      stage,
      loss: this.lastLoss,
      accuracy,
      millis: Math.round(performance.now() - this.started),
    });
  }

  private report(stage: RepairStage, message: string): void {
    this.options.onProgress?.({ stage, message });
  }
}

const stageMessages: Record<RepairStage, string> = {
  check: 'Running the examples.',
  localise: 'Localising the bug.',
  search: 'Searching along the gradient.',
  edits: 'Searching over text edits.',
  train: 'Training the op tables.',
  weights: 'Training all weights.',
  verify: 'Verifying the patch.',
};

type StageName = 'searchForms' | 'searchPairs' | 'searchFromBest' | 'searchFormsWidely' | 'searchEdits' | 'trainTables' | 'trainWeights';

/** What a method does in turn, each until its share of the time budget is used up. */
const stages: Record<RepairMethod, readonly (readonly [stage: StageName, share: number])[]> = {
  auto: [['searchForms', 0.3], ['searchEdits', 0.4], ['searchPairs', 0.5], ['searchFromBest', 0.7], ['searchFormsWidely', 0.8], ['trainTables', 0.9], ['trainWeights', 1]],
  search: [['searchForms', 0.3], ['searchPairs', 0.45], ['searchFromBest', 0.7], ['searchFormsWidely', 1]],
  edits: [['searchEdits', 1]],
  tables: [['trainTables', 1]],
  weights: [['trainWeights', 1]],
};

const spansOf = (groups: readonly OpGroup[], choice: readonly number[]): Span[] =>
  groups.flatMap(({ origin }, g) => (choice[g] === 0 ? [] : [origin.span]));

const lineOf = (text: string, { start }: Span): number => text.slice(0, start).split('\n').length;

const wrongExamples = new WeakMap<Batch, { index: number; before: readonly Value[] | null } | null>();

/** The first example that the program as written gets wrong: what a viewer wants to see mended. */
function wrongExample(batch: Batch): { index: number; before: readonly Value[] | null } | null {
  const known = wrongExamples.get(batch);
  if (known !== undefined) return known;
  const state = batch.evaluate();
  const index = batch.examples.findIndex(({ output }, i) => {
    const actual = batch.outputOf(state, i);
    return actual?.every((value, k) => sameValue(value, output[k] ?? null)) !== true;
  });
  const found = index < 0 ? null : { index, before: batch.outputOf(state, index) };
  wrongExamples.set(batch, found);
  return found;
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
