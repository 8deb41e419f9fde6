// Attribution along paths, on functions whose answers are known in closed form.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { AttributionMethod, DifferentiableFunction, PathQuestion } from '../../../src/steering/path.ts';
import type { LayerFunction } from '../../../src/steering/layerPath.ts';
import { layerPath } from '../../../src/steering/layerPath.ts';
import { evenPanels } from '../../../src/steering/panels.ts';
import { attributePath, pointsOf } from '../../../src/steering/path.ts';
import { refinedPath } from '../../../src/steering/refinedPath.ts';
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

  it('is refined where the function bends, until the pieces add up, and no further than it may', async () => {
    const steep = asked('ig', [-1, 0.5, -2], [1.3, -1, 2]);
    const truth = (await attributePath(wavy, { ...steep, steps: 400 })).rows;
    const refined = await refinedPath(wavy, { ...steep, tolerance: 1e-6, mostSteps: 2000 });
    near(refined.rows, truth, 1e-5);
    assert.ok(Math.abs(sum(refined.rows) - (refined.end - refined.start)) <= 1e-6 * Math.abs(refined.end - refined.start));
    assert.ok(refined.points < 400, `${refined.points} points`);
    refined.panels.forEach(({ start }, i) => assert.equal(start, refined.panels[i - 1]?.end ?? 0));
    assert.equal(refined.panels.at(-1)?.end, 1);
    // The tanh turns over at 0, which the first input passes at 0.43.
    const narrowest = [...refined.panels].sort((a, b) => a.end - a.start - (b.end - b.start))[0];
    assert.ok(narrowest && narrowest.end - narrowest.start < 0.1);
    const limited = await refinedPath(wavy, { ...steep, tolerance: 1e-9, mostSteps: 60 });
    assert.ok(limited.points <= 60);
  });

  it('needs no refinement of a polynomial of degree 8, and computes no point twice', async () => {
    const seen = new Set<number>();
    const power = pointwise((x) => (x[0] ?? 0) ** 8, (x) => {
      assert.ok(!seen.has(x[0] ?? 0));
      seen.add(x[0] ?? 0);
      return Float64Array.of(8 * (x[0] ?? 0) ** 7);
    });
    const { rows, points, panels } = await refinedPath(power, { ...asked('ig', [0], [1.5]), tolerance: 1e-9, mostSteps: 400 });
    near(rows, [1.5 ** 8], 1e-9);
    assert.deepEqual([points, panels.length], [21, 5]);
  });

  it('sees from each layer what passes through its rows, in closed form', async () => {
    // h = (x₀ x₁, x₀ + x₁) and F = h₀ + h₁²: what passes through h₀ is its own change, and through h₁ that of its square.
    const layer: LayerFunction = (points) => Promise.resolve(points.map(([a = 0, b = 0]) => [
      { activation: Float32Array.of(a * b, a + b), gradient: Float32Array.of(1, 2 * (a + b)) },
      { activation: Float32Array.of(a * b + (a + b) ** 2, 7), gradient: Float32Array.of(1, 3) },
    ]));
    const ends = { from: Float64Array.of(0.5, -1), to: Float64Array.of(2, 1), width: 1 };
    for (const chunk of [1, 3, 50]) {
      const [first, second] = await layerPath(layer, { ends, panels: evenPanels(8), rows: 2, chunk });
      near(first ?? [], [2.5, 9 - 0.25], 1e-5);
      near(second ?? [], [2.5 + 9 - 0.25, 0], 1e-5);
    }
  });
});
