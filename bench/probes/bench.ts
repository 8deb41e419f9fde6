// npm run bench -- probes: what probes find against what the surface of the text gives away, on twin pairs and on HaluEval.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { TwinExample } from './contradictions.ts';
import { contradictionDomains, twinExamples } from './contradictions.ts';
import { measureCost } from './cost.ts';
import { likelihoods } from './likelihood.ts';
import type { ComparedParts, HaluEvalPart, Report, SubsetFigures, TransferPart, TwinPart } from './report.ts';
import { markdown } from './report.ts';
import { builtHost } from '../builtHost.ts';
import { machine } from '../machine.ts';
import { storiesFolder } from '../generate/llama.ts';
import { writeReport } from '../writeReport.ts';
import type { ModelFolder } from '../../src/lm/folder.ts';
import { openModelFolder } from '../../src/lm/folder.ts';
import { folderTokenizer } from '../../src/lm/languageModel.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';
import { captureFinalStates } from '../../src/probes/capture.ts';
import type { ComparedScores } from '../../src/probes/comparison.ts';
import { compareWithSurface } from '../../src/probes/comparison.ts';
import type { FeatureSource } from '../../src/probes/crossValidation.ts';
import { givenFeatures, nestedCrossValidation } from '../../src/probes/crossValidation.ts';
import type { ProbeExample } from '../../src/probes/dataset.ts';
import { readHaluEval, statementOf } from '../../src/probes/dataset.ts';
import { lengthMatched } from '../../src/probes/evaluation.ts';
import type { FeatureMatrix } from '../../src/probes/features.ts';
import { matrixOf, rowsOf } from '../../src/probes/features.ts';
import type { Estimate } from '../../src/probes/metrics.ts';
import { auroc, estimated } from '../../src/probes/metrics.ts';
import { openResidualReader, probeSites } from '../../src/probes/residualReader.ts';
import type { Frame } from '../../src/probes/statements.ts';
import { fittingContext, plainFrame } from '../../src/probes/statements.ts';
import { transferMatrix } from '../../src/probes/transfer.ts';
import { ModelHost } from '../../src/runtime/client.ts';
import { Random } from '../../src/shared/random.ts';

const options = {
  seed: { type: 'string', default: '1' },
  pairs: { type: 'string', default: '2000' },
  parts: { type: 'string', default: 'twins,transfer,halueval,cost' },
  resamples: { type: 'string', default: '1000' },
  out: { type: 'string', default: 'probes' },
} as const;

export interface Settings {
  readonly seed: number;
  readonly pairs: number;
  readonly resamples: number;
}

/** The frame that the model's own training text has before statements. */
export const summaryFrame: Frame = { before: 'Context: ', between: '\nSummary: ' };

export interface OpenModel {
  readonly host: ModelHost;
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
}

export async function benchProbes(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const settings = { seed: Number(values.seed), pairs: Number(values.pairs), resamples: Number(values.resamples) };
  const parts = new Set(values.parts.split(','));
  const host = ModelHost.start({ hostPath: builtHost() });
  const report: Report = { machine: machine(), settings };
  const save = (): string => writeReport(report, markdown(report), values.out);
  const timed = async <T>(work: () => Promise<T>): Promise<T & { readonly minutes: number }> => {
    const started = performance.now();
    return { ...(await work()), minutes: (performance.now() - started) / 60_000 };
  };
  try {
    const tinyCode = modelAt(host, fileURLToPath(new URL('../../models/tiny-code', import.meta.url)));
    if (parts.has('twins') || parts.has('transfer')) {
      const twins = twinExamples(settings);
      const states = await statesOf(tinyCode, twins, summaryFrame);
      if (parts.has('twins')) report.twins = await timed(() => twinPart(tinyCode, twins, states.features, settings));
      save();
      if (parts.has('transfer')) report.transfer = await timed(() => transferPart(twins, states.features, settings));
      save();
    }
    if (parts.has('halueval')) {
      const rows = haluEvalExamples();
      const stories = storiesFolder();
      const models = [tinyCode, ...(stories === null ? [] : [modelAt(host, stories)])];
      if (rows === null) console.error('HaluEval does not lie beside the project, so it takes no part.');
      else report.haluEval = await timed(() => haluEvalPart(models, rows, settings));
      save();
    }
    if (parts.has('cost')) report.cost = await timed(() => measureCost(tinyCode, settings));
    console.log(save());
  } finally {
    host.dispose();
  }
}

