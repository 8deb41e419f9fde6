// Gradient-based program repair: examples in, verified patch of the source out. Its tasks run on one process or more.
import { plainestFirst, programOfText, SAMPLED } from './context.ts';
import { Course } from './course.ts';
import type { Ranking } from './gradient.ts';
import type { TimedTask } from './lanes.ts';
import { defaultProcesses, LocalLane, RemoteLane } from './lanes.ts';
import { makePatch } from './patch.ts';
import { noEntry, refuse } from './refusal.ts';
import { distinctExamples, sampleExamples } from './sampling.ts';
import type { Lanes, Task } from './schedule.ts';
import { schedule } from './schedule.ts';
import { SpareProcessor } from './spareProcessor.ts';
import type { Stage } from './stages.ts';
import { knownFrom, stagesOf } from './stages.ts';
import type { RepairContext, Solution, TaskResult } from './task.ts';
import type { Example, Patch, RepairOptions, RepairRefusal, RepairRequest, RepairResult } from './types.ts';
import { exactShare } from './verify.ts';
import type { RepairedModel } from './weights.ts';
import type { ReadSource } from '../rasp/analyse.ts';
import { dialectOf, programOf } from '../rasp/analyse.ts';
import { analyse } from '../rasp/frontend.ts';
import type { Program } from '../rasp/program.ts';
import type { ModelHost } from '../runtime/client.ts';
import { neverCancelled } from '../shared/cancellation.ts';
import { Random } from '../shared/random.ts';

export interface RepairServices {
  readonly host: ModelHost;
  /** The built worker script, from which further processes are forked; without it there are none. */
  readonly workerPath?: string;
  /** Is there room for another process? Default: where the other programs leave a processor idle. */
  readonly isProcessorSpare?: () => boolean;
  readonly log?: (line: string) => void;
  /** Stands between the gradient and the search of this process: for measuring what the gradient is worth. */
  readonly reorder?: (ranking: Ranking) => Ranking;
}

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
  const files = new Map<string, string | undefined>();
  const [first] = request.examples;
  const analysis = analyse(request.source, {
    dialect,
    readSource: recording(request.readSource, files),
    ...(first ? { runningExample: first.input } : {}),
  });
  const refusal = refuse(request, analysis);
  if (refusal.length > 0) return { status: 'refused', diagnostics: refusal };
  const program = programOf(analysis, request.entry);
  if (!program) return { status: 'refused', diagnostics: [noEntry(request, analysis)] };
  return new Repair(request, program, [...files], services, options).run();
}

/** Reads as before and remembers what it gave: tasks in other processes see the same files. */
const recording = (readSource: ReadSource | undefined, files: Map<string, string | undefined>): ReadSource => (path) => {
  if (!files.has(path)) files.set(path, readSource?.(path));
  return files.get(path);
};

class Repair {
  private readonly started = performance.now();
  private readonly budget: number;
  private readonly context: RepairContext;
  private readonly stages: readonly Stage[];
  private readonly course: Course;
  /** Texts at which a task has begun, by its place. */
  private readonly begun = new Map<number, string>();

  constructor(
    private readonly request: RepairRequest,
    private readonly program: Program,
    files: RepairContext['files'],
    private readonly services: RepairServices,
    private readonly options: RepairOptions,
  ) {
    const { source, examples, test, seed = 1, budgetMillis = 60_000, method = 'auto' } = request;
    const sampled = sampleExamples(program, distinctExamples(examples), SAMPLED, new Random(seed)).slice(0, SAMPLED);
    this.budget = budgetMillis;
    this.context = { source, dialect: program.dialect, entry: program.name, files, examples, test: test && test.length > 0 ? test : null, sampled, seed };
    this.stages = stagesOf(method);
    this.course = new Course(this.started, options.onProgress);
  }

  async run(): Promise<RepairResult> {
    this.course.say('check');
    const before = exactShare(this.program, this.request.examples);
    this.course.point('check', before);
    if (before === 1) return this.result('correct', null, []);
    const first = new LocalLane(this.context, this.services.host, (event) => this.course.follow(event), this.services.reorder);
    try {
      const results = await schedule(this.tasks(), this.lanes(first), ({ solutions }) => solutions.length > 0, this.options.token ?? neverCancelled);
      return this.finish(results, before);
    } finally {
      await first.close();
    }
  }

