// Spreads real numbers over a grid: each number becomes a distribution over its two neighbours.

export interface HatWeights {
  /** Rising flank of hat j: x · up[j] + upBias[j]; falling flank: x · down[j] + downBias[j]. */
  readonly up: Float32Array;
  readonly upBias: Float32Array;
  readonly down: Float32Array;
  readonly downBias: Float32Array;
}

/**
 * Linear hat functions over grid points in any order: hat j is clip(min(rising, falling), 0, 1), 1 at its own point and
 * 0 at its neighbours'; the outermost hats stay 1 outside the grid, so that every number has total weight 1. Of equal
 * points (True and 1) the first keeps the weight.
 */
export function hatWeights(grid: readonly number[]): HatWeights {
  const size = grid.length;
  const weights = {
    up: new Float32Array(size),
    upBias: new Float32Array(size).fill(1),
    down: new Float32Array(size),
    downBias: new Float32Array(size).fill(1),
  };
  const order = grid.map((_, i) => i).sort((a, b) => (grid[a] ?? 0) - (grid[b] ?? 0) || a - b);
  const distinct = order.filter((j, rank) => rank === 0 || grid[j] !== grid[order[rank - 1] ?? 0]);
  for (const j of order) if (!distinct.includes(j)) weights.upBias[j] = 0;
  distinct.forEach((j, rank) => {
    const x = grid[j] ?? 0;
    const below = distinct[rank - 1];
    const above = distinct[rank + 1];
    if (below !== undefined) {
      const slope = 1 / (x - (grid[below] ?? 0));
      weights.up[j] = slope;
      weights.upBias[j] = 1 - slope * x;
    }
    if (above !== undefined) {
      const slope = -1 / ((grid[above] ?? 0) - x);
      weights.down[j] = slope;
      weights.downBias[j] = 1 - slope * x;
    }
  });
  return weights;
}
