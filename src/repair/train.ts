// Stage 3: all ops moved at once. Each op's table is a mixture of its forms; Adam trains the mixture weights on the
// examples, and the mixture is snapped to its heaviest forms again and again until one snap is exactly right.
import type { Batch } from './batch.ts';
import type { Form, OpGroup } from './forms.ts';
import type { GradientRanking } from './gradient.ts';
import { relaxedProgram } from './gradient.ts';
import type { Candidate } from './search.ts';
import { overridesOf } from './search.ts';
import type { Example } from './types.ts';
import { encodeExamples } from '../numeric/encode.ts';
import type { TableParameter } from '../numeric/tableParameter.ts';
import { Trainer } from '../numeric/train.ts';
import type { GraphBuilder } from '../onnx/builder.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { HostTensor, Provider } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { interruptAndCheck } from '../shared/cancellation.ts';
import type { Random } from '../shared/random.ts';

export interface TrainTask {
  readonly batch: Batch;
  readonly groups: readonly OpGroup[];
  readonly ranking: GradientRanking;
  readonly examples: readonly Example[];
  readonly host: ModelHost;
  readonly provider?: Provider;
  readonly random: Random;
  readonly deadline: number;
  readonly token: CancellationToken;
  readonly accept: (candidate: Candidate) => boolean;
  readonly onStep: (loss: number, accuracy: number, choice: readonly number[]) => void;
}

export interface TrainOutcome {
  readonly steps: number;
  readonly restarts: number;
  /** Best share of exactly right inputs of any snapped program. */
  readonly accuracy: number;
  readonly losses: readonly number[];
}

/** Forms per op that take part, best promised gain first. */
const FORMS = 32;
const STEPS = 120;
const SNAP_EVERY = 5;
const STARTS = [
  { learningRate: 0.1, original: 2, noise: 0 },
  { learningRate: 0.2, original: 1, noise: 0.3 },
  { learningRate: 0.05, original: 3, noise: 0.3 },
  { learningRate: 0.3, original: 1, noise: 0.6 },
] as const;
/** Weight of the mixtures' entropy, so that they commit. */
const COMMITMENT = 0.01;

export async function trainTables(task: TrainTask): Promise<TrainOutcome> {
  const { groups } = task;
  const first = await task.ranking.rank(groups.map(() => 0));
  const pools = groups.map((group, g) => pool(group, first.gains[g] ?? new Float64Array()));
  const build = mixtureGraph(task, pools);
  const trained = build.graph.inputs.map(({ name }) => name).filter((name) => name.startsWith('weights/'));
  if (trained.length === 0) return { steps: 0, restarts: 0, accuracy: 0, losses: [] };
  const trainer = await Trainer.start(
    { graph: build.graph, loss: 'objective', start: startWeights(trained, pools, STARTS[0], task.random), learningRate: STARTS[0].learningRate, ...(task.provider ? { provider: task.provider } : {}) },
    task.host,
  );
  const run = new Training(task, pools, trained, trainer, encodeExamples(build, task.examples));
  try {
    return await run.all();
  } finally {
    await trainer.dispose();
  }
}

/** The forms of a group that take part: the original and those of best promise. */
function pool(group: OpGroup, gains: Float64Array): number[] {
  const others = group.forms.map((_, f) => f).filter((f) => f !== 0);
  others.sort((a, b) => (gains[b] ?? 0) - (gains[a] ?? 0));
  return [0, ...others.slice(0, FORMS - 1)];
}

function mixtureGraph(task: TrainTask, pools: readonly (readonly number[])[]) {
  const { batch, groups } = task;
  const groupOf = new Map(groups.flatMap((group, g) => group.nodes.map((node) => [node, g] as const)));
  const weights = new Map<number, string>();
  const define = (b: GraphBuilder, parameter: TableParameter): void => {
    const g = groupOf.get(parameter.node);
    if (g === undefined) {
      b.initializer(parameter.name, { type: 'float32', dims: parameter.dims, data: parameter.initial });
      return;
    }
    const forms = (pools[g] ?? []).map((f) => groups[g]?.forms[f]).filter((form) => form !== undefined);
    const share = weights.get(g) ?? declareWeights(b, g, forms.length);
    weights.set(g, share);
    const table = b.initializer(`${parameter.name}/forms`, formTables(parameter, forms, task.ranking));
    const mixed = b.node('MatMul', [share, table]);
    const shape = b.initializer(`${parameter.name}/shape`, { type: 'int64', dims: [parameter.dims.length], data: BigInt64Array.from(parameter.dims, BigInt) });
    b.node('Reshape', [mixed, shape], {}, parameter.name);
  };
  return relaxedProgram(batch, batch.evaluate(), groups, task.examples, {
    define,
    finish: (b) => commitment(b, [...weights.values()]),
  });
}

