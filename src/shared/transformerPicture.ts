// A compiled transformer on one input as plain data: who attends to whom, which op each part computes, what the stream holds.

/** A place of the program's file: offsets [start, end), and the line counted from 1. */
export interface SourcePlace {
  readonly start: number;
  readonly end: number;
  readonly line: number;
}

/** An attention head. */
export interface PicturedHead {
  readonly op: string;
  /** Of a length, which reads every position, there is none. */
  readonly selector: string | null;
  readonly opPlace: SourcePlace | null;
  readonly selectorPlace: SourcePlace | null;
  /** [query][key], BOS first; rows sum to 1. */
  readonly probabilities: readonly (readonly number[])[];
}

/** Directions of the residual stream that hold one result: an indicator for each of its values, or a number. */
export interface PicturedDirections {
  readonly op: string;
  readonly kind: 'values' | 'number';
  /** How many directions. */
  readonly count: number;
  readonly place: SourcePlace | null;
  /** What they say at each position, BOS first; empty where they say nothing. */
  readonly cells: readonly string[];
}

export interface PicturedLayer {
  readonly heads: readonly PicturedHead[];
  /** What the heads write. */
  readonly attended: readonly PicturedDirections[];
  /** Hidden units; 0 where the layer has no MLP. */
  readonly hidden: number;
  /** What the MLP writes. */
  readonly computed: readonly PicturedDirections[];
}

export interface PicturedShape {
  readonly layers: number;
  readonly heads: number;
  readonly keySize: number;
  readonly mlpHidden: number;
  readonly dModel: number;
  readonly parameters: number;
  readonly nonzero: number;
}

export interface TransformerPicture {
  readonly input: readonly string[];
  readonly embedding: readonly PicturedDirections[];
  readonly layers: readonly PicturedLayer[];
  readonly output: readonly string[];
  /** What the interpreter gives, or why it refuses the input; the model's output then means nothing. */
  readonly interpreted: { readonly ok: true; readonly output: readonly string[] } | { readonly ok: false; readonly message: string };
  readonly shape: PicturedShape;
}
