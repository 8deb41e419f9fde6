// A transformer as data: matrices over a residual stream whose directions have names.
import type { Direction } from './residual.ts';
import type { Node, Value } from '../../rasp/program.ts';

/** Row-major [rows, columns]. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

export interface Head {
  /** The op that it computes. */
  readonly label: string;
  readonly node: Node;
  /** Components in use; the matrices are padded with zeros to the layer's sizes. */
  readonly keySize: number;
  readonly valueSize: number;
}

/** The heads of one layer side by side: head h has columns h·size to (h + 1)·size − 1. */
export interface Attention {
  readonly heads: readonly Head[];
  readonly keySize: number;
  readonly valueSize: number;
  /** [d_model, heads · keySize] */
  readonly query: Matrix;
  readonly key: Matrix;
  /** [d_model, heads · valueSize] */
  readonly value: Matrix;
  /** [heads · valueSize, d_model] */
  readonly output: Matrix;
}

/** ReLU(x · input) · output. The direction `one` serves as bias. */
export interface Mlp {
  /** [d_model, hidden] */
  readonly input: Matrix;
  /** [hidden, d_model] */
  readonly output: Matrix;
}

/** x + attention(x), then x + mlp(x); no normalisation. */
export interface Layer {
  readonly attention: Attention | null;
  readonly mlp: Mlp | null;
}

/** logits: one column of the unembedding a class; values: a single column, the output itself. */
export type Readout = { readonly kind: 'logits'; readonly classes: readonly Value[] } | { readonly kind: 'values' };

/** Logits are q · k without a factor: the compensation for √key_size is in the weights. */
export interface TransformerWeights {
  readonly directions: readonly Direction[];
  /** Token i + 1 is vocabulary[i]; token 0 is BOS. */
  readonly vocabulary: readonly Value[];
  /** Longest input, BOS not counted. */
  readonly maxLength: number;
  readonly causal: boolean;
  /** [vocabulary + 1, d_model] */
  readonly tokenEmbedding: Matrix;
  /** [maxLength + 1, d_model] */
  readonly positionEmbedding: Matrix;
  readonly layers: readonly Layer[];
  /** [d_model, classes or 1] */
  readonly unembedding: Matrix;
  readonly readout: Readout;
}

export interface TransformerShape {
  readonly layers: number;
  /** Of the layer that has most. */
  readonly heads: number;
  readonly keySize: number;
  readonly mlpHidden: number;
  readonly dModel: number;
  readonly parameters: number;
  /** Parameters that are not 0. */
  readonly nonzero: number;
}

export function matricesOf(weights: TransformerWeights): readonly Matrix[] {
  const { tokenEmbedding, positionEmbedding, unembedding, layers } = weights;
  const inner = layers.flatMap(({ attention, mlp }) => [
    ...(attention ? [attention.query, attention.key, attention.value, attention.output] : []),
    ...(mlp ? [mlp.input, mlp.output] : []),
  ]);
  return [tokenEmbedding, positionEmbedding, ...inner, unembedding];
}

export function shapeOf(weights: TransformerWeights): TransformerShape {
  const { layers, directions } = weights;
  const matrices = matricesOf(weights);
  return {
    layers: layers.length,
    heads: Math.max(0, ...layers.map(({ attention }) => attention?.heads.length ?? 0)),
    keySize: Math.max(0, ...layers.map(({ attention }) => attention?.keySize ?? 0)),
    mlpHidden: Math.max(0, ...layers.map(({ mlp }) => mlp?.input.columns ?? 0)),
    dModel: directions.length,
    parameters: matrices.reduce((sum, { data }) => sum + data.length, 0),
    nonzero: matrices.reduce((sum, { data }) => sum + data.reduce((count, x) => count + (x === 0 ? 0 : 1), 0), 0),
  };
}
