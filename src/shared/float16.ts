// Half precision in a language without it (IEEE 754 binary16: 1 sign bit, 5 of the exponent, 10 of the fraction).

export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** The nearest half-precision number's bits; ties to even; beyond 65504 infinity. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const bits = bitsOfFloat[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 the distance of neighbours stays 2^-24.
  if (magnitude < 0x38800000) return sign | roundEven(Math.abs(float[0] ?? 0) * 2 ** 24);
  const shifted = magnitude - 0x38000000;
  const rounded = shifted + 0xfff + ((shifted >>> 13) & 1);
  return sign | (rounded >>> 13);
}

function roundEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
