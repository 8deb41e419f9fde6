// npm run bench -- weights: repairs generated bugs by training all weights, and takes the recipe apart.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtHost } from './builtHost.ts';
import { machine, machineText } from './machine.ts';
import type { Bug } from './raspbugs/generate.ts';
import { programOfText, stratifiedBugs } from './raspbugs/generate.ts';
import type { BaseProgram } from './raspbugs/programs.ts';
import { basePrograms } from './raspbugs/programs.ts';
import { quantile, wilson } from './raspbugs/statistics.ts';
import { WeightPatches } from './weightPatches.ts';
import { decodeModel } from '../src/onnx/decode.ts';
import { CompiledModel } from '../src/numeric/compiledRun.ts';
import { readDescription } from '../src/numeric/compiledModel.ts';
import type { WeightTrainingOptions } from '../src/numeric/weights/train.ts';
import { defaultRecipe, publishedRecipe } from '../src/numeric/weights/train.ts';
import { sameValue } from '../src/repair/batch.ts';
import type { Example } from '../src/repair/types.ts';
import { SOFT, SOFTEST } from '../src/repair/starts.ts';
import { repairWeights } from '../src/repair/weights.ts';
import { ModelHost } from '../src/runtime/client.ts';
import { neverCancelled } from '../src/shared/cancellation.ts';
import { Random } from '../src/shared/random.ts';

const root = new URL('../', import.meta.url);

const options = {
  seed: { type: 'string', default: '1' },
  'per-cell': { type: 'string', default: '1' },
  parts: { type: 'string', default: 'rate,ablation' },
  /** Only bugs of these are run now; what others gave before stays in the report. */
  programs: { type: 'string', default: basePrograms.map(({ name }) => name).join() },
  orders: { type: 'string', default: '1,2,3,4,5' },
  /** Bugs of each order of each program of the ablation. */
  'ablation-per-cell': { type: 'string', default: '2' },
  'ablation-programs': { type: 'string', default: 'hist,reverse,shuffle_dyck' },
  /** Only these are run now. */
  variants: { type: 'string', default: '' },
  examples: { type: 'string', default: '16000' },
  'ablation-examples': { type: 'string', default: '4000' },
  'ablation-epochs': { type: 'string', default: '12' },
  fresh: { type: 'string', default: '5000' },
  budget: { type: 'string', default: '120' },
  minutes: { type: 'string', default: '120' },
  afresh: { type: 'boolean', default: false },
  /** A remark on how the run was made, for the report. */
  note: { type: 'string', default: '' },
  out: { type: 'string', default: 'weights' },
} as const;

/** What the recipes of the ablation change of ours, one thing each; the last is the published one at the same number of epochs. */
const variants: Readonly<Record<string, Partial<WeightTrainingOptions>>> = {
  'ours, one start': {},
  'attention as compiled': { largestLogit: null },
  'largest attention logit 3': { largestLogit: 3 },
  'largest attention logit 12': { largestLogit: 12 },
  'attention hardened to 4 times': { hardening: 4 },
  'learning rate 1e-2': { learningRate: 1e-2 },
  'learning rate 1e-3': { learningRate: 1e-3 },
  'learning rate 1e-4': { learningRate: 1e-4 },
  'squared error': { loss: 'squared' },
  'logits times 4 in the loss': { sharpness: 4 },
  adamw: { optimizer: 'adamw' },
  adabelief: { optimizer: 'adabelief' },
  ademamix: { optimizer: 'ademamix' },
  grams: { optimizer: 'grams' },
  diffgrad: { optimizer: 'diffgrad' },
  'batches of 256': { batch: 256 },
  'a third of the blocks frozen': { frozen: 1 / 3 },
  'two thirds of the blocks frozen': { frozen: 2 / 3 },
  'no room to grow': { room: null },
  'products not balanced': { balance: false },
  'published recipe': publishedRecipe,
};

interface Run {
  readonly part: 'rate' | 'ablation';
  readonly variant: string;
  readonly bug: Bug;
  readonly examples: number;
  /** null: what `gradlens repair --method weights` does. */
  readonly recipe: WeightTrainingOptions | null;
}

interface Measurement {
  readonly key: string;
  readonly part: Run['part'];
  readonly variant: string;
  readonly id: string;
  readonly program: string;
  readonly order: number;
  /** Share of fresh inputs that the model gets exactly right; the buggy program's where there is no model. */
  readonly fresh: number;
  readonly before: number;
  readonly epochs: number;
  readonly steps: number;
  readonly millis: number;
  /** Share of the fresh inputs that a patch read from the weights gets exactly right; null: none was read, absent: not tried. */
  readonly patch?: number | null;
  /** Why there is no model. */
  readonly reason: string | null;
  readonly load: number;
}

