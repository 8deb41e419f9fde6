// Logistic regression with an L2 penalty, solved to its optimum by Newton's method.
import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import type { FeatureMatrix } from './features.ts';
import { weightedGram, weightedSum } from './gram.ts';

export interface LogisticFit {
  readonly weights: Float64Array;
  readonly bias: number;
  /** Mean log-loss in nats and the penalty, at the optimum. */
  readonly objective: number;
  /** Largest component of the objective's gradient there. */
  readonly gradientNorm: number;
  readonly iterations: number;
}

export interface LogisticOptions {
  /** λ of the penalty λ/2 ‖w‖², more than 0; the bias is not penalised. */
  readonly l2: number;
  /** Where to begin: a fit of a similar problem saves steps. */
  readonly start?: Pick<LogisticFit, 'weights' | 'bias'> | undefined;
}

/** The gradient's norm where Newton's method ends: far below the 1e-6 that is asked for, since it converges quadratically. */
const TOLERANCE = 1e-10;
const MAX_ITERATIONS = 200;

/**
 * Minimises (1/n) Σ log(1 + exp(−yᵢ(w·xᵢ + b))) + λ/2 ‖w‖², y = ±1 (scikit-learn's C is 1/(nλ)). Strictly convex where
 * both labels occur, so the optimum is one, separable data included.
 * @param features [n, width], standardised if the penalty is to weigh all alike
 * @param labels n times 0 or 1
 * @throws RangeError unless both labels occur and λ > 0
 */
export function fitLogistic(features: FeatureMatrix, labels: readonly number[], { l2, start }: LogisticOptions): LogisticFit {
  if (!(l2 > 0) || labels.length !== features.rows || !labels.includes(0) || !labels.includes(1)) throw new RangeError('logistic regression wants rows of both labels and a penalty');
  const problem = new Problem(features, labels, l2);
  let point = Float64Array.of(...(start?.weights ?? new Float64Array(features.width)), start?.bias ?? 0);
  let state = problem.at(point);
  let iterations = 0;
  for (; iterations < MAX_ITERATIONS && state.gradientNorm > TOLERANCE; iterations++) {
    const next = descend(problem, point, state);
    if (next === null) break;
    [point, state] = [next.point, next.state];
  }
  const { objective, gradientNorm } = state;
  return { weights: point.slice(0, -1), bias: point.at(-1) ?? 0, objective, gradientNorm, iterations };
}

interface State {
  readonly objective: number;
  readonly gradient: Float64Array;
  readonly gradientNorm: number;
  /** p(1 − p) of each row. */
  readonly curvature: Float64Array;
}

class Problem {
  constructor(
    private readonly features: FeatureMatrix,
    private readonly labels: readonly number[],
    private readonly l2: number,
  ) {}

  at(point: Float64Array): State {
    const { rows, width, data } = this.features;
    const gradient = new Float64Array(width + 1);
    const curvature = new Float64Array(rows);
    let loss = 0;
    for (let r = 0, base = 0; r < rows; r++, base += width) {
      let score = point[width] ?? 0;
      for (let k = 0; k < width; k++) score += (point[k] ?? 0) * (data[base + k] ?? 0);
      const p = sigmoid(score);
      const label = this.labels[r] ?? 0;
      loss += softplus(label === 1 ? -score : score);
      curvature[r] = p * (1 - p);
      const error = (p - label) / rows;
      for (let k = 0; k < width; k++) gradient[k] = (gradient[k] ?? 0) + error * (data[base + k] ?? 0);
      gradient[width] = (gradient[width] ?? 0) + error;
    }
    let squares = 0;
    for (let k = 0; k < width; k++) {
      const weight = point[k] ?? 0;
      squares += weight * weight;
      gradient[k] = (gradient[k] ?? 0) + this.l2 * weight;
    }
    return { objective: loss / rows + (this.l2 / 2) * squares, gradient, gradientNorm: gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0), curvature };
  }

  /** H⁻¹g; the bias gets as much damping as rounding needs. */
  newtonStep({ gradient, curvature }: State): Float64Array {
    const { width } = this.features;
    const hessian = this.hessian(curvature);
    for (let damping = 1e-14; ; damping *= 100) {
      const damped = Matrix.add(hessian, Matrix.diag(Array.from({ length: width + 1 }, (_, k) => (k < width ? this.l2 : 0) + damping)));
      const decomposition = new CholeskyDecomposition(damped);
      if (decomposition.isPositiveDefinite() || damping > 1) return Float64Array.from(decomposition.solve(Matrix.columnVector(gradient)).to1DArray());
    }
  }

  /** Of the mean log-loss, the bias being the last place. */
  private hessian(curvature: Float64Array): Matrix {
    const { rows, width } = this.features;
    const weights = curvature.map((value) => value / rows);
    const [gram, sums] = [weightedGram(this.features, weights), weightedSum(this.features, weights)];
    const matrix = new Matrix(width + 1, width + 1);
    for (let i = 0; i < width; i++) {
      for (let k = i; k < width; k++) {
        matrix.set(i, k, gram[i * width + k] ?? 0);
        matrix.set(k, i, gram[i * width + k] ?? 0);
      }
      matrix.set(i, width, sums[i] ?? 0);
      matrix.set(width, i, sums[i] ?? 0);
    }
    matrix.set(width, width, weights.reduce((sum, value) => sum + value, 0));
    return matrix;
  }
}

/** Newton's step, halved until the objective falls as it should (Armijo); null where rounding ends the descent. */
function descend(problem: Problem, point: Float64Array, state: State): { readonly point: Float64Array<ArrayBuffer>; readonly state: State } | null {
  const step = problem.newtonStep(state);
  const slope = step.reduce((sum, value, k) => sum + value * (state.gradient[k] ?? 0), 0);
  for (let length = 1; length > 1e-10; length /= 2) {
    const next = Float64Array.from(point, (value, k) => value - length * (step[k] ?? 0));
    const reached = problem.at(next);
    const falls = reached.objective <= state.objective - 1e-4 * length * slope;
    // Near the optimum the objective's last bits say nothing more, the gradient still does.
    if (falls || (length === 1 && reached.gradientNorm < state.gradientNorm / 2)) return { point: next, state: reached };
  }
  return null;
}

/** 1 / (1 + e^−s) */
export const sigmoid = (score: number): number => (score >= 0 ? 1 / (1 + Math.exp(-score)) : Math.exp(score) / (1 + Math.exp(score)));

/** log(1 + e^s), without overflow. */
const softplus = (score: number): number => Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score)));
