// Examples as the feeds of a transformer's training graph: padded to one length, cut into batches.
import type { TransformerWeights } from './transformer.ts';
import type { Value } from '../../rasp/program.ts';
import { equals, isNumeric } from '../../rasp/scalar.ts';
import type { HostTensor } from '../../runtime/protocol.ts';

export interface TrainingRow {
  readonly input: readonly Value[];
  readonly output: readonly Value[];
}

export type Feeds = Readonly<Record<string, HostTensor>>;

/** Rows as token ids and targets, [rows, longest + 1]. */
export class TrainingData {
  readonly rows: number;
  private readonly positions: number;
  private readonly tokens: BigInt64Array;
  private readonly targets: BigInt64Array | Float32Array;
  private readonly lengths: Int32Array;

  /** @throws RangeError for a token that is not in the vocabulary, an output that is no class or number, or too long a row */
  constructor(rows: readonly TrainingRow[], { vocabulary, readout, maxLength }: TransformerWeights) {
    this.rows = rows.length;
    this.positions = Math.max(0, ...lengthsOf(rows)) + 1;
    if (this.positions > maxLength + 1) throw new RangeError(`a row has ${this.positions - 1} tokens, and the model was compiled for ${maxLength}`);
    const size = rows.length * this.positions;
    this.tokens = new BigInt64Array(size);
    this.targets = readout.kind === 'logits' ? new BigInt64Array(size) : new Float32Array(size);
    this.lengths = Int32Array.from(rows, ({ input }) => input.length);
    const tokenOf = indexIn(vocabulary);
    const classOf = readout.kind === 'logits' ? indexIn(readout.classes) : null;
    rows.forEach(({ input, output }, r) => input.forEach((token, i) => {
      const at = r * this.positions + i + 1;
      this.tokens[at] = BigInt(tokenOf(token) + 1);
      const wanted = output[i] ?? null;
      if (classOf) (this.targets as BigInt64Array)[at] = BigInt(classOf(wanted));
      else (this.targets as Float32Array)[at] = numberOf(wanted);
    }));
  }

  /** The feeds of some rows, by their numbers. */
  batch(rows: readonly number[]): Feeds {
    const { positions } = this;
    const size = rows.length * positions;
    const tokens = new BigInt64Array(size);
    const targets = this.targets instanceof Float32Array ? new Float32Array(size) : new BigInt64Array(size);
    const [present, shares] = [new Float32Array(size), new Float32Array(size)];
    const total = rows.reduce((sum, row) => sum + (this.lengths[row] ?? 0), 0);
    rows.forEach((row, r) => {
      const [from, to, length] = [row * positions, r * positions, this.lengths[row] ?? 0];
      tokens.set(this.tokens.subarray(from, from + positions), to);
      // The two are of one kind.
      targets.set(this.targets.subarray(from, from + positions) as never, to);
      present.fill(1, to, to + length + 1);
      shares.fill(1 / total, to + 1, to + length + 1);
    });
    const dims = [rows.length, positions];
    return {
      tokens: { type: 'int64', dims, data: tokens },
      targets: { type: targets instanceof Float32Array ? 'float32' : 'int64', dims, data: targets },
      present: { type: 'float32', dims, data: present },
      shares: { type: 'float32', dims, data: shares },
    };
  }

  /** All rows, in batches of one size but for the last. */
  batches(size: number): Feeds[] {
    const count = Math.ceil(this.rows / size);
    return Array.from({ length: count }, (_, b) => this.batch(Array.from({ length: Math.min(size, this.rows - b * size) }, (_x, i) => b * size + i)));
  }
}

const lengthsOf = (rows: readonly TrainingRow[]): number[] => [rows.reduce((longest, { input }) => Math.max(longest, input.length), 0)];

function indexIn(values: readonly Value[]): (value: Value) => number {
  const exact = new Map(values.map((value, i) => [value, i]));
  return (value) => {
    const index = exact.get(value) ?? values.findIndex((known) => equals(known, value));
    if (index < 0) throw new RangeError(`${JSON.stringify(value)} is none of ${JSON.stringify(values.slice(0, 20))}`);
    return index;
  };
}

function numberOf(value: Value): number {
  if (!isNumeric(value)) throw new RangeError(`${JSON.stringify(value)} is no number, and the model gives numbers`);
  return Number(value);
}
