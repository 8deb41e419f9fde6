// How good scores of two classes are: AUROC, F1, accuracy, calibration, and their bootstrap intervals.
import type { Random } from '../shared/random.ts';

/** A figure of a sample whose items count as often as `weights` says: 1 each, or as often as a resample drew them. */
export type Statistic = (weights: ArrayLike<number>) => number;

/**
 * The probability that an item of class 1 scores higher than one of class 0, ties counting half (Mann and Whitney's U);
 * NaN where a class is empty. Items are sorted once for all weights.
 */
export function auroc(scores: ArrayLike<number>, labels: readonly number[]): Statistic {
  const order = [...labels.keys()].sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  return (weights) => {
    let [negatives, positives, wins] = [0, 0, 0];
    for (let at = 0; at < order.length;) {
      const score = scores[order[at] ?? 0];
      let [tiedNegatives, tiedPositives] = [0, 0];
      for (; at < order.length && scores[order[at] ?? 0] === score; at++) {
        const item = order[at] ?? 0;
        if (labels[item] === 1) tiedPositives += weights[item] ?? 0;
        else tiedNegatives += weights[item] ?? 0;
      }
      wins += tiedPositives * (negatives + tiedNegatives / 2);
      negatives += tiedNegatives;
      positives += tiedPositives;
    }
    return wins / (negatives * positives);
  };
}

/** Share of the items whose score falls on their class's side of the threshold; at it is class 1. */
export function accuracy(scores: ArrayLike<number>, labels: readonly number[], threshold: number): Statistic {
  return (weights) => ratio(labels, weights, (label, i) => (Number((scores[i] ?? 0) >= threshold) === label ? 1 : 0));
}

/** Harmonic mean of precision and recall of class 1: 2 TP / (2 TP + FP + FN); 0 where there is none. */
export function f1(scores: ArrayLike<number>, labels: readonly number[], threshold: number): Statistic {
  return (weights) => {
    let [hits, errors] = [0, 0];
    labels.forEach((label, i) => {
      const called = (scores[i] ?? 0) >= threshold;
      if (called && label === 1) hits += weights[i] ?? 0;
      else if (called || label === 1) errors += weights[i] ?? 0;
    });
    return hits === 0 ? 0 : (2 * hits) / (2 * hits + errors);
  };
}

/**
 * Expected calibration error: the distance between the mean probability and the share of class 1, averaged over equally
 * wide bins by their items (Guo et al. 2017, equation 3, with the probability of class 1 in place of the confidence).
 */
export function calibrationError(probabilities: ArrayLike<number>, labels: readonly number[], bins = 10): Statistic {
  const binOf = labels.map((_, i) => Math.min(bins - 1, Math.floor((probabilities[i] ?? 0) * bins)));
  return (weights) => {
    const gaps = new Float64Array(bins);
    let total = 0;
    labels.forEach((label, i) => {
      const [bin, weight] = [binOf[i] ?? 0, weights[i] ?? 0];
      gaps[bin] = (gaps[bin] ?? 0) + weight * ((probabilities[i] ?? 0) - label);
      total += weight;
    });
    return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / total;
  };
}

function ratio(labels: readonly number[], weights: ArrayLike<number>, valueOf: (label: number, item: number) => number): number {
  let [sum, total] = [0, 0];
  labels.forEach((label, i) => {
    const weight = weights[i] ?? 0;
    sum += weight * valueOf(label, i);
    total += weight;
  });
  return sum / total;
}

/** A figure with its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
}

export interface BootstrapOptions {
  readonly random: Random;
  readonly resamples?: number;
}

/**
 * Bootstrap percentile interval, 95 %: whole groups are drawn with replacement, since the items of one context depend on
 * each other (Efron and Tibshirani 1993, chapters 8 and 13). Resamples for which a figure is not defined are left out.
 */
export function estimated<Name extends string>(statistics: Readonly<Record<Name, Statistic>>, groups: readonly string[], { random, resamples = 1000 }: BootstrapOptions): Record<Name, Estimate> {
  const names = Object.keys(statistics) as Name[];
  const draws = new Map(names.map((name) => [name, [] as number[]]));
  const places = new Map<string, number[]>();
  groups.forEach((group, i) => void (places.get(group)?.push(i) ?? places.set(group, [i])));
  const members = [...places.values()];
  for (let n = 0; n < resamples; n++) {
    const weights = new Float64Array(groups.length);
    for (let k = 0; k < members.length; k++) for (const item of random.pick(members)) weights[item] = (weights[item] ?? 0) + 1;
    for (const name of names) draws.get(name)?.push(statistics[name](weights));
  }
  const ones = new Float64Array(groups.length).fill(1);
  return Object.fromEntries(names.map((name) => [name, { value: statistics[name](ones), interval: middle(draws.get(name) ?? []) }])) as Record<Name, Estimate>;
}

/** Between the 2.5 % and the 97.5 % quantile, interpolated. */
function middle(draws: readonly number[]): readonly [number, number] {
  const sorted = draws.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const [low = Number.NaN, high = low] = sorted.slice(Math.floor(place), Math.floor(place) + 2);
    return low + (high - low) * (place - Math.floor(place));
  };
  return [at(0.025), at(0.975)];
}
