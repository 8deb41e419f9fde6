// From labelled statements and a model to a probe, with the figures that say what it is worth.
import { createHash } from 'node:crypto';
import { captureFinalStates } from './capture.ts';
import type { Comparison } from './comparison.ts';
import { compareWithSurface } from './comparison.ts';
import { chooseStrength, fitted, groupedFolds } from './crossValidation.ts';
import type { ProbeExample } from './dataset.ts';
import { statementOf } from './dataset.ts';
import { lengthMatched } from './evaluation.ts';
import type { FeatureMatrix } from './features.ts';
import { rowOf, rowsOf } from './features.ts';
import type { Probe, ReportedFigures } from './probe.ts';
import { caveatOf, probeModelOf } from './probe.ts';
import { openResidualReader, probeSites } from './residualReader.ts';
import type { Frame } from './statements.ts';
import { fittingContext } from './statements.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { Random } from '../shared/random.ts';

export interface TrainingOptions {
  readonly frame: Frame;
  /** What the examples are called. */
  readonly name: string;
  /** Names of the sites to choose from; default: the stream after every layer. */
  readonly sites?: readonly string[] | undefined;
  readonly l2s?: readonly number[] | undefined;
  readonly seed: number;
  readonly resamples?: number;
  readonly session?: Partial<SessionOptions>;
  readonly token?: CancellationToken;
  readonly onProgress?: (stage: 'reading' | 'validating', done: number, all: number) => void;
}

export interface TrainedProbe {
  readonly probe: Probe;
  readonly all: Comparison;
  /** On the examples of matched length; null where too few are left. */
  readonly matched: Comparison | null;
  readonly warnings: readonly string[];
}

export type TrainingResult = { readonly ok: true; readonly trained: TrainedProbe } | { readonly ok: false; readonly message: string };

const FOLDS = 5;
/** Contexts that folds within folds need, so that each has both labels as good as surely. */
const LEAST_GROUPS = 20;

/**
 * Trains a probe on all examples, its site and strength chosen by five grouped folds; what it is worth is measured by
 * nested cross-validation beside it, against the surface baselines, on all examples and on those of matched length.
 * @throws RuntimeError, HostDiedError, CancelledError
 */
export async function trainProbe({ host, folder, tokenizer }: { readonly host: ModelHost; readonly folder: ModelFolder; readonly tokenizer: Tokenizer }, examples: readonly ProbeExample[], options: TrainingOptions): Promise<TrainingResult> {
  const lack = lackOf(examples);
  if (lack !== null) return { ok: false, message: lack };
  const sites = options.sites ?? probeSites(folder).map(({ name }) => name);
  const opened = await openResidualReader(host, folder, sites, options.session);
  if (!opened.ok) return { ok: false, message: opened.problem.message };
  const texts = examples.map(({ context, continuation }) => fittingContext(tokenizer, options.frame, context, continuation, folder.sizes.context ?? Infinity));
  try {
    const progress = { ...(options.token ? { token: options.token } : {}), onProgress: (done: number, all: number) => options.onProgress?.('reading', done, all) };
    const features = await captureFinalStates(opened.reader, texts.map(({ text }) => text), progress);
    const measured = await measure(examples, features, options);
    const probe = await fitAll(examples, features, measured, folder, options);
    return { ok: true, trained: { probe, ...measured, warnings: warningsOf(texts.map(({ left }) => left), probe, folder) } };
  } finally {
    await opened.reader.release();
  }
}

function lackOf(examples: readonly ProbeExample[]): string | null {
  const [groups, sides] = [new Set(examples.map(({ group }) => group)), [0, 1].map((label) => new Set(examples.filter((example) => example.label === label).map(({ group }) => group)).size)];
  if (groups.size < LEAST_GROUPS) return `A probe wants statements about at least ${LEAST_GROUPS} contexts; these are about ${groups.size}. Add examples.`;
  const short = sides.findIndex((count) => count < LEAST_GROUPS / 2);
  return short < 0 ? null : `A probe wants both labels in at least ${LEAST_GROUPS / 2} contexts each; label ${short} (${short === 0 ? 'supported' : 'not supported'}) is in ${sides[short] ?? 0}. Add examples of it.`;
}

