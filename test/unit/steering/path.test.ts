// Attribution along paths, on functions whose answers are known in closed form.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { AttributionMethod, DifferentiableFunction, PathQuestion } from '../../../src/steering/path.ts';
import { attributePath, pointsOf } from '../../../src/steering/path.ts';
import { gaussLegendre } from '../../../src/steering/quadrature.ts';
import { Random } from '../../../src/shared/random.ts';

/** A function and its gradient, point by point. */
const pointwise = (value: (x: Float64Array) => number, gradient: (x: Float64Array) => Float64Array): DifferentiableFunction =>
  (points) => Promise.resolve(points.map((x) => ({ value: value(x), gradient: gradient(x) })));

const linear = (weights: readonly number[]): DifferentiableFunction =>
  pointwise((x) => x.reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 3), () => Float64Array.from(weights));

/** xᵀ M x */
function quadratic(matrix: readonly (readonly number[])[]): DifferentiableFunction {
  const product = (rows: readonly (readonly number[])[], x: Float64Array): Float64Array => x.map((_, i) => x.reduce((sum, value, j) => sum + (rows[i]?.[j] ?? 0) * value, 0));
  const transposed = matrix.map((_, i) => matrix.map((row) => row[i] ?? 0));
  return pointwise((x) => product(matrix, x).reduce((sum, value, i) => sum + value * (x[i] ?? 0), 0), (x) => product(matrix, x).map((value, i) => value + (product(transposed, x)[i] ?? 0)));
}

/** No polynomial, with a steep place. */
const wavy = pointwise(
  (x) => x.reduce((sum, value, i) => sum + Math.sin((i + 1) * value) + Math.tanh(20 * value), 0),
  (x) => x.map((value, i) => (i + 1) * Math.cos((i + 1) * value) + 20 / Math.cosh(20 * value) ** 2),
);

const asked = (method: AttributionMethod, from: readonly number[], to: readonly number[], more: Partial<PathQuestion> = {}): PathQuestion =>
  ({ method, steps: 20, from: Float64Array.from(from), to: Float64Array.from(to), width: 1, chunk: 7, noise: 0.01, random: new Random(1), ...more });

const numbers = (count: number): fc.Arbitrary<number[]> => fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: count, maxLength: count });
const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

function near(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(found.length, wanted.length);
  Array.from(found, (value, i) => assert.ok(Math.abs(value - (wanted[i] ?? Number.NaN)) <= tolerance, `${value} is not ${wanted[i]}`));
}

describe('attribution along a path', () => {
  it('integrates polynomials up to degree 2n − 1 exactly', () => {
    for (const count of [1, 2, 3, 5, 20, 64]) {
      const { nodes, weights } = gaussLegendre(count);
      for (let degree = 0; degree < 2 * count; degree++) {
        const integral = nodes.reduce((total, node, i) => total + (weights[i] ?? 0) * node ** degree, 0);
        assert.ok(Math.abs(integral - 1 / (degree + 1)) < 1e-14, `${count} nodes, degree ${degree}: ${integral}`);
      }
      assert.ok(nodes.every((node, i) => node > (nodes[i - 1] ?? 0) && node < 1));
    }
  });

  it('gives each input of a linear function its weight times its change, by every method but IDGI', async () => {
    await fc.assert(fc.asyncProperty(numbers(6), numbers(6), numbers(6), async (weights, from, to) => {
      const wanted = weights.map((weight, i) => weight * ((to[i] ?? 0) - (from[i] ?? 0)));
      for (const method of ['ig', 'gradxact', 'smoothgrad'] as const) near((await attributePath(linear(weights), asked(method, from, to))).rows, wanted, 1e-12);
    }));
  });

  it('attributes a quadratic function in closed form: half of the change by each input\'s gradients at both ends', async () => {
    const matrix = fc.array(numbers(4), { minLength: 4, maxLength: 4 });
    await fc.assert(fc.asyncProperty(matrix, numbers(4), numbers(4), fc.integer({ min: 1, max: 25 }), async (rows, from, to, steps) => {
      const f = quadratic(rows);
      const { rows: found, start, end } = await attributePath(f, asked('ig', from, to, { steps }));
      const [first, last] = await f([Float64Array.from(from), Float64Array.from(to)]);
      const wanted = to.map((value, i) => (value - (from[i] ?? 0)) * (((first?.gradient[i] ?? 0) + (last?.gradient[i] ?? 0)) / 2));
      near(found, wanted, 1e-10);
      assert.ok(Math.abs(sum(found) - (end - start)) < 1e-9);
    }));
  });

  it('adds up rows over their width, and gives nothing to rows that do not move', async () => {
    const weights = [1, 2, 3, 4, 5, 6];
    const from = [0, 0, 7, 7, 1, 1];
    const to = [1, -1, 7, 7, 2, 3];
    for (const method of ['ig', 'idgi', 'smoothgrad', 'gradxact'] as const) {
      const { rows } = await attributePath(linear(weights), asked(method, from, to, { width: 2 }));
      assert.equal(rows.length, 3);
      assert.equal(rows[1], 0, method);
      if (method !== 'idgi') near(rows, [-1, 0, 17], 1e-12);
    }
  });

  it('is complete by construction with IDGI, however few the steps', async () => {
    await fc.assert(fc.asyncProperty(numbers(5), numbers(5), fc.integer({ min: 1, max: 30 }), async (from, to, steps) => {
      const { rows, start, end } = await attributePath(wavy, asked('idgi', from, to, { steps }));
      assert.ok(Math.abs(sum(rows) - (end - start)) <= 1e-12 * Math.max(1, Math.abs(start), Math.abs(end)), `${sum(rows)} is not ${end - start}`);
    }));
  });

  it('shares a step of IDGI out by the squares of the gradient at its start', async () => {
    const { rows } = await attributePath(linear([3, 4]), asked('idgi', [0, 0], [1, 1], { steps: 1 }));
    near(rows, [7 * 9 / 25, 7 * 16 / 25], 1e-14);
  });

  it('survives a gradient of zero and one that overflows when squared', async () => {
    const flat = pointwise(() => 2, (x) => new Float64Array(x.length));
    assert.deepEqual([...(await attributePath(flat, asked('idgi', [0, 0], [1, 1]))).rows], [0, 0]);
    const { rows } = await attributePath(linear([1e200, 1e200]), asked('idgi', [0, 0], [1, 1], { steps: 4 }));
    near([...rows].map((value) => value / 1e200), [1, 1], 1e-12);
  });

  it('does not depend on how many points go together', async () => {
    for (const method of ['ig', 'idgi', 'smoothgrad', 'gradxact'] as const) {
      const results = [];
      for (const chunk of [1, 5, 100]) results.push(await attributePath(wavy, asked(method, [0.3, -1, 0.2], [1, 1, -0.4], { chunk, random: new Random(4) })));
      for (const other of results.slice(1)) assert.deepEqual(other, results[0], method);
    }
  });

  it('asks for no more points at once than a chunk has, whatever the number of steps', async () => {
    let most = 0;
    let all = 0;
    const watched: DifferentiableFunction = (points) => {
      most = Math.max(most, points.length);
      all += points.length;
      return wavy(points);
    };
    for (const steps of [20, 200]) {
      all = 0;
      const { points } = await attributePath(watched, asked('ig', [0, 0, 0], [1, 1, 1], { steps, chunk: 6 }));
      assert.equal(all, points);
      assert.equal(points, pointsOf('ig', steps));
    }
    assert.equal(most, 6);
  });
});
