// Rows of numbers that a probe judges by: hidden states, or surface features.

/** [rows, width], row-major. */
export interface FeatureMatrix {
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array | Float64Array;
}

export const rowOf = ({ data, width }: FeatureMatrix, row: number): Float32Array | Float64Array => data.subarray(row * width, (row + 1) * width);

/** These rows, in this order. */
export function rowsOf(matrix: FeatureMatrix, rows: readonly number[]): FeatureMatrix {
  const data = new Float64Array(rows.length * matrix.width);
  rows.forEach((row, i) => data.set(rowOf(matrix, row), i * matrix.width));
  return { rows: rows.length, width: matrix.width, data };
}

/** Rows of equal length as one matrix. */
export function matrixOf(rows: readonly ArrayLike<number>[], width = rows[0]?.length ?? 0): FeatureMatrix {
  const data = new Float64Array(rows.length * width);
  rows.forEach((row, i) => {
    if (row.length !== width) throw new RangeError('rows of features must be equally long');
    data.set(row, i * width);
  });
  return { rows: rows.length, width, data };
}

/** What each feature is shifted and divided by. */
export interface Standardisation {
  readonly mean: Float64Array;
  /** The standard deviation; 1 for a feature that never changes. */
  readonly scale: Float64Array;
}

/** Mean and (population) standard deviation of each feature. */
export function standardisationOf(matrix: FeatureMatrix): Standardisation {
  const mean = meanOf(matrix);
  const scale = new Float64Array(matrix.width);
  for (let r = 0; r < matrix.rows; r++) rowOf(matrix, r).forEach((value, k) => void (scale[k] = (scale[k] ?? 0) + (value - (mean[k] ?? 0)) ** 2));
  const constant = (deviation: number, k: number): boolean => deviation <= 1e-12 * Math.max(1, Math.abs(mean[k] ?? 0));
  return { mean, scale: scale.map((sum, k) => (constant(Math.sqrt(sum / matrix.rows), k) ? 1 : Math.sqrt(sum / matrix.rows))) };
}

/** The mean of each feature. */
export function meanOf(matrix: FeatureMatrix): Float64Array {
  const mean = new Float64Array(matrix.width);
  for (let r = 0; r < matrix.rows; r++) rowOf(matrix, r).forEach((value, k) => void (mean[k] = (mean[k] ?? 0) + value / matrix.rows));
  return mean;
}

/** (x − mean) / scale */
export function standardised(matrix: FeatureMatrix, { mean, scale }: Standardisation): FeatureMatrix {
  const data = new Float64Array(matrix.data.length);
  for (let i = 0; i < data.length; i++) {
    const k = i % matrix.width;
    data[i] = ((matrix.data[i] ?? 0) - (mean[k] ?? 0)) / (scale[k] ?? 1);
  }
  return { rows: matrix.rows, width: matrix.width, data };
}
