// Constants of any float type from numbers, and their numbers.
import { floatToHalf, halfToFloat } from '../shared/float16.ts';
import type { Tensor, TensorType } from './graph.ts';

const LARGEST_HALF = 65504;

/** The bits of the nearest number that float16 has; what is finite stays finite. */
const constantBits = (value: number): number => floatToHalf(Number.isFinite(value) ? Math.max(-LARGEST_HALF, Math.min(LARGEST_HALF, value)) : value);

export type FloatType = Extract<TensorType, 'float16' | 'float32' | 'float64'>;

export const isFloatType = (type: string | undefined): type is FloatType => type === 'float16' || type === 'float32' || type === 'float64';

/** Numbers as a tensor of a float type; beyond what float16 has, ±65504. */
export function floatTensor(type: FloatType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  switch (type) {
    case 'float16': return { type, dims, data: Uint16Array.from(values, constantBits) };
    case 'float32': return { type, dims, data: Float32Array.from(values) };
    case 'float64': return { type, dims, data: Float64Array.from(values) };
  }
}

/** The numbers of a tensor of a float type. */
export const floatsOf = ({ type, data }: Tensor): Float64Array =>
  type === 'float16' ? Float64Array.from(data as Uint16Array, halfToFloat) : Float64Array.from(data as Float32Array);
