// Probes of several layers against what the surface of the text gives away, on the same folds.
import type { Chosen, FeatureSource, Labelled, ValidationOptions } from './crossValidation.ts';
import { givenFeatures, nestedCrossValidation } from './crossValidation.ts';
import type { ProbeExample } from './dataset.ts';
import type { Figures } from './evaluation.ts';
import { aurocGain, figuresOf } from './evaluation.ts';
import type { FeatureMatrix } from './features.ts';
import type { Estimate } from './metrics.ts';
import { surfaceBaselines } from './surface.ts';
import { Random } from '../shared/random.ts';

export interface BaselineFigures {
  readonly name: string;
  readonly figures: Figures;
  /** How much higher the probe's AUROC is. */
  readonly gain: Estimate;
}

export interface Comparison {
  readonly examples: number;
  readonly groups: number;
  /** Site and strength chosen by the inner folds. */
  readonly probe: { readonly figures: Figures; readonly chosen: readonly Chosen[] };
  readonly layers: readonly { readonly name: string; readonly figures: Figures }[];
  readonly baselines: readonly BaselineFigures[];
}

/** The log odds that the figures are of, for figures of parts of the examples. */
export interface ComparedScores {
  readonly probe: Float64Array;
  readonly baselines: ReadonlyMap<string, Float64Array>;
}

export interface ComparisonOptions extends Omit<ValidationOptions, 'random'> {
  readonly seed: number;
  readonly resamples?: number;
  /** Further baselines. */
  readonly others?: readonly FeatureSource[];
}

/**
 * @param features hidden states of the examples by site
 * @throws RangeError where a training part has one label only, CancelledError
 */
export async function compareWithSurface(examples: readonly ProbeExample[], features: ReadonlyMap<string, FeatureMatrix>, options: ComparisonOptions): Promise<Comparison & { readonly scores: ComparedScores }> {
  const { seed, resamples, others = [], ...validation } = options;
  const known: Labelled = { labels: examples.map(({ label }) => label), groups: examples.map(({ group }) => group) };
  const scoresOf = async (sources: readonly FeatureSource[], quiet = true) => nestedCrossValidation(sources, known, { ...validation, ...(quiet ? { onProgress: () => undefined } : {}), random: new Random(seed) });
  const layers = await scoresOf([...features].map(([site, matrix]) => givenFeatures(site, matrix)), false);
  const figures = (scores: ArrayLike<number>): Figures => figuresOf(scores, known.labels, known.groups, new Random(seed + 1), resamples);
  const baselines = new Map<string, Float64Array>();
  for (const source of [...surfaceBaselines(examples), ...others]) baselines.set(source.name, (await scoresOf([source])).scores);
  return {
    examples: examples.length,
    groups: new Set(known.groups).size,
    probe: { figures: figures(layers.scores), chosen: layers.chosen },
    layers: [...layers.bySource].map(([name, scores]) => ({ name, figures: figures(scores) })),
    baselines: [...baselines].map(([name, scores]) => ({ name, figures: figures(scores), gain: aurocGain(layers.scores, scores, known.labels, known.groups, new Random(seed + 2), resamples) })),
    scores: { probe: layers.scores, baselines },
  };
}