/** softmax of the group's weights, [1, forms]. */
function declareWeights(b: GraphBuilder, group: number, forms: number): string {
  return b.node('Softmax', [b.input(`weights/${group}`, 'float32', [1, forms])], { axis: -1 });
}

/** objective = loss + c · mean entropy of the mixtures. */
function commitment(b: GraphBuilder, shares: readonly string[]): void {
  const tiny = b.initializer('tiny', { type: 'float32', dims: [], data: Float32Array.of(1e-6) });
  const scale = b.initializer('commitment', { type: 'float32', dims: [], data: Float32Array.of(-COMMITMENT) });
  const axes = b.initializer('shareAxes', { type: 'int64', dims: [2], data: BigInt64Array.of(0n, 1n) });
  let objective = 'loss';
  for (const share of shares) {
    const logs = b.node('Log', [b.node('Add', [share, tiny])]);
    const entropy = b.node('ReduceSum', [b.node('Mul', [share, logs]), axes], { keepdims: 0 });
    objective = b.node('Add', [objective, b.node('Mul', [entropy, scale])]);
  }
  b.node('Identity', [objective], {}, 'objective');
  b.output('objective', 'float32', []);
}

function formTables(parameter: TableParameter, forms: readonly Form[], ranking: GradientRanking) {
  const size = parameter.initial.length;
  const data = new Float32Array(forms.length * size);
  forms.forEach((form, f) => data.set(ranking.denseTable(parameter, form), f * size));
  return { type: 'float32', dims: [forms.length, size], data } as const;
}

type Start = (typeof STARTS)[number];

/** The trained weights of the groups whose tables are in the graph: the original first, noise on all. */
function startWeights(
  trained: readonly string[],
  pools: readonly (readonly number[])[],
  start: Start,
  random: Random,
): Record<string, HostTensor> {
  return Object.fromEntries(
    trained.map((name) => {
      const forms = pools[Number(name.slice('weights/'.length))] ?? [];
      const data = Float32Array.from(forms, (_, i) => (i === 0 ? start.original : 0) + start.noise * random.normal());
      return [name, { type: 'float32', dims: [1, forms.length], data }];
    }),
  );
}

class Training {
  private steps = 0;
  private restarts = 0;
  private accuracy = 0;
  private readonly losses: number[] = [];
  private readonly seen = new Set<string>();

  constructor(
    private readonly task: TrainTask,
    private readonly pools: readonly (readonly number[])[],
    private readonly trained: readonly string[],
    private readonly trainer: Trainer,
    private readonly feeds: Readonly<Record<string, HostTensor>>,
  ) {}

  async all(): Promise<TrainOutcome> {
    for (const start of STARTS) {
      if (performance.now() > this.task.deadline) break;
      this.restarts++;
      this.trainer.restart(startWeights(this.trained, this.pools, start, this.task.random), start.learningRate);
      if (await this.one()) break;
    }
    return { steps: this.steps, restarts: this.restarts, accuracy: this.accuracy, losses: this.losses };
  }

  private async one(): Promise<boolean> {
    for (let step = 1; step <= STEPS && performance.now() < this.task.deadline; step++) {
      await interruptAndCheck(this.task.token);
      const loss = await this.trainer.step(this.feeds, this.task.token);
      this.steps++;
      this.losses.push(loss);
      if (step % SNAP_EVERY === 0 && this.snap(loss)) return true;
    }
    return false;
  }

  /** The program of the heaviest forms, exactly evaluated. */
  private snap(loss: number): boolean {
    const { batch, groups } = this.task;
    const choice = this.pools.map((forms, g) => forms[heaviest(this.trainer.values[`weights/${g}`])] ?? 0);
    const overrides = overridesOf(groups, choice);
    if (!overrides) return false;
    const state = batch.evaluate(overrides);
    const score = batch.score(state);
    this.accuracy = Math.max(this.accuracy, score.sequences);
    this.task.onStep(loss, score.sequences, choice);
    const key = choice.join();
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    return score.sequences === 1 && this.task.accept({ choice, score, value: 0, state });
  }
}

function heaviest(tensor: HostTensor | undefined): number {
  const weights = [...((tensor?.data ?? []) as Float32Array)];
  return weights.indexOf(Math.max(...weights));
}
