// The direction that rows of differences have in common: principal component or mean, its sign fixed.
import { Matrix, SVD } from 'ml-matrix';

/** Vectors of one width, one after the other. */
export interface Rows {
  readonly width: number;
  /** [rows, width] */
  readonly data: Float32Array;
}

/**
 * `pca`: first principal component of the centred rows, as GrAInS publishes it (arXiv 2507.18043); `uncentred`: first
 * right singular vector of the rows as they are; `mean`: their mean.
 */
export const directionMethods = ['pca', 'uncentred', 'mean'] as const;
export type DirectionMethod = (typeof directionMethods)[number];

/** [width] */
export function meanOf({ width, data }: Rows): Float64Array {
  const mean = new Float64Array(width);
  data.forEach((value, i) => void (mean[i % width] = (mean[i % width] ?? 0) + value));
  return mean.map((sum) => (sum * width) / data.length);
}

/**
 * The unit direction [width] of the rows, with v · mean(rows) > 0; where that product is 0, its largest component is
 * positive. Null where the rows show none: all the same for `pca`, all zero or of mean zero for the others.
 */
export function directionOf(rows: Rows, method: DirectionMethod): Float64Array | null {
  const mean = meanOf(rows);
  const found = method === 'mean' ? mean : principal(rows, method === 'pca' ? mean : null);
  const unit = found && unitOf(found);
  return unit && signed(unit, mean);
}

function principal({ width, data }: Rows, centre: Float64Array | null): Float64Array | null {
  const count = data.length / width;
  const matrix = new Matrix(count, width);
  for (let r = 0; r < count; r++) for (let c = 0; c < width; c++) matrix.set(r, c, (data[r * width + c] ?? 0) - (centre?.[c] ?? 0));
  // Rounding leaves something of rows that are all the same.
  const scale = data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const { diagonal, rightSingularVectors } = new SVD(matrix, { computeLeftSingularVectors: false, computeRightSingularVectors: true, autoTranspose: true });
  if (!((diagonal[0] ?? 0) > 1e-12 * scale * Math.sqrt(data.length))) return null;
  return Float64Array.from({ length: width }, (_, c) => rightSingularVectors.get(c, 0));
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

export const normOf = (vector: ArrayLike<number>): number => Math.sqrt(dot(vector, vector));

/** Of norm 1, or null for the zero vector and for what is no number. */
export function unitOf(vector: Float64Array): Float64Array | null {
  const norm = normOf(vector);
  return norm > 0 && Number.isFinite(norm) ? vector.map((value) => value / norm) : null;
}

function signed(unit: Float64Array, mean: Float64Array): Float64Array {
  const along = dot(unit, mean);
  const largest = unit.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return (along === 0 ? largest : along) < 0 ? unit.map((value) => -value) : unit;
}