function modelAt(host: ModelHost, location: string): OpenModel {
  const opened = openModelFolder(location);
  const tokenizer = opened.ok ? folderTokenizer(opened.folder) : null;
  if (!opened.ok || !tokenizer?.ok) throw new Error(`${location} is no usable model`);
  return { host, folder: opened.folder, tokenizer: tokenizer.value };
}

/** The residual stream after every layer at each example's last token, and how many contexts had to be cut to fit. */
async function statesOf({ host, folder, tokenizer }: OpenModel, examples: readonly ProbeExample[], frame: Frame): Promise<{ readonly features: ReadonlyMap<string, FeatureMatrix>; readonly cut: number }> {
  const opened = await openResidualReader(host, folder, probeSites(folder).map(({ name }) => name), { provider: 'cpu', threads: 1 });
  if (!opened.ok) throw new Error(opened.problem.message);
  const texts = examples.map(({ context, continuation }) => fittingContext(tokenizer, frame, context, continuation, folder.sizes.context ?? Infinity));
  const features = await captureFinalStates(opened.reader, texts.map(({ text }) => text), { onProgress: (done, all) => void process.stderr.write(`\r${folder.name}: ${done} of ${all} read`) });
  process.stderr.write('\n');
  await opened.reader.release();
  return { features, cut: texts.filter(({ left }) => left > 0).length };
}

/** Probes of all layers and the baselines on the same folds, and figures of parts of the examples. */
async function compare(examples: readonly ProbeExample[], features: ReadonlyMap<string, FeatureMatrix>, others: readonly FeatureSource[], settings: Settings): Promise<ComparedParts> {
  const { scores, ...comparison } = await compareWithSurface(examples, features, { seed: settings.seed + 1, resamples: settings.resamples, others, onProgress: (fold, folds) => console.error(`fold ${fold} of ${folds}`) });
  return { ...comparison, subsets: subsetsOf(examples, scores, settings) };
}

/** By domain and kind of falsehood, where the examples have them: scores of the same folds. */
function subsetsOf(examples: readonly ProbeExample[], { probe, baselines }: ComparedScores, settings: Settings): readonly SubsetFigures[] {
  const kinds = new Map<string, number[]>();
  examples.forEach((example, i) => {
    for (const kind of [example.domain, ...('falsehood' in example ? [`${String((example as TwinExample).falsehood)} values`] : [])]) (kinds.get(kind) ?? kinds.set(kind, []).get(kind))?.push(i);
  });
  if (kinds.size < 2) return [];
  return [...kinds].map(([name, rows]) => {
    const [labels, groups] = [rows.map((i) => examples[i]?.label ?? 0), rows.map((i) => examples[i]?.group ?? '')];
    const of = (all: Float64Array) => estimated({ auroc: auroc(rows.map((i) => all[i] ?? 0), labels) }, groups, { random: new Random(settings.seed + 4), resamples: settings.resamples }).auroc;
    return { name, examples: rows.length, probe: of(probe), baselines: [...baselines].map(([baseline, all]) => ({ name: baseline, auroc: of(all) })) };
  });
}

const subset = <T>(items: readonly T[], rows: readonly number[]): readonly T[] => rows.flatMap((i) => items[i] ?? []);
const subsetOf = (features: ReadonlyMap<string, FeatureMatrix>, rows: readonly number[]): ReadonlyMap<string, FeatureMatrix> => new Map([...features].map(([site, matrix]) => [site, rowsOf(matrix, rows)]));

