// The contrast as a function of the prompt's embeddings: chunks of points become rows of one run of the model.
import type { ContrastRows } from './contrast.ts';
import { contrastOf } from './contrast.ts';
import type { LayerFunction } from './layerPath.ts';
import type { DifferentiableFunction, Evaluation } from './path.ts';
import type { DerivativeRows, Derivatives } from '../lm/derivatives.ts';
import { asFloats } from '../lm/session.ts';
import type { HostTensor } from '../runtime/protocol.ts';
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
export function contrastFunction(model: ContrastModel): DifferentiableFunction {
  const { derivatives, rows, promptLength, filler, token } = model;
  const [perPoint, rowSize] = [rows.outcomes.length, filler.length / rows.ids.length];
  return async (points) => {
    const { values, gradients } = await derivatives.differentiate(rowsOf(model, points), { token, only: ['embed'] });
    const gradient = floats(gradients.get('embed'));
    return points.map((_, i): Evaluation => ({
      value: contrastOf(rows, values, i * perPoint),
      gradient: summed(rows.ids.map((_row, row) => gradient.subarray(i * filler.length + row * rowSize, i * filler.length + row * rowSize + promptLength * derivatives.hidden))),
    }));
  };
}

/** What layers hold and their gradients, [rows · sequence, width] for each point: the response's places as well. */
export function contrastLayers(model: ContrastModel, sites: readonly string[]): LayerFunction {
  const { derivatives, token } = model;
  return async (points) => {
    const { gradients, activations } = await derivatives.differentiate(rowsOf(model, points), { token, activations: true, only: sites });
    const part = (tensor: HostTensor | undefined, point: number): Float32Array => {
      const data = floats(tensor);
      return data.subarray((point * data.length) / points.length, ((point + 1) * data.length) / points.length);
    };
    return points.map((_, i) => sites.map((site) => ({ activation: part(activations.get(site), i), gradient: part(gradients.get(site), i) })));
  };
}

function rowsOf({ rows: { ids, mask, outcomes }, filler }: ContrastModel, points: readonly Float64Array[]): DerivativeRows {
  const embeddings = new Float32Array(points.length * filler.length);
  const rowSize = filler.length / ids.length;
  points.forEach((point, i) => {
    embeddings.set(filler, i * filler.length);
    ids.forEach((_, row) => embeddings.set(point, i * filler.length + row * rowSize));
  });
  const repeated = <T>(row: readonly T[]): T[] => points.flatMap(() => row);
  return {
    ids: repeated(ids),
    // Without padding there is nothing to hide.
    mask: mask.some((row) => row.includes(0)) ? repeated(mask) : undefined,
    embeddings,
    outcomes: points.flatMap((_, i) => outcomes.map((outcome) => ({ ...outcome, row: i * ids.length + outcome.row }))),
  };
}

function floats(tensor: HostTensor | undefined): Float32Array {
  if (!tensor) throw new RangeError('the model gave no gradient of a site that it was opened for');
  return asFloats(tensor);
}

function summed(parts: readonly Float32Array[]): Float64Array | Float32Array {
  const [first = new Float32Array(), second] = parts;
  return second ? Float64Array.from(first, (value, i) => value + (second[i] ?? 0)) : first;
}
