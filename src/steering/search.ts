// The search for the layers and the strength that steer best, on items that are neither built from nor measured on.
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';

export interface SteeringSetting {
  readonly layers: readonly number[];
  readonly strength: number;
}

/** How well a setting does; what counts first comes first, higher is better. */
export interface SettingFigures {
  /** Share of the items that go as preferred. */
  readonly rate: number;
  /** Mean of log p(preferred) − log p(dispreferred), nats: decides between equal rates. */
  readonly margin: number;
  /** Mean log p(preferred), nats: a strength that ruins the model makes all responses unlikely, and by chance the right one less so. */
  readonly likelihood: number;
}

export interface Trial extends SteeringSetting, SettingFigures {}

export interface SearchResult {
  readonly best: Trial;
  /** No steering. */
  readonly unsteered: Trial;
  readonly trials: readonly Trial[];
}

export interface SearchOptions {
  readonly token?: CancellationToken;
  readonly onProgress?: (done: number, of: number) => void;
}

export const STRENGTHS = [0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3] as const;

const FEW_LAYERS = 6;

/** Runs of neighbouring layers: all of them for small models, else windows of an eighth, a quarter and half of the layers, and all. */
export function layerRanges(layers: number): readonly (readonly number[])[] {
  const run = (first: number, length: number): readonly number[] => Array.from({ length }, (_, i) => first + i);
  const windows = (length: number, step: number): (readonly number[])[] => Array.from({ length: Math.floor((layers - length) / step) + 1 }, (_, i) => run(layers - length - i * step, length)).reverse();
  if (layers <= FEW_LAYERS) return Array.from({ length: layers }, (_, i) => windows(i + 1, 1)).flat();
  const lengths = [8, 4, 2].map((share) => Math.ceil(layers / share));
  return [...lengths.flatMap((length) => windows(length, Math.ceil(length / 2))), run(0, layers)];
}

export const settingsOf = (ranges: readonly (readonly number[])[], strengths: readonly number[] = STRENGTHS): readonly SteeringSetting[] =>
  ranges.flatMap((layers) => strengths.map((strength) => ({ layers, strength })));

/**
 * The setting with the highest rate among those that make the preferred responses no less likely than no steering does;
 * of equal ones the one with the larger margin, the smaller strength, the fewer layers. No steering is among the
 * candidates, so that the result is never worse than that on these items.
 * @param evaluate figures of a setting on the validation items
 * @throws CancelledError, and what `evaluate` throws
 */
export async function searchSetting(settings: readonly SteeringSetting[], evaluate: (setting: SteeringSetting) => Promise<SettingFigures>, { token = neverCancelled, onProgress }: SearchOptions = {}): Promise<SearchResult> {
  const none: SteeringSetting = { layers: [], strength: 0 };
  const unsteered = { ...none, ...(await evaluate(none)) };
  const trials: Trial[] = [];
  for (const setting of settings) {
    throwIfCancelled(token);
    trials.push({ ...setting, ...(await evaluate(setting)) });
    onProgress?.(trials.length, settings.length);
  }
  const sound = trials.filter(({ likelihood }) => likelihood >= unsteered.likelihood);
  return { best: sound.reduce<Trial>((best, trial) => (isBetter(trial, best) ? trial : best), unsteered), unsteered, trials };
}

function isBetter(a: Trial, b: Trial): boolean {
  if (a.rate !== b.rate) return a.rate > b.rate;
  if (a.margin !== b.margin) return a.margin > b.margin;
  return Math.abs(a.strength) !== Math.abs(b.strength) ? Math.abs(a.strength) < Math.abs(b.strength) : a.layers.length < b.layers.length;
}
