// Gauss-Legendre quadrature on [0, 1].

export interface Quadrature {
  /** Ascending, inside (0, 1). */
  readonly nodes: readonly number[];
  /** Positive; they sum to 1. */
  readonly weights: readonly number[];
}

const known = new Map<number, Quadrature>();

/** The rule of `count` nodes, exact for polynomials up to degree 2 · count − 1 (Abramowitz and Stegun, 25.4.29). */
export function gaussLegendre(count: number): Quadrature {
  const rule = known.get(count) ?? computed(count);
  known.set(count, rule);
  return rule;
}

function computed(count: number): Quadrature {
  const pairs = Array.from({ length: count }, (_, i) => {
    const x = legendreRoot(count, i);
    const { slope } = legendre(count, x);
    return { node: (1 - x) / 2, weight: 1 / ((1 - x * x) * slope * slope) };
  });
  return { nodes: pairs.map(({ node }) => node), weights: pairs.map(({ weight }) => weight) };
}

/** The i-th root from above, by Newton's method from Tricomi's approximation. */
function legendreRoot(count: number, i: number): number {
  let x = Math.cos((Math.PI * (i + 0.75)) / (count + 0.5));
  for (let round = 0; round < 20; round++) {
    const { value, slope } = legendre(count, x);
    x -= value / slope;
    if (Math.abs(value / slope) < 1e-16) break;
  }
  return x;
}

/** Legendre's polynomial and its slope, by Bonnet's recursion. */
function legendre(degree: number, x: number): { readonly value: number; readonly slope: number } {
  let [before, value] = [1, x];
  for (let n = 2; n <= degree; n++) [before, value] = [value, ((2 * n - 1) * x * value - (n - 1) * before) / n];
  return { value, slope: (degree * (x * value - before)) / (x * x - 1) };
}
