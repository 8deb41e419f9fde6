// Exact evaluation of one program, and of variants of its ops, on many inputs at once: what screens the candidates.
// Values are interned per node, so that each scalar function runs once per distinct argument, not once per position.
import type { Example } from './types.ts';
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
  /** and, or, not: what the selector does with its operands. */
  readonly connective?: 'and' | 'or' | 'not' | 'left';
}

export type Overrides = ReadonlyMap<Node, Override>;

/** Interned values of an s-op at every position of every input; code -1 stands for a failed computation. */
export interface Column {
  readonly values: readonly Value[];
  readonly codes: Int32Array;
}

/** Results of all nodes under some overrides. */
export interface BatchState {
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

const FAILED = -1;
/** Marks what a table does not hold yet. */
const UNKNOWN = -2;

class Interner {
  readonly values: Value[] = [];
  private readonly codes = new Map<Value, number>();

  code(value: Value): number {
    let code = this.codes.get(value);
    if (code === undefined) {
      code = this.values.length;
      this.values.push(value);
      this.codes.set(value, code);
    }
    return code;
  }
}

/** A fixed set of inputs (and, for scoring, targets) over which variants of one program are evaluated. */
export class Batch {
  readonly order: readonly Node[];
  /** First position of each input in the flat columns; one more entry holds the total. */
  readonly offsets: Int32Array;
  private readonly matrixOffsets: Int32Array;
  private readonly users = new Map<Node, Node[]>();
  private readonly target: Column;

  constructor(
    readonly root: SOp,
    readonly dialect: Dialect,
    readonly examples: readonly Example[],
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
    this.matrixOffsets = prefixSums(examples.map(({ input }) => input.length ** 2));
    this.target = internColumn(examples.map(({ output }) => output));
  }

  get positions(): number {
    return this.offsets[this.examples.length] ?? 0;
  }

  /** Evaluates the program as overridden. With `from`, only what the difference to its overrides touches is redone. */
  evaluate(overrides: Overrides = new Map(), from?: BatchState): BatchState {
    const columns = new Map<Node, Column>();
    const matrices = new Map<Node, Uint8Array>();
    const dirty = from && this.affected(from.overrides, overrides);
    for (const node of this.order) {
      const column = dirty?.has(node) === false ? from?.columns.get(node) : undefined;
      const matrix = dirty?.has(node) === false ? from?.matrices.get(node) : undefined;
      if (column) columns.set(node, column);
      else if (matrix) matrices.set(node, matrix);
      else this.step(node, overrides.get(node), columns, matrices);
    }
    return { columns, matrices, overrides };
  }

  output(state: BatchState): Column {
    return columnOf(state.columns, this.root);
  }

  /** The output on one input, or null where the program fails on it. */
  outputOf(state: BatchState, index: number): readonly Value[] | null {
    const { codes, values } = this.output(state);
    const slice = [...codes.subarray(this.offsets[index], this.offsets[index + 1])];
    return slice.includes(FAILED) ? null : slice.map((code) => values[code] ?? null);
  }

  score(state: BatchState): BatchScore {
    const output = this.output(state);
    const right = equalityTable(output.values, this.target.values);
    const width = this.target.values.length;
    const joint = new Float64Array((output.values.length + 1) * width);
    let sequences = 0;
    let tokens = 0;
    for (let e = 0; e < this.examples.length; e++) {
      let exact = 1;
      const end = this.offsets[e + 1] ?? 0;
      for (let i = this.offsets[e] ?? 0; i < end; i++) {
        const code = output.codes[i] ?? FAILED;
        const wanted = this.target.codes[i] ?? 0;
        const cell = (code + 1) * width + wanted;
        joint[cell] = (joint[cell] ?? 0) + 1;
        if (code !== FAILED && right[code * width + wanted] === 1) tokens++;
        else exact = 0;
      }
      sequences += exact;
    }
    return {
      sequences: sequences / Math.max(1, this.examples.length),
      tokens: tokens / Math.max(1, this.positions),
      information: normalisedInformation(joint, width),
    };
  }

  /** A key equal for two states with the same output on every input. */
  signature(state: BatchState): string {
    const { codes, values } = this.output(state);
    let hash = 2166136261;
    const keys = values.map((value) => fnv(`${typeof value}${String(value)}`));
    for (const code of codes) hash = Math.imul(hash ^ (keys[code] ?? 77), 16777619) >>> 0;
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
    const value = (token: Value, i: number, length: number): Value | undefined =>
      constant === undefined ? leafValue(node, token, i, length) : constant;
    return internColumn(this.examples.map(({ input }) => input.map((token, i) => value(token, i, input.length))));
  }

