// Logistic regression against another algorithm, and the metrics against values by hand and closed forms.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import fc from 'fast-check';
import { matrixOf, rowsOf, standardisationOf, standardised } from '../../../src/probes/features.ts';
import { fitLogistic } from '../../../src/probes/logisticRegression.ts';
import { accuracy, auroc, calibrationError, estimated, f1 } from '../../../src/probes/metrics.ts';
import { Random } from '../../../src/shared/random.ts';

/** Cyclic coordinate descent: each coordinate goes to the minimum of a parabola above the objective, until none moves. */
function coordinateDescent(rows: readonly (readonly number[])[], labels: readonly number[], l2: number): { readonly weights: readonly number[]; readonly bias: number } {
  const columns = [...(rows[0] ?? []).map((_, k) => rows.map((row) => row[k] ?? 0)), rows.map(() => 1)];
  const point = columns.map(() => 0);
  const scores = rows.map(() => 0);
  for (let sweep = 0, moved = 1; sweep < 200_000 && moved > 1e-12; sweep++) {
    moved = 0;
    columns.forEach((column, k) => {
      const penalty = k < columns.length - 1 ? l2 : 0;
      const slope = column.reduce((sum, x, i) => sum + (x * (1 / (1 + Math.exp(-(scores[i] ?? 0))) - (labels[i] ?? 0))) / rows.length, 0) + penalty * (point[k] ?? 0);
      const bend = column.reduce((sum, x) => sum + (x * x) / 4 / rows.length, 0) + penalty;
      const step = -slope / bend;
      point[k] = (point[k] ?? 0) + step;
      column.forEach((x, i) => void (scores[i] = (scores[i] ?? 0) + step * x));
      moved = Math.max(moved, Math.abs(step));
    });
  }
  return { weights: point.slice(0, -1), bias: point.at(-1) ?? 0 };
}

function randomProblem(seed: number): { readonly rows: readonly (readonly number[])[]; readonly labels: readonly number[]; readonly l2: number } {
  const random = new Random(seed);
  const width = random.integer(1, 6);
  const truth = Array.from({ length: width }, () => random.normal());
  const separable = seed % 4 === 0;
  const rows = Array.from({ length: random.integer(20, 60) }, () => Array.from({ length: width }, (_, k) => random.normal() * (1 + k / 2)));
  const labels = rows.map((row) => Number(row.reduce((sum, x, k) => sum + x * (truth[k] ?? 0), 0) + (separable ? 0 : random.normal()) > 0.3));
  labels[0] = 0;
  labels[1] = 1;
  if (separable) rows.forEach((row, i) => i < 2 && row.forEach((_, k) => void (row[k] = (i === 0 ? -2 : 2) * Math.sign(truth[k] ?? 0))));
  return { rows, labels, l2: 10 ** -random.integer(0, 3) };
}

describe('logistic regression', () => {
  it('ends at the optimum that coordinate descent ends at, on 20 problems, separable ones among them', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { rows, labels, l2 } = randomProblem(seed);
      const fit = fitLogistic(matrixOf(rows), labels, { l2 });
      const other = coordinateDescent(rows, labels, l2);
      assert.ok(fit.gradientNorm < 1e-6, `problem ${seed}: gradient ${fit.gradientNorm}`);
      [...other.weights, other.bias].forEach((value, k) => assert.ok(Math.abs(value - ([...fit.weights, fit.bias][k] ?? 0)) < 1e-4, `problem ${seed}, place ${k}: ${[...fit.weights, fit.bias].join()} and ${[...other.weights, other.bias].join()}`));
    }
  });

  it('separates separable data, and its weights grow as the penalty falls', () => {
    const { rows, labels } = randomProblem(4);
    const norms = [1, 0.1, 0.01, 0.001, 1e-4].map((l2) => {
      const fit = fitLogistic(matrixOf(rows), labels, { l2 });
      assert.ok(fit.gradientNorm < 1e-6);
      return Math.hypot(...fit.weights);
    });
    norms.reduce((before, norm) => (assert.ok(norm > before), norm));
    const fit = fitLogistic(matrixOf(rows), labels, { l2: 1e-4 });
    const scores = rows.map((row) => row.reduce((sum, x, k) => sum + x * (fit.weights[k] ?? 0), fit.bias));
    assert.equal(accuracy(scores, labels, 0)(labels.map(() => 1)), 1);
  });

  it('has the bias alone of features that say nothing: log odds', () => {
    const fit = fitLogistic(matrixOf([[0], [0], [0], [0]]), [1, 1, 1, 0], { l2: 1 });
    assert.ok(Math.abs(fit.bias - Math.log(3)) < 1e-9);
    assert.equal(fit.weights[0], 0);
  });

  it('comes to the same place from another start', () => {
    const { rows, labels, l2 } = randomProblem(7);
    const fit = fitLogistic(matrixOf(rows), labels, { l2 });
    const again = fitLogistic(matrixOf(rows), labels, { l2, start: { weights: fit.weights.map((w) => 30 * w - 9), bias: 12 } });
    fit.weights.forEach((weight, k) => assert.ok(Math.abs(weight - (again.weights[k] ?? 0)) < 1e-7));
  });

  it('refuses rows of one class', () => assert.throws(() => fitLogistic(matrixOf([[1], [2]]), [1, 1], { l2: 1 }), RangeError));
});

