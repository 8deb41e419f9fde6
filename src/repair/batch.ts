// Exact evaluation of one program, and of variants of its ops, on many inputs at once: what screens the candidates.
import type { Example } from './types.ts';
import { FAILED, ValuePool } from './valuePool.ts';
import { castToken } from '../rasp/interpret.ts';
import type { AggregateOp, Dialect, MapOp, Node, SelectOp, Selector, SOp, Value } from '../rasp/program.ts';
import { inputsOf, nodesBelow } from '../rasp/program.ts';
import { equals, isNumeric, ScalarError } from '../rasp/scalar.ts';

/** What a node does instead of what its source says. */
export interface Override {
  /** map: the function of its arguments. */
  readonly fn?: (args: readonly Value[]) => Value;
  /** select: does the query select the key. */
  readonly selects?: (key: Value, query: Value) => boolean;
  /** aggregate: applied to each value before averaging. */
  readonly value?: (value: Value) => Value;
  /** aggregate, width: applied to each result. */
  readonly result?: (value: Value) => Value;
  /** aggregate: what nothing selected gives. */
  readonly default?: Value;
  /** constant: its value. */
  readonly constant?: Value;
  /** s-op: what stands at each position, whatever its inputs. */
  readonly held?: readonly Value[];
  /** and, or, not: what the selector does with its operands. */
  readonly connective?: 'and' | 'or' | 'not' | 'left';
}

export type Overrides = ReadonlyMap<Node, Override>;

/** Values of an s-op at every position of every input, as codes of a pool; FAILED stands for a failed computation. */
export class Column {
  private distinct: readonly Value[] | null = null;

  constructor(
    readonly pool: ValuePool,
    readonly codes: Int32Array,
  ) {}

  /** The values that occur, in the order in which they do. */
  get values(): readonly Value[] {
    this.distinct ??= [...new Set(this.codes)].filter((code) => code !== FAILED).map((code) => this.pool.value(code));
    return this.distinct;
  }
}

/** Results of all nodes under some overrides. */
export interface BatchState {
  readonly pool: ValuePool;
  readonly columns: ReadonlyMap<Node, Column>;
  readonly matrices: ReadonlyMap<Node, Uint8Array>;
  readonly overrides: Overrides;
}

export interface BatchScore {
  /** Share of inputs exactly right, 0 to 1. */
  readonly sequences: number;
  /** Share of positions right, 0 to 1. */
  readonly tokens: number;
  /** Mutual information of wrong output and target over the target's entropy, 0 to 1. */
  readonly information: number;
}

/** Values and results that a pool may hold before a new one takes its place. */
const POOL_LIMIT = 2_000_000;
const SIZE_CHECKED_EVERY = 64;

/** A fixed set of inputs (and, for scoring, targets) over which variants of one program are evaluated. */
export class Batch {
  readonly order: readonly Node[];
  /** First position of each input in the flat columns; one more entry holds the total. */
  readonly offsets: Int32Array;
  private readonly cellCount: number;
  private readonly users = new Map<Node, Node[]>();
  /** The target value at each position, as an index into `targets`. */
  private readonly wanted: Int32Array;
  private readonly targets: readonly Value[];
  private pool = new ValuePool();
  private evaluations = 0;

  constructor(
    readonly root: SOp,
    readonly dialect: Dialect,
    readonly examples: readonly Example[],
    private readonly poolLimit = POOL_LIMIT,
  ) {
    this.order = nodesBelow(root);
    for (const node of this.order) {
      for (const input of inputsOf(node)) {
        const users = this.users.get(input);
        if (users) users.push(node);
        else this.users.set(input, [node]);
      }
    }
    this.offsets = prefixSums(examples.map(({ input }) => input.length));
    this.cellCount = examples.reduce((sum, { input }) => sum + input.length ** 2, 0);
    const known = new ValuePool();
    this.wanted = Int32Array.from(examples.flatMap(({ output }) => output), (value) => known.code(value));
    this.targets = known.values;
  }

  get positions(): number {
    return this.offsets[this.examples.length] ?? 0;
  }

