// The computation of an s-op or a selector on one input as plain data: sequences, attention matrices, what reads what.

/** An s-op's values, one text a position. */
export interface DrawnSequence {
  readonly kind: 'sequence';
  readonly id: number;
  readonly name: string;
  /** How it is computed, in names of other ops. */
  readonly formula: string;
  /** 0 for what needs the input's own positions only; an aggregate is one above what it reads. */
  readonly layer: number;
  readonly values: readonly string[];
  readonly type: string;
  /** Sequences that are read position by position. */
  readonly sources: readonly number[];
  /** What attention brings here: through which selector, and from which sequence; null where positions are only counted. */
  readonly attention: { readonly selector: number; readonly source: number | null } | null;
}

/** A selector: which query selects which key. */
export interface DrawnMatrix {
  readonly kind: 'matrix';
  readonly id: number;
  readonly name: string;
  readonly formula: string;
  /** The layer of the aggregates that can read it first. */
  readonly layer: number;
  /** What is compared, one text a position: of a combined selector, the input's tokens. */
  readonly keys: readonly string[];
  readonly queries: readonly string[];
  readonly rows: readonly (readonly boolean[])[];
}

export interface Drawing {
  readonly name: string;
  readonly input: readonly string[];
  /** Inputs before users; the last one is what is drawn. */
  readonly ops: readonly (DrawnSequence | DrawnMatrix)[];
  /** Ops that were left out because there are too many. */
  readonly leftOut: number;
}
