// A linear probe: a direction of the residual stream, and what it says of a hidden state.
import type { FeatureMatrix, Standardisation } from './features.ts';
import { rowOf } from './features.ts';
import { sigmoid } from './logisticRegression.ts';
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
  /** Figures of the training, for people. */
  readonly report: Readonly<Record<string, unknown>>;
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
