// A linear probe: a direction of the residual stream, and what it says of a hidden state.
import type { FeatureMatrix, Standardisation } from './features.ts';
import { rowOf } from './features.ts';
import { sigmoid } from './logisticRegression.ts';
import type { Estimate } from './metrics.ts';
import type { Frame } from './statements.ts';
import { modelFingerprint } from '../lm/fingerprint.ts';
import type { ModelFolder } from '../lm/folder.ts';

/** What a probe was trained on and fits. */
export interface ProbeModel {
  readonly name: string;
  readonly variant: string;
  readonly layers: number | null;
  readonly hidden: number;
  readonly fingerprint: string;
}

/** What cross-validation found of a probe: AUROC with 95 % intervals. */
export interface ReportedFigures {
  readonly examples: number;
  readonly groups: number;
  readonly auroc: Estimate;
  /** Of the surface baselines on the same folds, by name. */
  readonly baselines: Readonly<Record<string, Estimate>>;
}

export interface ProbeReport {
  readonly all: ReportedFigures;
  /** On statements of like length; null where there were too few. */
  readonly matchedLength: ReportedFigures | null;
}

/** Scores are log odds that a statement is not supported by its context. */
export interface Probe {
  readonly model: ProbeModel;
  /** `layers.3.resid_post` */
  readonly site: string;
  /** How context and text are put together. */
  readonly frame: Frame;
  readonly l2: number;
  /** Of the standardised features, [hidden]. */
  readonly weights: Float64Array;
  readonly bias: number;
  readonly standardisation: Standardisation;
  /** Mean norm of the hidden states that it was trained on: the measure of a steering strength. */
  readonly meanNorm: number;
  /** What it was trained on. */
  readonly data: { readonly name: string; readonly items: number; readonly hash: string };
  readonly seed: number;
  /** From this score on a statement counts as unsupported. */
  readonly threshold: number;
  /** Null for a probe that was not measured. */
  readonly report: ProbeReport | null;
}

/** w·(x − mean)/scale + b for each row [rows, hidden]. */
export function probeScores({ weights, bias, standardisation: { mean, scale } }: Pick<Probe, 'weights' | 'bias' | 'standardisation'>, features: FeatureMatrix): Float64Array {
  const scores = new Float64Array(features.rows);
  for (let r = 0; r < features.rows; r++) {
    const row = rowOf(features, r);
    let score = bias;
    for (let k = 0; k < weights.length; k++) score += ((weights[k] ?? 0) * ((row[k] ?? 0) - (mean[k] ?? 0))) / (scale[k] ?? 1);
    scores[r] = score;
  }
  return scores;
}

/** The score as a probability. */
export const probabilityOf = (score: number): number => sigmoid(score);

/** d score / d hidden state, [hidden]: the weights undone of the standardisation. */
export const gradientOf = ({ weights, standardisation: { scale } }: Pick<Probe, 'weights' | 'standardisation'>): Float64Array => weights.map((weight, k) => weight / (scale[k] ?? 1));

/** `gradientOf` with length 1: added to the residual stream it makes a text less supported. */
export function directionOf(probe: Pick<Probe, 'weights' | 'standardisation'>): Float64Array {
  const gradient = gradientOf(probe);
  const norm = Math.hypot(...gradient);
  return gradient.map((value) => value / norm);
}

/** Who the model of a folder is. @throws an error of the file system where its files cannot be read */
export function probeModelOf(folder: ModelFolder, hidden: number): ProbeModel {
  return { name: folder.name, variant: folder.variant.name, layers: folder.sizes.layers, hidden, fingerprint: modelFingerprint(folder) };
}

/** Why a probe says nothing about a model; null where it fits. */
export function misfit(probe: Pick<Probe, 'model' | 'site'>, model: ProbeModel): string | null {
  const { name, variant, layers, hidden, fingerprint } = probe.model;
  const trained = `The probe was trained on ${name} (${variant}, ${layers ?? 'unknown'} layers, ${hidden} wide, reading ${probe.site})`;
  if (hidden !== model.hidden || layers !== model.layers) return `${trained}, and ${model.name} has ${model.layers ?? 'unknown'} layers and is ${model.hidden} wide: its residual stream means something else. Train a probe on ${model.name}.`;
  if (fingerprint !== model.fingerprint) return `${trained}, and the weights of ${model.name} (${model.variant}) are others: another training, variant or export. Use the model that the probe was trained on, or train a probe on this one.`;
  return null;
}

/** Why a probe's scores are not to be trusted, by its own figures; null where nothing speaks against them. */
export function caveatOf({ report }: Pick<Probe, 'report'>): string | null {
  if (!report) return 'This probe was not measured: nobody knows what its scores are worth.';
  const { auroc, baselines } = report.matchedLength ?? report.all;
  const where = report.matchedLength ? 'on statements of like length' : 'on all statements';
  const text = ({ value, interval: [low, high] }: Estimate): string => `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  if (!(auroc.interval[0] > 0.5)) return `In cross-validation this probe did not tell statements apart: AUROC ${text(auroc)} ${where}, and 0.5 is chance. Its scores say nothing.`;
  const [rival] = Object.entries(baselines).sort(([, a], [, b]) => b.value - a.value);
  if (rival && rival[1].value >= auroc.value) return `In cross-validation this probe was no better than the baseline “${rival[0]}”, which needs no model: AUROC ${text(auroc)} against ${text(rival[1])} ${where}.`;
  return report.matchedLength ? null : 'This probe was not measured on statements of like length: it may go by the length alone.';
}
