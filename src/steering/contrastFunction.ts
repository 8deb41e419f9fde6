// The contrast as a function of the prompt's embeddings: chunks of points become rows of one run of the model.
import type { ContrastRows } from './contrast.ts';
import { contrastOf } from './contrast.ts';
import type { DifferentiableFunction, Evaluation } from './path.ts';
import type { Derivatives } from '../lm/derivatives.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

export interface ContrastModel {
  readonly derivatives: Pick<Derivatives, 'differentiate' | 'hidden'>;
  readonly rows: ContrastRows;
  readonly promptLength: number;
  /** [rows, sequence, hidden]: what the rows are embedded as. Only the prompt's part moves; the response's tokens stay. */
  readonly filler: Float32Array;
  readonly token: CancellationToken;
}

/** Points and gradients are [prompt, hidden]; what a prompt does in both rows is added. */
export function contrastFunction({ derivatives, rows, promptLength, filler, token }: ContrastModel): DifferentiableFunction {
  const { ids, mask, outcomes } = rows;
  const rowSize = filler.length / ids.length;
  return async (points) => {
    const embeddings = new Float32Array(points.length * filler.length);
    points.forEach((point, i) => {
      embeddings.set(filler, i * filler.length);
      ids.forEach((_, row) => embeddings.set(point, i * filler.length + row * rowSize));
    });
    const asked = points.flatMap((_, i) => outcomes.map((outcome) => ({ ...outcome, row: i * ids.length + outcome.row })));
    const repeated = <T>(row: readonly T[]): T[] => points.flatMap(() => row);
    const { values, gradients } = await derivatives.differentiate({ ids: repeated(ids), mask: repeated(mask), embeddings, outcomes: asked }, { token });
    const gradient = gradients.get('embed')?.data as Float32Array;
    return points.map((_, i): Evaluation => ({
      value: contrastOf(rows, values, i * outcomes.length),
      gradient: summed(ids.map((_row, row) => gradient.subarray(i * filler.length + row * rowSize, i * filler.length + row * rowSize + promptLength * derivatives.hidden))),
    }));
  };
}

function summed(parts: readonly Float32Array[]): Float64Array | Float32Array {
  const [first = new Float32Array(), second] = parts;
  return second ? Float64Array.from(first, (value, i) => value + (second[i] ?? 0)) : first;
}