  /** Evaluates the program as overridden. With `from`, only what the difference to its overrides touches is redone. */
  evaluate(overrides: Overrides = new Map(), from?: BatchState): BatchState {
    if (++this.evaluations % SIZE_CHECKED_EVERY === 0 && this.pool.size > this.poolLimit) this.pool = new ValuePool();
    const known = from?.pool === this.pool ? from : undefined;
    const columns = new Map<Node, Column>();
    const matrices = new Map<Node, Uint8Array>();
    const dirty = known && this.affected(known.overrides, overrides);
    for (const node of this.order) {
      const column = dirty?.has(node) === false ? known?.columns.get(node) : undefined;
      const matrix = dirty?.has(node) === false ? known?.matrices.get(node) : undefined;
      if (column) columns.set(node, column);
      else if (matrix) matrices.set(node, matrix);
      else this.step(node, overrides.get(node), columns, matrices);
    }
    return { pool: this.pool, columns, matrices, overrides };
  }

  /** The output on one input, or null where the program fails on it. */
  outputOf(state: BatchState, index: number): readonly Value[] | null {
    const { codes, pool } = columnOf(state.columns, this.root);
    const slice = [...codes.subarray(this.offsets[index], this.offsets[index + 1])];
    return slice.includes(FAILED) ? null : slice.map((code) => pool.value(code));
  }

  score(state: BatchState): BatchScore {
    const { codes, pool } = columnOf(state.columns, this.root);
    const width = this.targets.length;
    const places = new Map<number, number>([[FAILED, 0]]);
    const rows: { right: Uint8Array | null; counts: Float64Array }[] = [{ right: null, counts: new Float64Array(width) }];
    let sequences = 0;
    let tokens = 0;
    for (let e = 0; e < this.examples.length; e++) {
      let exact = 1;
      const end = this.offsets[e + 1] ?? 0;
      for (let i = this.offsets[e] ?? 0; i < end; i++) {
        const code = codes[i] ?? FAILED;
        const wanted = this.wanted[i] ?? 0;
        let place = places.get(code);
        if (place === undefined) {
          place = rows.length;
          places.set(code, place);
          rows.push({ right: this.rightFor(pool, code), counts: new Float64Array(width) });
        }
        const row = rows[place];
        if (!row) continue;
        row.counts[wanted] = (row.counts[wanted] ?? 0) + 1;
        if (row.right?.[wanted] === 1) tokens++;
        else exact = 0;
      }
      sequences += exact;
    }
    return {
      sequences: sequences / Math.max(1, this.examples.length),
      tokens: tokens / Math.max(1, this.positions),
      information: normalisedInformation(rows.map(({ counts }) => counts), width),
    };
  }

  /** Which targets an output value answers. */
  private rightFor(pool: ValuePool, code: number): Uint8Array {
    const value = pool.value(code);
    return Uint8Array.from(this.targets, (target) => (sameValue(value, target) ? 1 : 0));
  }

  /** A key equal for two states with the same output on every input. */
  signature(state: BatchState): string {
    const { codes, pool } = columnOf(state.columns, this.root);
    const keys = new Map<number, number>([[FAILED, 77]]);
    let hash = 2166136261;
    for (const code of codes) {
      let key = keys.get(code);
      if (key === undefined) {
        const value = pool.value(code);
        keys.set(code, (key = fnv(`${typeof value}${String(value)}`)));
      }
      hash = Math.imul(hash ^ key, 16777619) >>> 0;
    }
    return `${hash}:${codes.length}`;
  }

  private affected(before: Overrides, after: Overrides): Set<Node> {
    const dirty = new Set<Node>();
    const changed = [...new Set([...before.keys(), ...after.keys()])].filter((n) => before.get(n) !== after.get(n));
    for (const pending = changed; pending.length > 0; ) {
      const node = pending.pop();
      if (node === undefined || dirty.has(node)) continue;
      dirty.add(node);
      pending.push(...(this.users.get(node) ?? []));
    }
    return dirty;
  }

  private step(
    node: Node,
    override: Override | undefined,
    columns: Map<Node, Column>,
    matrices: Map<Node, Uint8Array>,
  ): void {
    if (override?.held) {
      columns.set(node, new Column(this.pool, Int32Array.from(override.held, (value) => this.pool.code(value))));
      return;
    }
    switch (node.kind) {
      case 'select':
        matrices.set(node, this.select(node, override, columns));
        return;
      case 'and':
      case 'or':
      case 'not':
        matrices.set(node, this.connect(node, override?.connective ?? node.kind, matrices));
        return;
      case 'map':
        columns.set(node, this.map(node, override, columns));
        return;
      case 'aggregate':
        columns.set(node, this.aggregate(node, override, columns, matrices));
        return;
      case 'width':
        columns.set(node, this.width(matrixOf(matrices, node.selector), override));
        return;
      case 'tokens':
      case 'indices':
      case 'length':
      case 'constant':
        columns.set(node, this.leaf(node, override));
    }
  }

