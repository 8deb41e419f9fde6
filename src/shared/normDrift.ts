// How far one stream's hidden state is from another's at the same place.

export interface NormDrift {
  /** ‖second‖ / ‖first‖ − 1: how much longer the second is. */
  readonly norm: number;
  /** ‖second − first‖ / ‖first‖: how far it went, turning included. */
  readonly distance: number;
}

/** Of two vectors of the same length; in float64. */
export function normDrift(first: ArrayLike<number>, second: ArrayLike<number>): NormDrift {
  let [own, other, apart] = [0, 0, 0];
  for (let i = 0; i < first.length; i++) {
    const [a, b] = [first[i] ?? Number.NaN, second[i] ?? Number.NaN];
    own += a * a;
    other += b * b;
    apart += (b - a) * (b - a);
  }
  return { norm: Math.sqrt(other / own) - 1, distance: Math.sqrt(apart / own) };
}