  private map(node: MapOp, override: Override | undefined, columns: Map<Node, Column>): Column {
    const args = node.args.map((arg) => columnOf(columns, arg));
    const fn = override?.fn ?? ((at: readonly Value[]) => node.fn.apply(at));
    const cells = this.cells(args);
    const table = new Int32Array(args.reduce((size, { values }) => size * values.length, 1)).fill(UNKNOWN);
    const interner = new Interner();
    const codes = new Int32Array(this.positions);
    for (let i = 0; i < codes.length; i++) {
      const cell = cells[i] ?? FAILED;
      if (cell === FAILED) {
        codes[i] = FAILED;
        continue;
      }
      if (table[cell] === UNKNOWN) {
        table[cell] = internResult(interner, () => {
          const at = args.map(({ values, codes: c }) => values[c[i] ?? 0] ?? null);
          return at.includes(null) ? null : fn(at);
        });
      }
      codes[i] = table[cell] ?? FAILED;
    }
    return { values: interner.values, codes };
  }

  /** The arguments' codes at each position as one number, the last argument fastest; FAILED where one has failed. */
  private cells([first, ...rest]: readonly Column[]): Int32Array {
    if (!first) return new Int32Array(this.positions);
    if (rest.length === 0) return first.codes;
    const cells = first.codes.slice();
    for (const { values, codes } of rest) {
      const size = values.length;
      for (let i = 0; i < cells.length; i++) {
        const before = cells[i] ?? FAILED;
        const code = codes[i] ?? FAILED;
        cells[i] = before === FAILED || code === FAILED ? FAILED : before * size + code;
      }
    }
    return cells;
  }

  private select(node: SelectOp, override: Override | undefined, columns: Map<Node, Column>): Uint8Array {
    const keys = columnOf(columns, node.keys);
    const queries = columnOf(columns, node.queries);
    const selects = override?.selects ?? ((key: Value, query: Value) => node.predicate.apply(key, query));
    const table = selectionTable(keys.values, queries.values, selects);
    const width = keys.values.length;
    const matrix = new Uint8Array(this.matrixOffsets[this.examples.length] ?? 0);
    this.forEachPair((q, k, cell) => {
      const query = queries.codes[q] ?? FAILED;
      const key = keys.codes[k] ?? FAILED;
      matrix[cell] = query === FAILED || key === FAILED ? FAILED_PAIR : (table[query * width + key] ?? 0);
    });
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
    const source = transformed(columnOf(columns, node.value), override?.value);
    const matrix = matrixOf(matrices, node.selector);
    const numbers = Float64Array.from(source.values, (v) => (isNumeric(v) ? Number(v) : Number.NaN));
    const interner = new Interner();
    const passed = new Int32Array(source.values.length).fill(UNKNOWN);
    const finish = override?.result ?? ((value: Value) => value);
    const fallback = override?.default === undefined ? node.default : override.default;
    return this.rows(matrix, interner, (count, sum, only, failed) => {
      if (failed) return FAILED;
      if (count === 0) return internResult(interner, () => finish(fallback));
      if (count > 1) return Number.isNaN(sum) ? FAILED : internResult(interner, () => finish(sum / count));
      if (passed[only] === UNKNOWN) passed[only] = internResult(interner, () => finish(source.values[only] ?? null));
      return passed[only] ?? FAILED;
    }, source.codes, numbers);
  }

  private width(matrix: Uint8Array, override: Override | undefined): Column {
    const interner = new Interner();
    const finish = override?.result ?? ((value: Value) => value);
    return this.rows(matrix, interner, (count, _sum, _only, failed) =>
      failed ? FAILED : internResult(interner, () => finish(count)));
  }