export async function benchWeights(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const seed = Number(values.seed);
  const bugs = stratifiedBugs(seed, Number(values['per-cell']));
  const ablated = stratifiedBugs(seed, Number(values['ablation-per-cell'])).filter(({ program }) => values['ablation-programs'].split(',').includes(program));
  const runs: Run[] = [
    ...bugs.map((bug): Run => ({ part: 'rate', variant: 'weights', bug, examples: Number(values.examples), recipe: null })),
    // Bug by bug: a run that is stopped has compared all variants on the same bugs.
    ...ablated.flatMap((bug) => Object.entries(variants).map(([variant, change]): Run => ({
      part: 'ablation', variant, bug, examples: Number(values['ablation-examples']), recipe: { ...defaultRecipe, ...change, epochs: Number(values['ablation-epochs']) },
    }))),
  ];
  const store = new Store(values.out, values.afresh);
  const end = performance.now() + 60_000 * Number(values.minutes);
  const host = ModelHost.start({ hostPath: builtHost() });
  let left = 0;
  for (const [i, run] of runs.entries()) {
    const key = keyOf(run, seed);
    if (store.has(key)) continue;
    const isWanted = values.parts.split(',').includes(run.part) && values.programs.split(',').includes(run.bug.program) && values.orders.split(',').includes(String(run.bug.order)) && (values.variants === '' || values.variants.split(',').includes(run.variant));
    if (performance.now() > end || !isWanted) {
      left++;
      continue;
    }
    const measurement = await measure(run, key, { seed, fresh: Number(values.fresh), budgetMillis: 1000 * Number(values.budget) }, host);
    store.add(measurement);
    console.error(`${i + 1}/${runs.length} ${run.part} ${run.variant} ${run.bug.id}: ${(100 * measurement.before).toFixed(1)} % → ${(100 * measurement.fresh).toFixed(2)} %, ${measurement.steps} steps, ${(measurement.millis / 1000).toFixed(1)} s${measurement.reason === null ? '' : `; ${measurement.reason.slice(0, 80)}`}`);
  }
  host.dispose();
  const wanted = new Set(runs.map((run) => keyOf(run, seed)));
  const measurements = store.all().filter(({ key }) => wanted.has(key));
  const settings = { seed, bugs: bugs.length, examples: Number(values.examples), ablated: ablated.length, ablationExamples: Number(values['ablation-examples']), ablationEpochs: Number(values['ablation-epochs']), ablationPrograms: values['ablation-programs'].split(','), fresh: Number(values.fresh), budgetSeconds: Number(values.budget), notRun: left, note: values.note };
  const text = markdown(measurements, settings);
  const folder = new URL('bench/results/', root);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${values.out}.json`, folder), `${JSON.stringify({ machine: machine(), settings, recipe: defaultRecipe, measurements }, null, 1)}\n`);
  writeFileSync(new URL(`${values.out}.md`, folder), text);
  console.log(text);
}

const keyOf = ({ part, variant, bug, examples, recipe }: Run, seed: number): string => JSON.stringify([part, variant, bug.id, seed, examples, recipe]);

/** Measurements as JSON lines: a run that is stopped goes on where it was. */
class Store {
  private readonly path: string;
  private readonly known = new Map<string, Measurement>();

  constructor(name: string, afresh: boolean) {
    mkdirSync(new URL('artifacts/bench/', root), { recursive: true });
    this.path = fileURLToPath(new URL(`artifacts/bench/${name}.jsonl`, root));
    if (afresh) writeFileSync(this.path, '');
    if (!existsSync(this.path)) return;
    for (const line of readFileSync(this.path, 'utf8').split('\n')) {
      if (line === '') continue;
      const measurement = JSON.parse(line) as Measurement;
      this.known.set(measurement.key, measurement);
    }
  }

  has(key: string): boolean {
    return this.known.has(key);
  }

  add(measurement: Measurement): void {
    this.known.set(measurement.key, measurement);
    appendFileSync(this.path, `${JSON.stringify(measurement)}\n`);
  }

  all(): Measurement[] {
    return [...this.known.values()];
  }
}

async function measure({ part, variant, bug, examples: count, recipe }: Run, key: string, settings: { seed: number; fresh: number; budgetMillis: number }, host: ModelHost): Promise<Measurement> {
  const base = basePrograms.find(({ name }) => name === bug.program);
  const random = new Random(settings.seed + bug.id.length * 7919 + bug.order);
  if (!base) throw new RangeError(`no base program ${bug.program}`);
  const pool = rowsOf(base, random, count + settings.fresh);
  // A small program has fewer inputs than that: a fifth of them stays unseen.
  const seen = Math.min(count, Math.floor(0.8 * pool.length));
  const [examples, fresh] = [pool.slice(0, seen), pool.slice(seen)];
  const program = programOfText(bug.path, bug.source, bug.dialect, examples[0]?.input as string[]);
  if (!program) throw new RangeError(`${bug.id} does not run`);
  const started = performance.now();
  const deadline = started + settings.budgetMillis;
  const patches = part === 'rate' ? new WeightPatches(bug, program, examples, settings.seed, deadline, host) : null;
  const outcome = await repairWeights({
    program, source: { path: bug.path, text: bug.source }, examples, test: null, host, random, ...(recipe ? { recipe } : {}), deadline, token: neverCancelled, onEpoch: () => undefined,
    ...(patches ? { onTrained: (state, until) => patches.read(state, until) } : {}),
  });
  const millis = Math.round(performance.now() - started);
  const common = { key, part, variant, id: bug.id, program: bug.program, order: bug.order, before: bug.exact, millis, load: Number((loadavg()[0] ?? 0).toFixed(1)) };
  if (!outcome.ok) return { ...common, fresh: bug.exact, epochs: 0, steps: 0, reason: outcome.reason };
  const { onnx, epochs, steps } = outcome.model;
  return { ...common, fresh: await shareOf(onnx, fresh, host), epochs, steps, ...(patches ? { patch: patches.shareOf(fresh) } : {}), reason: null };
}

/** Distinct inputs, as far as there are so many. */
function rowsOf(base: BaseProgram, random: Random, count: number): Example[] {
  const rows: Example[] = [];
  const seen = new Set<string>();
  for (let tries = 0; rows.length < count && tries < 20 * count; tries++) {
    const input = base.sample(random);
    const key = JSON.stringify(input);
    if (seen.has(key)) continue;
    seen.add(key);
    rows.push({ input, output: base.reference(input) });
  }
  return rows;
}

/** Reads the model as a stranger would: from its bytes. */
async function shareOf(onnx: Uint8Array, rows: readonly Example[], host: ModelHost): Promise<number> {
  const decoded = decodeModel(onnx, 'model.onnx');
  const description = decoded.ok ? readDescription(decoded.graph.metadata) : decoded.fault.message;
  if (typeof description === 'string') throw new RangeError(description);
  const model = await CompiledModel.open(onnx, description, host);
  const outputs = await model.run(rows.map(({ input }) => input));
  await model.dispose();
  return rows.filter(({ output }, r) => output.every((value, i) => sameValue(outputs[r]?.[i] ?? null, value))).length / rows.length;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function row(name: string, group: readonly Measurement[]): string {
  const exact = group.filter(({ fresh, reason }) => fresh === 1 && reason === null).length;
  const [low, high] = wilson(exact, group.length);
  const near = (bound: number): string => `${group.filter(({ fresh, reason }) => fresh >= bound && reason === null).length}/${group.length}`;
  const mean = (of: (m: Measurement) => number): number => group.reduce((sum, m) => sum + of(m), 0) / Math.max(1, group.length);
  const millis = group.map((m) => m.millis).sort((a, b) => a - b)[Math.floor(group.length / 2)] ?? 0;
  return `| ${name} | ${group.length} | **${exact}/${group.length}** ${percent(exact / Math.max(1, group.length))} | ${percent(low)} – ${percent(high)} | ${near(0.9975)} | ${near(0.99)} | ${percent(mean((m) => m.before))} → ${percent(mean((m) => m.fresh))} | ${patchesOf(group)} | ${(millis / 1000).toFixed(1)} s |`;
}

/** Of those that reading was tried on, the patches that are right on all fresh inputs. */
function patchesOf(group: readonly Measurement[]): string {
  const tried = group.flatMap(({ patch }) => (patch === undefined ? [] : [patch]));
  if (tried.length === 0) return '–';
  const right = tried.filter((share) => share === 1).length;
  const [low, high] = wilson(right, tried.length);
  return `${right}/${tried.length} (${percent(low)} – ${percent(high)})`;
}

const head = '| | bugs | exact on all fresh inputs | 95 % interval | ≥ .9975 | ≥ .99 | mean exact share, before → after | patch read back | median |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |';

/** Reported by Silva, Thorén and Monperrus (arXiv 2505.17703, reproduction package), on bugs of their own. */
const published = { hist: '19/46', reverse: '90/268', sort: '64/249', most_freq: '0/284', shuffle_dyck: '6/331', shuffle_dyck2: '5/288', all: '184/1,466 (12.6 %)' };

interface Settings {
  readonly examples: number;
  readonly ablated: number;
  readonly ablationExamples: number;
  readonly ablationEpochs: number;
  readonly ablationPrograms: readonly string[];
  readonly fresh: number;
  readonly budgetSeconds: number;
  readonly seed: number;
  readonly bugs: number;
  readonly notRun: number;
  readonly note: string;
}

function markdown(measurements: readonly Measurement[], s: Settings): string {
  const rate = measurements.filter(({ part }) => part === 'rate');
  const ablation = measurements.filter(({ part }) => part === 'ablation');
  const reasons = rate.filter(({ reason }) => reason !== null);
  const epochs = rate.map((m) => m.epochs);
  const reached = new Set(ablation.map(({ variant }) => variant));
  const loads = measurements.map(({ load }) => load).sort((a, b) => a - b);
  return [
    '# Repair by training all weights',
    '',
    `Generated bugs of six programs, orders 1 to 5, both syntaxes, seed ${s.seed}. What is repaired is a model; "patch read back" counts the bugs whose trained weights could be read back to a patch of the source that is right on all the fresh inputs as well, with its 95 % interval (here training goes on after a patch was read; for a user it ends there). "Exact" means that the exported ONNX model gets each of ${s.fresh} inputs that no example has exactly right (of a program with few inputs: a fifth of them all); one seed a bug.`,
    `${machineText(machine())}; load while it ran: median ${loads[Math.floor(loads.length / 2)] ?? 0}, highest ${loads.at(-1) ?? 0} (other work on the same machine: times are upper bounds).`,
    s.notRun > 0 ? `**${s.notRun} of the runs asked for were left out: the time was up.** Run again to go on.` : 'Every run asked for was done.',
    s.note,
    '',
    '## The method `weights`',
    `${rate.length} of ${s.bugs} bugs; ${s.examples} distinct examples each, as far as there are so many (an eighth held out for choosing and stopping); at most ${s.budgetSeconds} s a bug. The recipe: batches of ${defaultRecipe.batch}, ${defaultRecipe.optimizer}, learning rate ${defaultRecipe.learningRate} along a cosine, clip ${defaultRecipe.clipNorm}, ${defaultRecipe.loss}; short trials, of which each trains from another block on to the output with the largest attention logit at ${SOFT}, and one everything as compiled, say where to go on; the best three are tried once more, the best is trained to the end, then again from ${SOFTEST} where there is time; room to grow (${JSON.stringify(defaultRecipe.room)}). Epochs over all starts together: median ${quantile(epochs, 0.5)}, at most ${Math.max(0, ...epochs)}, of ${s.examples} examples or fewer; steps: median ${quantile(rate.map(({ steps }) => steps), 0.5)}. Published: 40,000 examples, up to 10,000 epochs, learning rate 1e-4.`,
    '',
    head,
    ...basePrograms.map(({ name }) => row(name, rate.filter(({ program }) => program === name))),
    ...[1, 2, 3, 4, 5].map((order) => row(`order ${order}`, rate.filter((m) => m.order === order))),
    row('all', rate),
    '',
    `Reported by others, exact (their own bugs of the same programs; not measured here): ${Object.entries(published).map(([name, share]) => `${name} ${share}`).join(', ')}.`,
    reasons.length === 0 ? '' : `No model: ${reasons.map(({ id, reason }) => `${id} (${reason ?? ''})`).join('; ')}`,
    '',
    '## What the recipe is made of',
    `${s.ablated} bugs of ${s.ablationPrograms.join(', ')}, orders 1 to 5; ${s.ablationExamples} examples, ${s.ablationEpochs} epochs from one start for every row (where not ${s.budgetSeconds} s end it), everything else as above but for what is named. "Published recipe": as compiled for training, Adam 1e-4, no softening, no balancing, no decay, at these ${s.ablationEpochs} epochs: far less training than published.`,
    '',
    head,
    ...Object.keys(variants).filter((variant) => reached.has(variant)).map((variant) => row(variant, ablation.filter((m) => m.variant === variant))),
    '',
    reached.size === Object.keys(variants).length ? '' : `Not run: ${Object.keys(variants).filter((variant) => !reached.has(variant)).join(', ')}.`,
    '',
  ].join('\n');
}
