// The figures of scores that cross-validation gave, with intervals.
import type { Estimate } from './metrics.ts';
import { accuracy, auroc, calibrationError, estimated, f1 } from './metrics.ts';
import { sigmoid } from './logisticRegression.ts';
import type { Random } from '../shared/random.ts';

export type MetricName = 'auroc' | 'f1' | 'accuracy' | 'ece';
export type Figures = Readonly<Record<MetricName, Estimate>>;

/**
 * AUROC, and at probability 1/2 F1 (of unsupported statements), accuracy and calibration error of log odds; 95 %
 * intervals by bootstrap over groups.
 */
export function figuresOf(scores: ArrayLike<number>, labels: readonly number[], groups: readonly string[], random: Random, resamples = 1000): Figures {
  const probabilities = Float64Array.from(Array.from(scores, sigmoid));
  return estimated({
    auroc: auroc(scores, labels), f1: f1(scores, labels, 0), accuracy: accuracy(scores, labels, 0), ece: calibrationError(probabilities, labels),
  }, groups, { random, resamples });
}

/** How much better one is than another in AUROC, both resampled together. */
export function aurocGain(scores: ArrayLike<number>, others: ArrayLike<number>, labels: readonly number[], groups: readonly string[], random: Random, resamples = 1000): Estimate {
  const [own, other] = [auroc(scores, labels), auroc(others, labels)];
  return estimated({ gain: (weights) => own(weights) - other(weights) }, groups, { random, resamples }).gain;
}

/**
 * Pairs of examples of either label whose lengths differ by no more than a share of the longer: what is left tells labels
 * apart by length hardly at all. Each example is used once, the closest in length first; their indices, ascending.
 */
export function lengthMatched(lengths: readonly number[], labels: readonly number[], tolerance = 0.1): readonly number[] {
  const side = (label: number): number[] => lengths.flatMap((_, i) => (labels[i] === label ? [i] : [])).sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0) || a - b);
  const [zeros, ones] = [side(0), side(1)];
  const matched: number[] = [];
  for (let [a, b] = [0, 0]; a < zeros.length && b < ones.length;) {
    const [zero = 0, one = 0] = [zeros[a], ones[b]];
    const [short, long] = [lengths[zero] ?? 0, lengths[one] ?? 0];
    if (Math.abs(short - long) <= tolerance * Math.max(short, long)) {
      matched.push(zero, one);
      a++;
      b++;
    } else if (short < long) a++;
    else b++;
  }
  return matched.sort((a, b) => a - b);
}
