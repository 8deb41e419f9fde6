// Steering vectors from contrast pairs: GrAInS, and the simpler ways that it is held against.
import type { DirectionMethod, Rows } from './directions.ts';
import { directionOf, meanOf, normOf, unitOf } from './directions.ts';
import type { PairStates, ResponseStates } from './differences.ts';
import { differenceSet, meanNorms, responseDifferences } from './differences.ts';
import type { LayerRows } from './residualStates.ts';
import type { LayerDirection } from './steeringVector.ts';
import type { Random } from '../shared/random.ts';

/** Layers by their number; those where the states show no direction are named apart. */
export interface MadeDirections {
  readonly layers: readonly LayerDirection[];
  readonly without: readonly number[];
}

/** Which tokens are hidden: those that speak for the preferred response, against it, or both, v⁺ − v⁻. */
export const vectorModes = ['both', 'positive', 'negative'] as const;
export type VectorMode = (typeof vectorModes)[number];

type SignedSets = PairStates<'positive' | 'negative'>;

/**
 * GrAInS' v of each layer (arXiv 2507.18043): the direction of D_S for S⁺, for S⁻ turned around, or v⁺ − v⁻; where one of
 * the two sets shows no direction, the other's.
 */
export function grainsDirections({ whole, masked }: SignedSets, mode: VectorMode, method: DirectionMethod): MadeDirections {
  const sets = { positive: differenceSet(whole, masked.positive), negative: differenceSet(whole, masked.negative) };
  const of = (set: 'positive' | 'negative', layer: number): Float64Array | null => {
    const rows = mode === 'both' || mode === set ? sets[set][layer] : undefined;
    return rows ? directionOf(rows, method) : null;
  };
  return madeDirections(whole, (layer) => minus(of('positive', layer), of('negative', layer)));
}

function minus(a: Float64Array | null, b: Float64Array | null): Float64Array | null {
  if (!b) return a;
  return a ? a.map((value, i) => value - (b[i] ?? 0)) : b.map((value) => -value);
}

/** Contrastive activation addition (Rimsky et al. 2024): the mean of h(x, y⁺) − h(x, y⁻). */
export const contrastiveDirections = (whole: ResponseStates): MadeDirections => responseDirections(whole, 'mean');

/** GrAInS without attribution: the direction of h(x, y⁺) − h(x, y⁻), with nothing hidden. */
export function responseDirections(whole: ResponseStates, method: DirectionMethod): MadeDirections {
  const rows = responseDifferences(whole);
  return madeDirections(whole, (layer) => (rows[layer] ? directionOf(rows[layer], method) : null));
}

/** One direction for all of these layers: that of their differences together, each in units of its layer's mean norm. */
export function globalDirections({ whole, masked }: SignedSets, mode: VectorMode, method: DirectionMethod, layers: readonly number[]): MadeDirections {
  const norms = meanNorms(whole);
  const pooled = (set: 'positive' | 'negative'): Float64Array | null => (mode === 'both' || mode === set ? directionOf(together(differenceSet(whole, masked[set]), norms, layers), method) : null);
  const shared = minus(pooled('positive'), pooled('negative'));
  return madeDirections(whole, (layer) => (layers.includes(layer) ? shared : null));
}

function together(rows: LayerRows, norms: readonly number[], layers: readonly number[]): Rows {
  const parts = layers.flatMap((layer) => Array.from(rows[layer]?.data ?? [], (value) => value / (norms[layer] ?? 1)));
  return { width: rows[0]?.width ?? 0, data: Float32Array.from(parts) };
}

/** A drawn direction for each layer: what any vector of that norm does. */
export const randomDirections = (whole: ResponseStates, random: Random): MadeDirections =>
  madeDirections(whole, () => Float64Array.from({ length: whole.preferred[0]?.width ?? 0 }, () => random.normal()));

function madeDirections(whole: ResponseStates, directionAt: (layer: number) => Float64Array | null): MadeDirections {
  const norms = meanNorms(whole);
  const made = norms.map((norm, layer) => ({ layer, norm: Math.fround(norm), unit: unitOf(directionAt(layer) ?? new Float64Array()) }));
  return {
    layers: made.flatMap(({ layer, norm, unit }) => (unit && norm > 0 ? [{ layer, norm, direction: Float32Array.from(unit) }] : [])),
    without: made.flatMap(({ layer, unit, norm }) => (unit && norm > 0 ? [] : [layer])),
  };
}

/** |mean(D_S)| over the mean norm of D_S' rows, layer by layer: 1 where all differences point the same way, 0 where none do. */
export const agreement = (rows: LayerRows): readonly number[] => rows.map((own) => {
  const count = own.data.length / own.width;
  const norms = Array.from({ length: count }, (_, r) => normOf(own.data.subarray(r * own.width, (r + 1) * own.width)));
  return normOf(meanOf(own)) / Math.max(1e-30, norms.reduce((sum, norm) => sum + norm, 0) / count);
});