describe('standardised features', () => {
  it('have mean 0 and deviation 1 by the training rows alone; constant ones become 0', () => {
    const all = matrixOf([[1, 5], [3, 5], [100, 6]]);
    const by = standardisationOf(rowsOf(all, [0, 1]));
    assert.deepEqual([...by.mean, ...by.scale], [2, 5, 1, 1]);
    assert.deepEqual([...standardised(all, by).data], [-1, 0, 1, 0, 98, 1]);
  });
});

describe('metrics', () => {
  const ones = (count: number): number[] => new Array<number>(count).fill(1);

  it('AUROC is the share of pairs in the right order, ties half, for any scores and weights', () => {
    fc.assert(fc.property(fc.array(fc.record({ score: fc.integer({ min: 0, max: 6 }), label: fc.integer({ min: 0, max: 1 }), weight: fc.integer({ min: 0, max: 3 }) }), { minLength: 2, maxLength: 25 }), (items) => {
      let [wins, pairs] = [0, 0];
      for (const a of items) for (const b of items) {
        if (a.label !== 1 || b.label !== 0) continue;
        pairs += a.weight * b.weight;
        wins += a.weight * b.weight * (a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0);
      }
      const found = auroc(items.map(({ score }) => score), items.map(({ label }) => label))(items.map(({ weight }) => weight));
      assert.ok(pairs === 0 ? Number.isNaN(found) : Math.abs(found - wins / pairs) < 1e-12);
    }));
  });

  it('AUROC by hand: 0.75 for the example of one pair in four in the wrong order', () => {
    assert.equal(auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])(ones(4)), 0.75);
    assert.equal(auroc([2, 2, 2], [0, 1, 1])(ones(3)), 0.5);
  });

  it('AUROC of two normal distributions is Φ(δ / √2)', () => {
    const random = new Random(3);
    const labels = Array.from({ length: 40_000 }, (_, i) => i % 2);
    const scores = labels.map((label) => random.normal() + label);
    // Φ(1/√2) = 0.7602499
    assert.ok(Math.abs(auroc(scores, labels)(ones(labels.length)) - 0.7602499) < 0.006);
  });

  it('F1 and accuracy by hand', () => {
    const [scores, labels] = [[0.9, 0.8, 0.2, 0.6, 0.1], [1, 0, 1, 1, 0]];
    // Called: 0, 1, 3. TP 2, FP 1, FN 1.
    assert.ok(Math.abs(f1(scores, labels, 0.5)(ones(5)) - 4 / 6) < 1e-12);
    assert.ok(Math.abs(accuracy(scores, labels, 0.5)(ones(5)) - 3 / 5) < 1e-12);
    assert.equal(f1([0, 0], [1, 0], 0.5)(ones(2)), 0);
    assert.equal(accuracy(scores, labels, 0.5)([1, 0, 0, 0, 1]), 1);
  });

  it('the calibration error by hand: bins weighed by their items', () => {
    // Bin [0.6, 0.7): mean 0.65, share 0.5; bin [0.9, 1]: mean 0.95, share 1.
    const error = calibrationError([0.62, 0.68, 0.9, 1], [1, 0, 1, 1])(ones(4));
    assert.ok(Math.abs(error - (2 * 0.15 + 2 * 0.05) / 4) < 1e-12);
    assert.equal(calibrationError([1, 0], [1, 0])(ones(2)), 0);
  });

  it('the interval of a mean is the normal one, and wider where the items of a group repeat each other', () => {
    const random = new Random(5);
    const count = 400;
    const values = Array.from({ length: count }, () => random.normal());
    const mean = (of: readonly number[]) => (weights: ArrayLike<number>): number => {
      let [sum, total] = [0, 0];
      of.forEach((value, i) => {
        sum += value * (weights[i] ?? 0);
        total += weights[i] ?? 0;
      });
      return sum / total;
    };
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / count - mean(values)(ones(count)) ** 2);
    const { alone } = estimated({ alone: mean(values) }, values.map((_, i) => String(i)), { random: new Random(1), resamples: 4000 });
    const halfWidth = (alone.interval[1] - alone.interval[0]) / 2;
    assert.ok(Math.abs(halfWidth / ((1.959964 * deviation) / Math.sqrt(count)) - 1) < 0.06, String(halfWidth));
    // Each value four times, in one group: as wide as before; taken for independent it would be half as wide.
    const fourfold = values.flatMap((value) => [value, value, value, value]);
    const { grouped } = estimated({ grouped: mean(fourfold) }, fourfold.map((_, i) => String(Math.floor(i / 4))), { random: new Random(1), resamples: 4000 });
    assert.ok(Math.abs((grouped.interval[1] - grouped.interval[0]) / 2 / halfWidth - 1) < 0.06);
  });

  it('are the same for the same seed', () => {
    const statistics = { a: auroc([1, 2, 3, 4], [0, 1, 0, 1]) };
    const draw = (seed: number) => estimated(statistics, ['a', 'a', 'b', 'c'], { random: new Random(seed), resamples: 50 });
    assert.deepEqual(draw(1), draw(1));
  });
});