async function measure(examples: readonly ProbeExample[], features: ReadonlyMap<string, FeatureMatrix>, options: TrainingOptions): Promise<Pick<TrainedProbe, 'all' | 'matched'>> {
  const validation = {
    seed: options.seed, ...(options.l2s ? { l2s: options.l2s } : {}), ...(options.resamples === undefined ? {} : { resamples: options.resamples }), ...(options.token ? { token: options.token } : {}),
    onProgress: (done: number, all: number) => options.onProgress?.('validating', done, all),
  };
  const all = withoutScores(await compareWithSurface(examples, features, validation));
  const rows = lengthMatched(examples.map((example) => statementOf(example).length), examples.map(({ label }) => label));
  const matched = rows.flatMap((i) => examples[i] ?? []);
  if (matched.length === examples.length) return { all, matched: all };
  if (lackOf(matched) !== null) return { all, matched: null };
  return { all, matched: withoutScores(await compareWithSurface(matched, new Map([...features].map(([site, matrix]) => [site, rowsOf(matrix, rows)])), validation)) };
}

const withoutScores = ({ examples, groups, probe, layers, baselines }: Comparison): Comparison => ({ examples, groups, probe, layers, baselines });

async function fitAll(examples: readonly ProbeExample[], features: ReadonlyMap<string, FeatureMatrix>, { all, matched }: Pick<TrainedProbe, 'all' | 'matched'>, folder: ModelFolder, { frame, name, l2s, seed, token }: TrainingOptions): Promise<Probe> {
  const labels = examples.map(({ label }) => label);
  const folds = groupedFolds(examples.map(({ group }) => group), FOLDS, new Random(seed + 10));
  let best: { readonly matrix: FeatureMatrix; readonly site: string; readonly l2: number; readonly auroc: number } | null = null;
  for (const [site, matrix] of features) {
    const choice = await chooseStrength(site, matrix, labels, folds, { ...(l2s ? { l2s } : {}), ...(token ? { token } : {}) });
    if (!best || choice.auroc > best.auroc) best = { matrix, site, ...choice };
  }
  if (!best) throw new RangeError('no site was read');
  const { matrix, site, l2 } = best;
  const figures = ({ examples: count, groups, probe, baselines }: Comparison): ReportedFigures => ({ examples: count, groups, auroc: probe.figures.auroc, baselines: Object.fromEntries(baselines.map(({ name, figures: { auroc } }) => [name, auroc])) });
  return {
    model: probeModelOf(folder, matrix.width), site, frame, l2, seed, threshold: 0, ...fitted(matrix, labels, l2),
    meanNorm: meanNormOf(matrix), data: { name, items: examples.length, hash: examplesHash(examples) },
    report: { all: figures(all), matchedLength: matched ? figures(matched) : null },
  };
}

function meanNormOf(matrix: FeatureMatrix): number {
  let sum = 0;
  for (let r = 0; r < matrix.rows; r++) sum += Math.hypot(...rowOf(matrix, r));
  return sum / matrix.rows;
}

/** SHA-256 of what the probe saw, hexadecimal. */
const examplesHash = (examples: readonly ProbeExample[]): string =>
  createHash('sha256').update(JSON.stringify(examples.map(({ context, continuation, from, label }) => [context, continuation, from, label]))).digest('hex');

function warningsOf(left: readonly number[], probe: Probe, folder: ModelFolder): readonly string[] {
  const cut = left.filter((characters) => characters > 0).length;
  const caveat = caveatOf(probe);
  return [...(cut > 0 ? [`${cut} of ${left.length} contexts lost their beginning: ${folder.name} reads ${folder.sizes.context ?? 'few'} tokens at once.`] : []), ...(caveat === null ? [] : [caveat])];
}
