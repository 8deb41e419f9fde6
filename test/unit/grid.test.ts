// Hat functions over a grid: a partition of unity that is exact on the grid.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { hatWeights } from '../../src/numeric/grid.ts';

function spread(grid: readonly number[], x: number): number[] {
  const { up, upBias, down, downBias } = hatWeights(grid);
  return grid.map((_, j) => {
    const rising = x * (up[j] ?? 0) + (upBias[j] ?? 0);
    const falling = x * (down[j] ?? 0) + (downBias[j] ?? 0);
    return Math.min(1, Math.max(0, Math.min(rising, falling)));
  });
}

const grids = fc.uniqueArray(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 12 });

describe('a grid', () => {
  it('gives a grid point to itself alone', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        grid.forEach((x, i) => {
          spread(grid, x).forEach((weight, j) => assert.ok(Math.abs(weight - (i === j ? 1 : 0)) < 1e-4));
        });
      }),
      { seed: 1 },
    );
  });

  it('spreads any number with total weight 1 and the right mean inside the grid', () => {
    fc.assert(
      fc.property(grids, fc.double({ min: -25, max: 25, noNaN: true }), (grid, x) => {
        const weights = spread(grid, x);
        assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-3);
        const mean = weights.reduce((sum, weight, j) => sum + weight * (grid[j] ?? 0), 0);
        const clamped = Math.min(Math.max(...grid), Math.max(Math.min(...grid), x));
        assert.ok(Math.abs(mean - clamped) < 1e-3);
      }),
      { seed: 2 },
    );
  });

  it('keeps the first of two equal points, as True and 1 are', () => {
    const weights = spread([0, 1, 1], 1);
    assert.deepEqual(weights.map(Math.round), [0, 1, 0]);
  });
});
