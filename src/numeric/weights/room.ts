// Room to grow: what a bug took away from the compiled transformer, training may need again.
import type { Attention, Layer, Matrix, Mlp, TransformerWeights } from './transformer.ts';
import type { Node } from '../../rasp/program.ts';
import type { Random } from '../../shared/random.ts';

export interface Room {
  /** Residual directions beside the compiled ones. */
  readonly directions: number;
  /** Components of each head's queries and keys, and of its values. */
  readonly components: number;
  /** Hidden units of each MLP. */
  readonly hidden: number;
  /** Layers at least. */
  readonly layers: number;
}

/** How large the numbers of the new parts are that read; those that write begin at 0. */
const READING = 0.1;

/**
 * The transformer with unused parts: their reading numbers are random and small, their writing ones are 0, so that what
 * it computes stays the same and every new part has a gradient. `node` is the op that a new head belongs to.
 */
export function withRoom(weights: TransformerWeights, room: Room, node: Node, random: Random): TransformerWeights {
  const { directions, layers } = weights;
  const build = new RoomBuilder(directions.length + room.directions, room, node, random);
  const all = Array.from({ length: Math.max(layers.length, room.layers) }, (_, l): Layer => layers[l] ?? { attention: null, mlp: null });
  return {
    ...weights,
    directions: [...directions, ...Array.from({ length: room.directions }, () => ({ label: 'room', values: null, stage: -1 }))],
    tokenEmbedding: build.embedding(weights.tokenEmbedding),
    positionEmbedding: build.embedding(weights.positionEmbedding),
    layers: all.map(({ attention, mlp }) => ({ attention: build.attention(attention), mlp: build.mlp(mlp) })),
    unembedding: build.grown(weights.unembedding, build.width, weights.unembedding.columns, 0),
  };
}

class RoomBuilder {
  constructor(
    readonly width: number,
    private readonly room: Room,
    private readonly node: Node,
    private readonly random: Random,
  ) {}

  embedding(matrix: Matrix): Matrix {
    return this.grown(matrix, matrix.rows, this.width, READING);
  }

  mlp(mlp: Mlp | null): Mlp {
    const hidden = (mlp?.input.columns ?? 0) + this.room.hidden;
    const input = this.grown(mlp?.input ?? empty, this.width, hidden, READING);
    return { input, output: this.grown(mlp?.output ?? empty, hidden, this.width, 0) };
  }

  attention(attention: Attention | null): Attention {
    const { width, room, node } = this;
    const heads = attention?.heads ?? [{ label: 'room', node, keySize: 0, valueSize: 0 }];
    const keySize = (attention?.keySize ?? 0) + room.components;
    const valueSize = (attention?.valueSize ?? 0) + room.components;
    const sides = (matrix: Matrix | undefined, size: number, reading = READING): Matrix => this.perHead(matrix ?? empty, heads.length, width, size, reading);
    return {
      heads,
      keySize,
      valueSize,
      query: sides(attention?.query, keySize),
      // A product needs one side at 0 to begin with: a head that counts would count wrongly with any noise.
      key: sides(attention?.key, keySize, 0),
      value: sides(attention?.value, valueSize),
      output: transposed(this.perHead(transposed(attention?.output ?? empty), heads.length, width, valueSize, 0)),
    };
  }

  /** Each head's columns grown by themselves. */
  private perHead(matrix: Matrix, heads: number, rows: number, size: number, reading: number): Matrix {
    const own = matrix.columns / heads;
    const data = new Float32Array(rows * heads * size);
    for (let h = 0; h < heads; h++) {
      const part = this.grown(columnsOf(matrix, h * own, own), rows, size, reading);
      for (let r = 0; r < rows; r++) data.set(part.data.subarray(r * size, (r + 1) * size), (r * heads + h) * size);
    }
    return { rows, columns: heads * size, data };
  }

  /** New columns hold small random numbers; new rows of the old columns hold 0. */
  grown({ rows, columns, data }: Matrix, newRows: number, newColumns: number, reading: number): Matrix {
    const grown = new Float32Array(newRows * newColumns);
    for (let r = 0; r < newRows; r++) {
      for (let c = 0; c < newColumns; c++) {
        const old = r < rows && c < columns ? (data[r * columns + c] ?? 0) : 0;
        grown[r * newColumns + c] = c < columns ? old : reading * this.random.normal();
      }
    }
    return { rows: newRows, columns: newColumns, data: grown };
  }
}

const empty: Matrix = { rows: 0, columns: 0, data: new Float32Array(0) };

function columnsOf({ rows, columns, data }: Matrix, from: number, count: number): Matrix {
  return { rows, columns: count, data: Float32Array.from({ length: rows * count }, (_, i) => data[Math.floor(i / count) * columns + from + (i % count)] ?? 0) };
}

function transposed({ rows, columns, data }: Matrix): Matrix {
  return { rows: columns, columns: rows, data: Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0) };
}