  private lanes(first: LocalLane): Lanes<TimedTask, TaskResult> {
    const { host, workerPath, isProcessorSpare = new SpareProcessor().isThere, log = () => undefined } = this.services;
    const processes = workerPath === undefined ? 1 : (this.request.processes ?? defaultProcesses());
    const open = (): RemoteLane => new RemoteLane(workerPath ?? '', this.context, host, (event) => this.course.follow(event), log);
    return { first, more: processes - 1, isWorthOpening: isProcessorSpare, open };
  }

  private tasks(): Task<TimedTask, TaskResult>[] {
    return this.stages.map((stage, place) => ({
      after: stage.after,
      yields: stage.yields,
      input: (resultAt) => this.taskOf(stage, place, resultAt),
    }));
  }

  /** Null if its time has passed, or if there is nothing for it to do. */
  private taskOf(stage: Stage, place: number, resultAt: (place: number) => TaskResult | null): TimedTask | null {
    const until = this.started + stage.until * this.budget;
    if (performance.now() > until) return null;
    const results = stage.after.flatMap((before) => resultAt(before) ?? []);
    // Only tasks before this one count: later ones that run already must not change what it does.
    const begun = new Set([...this.begun].flatMap(([other, text]) => (other < place ? [text] : [])));
    const task = stage.task(this.context.source.text, knownFrom(results, begun));
    if (task?.kind === 'forms') this.begun.set(place, task.text);
    return task && { task, until };
  }

  private finish(results: readonly (TaskResult | null)[], before: number): RepairResult {
    const done = results.flatMap((result) => result ?? []);
    const ranked = plainestFirst(this.context.source, done.at(-1)?.solutions ?? []);
    const [best] = ranked;
    const trained = done.findLast((result) => result.model)?.model;
    const model = trained && trained.exact.examples > before ? trained : null;
    if (!best && model) return this.modelResult(model, results);
    if (!best) return this.result(this.course.bestAccuracy > before ? 'partial' : 'unrepairable', null, results);
    // A program is discrete: where it is right, p is 1.
    this.course.point('verify', 1, 0);
    const alternatives = ranked.slice(1, 3).map(({ text }) => this.patchOf(text));
    return { ...this.result('repaired', best, results), alternatives, model };
  }

  private modelResult(model: RepairedModel, results: readonly (TaskResult | null)[]): RepairResult {
    const { examples, test } = model.exact;
    return { ...this.result('partial', null, results), method: 'weights', exact: { examples, test }, model };
  }

  private patchOf(text: string): Patch {
    return makePatch(this.context.source.path, this.context.source.text, text);
  }

  private result(status: RepairResult['status'], solution: Solution | null, results: readonly (TaskResult | null)[]): RepairResult {
    const patched = solution ? programOfText(this.context, solution.text) : this.program;
    const shareOf = (examples: readonly Example[] | undefined): number | null =>
      examples && examples.length > 0 && patched ? exactShare(patched, examples) : null;
    const done = results.flatMap((result) => result ?? []);
    return {
      status,
      method: solution?.method ?? null,
      exact: { examples: shareOf(this.request.examples) ?? 0, test: shareOf(this.request.test) },
      patch: solution ? this.patchOf(solution.text) : null,
      model: null,
      readBack: done.findLast(({ readBack }) => readBack !== null)?.readBack ?? null,
      alternatives: [],
      suspects: done.findLast(({ suspects }) => suspects !== null)?.suspects ?? [],
      trajectory: this.course.trajectory,
      tried: this.tried(results),
      evaluations: evaluationsOf(done),
      firstEvaluations: firstEvaluationsOf(done),
      millis: Math.round(performance.now() - this.started),
      provider: done.findLast(({ provider }) => provider !== null)?.provider ?? 'none',
    };
  }

  /** What the tasks say; the searches from programs on the way say it together. */
  private tried(results: readonly (TaskResult | null)[]): string[] {
    const lines = results.map((result, place) => ({ name: this.stages[place]?.name, said: result?.tried ?? [], ran: result !== null }));
    const fromBest = lines.filter(({ name, ran }) => name === 'fromBest' && ran).length;
    const last = lines.findLastIndex(({ name }) => name === 'fromBest');
    return lines.flatMap(({ said }, place) => (place === last ? [...said, `Search over op forms from the ${fromBest} best programs on the way.`] : said));
  }
}

const evaluationsOf = (results: readonly TaskResult[]): number => results.reduce((sum, { evaluations }) => sum + evaluations, 0);

/** In the order in which the results count. */
function firstEvaluationsOf(results: readonly TaskResult[]): number | null {
  const first = results.findIndex(({ solutions }) => solutions.length > 0);
  const result = results[first];
  return result ? evaluationsOf(results.slice(0, first)) + (result.firstSolutionAt ?? result.evaluations) : null;
}
