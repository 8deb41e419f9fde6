// IEEE 754 binary16 numbers as their bits, and constants of any float type.
import type { Tensor, TensorType } from './graph.ts';

const number = new Float32Array(1);
const bits = new Uint32Array(number.buffer);

const LARGEST = 65504;
/** The distance of the numbers below 2⁻¹⁴, which have no leading 1. */
const SUBNORMAL_STEP = 2 ** -24;

/** The bits of the nearest number, ties to even; what is finite stays finite: ±65504 at most. */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size === Infinity) return sign | 0x7c00;
  if (size >= LARGEST) return sign | 0x7bff;
  if (size < 2 ** -14) return sign | evenRound(size / SUBNORMAL_STEP);
  number[0] = size;
  const [wide = 0] = bits;
  // Both formats have exponent and fraction side by side: a fraction that rounds up carries into the exponent.
  const lost = wide & 0x1fff;
  const kept = (wide - (112 << 23)) >>> 13;
  return sign | (kept + (lost > 0x1000 || (lost === 0x1000 && (kept & 1) === 1) ? 1 : 0));
}

function evenRound(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0);
}

export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >> 10) & 0x1f, half & 0x3ff];
  if (exponent === 0) return sign * fraction * SUBNORMAL_STEP;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export type FloatType = Extract<TensorType, 'float16' | 'float32' | 'float64'>;

export const isFloatType = (type: string | undefined): type is FloatType => type === 'float16' || type === 'float32' || type === 'float64';

/** Numbers as a tensor of a float type. */
export function floatTensor(type: FloatType, dims: readonly number[], values: ArrayLike<number>): Tensor {
  switch (type) {
    case 'float16': return { type, dims, data: Uint16Array.from(values, halfBits) };
    case 'float32': return { type, dims, data: Float32Array.from(values) };
    case 'float64': return { type, dims, data: Float64Array.from(values) };
  }
}

/** The numbers of a tensor of a float type. */
export const floatsOf = ({ type, data }: Tensor): Float64Array =>
  type === 'float16' ? Float64Array.from(data as Uint16Array, fromHalfBits) : Float64Array.from(data as Float32Array);