  private leaf(node: SOp, override: Override | undefined): Column {
    const constant = override?.constant;
    const codes = this.examples.flatMap(({ input }) =>
      input.map((token, i) => {
        const value = constant === undefined ? leafValue(node, token, i, input.length) : constant;
        return value === undefined ? FAILED : this.pool.code(value);
      }),
    );
    return new Column(this.pool, Int32Array.from(codes));
  }

  private map(node: MapOp, override: Override | undefined, columns: Map<Node, Column>): Column {
    const { pool } = this;
    const args = node.args.map((arg) => columnOf(columns, arg).codes);
    const fn = override?.fn ?? ((at: readonly Value[]) => node.fn.apply(at));
    const key = override?.fn ?? node;
    const call = (codes: readonly number[]): number =>
      pool.result(() => {
        const at = codes.map((code) => pool.value(code));
        return at.includes(null) ? null : fn(at);
      });
    const [first, second = null] = args;
    if (!first) return new Column(pool, new Int32Array(this.positions).fill(call([])));
    if (args.length > 2) return new Column(pool, pool.applyLong(key, args, call));
    return new Column(pool, pool.apply(key, first, second, (a, b) => call(second ? [a, b] : [a])));
  }

  private select(node: SelectOp, override: Override | undefined, columns: Map<Node, Column>): Uint8Array {
    const { pool } = this;
    const keys = columnOf(columns, node.keys).codes;
    const queries = columnOf(columns, node.queries).codes;
    const selects = override?.selects ?? ((key: Value, query: Value) => node.predicate.apply(key, query));
    const memo = pool.memo(override?.selects ?? node);
    const decide = (key: number, query: number): number => selection(selects, pool.value(key), pool.value(query));
    const matrix = new Uint8Array(this.cellCount);
    let cell = 0;
    for (let e = 0; e < this.examples.length; e++) {
      const start = this.offsets[e] ?? 0;
      const end = this.offsets[e + 1] ?? 0;
      for (let q = start; q < end; q++) {
        const query = queries[q] ?? FAILED;
        for (let k = start; k < end; k++, cell++) {
          const key = keys[k] ?? FAILED;
          matrix[cell] = query === FAILED || key === FAILED ? FAILED_PAIR : memo.result(key, query, decide);
        }
      }
    }
    return matrix;
  }

  private connect(
    node: Exclude<Selector, SelectOp>,
    connective: NonNullable<Override['connective']>,
    matrices: Map<Node, Uint8Array>,
  ): Uint8Array {
    const left = matrixOf(matrices, node.kind === 'not' ? node.operand : node.left);
    const right = node.kind === 'not' ? left : matrixOf(matrices, node.right);
    return left.map((a, i) => {
      const b = right[i] ?? 0;
      if (a === FAILED_PAIR || b === FAILED_PAIR) return FAILED_PAIR;
      return connective === 'and' ? a & b : connective === 'or' ? a | b : connective === 'not' ? 1 - a : a;
    });
  }

  private aggregate(
    node: AggregateOp,
    override: Override | undefined,
    columns: Map<Node, Column>,
    matrices: Map<Node, Uint8Array>,
  ): Column {
    const { pool } = this;
    const codes = this.transformed(columnOf(columns, node.value).codes, override?.value);
    const matrix = matrixOf(matrices, node.selector);
    const nothing = pool.code(override?.default === undefined ? node.default : override.default);
    const out = new Int32Array(this.positions);
    let cell = 0;
    for (let e = 0; e < this.examples.length; e++) {
      const start = this.offsets[e] ?? 0;
      const end = this.offsets[e + 1] ?? 0;
      for (let q = start; q < end; q++) {
        let count = 0;
        let sum = 0;
        let only = nothing;
        let failed = false;
        for (let k = start; k < end; k++, cell++) {
          const selected = matrix[cell];
          if (selected === 0) continue;
          only = codes[k] ?? FAILED;
          failed ||= selected === FAILED_PAIR || only === FAILED;
          count++;
          sum += pool.numbers[only] ?? 0;
        }
        out[q] = failed ? FAILED : count <= 1 ? only : Number.isNaN(sum) ? FAILED : pool.code(sum / count);
      }
    }
    return new Column(pool, this.transformed(out, override?.result, true));
  }