  /** Folds each query's row of a selector: how many are selected, their sum, the last one's code. */
  private rows(
    matrix: Uint8Array,
    interner: Interner,
    fold: (count: number, sum: number, only: number, failed: boolean) => number,
    codes?: Int32Array,
    numbers?: Float64Array,
  ): Column {
    const out = new Int32Array(this.positions);
    let cell = 0;
    for (let e = 0; e < this.examples.length; e++) {
      const start = this.offsets[e] ?? 0;
      const end = this.offsets[e + 1] ?? 0;
      for (let q = start; q < end; q++) {
        let count = 0;
        let sum = 0;
        let only = 0;
        let failed = false;
        for (let k = start; k < end; k++, cell++) {
          const selected = matrix[cell];
          if (selected === 0) continue;
          only = codes?.[k] ?? 0;
          failed ||= selected === FAILED_PAIR || only === FAILED;
          count++;
          sum += numbers?.[only] ?? 0;
        }
        out[q] = fold(count, sum, only, failed);
      }
    }
    return { values: interner.values, codes: out };
  }

  private forEachPair(visit: (q: number, k: number, cell: number) => void): void {
    let cell = 0;
    for (let e = 0; e < this.examples.length; e++) {
      const start = this.offsets[e] ?? 0;
      const end = this.offsets[e + 1] ?? 0;
      for (let q = start; q < end; q++) for (let k = start; k < end; k++) visit(q, k, cell++);
    }
  }
}

/** Marks a key-query pair whose comparison failed: the whole row fails, as it does in the interpreter. */
const FAILED_PAIR = 2;

function selectionTable(
  keys: readonly Value[],
  queries: readonly Value[],
  selects: (key: Value, query: Value) => boolean,
): Uint8Array {
  const table = new Uint8Array(keys.length * queries.length);
  queries.forEach((query, q) => {
    keys.forEach((key, k) => {
      try {
        table[q * keys.length + k] = selects(key, query) ? 1 : 0;
      } catch (error) {
        if (!(error instanceof ScalarError)) throw error;
        table[q * keys.length + k] = FAILED_PAIR;
      }
    });
  });
  return table;
}

function internResult(interner: Interner, compute: () => Value): number {
  try {
    return interner.code(compute());
  } catch (error) {
    if (error instanceof ScalarError) return FAILED;
    throw error;
  }
}

function transformed(column: Column, transform: ((value: Value) => Value) | undefined): Column {
  if (!transform) return column;
  const interner = new Interner();
  const table = column.values.map((value) => internResult(interner, () => (value === null ? null : transform(value))));
  return { values: interner.values, codes: column.codes.map((code) => (code === FAILED ? FAILED : (table[code] ?? FAILED))) };
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

function internColumn(sequences: readonly (readonly (Value | undefined)[])[]): Column {
  const interner = new Interner();
  const codes: number[] = [];
  for (const sequence of sequences) {
    for (const value of sequence) codes.push(value === undefined ? FAILED : interner.code(value));
  }
  return { values: interner.values, codes: Int32Array.from(codes) };
}

/** Equality as a user sees it: Python's, numbers to a relative 1e-9 (fractions accumulate rounding). */
export function sameValue(a: Value, b: Value): boolean {
  if (equals(a, b)) return true;
  if (!isNumeric(a) || !isNumeric(b)) return false;
  return Math.abs(Number(a) - Number(b)) <= 1e-9 * Math.max(1, Math.abs(Number(b)));
}

function equalityTable(outputs: readonly Value[], targets: readonly Value[]): Uint8Array {
  const table = new Uint8Array(outputs.length * targets.length);
  outputs.forEach((output, o) => {
    targets.forEach((target, t) => {
      table[o * targets.length + t] = sameValue(output, target) ? 1 : 0;
    });
  });
  return table;
}

/** I(output; target) / H(target) of a joint count table with one row per output code. */
function normalisedInformation(joint: Float64Array, width: number): number {
  const total = joint.reduce((a, b) => a + b, 0);
  if (total === 0 || width === 0) return 0;
  const columnsSum = new Float64Array(width);
  const rowsSum = new Float64Array(joint.length / width);
  joint.forEach((count, cell) => {
    columnsSum[cell % width] = (columnsSum[cell % width] ?? 0) + count;
    rowsSum[Math.floor(cell / width)] = (rowsSum[Math.floor(cell / width)] ?? 0) + count;
  });
  const entropy = (counts: Float64Array): number =>
    counts.reduce((sum, count) => (count > 0 ? sum - (count / total) * Math.log(count / total) : sum), 0);
  const targetEntropy = entropy(columnsSum);
  if (targetEntropy === 0) return 0;
  return (targetEntropy + entropy(rowsSum) - entropy(joint)) / targetEntropy;
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
