// Attribution of a function's change between two inputs to rows of its input, by its gradients along a path or around a
// point. Knows nothing of models: any function that gives values and gradients will do.
import { gaussLegendre } from './quadrature.ts';
import type { Random } from '../shared/random.ts';

export type AttributionMethod = 'ig' | 'idgi' | 'smoothgrad' | 'gradxact';

export interface Evaluation {
  readonly value: number;
  /** As long as the point. */
  readonly gradient: ArrayLike<number>;
}

/** Several points at once, each on its own. */
export type DifferentiableFunction = (points: readonly Float64Array[]) => Promise<readonly Evaluation[]>;

/** Both [rows, width]; rows that are the same in both get nothing. */
export interface PathEnds {
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly width: number;
}

export interface PathQuestion extends PathEnds {
  readonly method: AttributionMethod;
  /** Points of the path, or samples; `gradxact` takes one. */
  readonly steps: number;
  /** Points that go together. */
  readonly chunk: number;
  /** Of SmoothGrad's noise, as a share of the range of the input. */
  readonly noise: number;
  readonly random: Random;
  /** After each chunk: points done so far, and of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface PathAnswer {
  /** Of each row, Σ over its width. */
  readonly rows: Float64Array;
  readonly start: number;
  readonly end: number;
  /** Points whose gradient was computed. */
  readonly points: number;
}

/** Points that a method takes, the two ends of the path among them. */
export const pointsOf = (method: AttributionMethod, steps: number): number => (method === 'gradxact' ? 2 : method === 'idgi' ? steps + 1 : steps + 2);

/**
 * Attributes F(to) − F(from) to rows. Points are taken in chunks and forgotten, so that memory does not grow with steps.
 * - `ig`: integrated gradients (Sundararajan et al. 2017), Gauss-Legendre.
 * - `idgi`: important direction gradient integration (Yang et al. 2023): each step's change of F is shared out by the
 *   squares of the gradient at its start, so the rows sum up to F(to) − F(from) by construction.
 * - `gradxact`: gradient at `to`, times the distance from `from`.
 * - `smoothgrad`: the same with the mean gradient of noisy copies of `to` (Smilkov et al. 2017).
 */
export async function attributePath(f: DifferentiableFunction, question: PathQuestion): Promise<PathAnswer> {
  const rows = new Float64Array(question.to.length / question.width);
  const add = accumulator(question, rows);
  const total = pointsOf(question.method, question.steps);
  const ends = { first: Number.NaN, last: Number.NaN };
  for (let done = 0; done < total; done += question.chunk) {
    const places = Array.from({ length: Math.min(question.chunk, total - done) }, (_, i) => done + i);
    const evaluations = await f(places.map((place) => pointAt(question, place, total)));
    evaluations.forEach((evaluation, i) => {
      const place = done + i;
      if (place === 0) ends.first = evaluation.value;
      if (place === total - 1) ends.last = evaluation.value;
      add(place, evaluation);
    });
    question.onProgress?.(done + places.length, total);
  }
  return { rows, start: ends.first, end: ends.last, points: total };
}

/** The first point is `from`, the last one `to`. */
function pointAt(question: PathQuestion, place: number, total: number): Float64Array {
  const { method, steps, from, to } = question;
  if (place === 0) return from;
  if (place === total - 1) return to;
  switch (method) {
    case 'ig': return between(from, to, gaussLegendre(steps).nodes[place - 1] ?? 0);
    case 'idgi': return between(from, to, place / steps);
    case 'smoothgrad': return noisy(question);
    case 'gradxact': return to;
  }
}

/** The point of the straight line from 0 to 1. */
export const between = (from: Float64Array, to: Float64Array, at: number): Float64Array => to.map((value, i) => (from[i] ?? 0) + at * (value - (from[i] ?? 0)));

/** Rows that do not move get no noise either. */
function noisy({ from, to, noise, random }: PathQuestion): Float64Array {
  let [low, high] = [Infinity, -Infinity];
  for (const value of to) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return to.map((value, i) => (value === from[i] ? value : value + noise * (high - low) * random.normal()));
}

type Accumulate = (place: number, evaluation: Evaluation) => void;

function accumulator(question: PathQuestion, rows: Float64Array): Accumulate {
  const { method, steps } = question;
  const last = pointsOf(method, steps) - 1;
  const weighted = (weight: number, gradient: ArrayLike<number>): void => addWeighted(rows, question, weight, gradient);
  switch (method) {
    case 'ig': return (place, { gradient }) => weighted(gaussLegendre(steps).weights[place - 1] ?? 0, gradient);
    case 'smoothgrad': return (place, { gradient }) => weighted(place === 0 || place === last ? 0 : 1 / steps, gradient);
    case 'gradxact': return (place, { gradient }) => weighted(place === last ? 1 : 0, gradient);
    case 'idgi': return importantDirections(rows, question);
  }
}

function addWeighted(rows: Float64Array, ends: PathEnds, weight: number, gradient: ArrayLike<number>): void {
  if (weight === 0) return;
  movedBy(ends, gradient).forEach((value, row) => (rows[row] = (rows[row] ?? 0) + weight * value));
}

/** Of each row, Σ (to − from) · gradient. */
export function movedBy({ from, to, width }: PathEnds, gradient: ArrayLike<number>): Float64Array {
  const rows = new Float64Array(to.length / width);
  for (let row = 0, i = 0; row < rows.length; row++) {
    let sum = 0;
    for (const end = (row + 1) * width; i < end; i++) sum += ((to[i] ?? 0) - (from[i] ?? 0)) * (gradient[i] ?? 0);
    rows[row] = sum;
  }
  return rows;
}

/** Each step's change is shared out once the value at its end is known. A step without a gradient has nowhere to go. */
function importantDirections(rows: Float64Array, question: PathQuestion): Accumulate {
  let before: { readonly value: number; readonly shares: Float64Array } | null = null;
  return (_place, { value, gradient }) => {
    if (before) {
      const change = value - before.value;
      before.shares.forEach((share, row) => (rows[row] = (rows[row] ?? 0) + share * change));
    }
    before = { value, shares: squareShares(gradient, question) };
  };
}

/** Each row's share of the squared gradient, over the rows that move; all 0 where there is none. */
function squareShares(gradient: ArrayLike<number>, { from, to, width }: PathQuestion): Float64Array {
  // Scaled by the largest element, so that squares neither overflow nor vanish.
  let largest = 0;
  for (let i = 0; i < to.length; i++) if (to[i] !== from[i]) largest = Math.max(largest, Math.abs(gradient[i] ?? 0));
  const shares = new Float64Array(to.length / width);
  if (largest === 0 || !Number.isFinite(largest)) return shares;
  for (let i = 0; i < to.length; i++) {
    if (to[i] === from[i]) continue;
    const row = Math.floor(i / width);
    shares[row] = (shares[row] ?? 0) + ((gradient[i] ?? 0) / largest) ** 2;
  }
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}
