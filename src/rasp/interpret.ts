// The interpreter: what a program computes on one input, exactly; every other form of the program is held against it.
import type { AggregateOp, Dialect, ElementType, MapOp, Node, Program, Selector, SOp, TokensOp, Value } from './program.ts';
import { inputsOf, nodesBelow } from './program.ts';
import { describe, isNumeric, ScalarError, truthy } from './scalar.ts';

/** A program fails on an input: which op and why. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
  constructor(
    message: string,
    readonly node: Node,
    /** As ScalarError's. */
    readonly fault: 'type' | 'value' = 'type',
  ) {
    super(message);
  }
}

export interface Sequence {
  readonly values: readonly Value[];
  /** What the sequence holds; int and float mixed are float. `none` only if every value is None. */
  readonly type: ElementType;
}

/** matrix[q][k]: does the query at q select the key at k. */
export type SelectorMatrix = readonly (readonly boolean[])[];

export interface InterpretOptions {
  /** A query sees keys at its own and earlier positions only (Tracr's causal compilation). */
  readonly causal?: boolean;
}

/**
 * The program's output on an input, one value a position.
 * @throws EvaluationError where the reference implementation of the dialect would refuse the input.
 */
export function interpret(program: Program, input: readonly Value[], options: InterpretOptions = {}): readonly Value[] {
  return evaluateSOp(program.output, program.dialect, input, options).values;
}

export function evaluateSOp(
  root: SOp,
  dialect: Dialect,
  input: readonly Value[],
  options: InterpretOptions = {},
): Sequence {
  const evaluation = new Evaluation(dialect, input, options);
  evaluation.evaluate(root);
  return evaluation.sequence(root);
}

export function evaluateSelector(
  root: Selector,
  dialect: Dialect,
  input: readonly Value[],
  options: InterpretOptions = {},
): SelectorMatrix {
  const evaluation = new Evaluation(dialect, input, options);
  evaluation.evaluate(root);
  return evaluation.matrix(root);
}

const orders = new WeakMap<Node, readonly Node[]>();

/** nodesBelow, remembered: one program is run on many inputs. */
function orderBelow(root: Node): readonly Node[] {
  const known = orders.get(root);
  if (known !== undefined) return known;
  const order = nodesBelow(root);
  orders.set(root, order);
  return order;
}

/** One input's worth of results, kept per node so that shared nodes are computed once. */
export class Evaluation {
  private readonly sequences = new Map<Node, Sequence>();
  private readonly matrices = new Map<Node, SelectorMatrix>();

  constructor(
    private readonly dialect: Dialect,
    private readonly input: readonly Value[],
    private readonly options: InterpretOptions = {},
  ) {}

  /** Computes the root and what it needs; results of earlier calls are kept. */
  evaluate(root: Node): void {
    if (this.has(root)) return;
    if (inputsOf(root).every((input) => this.has(input))) {
      this.attempt(root);
      return;
    }
    for (const node of orderBelow(root)) if (!this.has(node)) this.attempt(node);
  }

  private has(node: Node): boolean {
    return this.sequences.has(node) || this.matrices.has(node);
  }

  private attempt(node: Node): void {
    try {
      this.step(node);
    } catch (error) {
      if (error instanceof ScalarError) throw new EvaluationError(error.message, node, error.fault);
      throw error;
    }
  }

  sequence(node: SOp): Sequence {
    const found = this.sequences.get(node);
    if (found === undefined) throw new RangeError(`s-op ${node.id} is not evaluated`);
    return found;
  }

  matrix(node: Selector): SelectorMatrix {
    const found = this.matrices.get(node);
    if (found === undefined) throw new RangeError(`selector ${node.id} is not evaluated`);
    return found;
  }

  private step(node: Node): void {
    switch (node.kind) {
      case 'select':
      case 'and':
      case 'or':
      case 'not':
        this.matrices.set(node, this.select(node));
        return;
      default:
        this.sequences.set(node, this.compute(node));
    }
  }

  private compute(node: SOp): Sequence {
    const { input } = this;
    switch (node.kind) {
      case 'tokens':
        return this.tokens(node);
      case 'indices':
        return { values: input.map((_, i) => i), type: 'int' };
      case 'length':
        return { values: input.map(() => input.length), type: 'int' };
      case 'constant':
        return { values: input.map(() => node.value), type: node.type };
      case 'map':
        return this.map(node);
      case 'aggregate':
        return this.aggregate(node);
      case 'width':
        return { values: this.matrix(node.selector).map(countSelected), type: 'int' };
    }
  }

  private tokens(node: TokensOp): Sequence {
    const hint = node.cast === 'float' ? 'float' : undefined;
    return this.typed(this.input.map((token) => castToken(token, node.cast)), hint);
  }