async function twinPart(model: OpenModel, twins: readonly TwinExample[], features: ReadonlyMap<string, FeatureMatrix>, settings: Settings): Promise<TwinPart> {
  const rows = lengthMatched(twins.map((example) => statementOf(example).length), twins.map(({ label }) => label));
  const losses = await likelihoods(model, twins, summaryFrame);
  const matched = subset(twins, rows);
  const own = givenFeatures('the model\'s own likelihood', matrixOf(rows.map((i) => losses[i] ?? [])));
  return { model: model.folder.name, pairs: twins.length / 2, control: await control(matched, subsetOf(features, rows), settings), comparison: await compare(matched, subsetOf(features, rows), [own], settings) };
}

/** The same procedure on something that the states surely hold: is the statement of a story? */
async function control(examples: readonly TwinExample[], features: ReadonlyMap<string, FeatureMatrix>, settings: Settings): Promise<Estimate> {
  const [labels, groups] = [examples.map(({ domain }) => Number(domain === 'story')), examples.map(({ group }) => group)];
  const { scores } = await nestedCrossValidation([...features].map(([site, matrix]) => givenFeatures(site, matrix)), { labels, groups }, { random: new Random(settings.seed + 1), l2s: [0.1], innerFolds: 2 });
  return estimated({ auroc: auroc(scores, labels) }, groups, { random: new Random(settings.seed + 2), resamples: settings.resamples }).auroc;
}

/** npm run bench -- contradictions: the pairs as JSON lines, which `gradlens probe train` reads. */
export function printContradictions(args: readonly string[]): void {
  const { values } = parseArgs({ args: [...args], options: { seed: options.seed, pairs: options.pairs } });
  for (const example of twinExamples({ seed: Number(values.seed), pairs: Number(values.pairs) })) console.log(JSON.stringify(example));
}

async function transferPart(twins: readonly TwinExample[], features: ReadonlyMap<string, FeatureMatrix>, settings: Settings): Promise<TransferPart> {
  const sets = contradictionDomains.map((name) => {
    const rows = twins.flatMap(({ domain }, i) => (domain === name ? [i] : []));
    const examples = subset(twins, rows);
    return { name, features: subsetOf(features, rows), labels: examples.map(({ label }) => label), groups: examples.map(({ group }) => group) };
  });
  return { cells: await transferMatrix(sets, { random: new Random(settings.seed + 5) }) };
}

function haluEvalExamples(): readonly ProbeExample[] | null {
  const folder = ['../../../shared/data/halueval/', '../../../../shared/data/halueval/'].map((place) => fileURLToPath(new URL(place, import.meta.url))).find(existsSync);
  if (folder === undefined) return null;
  return ['one', 'multi'].flatMap((turn) => readHaluEval(readFileSync(`${folder}qa_${turn}-turn_data.json`, 'utf8'), `HaluEval QA, ${turn}-turn`).examples);
}

async function haluEvalPart(models: readonly OpenModel[], examples: readonly ProbeExample[], settings: Settings): Promise<HaluEvalPart> {
  const [labels, groups] = [examples.map(({ label }) => label), examples.map(({ group }) => group)];
  const lengths = examples.map((example) => statementOf(example).length);
  const rows = lengthMatched(lengths, labels);
  const [whole, matched] = [estimated({ auroc: auroc(lengths, labels) }, groups, { random: new Random(settings.seed), resamples: settings.resamples }), estimated({ auroc: auroc(rows.map((i) => lengths[i] ?? 0), rows.map((i) => labels[i] ?? 0)) }, rows.map((i) => groups[i] ?? ''), { random: new Random(settings.seed), resamples: settings.resamples })];
  const results = [];
  for (const model of models) {
    const { features, cut } = await statesOf(model, examples, plainFrame);
    results.push({ model: model.folder.name, cut, matched: await compare(subset(examples, rows), subsetOf(features, rows), [], settings), all: await compare(examples, features, [], settings) });
  }
  return { examples: examples.length, length: { all: whole.auroc, matched: matched.auroc }, results };
}
