// How well a program, with some of its ops changed, agrees with what a trained transformer does at one of them.
import type { BatchState, Column, Overrides } from './batch.ts';
import { Batch, FAILED_PAIR, sameValue } from './batch.ts';
import type { Example } from './types.ts';
import { FAILED } from './valuePool.ts';
import type { AttentionReading, OpReading, ValueReading } from '../numeric/weights/readBack.ts';
import type { Dialect, Node, SOp, Value } from '../rasp/program.ts';
import { nodesBelow } from '../rasp/program.ts';
import { isNumeric } from '../rasp/scalar.ts';

/** What an op was seen to give for one combination of its arguments. */
export interface ObservedEntry {
  readonly args: readonly Value[];
  /** The commonest result. */
  readonly result: Value;
  readonly seen: number;
  /** How often it was that result. */
  readonly agreeing: number;
}

/** One reading with the part of the program that it judges. */
export class JudgedOp {
  /** What the reading is of: for a head its selector. */
  readonly root: Node;
  readonly below: ReadonlySet<Node>;
  private readonly batch: Batch;

  constructor(
    readonly reading: OpReading,
    dialect: Dialect,
    examples: readonly Example[],
  ) {
    this.root = reading.kind === 'attention' ? reading.selector : reading.node;
    this.below = new Set(nodesBelow(this.root));
    // The pool must last: what is held is in its codes.
    this.batch = new Batch(reading.node, dialect, examples, Number.POSITIVE_INFINITY);
  }

  evaluate(overrides: Overrides, from?: BatchState): BatchState {
    return this.batch.evaluate(overrides, from);
  }

  /** 0 to 1; for a head the mean of the shares of its attended and its unattended pairs. */
  agreement(state: BatchState): number {
    const { reading } = this;
    if (reading.kind === 'values') return 1 - this.differing(state);
    return Math.max(...reading.relations.map((relation) => balancedAgreement(relation, matrixOf(state, reading))));
  }

  /** The share of positions where the reading is another than what the state has there. */
  differing(state: BatchState): number {
    const { reading, batch } = this;
    const wrong = reading.kind === 'values' ? this.wrongValues(reading, state) : this.wrongRows(this.nearestRelation(reading, state), matrixOf(state, reading));
    return wrong / Math.max(1, batch.positions);
  }

  /** The table that the op computes on the arguments that the state has; null where it has no table of its own. */
  table(state: BatchState): readonly ObservedEntry[] | null {
    const { reading, root } = this;
    if (root.kind === 'select' && reading.kind === 'attention') return this.selectTable(reading, state, root.keys, root.queries);
    if (root.kind !== 'map' || reading.kind !== 'values') return null;
    const table = new Tally();
    const columns = root.args.map((arg) => state.columns.get(arg));
    for (let i = 0; i < this.batch.positions; i++) {
      const [value] = reading.values[i] ?? [];
      if (value !== undefined) table.add(columns.map((column) => column?.codes[i] ?? FAILED), value);
    }
    return table.entries(columns);
  }

  private selectTable(reading: AttentionReading, state: BatchState, keys: SOp, queries: SOp): readonly ObservedEntry[] {
    const columns = [state.columns.get(keys), state.columns.get(queries)];
    const relation = this.nearestRelation(reading, state);
    const table = new Tally();
    this.forEachPair((q, k, cell) => table.add([columns[0]?.codes[k] ?? FAILED, columns[1]?.codes[q] ?? FAILED], relation[cell] === 1));
    return table.entries(columns);
  }

  /** Of two standards, the one by which more is as it was. */
  private nearestRelation(reading: AttentionReading, state: BatchState): Uint8Array {
    const matrix = matrixOf(state, reading);
    return [...reading.relations].sort((a, b) => balancedAgreement(b, matrix) - balancedAgreement(a, matrix))[0] ?? new Uint8Array(matrix.length);
  }

  private wrongValues({ node, values, tolerance }: ValueReading, { columns, pool }: BatchState): number {
    const codes = columns.get(node)?.codes ?? new Int32Array(values.length).fill(FAILED);
    let wrong = 0;
    codes.forEach((code, i) => {
      const isIt = (read: Value): boolean => isRead(read, pool.value(code), tolerance);
      if (code === FAILED || values[i]?.some(isIt) !== true) wrong++;
    });
    return wrong;
  }

  private wrongRows(relation: Uint8Array, matrix: Uint8Array): number {
    const rows = new Set<number>();
    this.forEachPair((q, _k, cell) => relation[cell] !== matrix[cell] && rows.add(q));
    return rows.size;
  }

  private forEachPair(visit: (query: number, key: number, cell: number) => void): void {
    const { offsets, examples } = this.batch;
    let cell = 0;
    examples.forEach((_, e) => {
      const [start = 0, end = 0] = [offsets[e], offsets[e + 1]];
      for (let q = start; q < end; q++) for (let k = start; k < end; k++) visit(q, k, cell++);
    });
  }
}

/** Sightings of a table's entries. */
class Tally {
  private readonly seen = new Map<string, { readonly codes: readonly number[]; readonly counts: Map<Value, number> }>();

  add(codes: readonly number[], result: Value): void {
    if (codes.includes(FAILED)) return;
    const key = codes.join();
    const entry = this.seen.get(key) ?? { codes, counts: new Map<Value, number>() };
    this.seen.set(key, entry);
    entry.counts.set(result, (entry.counts.get(result) ?? 0) + 1);
  }

  entries(columns: readonly (Column | undefined)[]): readonly ObservedEntry[] {
    return [...this.seen.values()].map(({ codes, counts }) => {
      const [[result, agreeing] = [null, 0]] = [...counts].sort((a, b) => b[1] - a[1]);
      const args = codes.map((code, i) => columns[i]?.pool.value(code) ?? null);
      return { args, result, agreeing, seen: [...counts.values()].reduce((sum, count) => sum + count, 0) };
    });
  }
}

/** How often an op gave the commonest result of its arguments, 0 to 1. */
export function consistencyOf(table: readonly ObservedEntry[]): number {
  const seen = table.reduce((sum, entry) => sum + entry.seen, 0);
  return table.reduce((sum, entry) => sum + entry.agreeing, 0) / Math.max(1, seen);
}

const isRead = (read: Value, value: Value, tolerance: number): boolean =>
  sameValue(value, read) || (tolerance > 0 && isNumeric(read) && isNumeric(value) && Math.abs(Number(read) - Number(value)) <= tolerance);

function matrixOf({ matrices }: BatchState, { selector }: AttentionReading): Uint8Array {
  const matrix = matrices.get(selector);
  if (!matrix) throw new RangeError(`no matrix for node ${selector.id}`);
  return matrix;
}

/** Few pairs are attended to: without weights, selecting nothing would agree with almost all. */
export function balancedAgreement(relation: Uint8Array, matrix: Uint8Array): number {
  const [all, right] = [[0, 0], [0, 0]];
  relation.forEach((attended, cell) => {
    const side = attended === 1 ? 1 : 0;
    all[side] = (all[side] ?? 0) + 1;
    if (matrix[cell] !== FAILED_PAIR && matrix[cell] === attended) right[side] = (right[side] ?? 0) + 1;
  });
  const shares = [0, 1].flatMap((side) => ((all[side] ?? 0) > 0 ? [(right[side] ?? 0) / (all[side] ?? 1)] : []));
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
}