  private map({ fn, args: inputs }: MapOp): Sequence {
    const args = inputs.map((arg) => this.sequence(arg));
    const values: Value[] = [];
    for (let i = 0; i < this.input.length; i++) {
      const at: Value[] = [];
      // Tracr passes None through; RASP has no None.
      let none = false;
      for (const arg of args) {
        const value = arg.values[i] ?? null;
        none ||= value === null;
        at.push(value);
      }
      values.push(none ? null : fn.apply(at));
    }
    return this.typed(values, fn.resultType?.(args.map((arg) => arg.type)));
  }

  private aggregate(node: AggregateOp): Sequence {
    const { values, type: valueType } = this.sequence(node.value);
    let averaged = false;
    const result: Value[] = [];
    for (const row of this.matrix(node.selector)) {
      const selected: Value[] = [];
      for (let k = 0; k < row.length; k++) if (row[k]) selected.push(values[k] ?? null);
      const [only = node.default] = selected;
      if (selected.length < 2) {
        result.push(only);
        continue;
      }
      averaged = true;
      // RASP averages no bools unless numbers are among them; Tracr does.
      if (valueType === 'bool' && this.dialect === 'rasp') refuseMean(selected);
      result.push(mean(selected));
    }
    return this.typed(result, averaged || valueType === 'float' ? 'float' : undefined);
  }

  private select(node: Selector): SelectorMatrix {
    switch (node.kind) {
      case 'and':
        return zipRows(this.matrix(node.left), this.matrix(node.right), (a, b) => a && b);
      case 'or':
        return zipRows(this.matrix(node.left), this.matrix(node.right), (a, b) => a || b);
      case 'not': {
        const rows = this.matrix(node.operand).map((row) => row.map((selected) => !selected));
        return this.masked(rows);
      }
      case 'select': {
        const keys = this.sequence(node.keys).values;
        const queries = this.sequence(node.queries).values;
        const { predicate } = node;
        return this.masked(queries.map((query) => keys.map((key) => predicate.apply(key, query))));
      }
    }
  }

  private masked(rows: boolean[][]): SelectorMatrix {
    return this.options.causal ? rows.map((row, q) => row.map((selected, k) => selected && k <= q)) : rows;
  }

  /** Checks RASP's rule that a sequence holds one type (bools count as numbers among numbers); Tracr has no such rule. */
  private typed(values: readonly Value[], hint?: ElementType): Sequence {
    let strings = false;
    let bools = false;
    let numbers = false;
    let fractions = hint === 'float';
    for (const value of values) {
      if (typeof value === 'string') strings = true;
      else if (typeof value === 'boolean') bools = true;
      else if (value !== null) {
        numbers = true;
        fractions ||= !Number.isInteger(value);
      }
    }
    if (strings && (numbers || bools) && this.dialect === 'rasp') throw mixed(values);
    if (numbers) return { values, type: fractions ? 'float' : 'int' };
    return { values, type: strings ? 'string' : bools ? 'bool' : 'none' };
  }
}

function mixed(values: readonly Value[]): ScalarError {
  const kinds = new Set(values.filter((value) => value !== null).map(kindOf));
  return new ScalarError(`a sequence must hold one type, and this one holds ${[...kinds].sort().join('s and ')}s`);
}

function kindOf(v: Value): 'number' | 'bool' | 'string' {
  return typeof v === 'number' ? 'number' : typeof v === 'boolean' ? 'bool' : 'string';
}

function countSelected(row: readonly boolean[]): number {
  let count = 0;
  for (const selected of row) if (selected) count += 1;
  return count;
}

function refuseMean(selected: readonly Value[]): never {
  const some = selected.slice(0, 4).map(describe).join(', ');
  throw new ScalarError(`asked to average multiple values, but they are non-numbers: ${some}`);
}

function mean(selected: readonly Value[]): number {
  let sum = 0;
  for (const value of selected) {
    if (!isNumeric(value)) refuseMean(selected);
    sum += Number(value);
  }
  return sum / selected.length;
}

function zipRows(
  left: SelectorMatrix,
  right: SelectorMatrix,
  join: (a: boolean, b: boolean) => boolean,
): SelectorMatrix {
  return left.map((row, q) => row.map((a, k) => join(a, right[q]?.[k] ?? false)));
}

/** A token as `tokens`, `tokens_int` … reads it; throws ScalarError where it cannot. */
export function castToken(token: Value, cast: TokensOp['cast']): Value {
  switch (cast) {
    case 'asis':
      return token;
    case 'str':
      return typeof token === 'string' ? token : pythonString(token);
    case 'bool':
      return truthy(token);
    case 'int':
    case 'float': {
      const number = typeof token === 'string' ? parseNumber(token, cast) : Number(token);
      if (Number.isNaN(number)) throw new ScalarError(`the token ${describe(token)} is not a number`, 'value');
      return cast === 'int' ? Math.trunc(number) : number;
    }
  }
}

function parseNumber(text: string, cast: 'int' | 'float'): number {
  const pattern = cast === 'int' ? /^\s*[-+]?\d+\s*$/u : /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/u;
  return pattern.test(text) ? Number(text) : Number.NaN;
}

function pythonString(v: Value): string {
  return typeof v === 'string' ? v : describe(v);
}
