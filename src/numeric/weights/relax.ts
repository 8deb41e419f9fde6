// Makes a compiled transformer trainable: softer attention, logits for every wanted class, a little noise.
import { COLDNESS } from './heads.ts';
import type { Attention, Matrix, TransformerWeights } from './transformer.ts';
import type { Value } from '../../rasp/program.ts';
import { equals } from '../../rasp/scalar.ts';
import type { Random } from '../../shared/random.ts';

/** The weights with a class for each value: those that the compiled program cannot give start without any weight. */
export function withClasses(weights: TransformerWeights, values: Iterable<Value>): TransformerWeights {
  const { readout, unembedding } = weights;
  if (readout.kind === 'values') return weights;
  const classes = [...readout.classes];
  for (const value of values) if (!classes.some((known) => equals(known, value))) classes.push(value);
  return { ...weights, readout: { kind: 'logits', classes }, unembedding: widened(unembedding, classes.length) };
}

function widened({ rows, columns, data }: Matrix, wanted: number): Matrix {
  const wider = new Float32Array(rows * wanted);
  for (let r = 0; r < rows; r++) wider.set(data.subarray(r * columns, (r + 1) * columns), r * wanted);
  return { rows, columns: wanted, data: wider };
}

/** The factor that brings the compiled attention logits to a largest one. */
export const softening = (largestLogit: number): number => Math.min(1, largestLogit / COLDNESS);

/** The transformer with what makes its attention cold times a factor. The weight of BOS in a count is none of that. */
export function softened(weights: TransformerWeights, factor: number, isWanted: (layer: number) => boolean = () => true): TransformerWeights {
  const scaled = (matrix: Matrix): Matrix => ({ ...matrix, data: matrix.data.map((x) => (Math.abs(x) >= COLDNESS / 2 ? x * factor : x)) });
  return withAttention(weights, (attention, layer) => (isWanted(layer) ? { ...attention, query: scaled(attention.query), key: scaled(attention.key) } : attention));
}

/** The transformer with every attention logit times a factor. */
export function withScaledLogits(weights: TransformerWeights, factor: number): TransformerWeights {
  return withAttention(weights, (attention) => ({ ...attention, query: { ...attention.query, data: attention.query.data.map((x) => x * factor) } }));
}

function withAttention(weights: TransformerWeights, change: (attention: Attention, layer: number) => Attention): TransformerWeights {
  return { ...weights, layers: weights.layers.map(({ attention, mlp }, layer) => ({ attention: attention && change(attention, layer), mlp })) };
}

/**
 * The same function with numbers of like size on both sides of each product: a hidden unit's input and output, a head
 * component's query and key. A step of Adam then moves either side by a like share.
 */
export function balanced(weights: TransformerWeights): TransformerWeights {
  const layers = weights.layers.map(({ attention, mlp }) => {
    const [query, key] = attention ? balancedPair(attention.query, attention.key, false) : [];
    const [input, output] = mlp ? balancedPair(mlp.input, mlp.output, true) : [];
    return { attention: attention && query && key ? { ...attention, query, key } : null, mlp: input && output ? { input, output } : null };
  });
  return { ...weights, layers };
}

/** Column u of the left matrix and column (or row) u of the right one, times c and 1 / c so that their largest numbers come near; c is a power of two, so that nothing is rounded. */
function balancedPair(left: Matrix, right: Matrix, byRow: boolean): readonly [Matrix, Matrix] {
  const [a, b] = [left.data.slice(), right.data.slice()];
  for (let unit = 0; unit < left.columns; unit++) {
    const own = placesOf(left, unit, false);
    const other = placesOf(right, unit, byRow);
    const [x, y] = [largestAt(a, own), largestAt(b, other)];
    if (x === 0 || y === 0) continue;
    const factor = 2 ** Math.round(Math.log2(y / x) / 2);
    for (const i of own) a[i] = (a[i] ?? 0) * factor;
    for (const i of other) b[i] = (b[i] ?? 0) / factor;
  }
  return [{ ...left, data: a }, { ...right, data: b }];
}

const placesOf = ({ rows, columns }: Matrix, unit: number, byRow: boolean): number[] =>
  byRow ? Array.from({ length: columns }, (_, c) => unit * columns + c) : Array.from({ length: rows }, (_, r) => r * columns + unit);

const largestAt = (data: Float32Array, places: readonly number[]): number => places.reduce((largest, i) => Math.max(largest, Math.abs(data[i] ?? 0)), 0);

/** Normal noise on each number, so that no weight is stuck where its gradient is 0. */
export const perturbed = (flat: Float32Array, deviation: number, random: Random): Float32Array =>
  deviation === 0 ? flat : flat.map((x) => x + deviation * random.normal());
