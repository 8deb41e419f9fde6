// Rows of documents for the training graph: whole documents, each after a beginning of text, none cut.
import { special } from './bpe.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';

export interface RowShape {
  readonly rows: number;
  /** Positions of a row. */
  readonly length: number;
}

/** A document's tokens, without special ones, and what the label of each weighs in the loss. */
export interface TokenisedDocument {
  readonly ids: readonly number[];
  readonly weights: readonly number[];
}

export interface PackedBatch {
  /** `input_ids`, `labels`, `documents`, `mask` of `trainingGraph`. */
  readonly feeds: Readonly<Record<string, HostTensor>>;
  /** Labels, padding left out. */
  readonly tokens: number;
  readonly documents: number;
}

/** Documents that in turn do not fit before a batch is closed: fuller rows against a lean to short documents. */
const PATIENCE = 6;

/**
 * Fills a batch from a stream of documents, each into the fullest row that it fits in. Documents longer than a row are
 * left out. A document takes as many positions as it has tokens and one: the first label follows the beginning of text,
 * the last is the end of text.
 */
export function packed(documents: Iterator<TokenisedDocument>, { rows, length }: RowShape): PackedBatch {
  const batch = new Batch(rows, length);
  for (let failures = 0; failures < PATIENCE;) {
    const next = documents.next();
    if (next.done) break;
    if (next.value.ids.length + 1 > length) continue;
    failures = batch.add(next.value) ? 0 : failures + 1;
  }
  return batch.result();
}

class Batch {
  private readonly inputs: BigInt64Array;
  private readonly labels: BigInt64Array;
  private readonly numbers: BigInt64Array;
  private readonly mask: Float32Array;
  private readonly filled: number[];
  private documents = 0;
  private tokens = 0;

  constructor(
    private readonly rows: number,
    private readonly length: number,
  ) {
    const size = rows * length;
    [this.inputs, this.labels, this.numbers] = [new BigInt64Array(size).fill(BigInt(special.pad)), new BigInt64Array(size), new BigInt64Array(size)];
    this.mask = new Float32Array(size);
    this.filled = new Array<number>(rows).fill(0);
  }

  add({ ids, weights }: TokenisedDocument): boolean {
    const row = this.fullestWith(ids.length + 1);
    if (row < 0) return false;
    const start = row * this.length + (this.filled[row] ?? 0);
    const tokens = [special.bos, ...ids, special.eos];
    this.documents++;
    for (let i = 0; i + 1 < tokens.length; i++) {
      this.inputs[start + i] = BigInt(tokens[i] ?? 0);
      this.labels[start + i] = BigInt(tokens[i + 1] ?? 0);
      this.numbers[start + i] = BigInt(this.documents);
      this.mask[start + i] = weights[i] ?? 1;
    }
    this.tokens += tokens.length - 1;
    this.filled[row] = (this.filled[row] ?? 0) + tokens.length - 1;
    return true;
  }

  private fullestWith(room: number): number {
    let best = -1;
    for (const [row, filled] of this.filled.entries()) {
      if (filled + room <= this.length && (best < 0 || filled > (this.filled[best] ?? 0))) best = row;
    }
    return best;
  }

  result(): PackedBatch {
    const dims = [this.rows, this.length];
    const int = (data: BigInt64Array): HostTensor => ({ type: 'int64', dims, data });
    const feeds = { input_ids: int(this.inputs), labels: int(this.labels), documents: int(this.numbers), mask: { type: 'float32', dims, data: this.mask } as const };
    return { feeds, tokens: this.tokens, documents: this.documents };
  }
}
