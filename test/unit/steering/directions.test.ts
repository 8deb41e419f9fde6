// Directions of rows against hand-computed cases and an eigen-decomposition.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { DirectionMethod, Rows } from '../../../src/steering/directions.ts';
import { directionMethods, directionOf, dot, meanOf, normOf } from '../../../src/steering/directions.ts';

const rowsOf = (...rows: readonly (readonly number[])[]): Rows => ({ width: rows[0]?.length ?? 0, data: Float32Array.from(rows.flat()) });

function assertNear(found: Float64Array | null, expected: readonly number[]): void {
  assert.ok(found);
  assert.equal(found.length, expected.length);
  found.forEach((value, i) => assert.ok(Math.abs(value - (expected[i] ?? Number.NaN)) < 1e-6, `${[...found].join(', ')} is not ${expected.join(', ')}`));
}

describe('directions', () => {
  it('are those of cases computed by hand', () => {
    // Mean (2, 1); centred: ±(1, 0) and ±(0, 0.5), so the first component is (1, 0).
    const spread = rowsOf([3, 1], [1, 1], [2, 1.5], [2, 0.5]);
    assertNear(directionOf(spread, 'pca'), [1, 0]);
    assertNear(directionOf(spread, 'mean'), [2 / Math.sqrt(5), 1 / Math.sqrt(5)]);
    // Σ x xᵀ = [[18, 8], [8, 4.5]]: its first eigenvector has the slope (λ − 18) / 8.
    const largest = (22.5 + Math.sqrt(13.5 ** 2 + 4 * 64)) / 2;
    const slope = (largest - 18) / 8;
    assertNear(directionOf(spread, 'uncentred'), [1, slope].map((value) => value / Math.hypot(1, slope)));
  });

  it('point to the side of the mean', () => {
    assertNear(directionOf(rowsOf([-3, -1], [-1, -1], [-2, -1.5], [-2, -0.5]), 'pca'), [-1, 0]);
    assertNear(directionOf(rowsOf([-3, 4], [-3, 4]), 'uncentred'), [-0.6, 0.8]);
    // The mean is 0 along the component: the largest entry is positive then.
    assertNear(directionOf(rowsOf([-2, 1], [2, -1]), 'pca'), [2 / Math.sqrt(5), -1 / Math.sqrt(5)]);
  });

  it('are none where rows show none', () => {
    assert.equal(directionOf(rowsOf([0, 0], [0, 0]), 'uncentred'), null);
    assert.equal(directionOf(rowsOf([1, -1], [-1, 1]), 'mean'), null);
    assert.equal(directionOf(rowsOf([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), 'pca'), null);
    assert.equal(directionOf(rowsOf([1, 2]), 'pca'), null);
    assert.equal(directionOf(rowsOf([1, Number.NaN]), 'mean'), null);
  });

  it('are the first eigenvector of the rows’ products, for more and for fewer rows than columns', () => {
    const value = fc.integer({ min: -50, max: 50 }).map((n) => n / 8);
    const matrix = fc.integer({ min: 2, max: 6 }).chain((width) => fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 2, maxLength: 9 }));
    fc.assert(fc.property(matrix, fc.constantFrom<DirectionMethod>('pca', 'uncentred'), (rows, method) => {
      const given = rowsOf(...rows);
      const mean = meanOf(given);
      const shifted = new Matrix(rows.map((row) => row.map((x, c) => x - (method === 'pca' ? (mean[c] ?? 0) : 0))));
      const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(shifted.transpose().mmul(shifted), { assumeSymmetric: true });
      const order = realEigenvalues.map((_, i) => i).sort((a, b) => (realEigenvalues[b] ?? 0) - (realEigenvalues[a] ?? 0));
      const [first = 0, second = 0] = order.map((i) => realEigenvalues[i] ?? 0);
      fc.pre(first > 1e-3 && first > 1.05 * second);
      const found = directionOf(given, method);
      assert.ok(found);
      const expected = eigenvectorMatrix.getColumn(order[0] ?? 0);
      assert.ok(Math.abs(Math.abs(dot(found, expected)) - 1) < 1e-6);
    }));
  });

  it('are unit vectors with a product with the mean that is not negative', () => {
    const rows = fc.array(fc.array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: 3, maxLength: 3 }), { minLength: 2, maxLength: 6 });
    fc.assert(fc.property(rows, fc.constantFrom(...directionMethods), (given, method) => {
      const found = directionOf(rowsOf(...given), method);
      fc.pre(found !== null);
      assert.ok(Math.abs(normOf(found) - 1) < 1e-9);
      assert.ok(dot(found, meanOf(rowsOf(...given))) >= 0);
    }));
  });
});
