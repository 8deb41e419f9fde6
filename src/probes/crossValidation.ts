// Nested cross-validation: every example is scored by a probe that has seen neither it nor its context.
import type { FeatureMatrix, Standardisation } from './features.ts';
import { rowsOf, standardisationOf, standardised } from './features.ts';
import type { LogisticFit } from './logisticRegression.ts';
import { fitLogistic } from './logisticRegression.ts';
import { auroc } from './metrics.ts';
import { probeScores } from './probe.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { interruptAndCheck, neverCancelled } from '../shared/cancellation.ts';
import type { Random } from '../shared/random.ts';

/** Features of examples. Those that are learnt from texts, such as a vocabulary, are learnt from the training rows alone. */
export interface FeatureSource {
  readonly name: string;
  readonly features: (training: readonly number[]) => FeatureMatrix;
}

export const givenFeatures = (name: string, matrix: FeatureMatrix): FeatureSource => ({ name, features: () => matrix });

export interface Labelled {
  /** 0 or 1, one for each example. */
  readonly labels: readonly number[];
  /** Examples of a group stay together. */
  readonly groups: readonly string[];
}

export interface ValidationOptions {
  readonly random: Random;
  readonly outerFolds?: number;
  readonly innerFolds?: number;
  /** Strengths to choose from, in any order. */
  readonly l2s?: readonly number[];
  readonly token?: CancellationToken;
  readonly onProgress?: (fold: number, folds: number) => void;
}

export const defaultStrengths: readonly number[] = [1e-3, 1e-2, 1e-1, 1];

/** What the inner folds chose. */
export interface Chosen {
  readonly source: string;
  readonly l2: number;
  /** Mean over the inner folds. */
  readonly auroc: number;
}

export interface Validation {
  /** Log odds of each example, by the source that the inner folds chose for its fold. */
  readonly scores: Float64Array;
  /** The same of each source alone, its strength chosen by the inner folds. */
  readonly bySource: ReadonlyMap<string, Float64Array>;
  /** One a fold. */
  readonly chosen: readonly Chosen[];
  /** The outer fold of each example. */
  readonly folds: readonly number[];
}

/** Fold numbers of the examples: groups are dealt out at random, so that folds differ by a group at most. */
export function groupedFolds(groups: readonly string[], folds: number, random: Random): readonly number[] {
  const dealt = new Map(random.shuffle([...new Set(groups)]).map((group, i) => [group, i % folds]));
  return groups.map((group) => dealt.get(group) ?? 0);
}

/**
 * Source and strength are chosen within the training part of each outer fold, by the mean AUROC of grouped inner folds;
 * features are standardised there too.
 * @throws RangeError where a training part has one label only, CancelledError
 */
export async function nestedCrossValidation(sources: readonly FeatureSource[], { labels, groups }: Labelled, options: ValidationOptions): Promise<Validation> {
  const { random, outerFolds = 5, token = neverCancelled, onProgress } = options;
  const folds = groupedFolds(groups, outerFolds, random);
  const scores = new Float64Array(labels.length);
  const bySource = new Map(sources.map(({ name }) => [name, new Float64Array(labels.length)]));
  const chosen: Chosen[] = [];
  for (let fold = 0; fold < outerFolds; fold++) {
    const [training, test] = [indicesWhere(folds, (own) => own !== fold), indicesWhere(folds, (own) => own === fold)];
    const inner = groupedFolds(training.map((i) => groups[i] ?? ''), options.innerFolds ?? 3, random);
    let best: { readonly choice: Chosen; readonly scores: Float64Array } | null = null;
    for (const { name, features } of sources) {
      const matrix = features(training);
      const choice = await chooseStrength(name, rowsOf(matrix, training), training.map((i) => labels[i] ?? 0), inner, options);
      const found = fitted(rowsOf(matrix, training), training.map((i) => labels[i] ?? 0), choice.l2);
      const own = probeScores(found, rowsOf(matrix, test));
      test.forEach((i, k) => bySource.get(name)?.fill(own[k] ?? 0, i, i + 1));
      if (!best || choice.auroc > best.choice.auroc) best = { choice, scores: own };
      await interruptAndCheck(token);
    }
    if (!best) continue;
    const { choice, scores: own } = best;
    chosen.push(choice);
    test.forEach((i, k) => void (scores[i] = own[k] ?? 0));
    onProgress?.(fold + 1, outerFolds);
  }
  return { scores, bySource, chosen, folds };
}

const indicesWhere = <T>(items: readonly T[], wanted: (item: T) => boolean): number[] => items.flatMap((item, i) => (wanted(item) ? [i] : []));

/** The strength whose probes rank the rows of inner folds best that they have not seen; of equals the larger. @throws CancelledError */
export async function chooseStrength(source: string, features: FeatureMatrix, labels: readonly number[], folds: readonly number[], { l2s = defaultStrengths, token = neverCancelled }: Pick<ValidationOptions, 'l2s' | 'token'>): Promise<Chosen> {
  const falling = [...l2s].sort((a, b) => b - a);
  const sums = falling.map(() => 0);
  const numbers = [...new Set(folds)];
  for (const fold of numbers) {
    const [training, test] = [indicesWhere(folds, (own) => own !== fold), indicesWhere(folds, (own) => own === fold)];
    const raw = rowsOf(features, training);
    const standardisation = standardisationOf(raw);
    const [rows, held] = [standardised(raw, standardisation), rowsOf(features, test)];
    const known = training.map((i) => labels[i] ?? 0);
    let start: LogisticFit | undefined;
    for (const [k, l2] of falling.entries()) {
      // The optimum of a stronger penalty is near that of the next weaker one.
      start = fitLogistic(rows, known, { l2, start });
      const ranked = auroc(probeScores({ ...start, standardisation }, held), test.map((i) => labels[i] ?? 0))(test.map(() => 1));
      sums[k] = (sums[k] ?? 0) + (Number.isNaN(ranked) ? 0.5 : ranked);
      await interruptAndCheck(token);
    }
  }
  const best = sums.reduce((most, sum, k) => (sum > (sums[most] ?? 0) + 1e-12 ? k : most), 0);
  return { source, l2: falling[best] ?? 1, auroc: (sums[best] ?? 0) / numbers.length };
}

export interface FittedProbe extends Pick<LogisticFit, 'weights' | 'bias'> {
  readonly standardisation: Standardisation;
}

/** A probe of all these rows. @throws RangeError where they have one label only */
export function fitted(features: FeatureMatrix, labels: readonly number[], l2: number): FittedProbe {
  const standardisation = standardisationOf(features);
  return { ...fitLogistic(standardised(features, standardisation), labels, { l2 }), standardisation };
}