  private width(matrix: Uint8Array, override: Override | undefined): Column {
    const out = new Int32Array(this.positions);
    let cell = 0;
    for (let e = 0; e < this.examples.length; e++) {
      const start = this.offsets[e] ?? 0;
      const end = this.offsets[e + 1] ?? 0;
      for (let q = start; q < end; q++) {
        let count = 0;
        let failed = false;
        for (let k = start; k < end; k++, cell++) {
          const selected = matrix[cell] ?? 0;
          failed ||= selected === FAILED_PAIR;
          count += selected;
        }
        out[q] = failed ? FAILED : this.pool.code(count);
      }
    }
    return new Column(this.pool, this.transformed(out, override?.result, true));
  }

  /** A function of each value; unless it takes None too, None stays. */
  private transformed(codes: Int32Array, transform: ((value: Value) => Value) | undefined, takesNone = false): Int32Array {
    if (!transform) return codes;
    const { pool } = this;
    return pool.apply(transform, codes, null, (code) =>
      pool.result(() => {
        const value = pool.value(code);
        return value === null && !takesNone ? null : transform(value);
      }),
    );
  }
}

/** Marks a key-query pair whose comparison failed: the whole row fails, as it does in the interpreter. */
export const FAILED_PAIR = 2;

function selection(selects: (key: Value, query: Value) => boolean, key: Value, query: Value): number {
  try {
    return selects(key, query) ? 1 : 0;
  } catch (error) {
    if (error instanceof ScalarError) return FAILED_PAIR;
    throw error;
  }
}

function leafValue(node: SOp, token: Value, position: number, length: number): Value | undefined {
  switch (node.kind) {
    case 'indices':
      return position;
    case 'length':
      return length;
    case 'constant':
      return node.value;
    case 'tokens':
      try {
        return castToken(token, node.cast);
      } catch (error) {
        if (error instanceof ScalarError) return undefined;
        throw error;
      }
    default:
      throw new RangeError(`a ${node.kind} is no leaf`);
  }
}

/** Equality as a user sees it: Python's, numbers to a relative 1e-9 (fractions accumulate rounding). */
export function sameValue(a: Value, b: Value): boolean {
  if (equals(a, b)) return true;
  if (!isNumeric(a) || !isNumeric(b)) return false;
  return Math.abs(Number(a) - Number(b)) <= 1e-9 * Math.max(1, Math.abs(Number(b)));
}

/** I(output; target) / H(target) of a joint count table, one row per output value, `width` targets. */
function normalisedInformation(rows: readonly Float64Array[], width: number): number {
  const columns = new Float64Array(width);
  const rowSums = rows.map((row) => row.reduce((a, b) => a + b, 0));
  for (const row of rows) row.forEach((count, target) => (columns[target] = (columns[target] ?? 0) + count));
  const total = rowSums.reduce((a, b) => a + b, 0);
  if (total === 0) return 0;
  const term = (count: number): number => (count > 0 ? -(count / total) * Math.log(count / total) : 0);
  const targetEntropy = columns.reduce((sum, count) => sum + term(count), 0);
  if (targetEntropy === 0) return 0;
  const outputEntropy = rowSums.reduce((sum, count) => sum + term(count), 0);
  const joint = rows.reduce((sum, row) => row.reduce((s, count) => s + term(count), sum), 0);
  return (targetEntropy + outputEntropy - joint) / targetEntropy;
}

function prefixSums(lengths: readonly number[]): Int32Array {
  const sums = new Int32Array(lengths.length + 1);
  lengths.forEach((length, i) => {
    sums[i + 1] = (sums[i] ?? 0) + length;
  });
  return sums;
}

function fnv(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619) >>> 0;
  return hash;
}

function columnOf(columns: ReadonlyMap<Node, Column>, node: Node): Column {
  const column = columns.get(node);
  if (!column) throw new RangeError(`no column for node ${node.id}`);
  return column;
}

function matrixOf(matrices: ReadonlyMap<Node, Uint8Array>, node: Node): Uint8Array {
  const matrix = matrices.get(node);
  if (!matrix) throw new RangeError(`no matrix for node ${node.id}`);
  return matrix;
}
