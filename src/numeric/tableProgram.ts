// A RASP program as a differentiable program of op tables: the DAG stays, each op's behaviour is a table that an ONNX
// graph reads as an input. With one-hot tables it computes what the interpreter computes; in between it has gradients.
import { castToken } from '../rasp/interpret.ts';
import type { AggregateOp, MapOp, Node, SelectOp, Selector, SOp, TokensOp, Value, WidthOp } from '../rasp/program.ts';
import { nodesBelow } from '../rasp/program.ts';
import { isNumeric } from '../rasp/scalar.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Signal } from './signals.ts';
import { sameList, SignalBuilder } from './signals.ts';
import type { TableParameter } from './tableParameter.ts';
import { affineCoefficients, attempt, parameterFor, valueIndex } from './tableParameter.ts';

export type Domains = ReadonlyMap<SOp, readonly Value[]>;

export interface TableProgramOptions {
  /** The values that an input may hold. */
  readonly vocabulary: readonly Value[];
  /** The finite value set of every s-op below the root, as its users see it. */
  readonly domains: Domains;
  /** Values that the right output may hold beside the output op's own. */
  readonly targets?: readonly Value[];
  /** Longest input, positions. */
  readonly maxLength: number;
  /** Aggregates that average: their results are real numbers instead of distributions. */
  readonly averaging: ReadonlySet<SOp>;
  /** Adds a table (or an affine map) behind each aggregate and width, for what a changed op may do to their results. */
  readonly wraps: boolean;
  /** A query sees keys at its own and earlier positions only. */
  readonly causal?: boolean;
  /** Entries of one table above which the program is refused; default 250,000. */
  readonly limit?: number;
  /**
   * Computes a parameter in the graph instead of reading it as an input: must define the value of that name (a training
   * graph makes tables from logits or mixture weights this way).
   */
  readonly define?: (builder: GraphBuilder, parameter: TableParameter) => void;
  /** Adds to the graph before it is built; returns nothing, may declare outputs (a regularised loss). */
  readonly finish?: (builder: GraphBuilder) => void;
}

export interface TableProgram {
  /**
   * Inputs: `tokens` [batch, length, tokens domain], `mask` [batch, length], `lengths` [batch, 1, length + 1 one-hot],
   * `target` [batch, length, output domain], one per parameter. Outputs: `output` [batch, length, output domain] (the
   * probability of each value), `loss` [] (mean −log(p + 0.01) over unmasked positions).
   */
  readonly graph: Graph;
  readonly parameters: readonly TableParameter[];
  readonly outputValues: readonly Value[];
  readonly maxLength: number;
  readonly vocabulary: readonly Value[];
}

/** An op's table would be too large to build. */
export class TableExplosion extends Error {
  override readonly name = 'TableExplosion';
  constructor(
    readonly node: Node,
    readonly sizes: readonly number[],
    readonly limit: number,
  ) {
    super(
      `the op has too many value combinations for a table: ${sizes.join(' × ')} entries, and the limit is ${limit}. ` +
        'Use a smaller vocabulary or shorter examples, or split the op.',
    );
  }
}

/** @throws TableExplosion */
export function buildTableProgram(root: SOp, options: TableProgramOptions): TableProgram {
  return new TableBuilder(root, options).build();
}

class TableBuilder {
  private readonly builder = new GraphBuilder();
  private readonly make: SignalBuilder;
  private readonly signals = new Map<Node, Signal>();
  private readonly selectors = new Map<Node, string>();
  private readonly parameters: TableParameter[] = [];
  private readonly limit: number;

  constructor(
    private readonly root: SOp,
    private readonly options: TableProgramOptions,
  ) {
    this.limit = options.limit ?? 250_000;
    this.make = new SignalBuilder(this.builder, options.maxLength);
  }

  build(): TableProgram {
    const { builder: b, options } = this;
    const order = nodesBelow(this.root);
    const n = options.maxLength;
    b.input('tokens', 'float32', ['batch', n, options.vocabulary.length]);
    b.input('mask', 'float32', ['batch', n]);
    b.input('lengths', 'float32', ['batch', 1, n + 1]);
    b.node('Unsqueeze', ['mask', this.make.int64('axes1', [1])], {}, 'keyMask');
    this.prepareVisibility();
    for (const node of order) this.emit(node);
    const output = this.make.finite(this.signal(this.root), this.outputDomain());
    b.node('Mul', [output.name, this.make.onePerKey()], {}, 'output');
    this.emitLoss(output.values.length);
    b.output('output', 'float32', ['batch', n, output.values.length]);
    b.output('loss', 'float32', []);
    options.finish?.(b);
    return {
      graph: b.build(),
      parameters: this.parameters,
      outputValues: output.values,
      maxLength: n,
      vocabulary: options.vocabulary,
    };
  }

  /** visible [batch, queries, keys]: which keys exist (and, if causal, are not later than the query). */
  private prepareVisibility(): void {
    const { builder: b, options } = this;
    if (!options.causal) {
      b.node('Identity', ['keyMask'], {}, 'visible');
      return;
    }
    const n = options.maxLength;
    const lower = Float32Array.from({ length: n * n }, (_, i) => (i % n <= Math.floor(i / n) ? 1 : 0));
    b.node('Mul', ['keyMask', this.make.constant('lower', [1, n, n], lower)], {}, 'visible');
  }

  private outputDomain(): readonly Value[] {
    const own = this.domain(this.root);
    const extra = (this.options.targets ?? []).filter((value) => valueIndex(own, value) < 0);
    return [...own, ...new Set(extra)];
  }

  private emitLoss(width: number): void {
    const { builder: b } = this;
    b.input('target', 'float32', ['batch', this.options.maxLength, width]);
    const last = this.make.int64('axesLast', [-1]);
    const right = b.node('ReduceSum', [b.node('Mul', ['output', 'target']), last], { keepdims: 0 });
    const logs = b.node('Log', [b.node('Add', [right, this.make.scalar('floor', 0.01)])]);
    const all = this.make.int64('axesAll', [0, 1]);
    const total = b.node('ReduceSum', [b.node('Mul', [logs, 'mask']), all], { keepdims: 0 });
    const count = b.node('ReduceSum', ['mask', all], { keepdims: 0 });
    b.node('Neg', [b.node('Div', [total, count])], {}, 'loss');
  }

  private emit(node: Node): void {
    const { builder: b, options } = this;
    const n = options.maxLength;
    switch (node.kind) {
      case 'tokens':
        this.signals.set(node, this.tokens(node));
        return;
      case 'indices': {
        const eye = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
        const values = Array.from({ length: n }, (_, i) => i);
        this.signals.set(node, { kind: 'finite', name: this.make.constant('indices', [1, n, n], eye), values });
        return;
      }
      case 'length':
        this.signals.set(node, { kind: 'finite', name: 'lengths', values: counts(n) });
        return;
      case 'constant': {
        const one = this.make.constant('one', [1, 1, 1], Float32Array.of(1));
        this.signals.set(node, { kind: 'finite', name: one, values: [node.value] });
        return;
      }
      case 'map':
        this.signals.set(node, this.map(node));
        return;
      case 'aggregate':
        this.signals.set(node, this.aggregate(node));
        return;
      case 'width':
        this.signals.set(node, this.width(node));
        return;
      case 'select':
        this.selectors.set(node, this.select(node));
        return;
      case 'and':
        this.selectors.set(node, b.node('Mul', [this.selector(node.left), this.selector(node.right)]));
        return;
      case 'or': {
        const [left, right] = [this.selector(node.left), this.selector(node.right)];
        const both = b.node('Mul', [left, right]);
        this.selectors.set(node, b.node('Sub', [b.node('Add', [left, right]), both]));
        return;
      }
      case 'not': {
        const other = b.node('Sub', ['visible', this.selector(node.operand)]);
        this.selectors.set(node, other);
      }
    }
  }

  /** The input as the op reads it: as text, as numbers or as it is. */
  private tokens(node: TokensOp): Signal {
    const { vocabulary } = this.options;
    const values = this.domain(node);
    const cast = vocabulary.map((token) => attempt(() => castToken(token, node.cast)));
    if (sameList(values, vocabulary) && sameList(vocabulary, cast)) return { kind: 'finite', name: 'tokens', values };
    const table = new Float32Array(vocabulary.length * values.length);
    cast.forEach((value, row) => {
      const column = value === undefined ? -1 : valueIndex(values, value);
      if (column >= 0) table[row * values.length + column] = 1;
    });
    const name = this.make.constant(`cast/${node.id}`, [vocabulary.length, values.length], table);
    return { kind: 'finite', name: this.builder.node('MatMul', ['tokens', name]), values };
  }

  private map(node: MapOp): Signal {
    const fn = (args: readonly Value[]): Value => node.fn.apply(args);
    const args = node.args.map((arg) => this.signal(arg));
    const domains = args.map(({ values }) => values);
    const numeric = domains.every((domain) => domain.every(isNumeric));
    const entries = domains.reduce((size, domain) => size * domain.length, this.domain(node).length);
    const wantsReal = args.some(({ kind }) => kind === 'real') || entries > this.limit;
    const coefficients = numeric && wantsReal ? affineCoefficients(domains, fn) : null;
    if (coefficients) return this.affine(node, args, coefficients);
    if (entries > this.limit) {
      throw new TableExplosion(node, [...domains.map((domain) => domain.length), this.domain(node).length], this.limit);
    }
    const finite = args.map((arg) => this.make.finite(arg));
    return this.table(node, this.outer(finite), domains, this.domain(node), fn);
  }

  /** The joint distribution [.., Π sizes] of independent arguments. */
  private outer(args: readonly Signal[]): string {
    const { builder: b } = this;
    const [first, ...rest] = args;
    if (!first) throw new RangeError('a map has at least one argument');
    let joint = first.name;
    let size = first.values.length;
    for (const arg of rest) {
      const left = b.node('Unsqueeze', [joint, this.make.int64('axes3', [3])]);
      const right = b.node('Unsqueeze', [arg.name, this.make.int64('axes2', [2])]);
      const product = b.node('Mul', [left, right]);
      size *= arg.values.length;
      const shape = this.make.int64(`shape${size}`, [0, 0, size]);
      joint = b.node('Reshape', [product, shape]);
    }
    return joint;
  }

  private table(
    node: Node,
    input: string,
    args: readonly (readonly Value[])[],
    values: readonly Value[],
    fn: (args: readonly Value[]) => Value,
  ): Signal {
    const rows = args.reduce((size, domain) => size * domain.length, 1);
    const name = this.parameter(node, 'table', [rows, values.length], args, values, fn);
    return { kind: 'finite', name: this.builder.node('MatMul', [input, name]), values };
  }

  private affine(node: SOp, args: readonly Signal[], initial: Float32Array): Signal {
    const { builder: b } = this;
    const name = `table/${node.id}`;
    const domains = args.map(({ values }) => values);
    this.declare({ name, node, role: 'affine', dims: [initial.length], args: domains, values: [], initial });
    const coefficient = (i: number): string =>
      b.node('Slice', [name, this.make.int64(`at${i}`, [i]), this.make.int64(`at${i + 1}`, [i + 1])]);
    let sum = coefficient(args.length);
    args.forEach((arg, i) => {
      sum = b.node('Add', [sum, b.node('Mul', [this.make.real(arg), coefficient(i)])]);
    });
    return { kind: 'real', name: sum, values: this.domain(node) };
  }

  private select(node: SelectOp): string {
    const { builder: b } = this;
    const keys = this.make.finite(this.signal(node.keys));
    const queries = this.make.finite(this.signal(node.queries));
    const fn = ([key = null, query = null]: readonly Value[]): Value => node.predicate.apply(key, query);
    const dims = [keys.values.length, queries.values.length];
    const name = this.parameter(node, 'select', dims, [keys.values, queries.values], [false, true], fn);
    const accepted = b.node('MatMul', [keys.name, name]);
    const scores = b.node('MatMul', [queries.name, b.node('Transpose', [accepted], { perm: [0, 2, 1] })]);
    return b.node('Mul', [scores, 'visible']);
  }

  private aggregate(node: AggregateOp): Signal {
    const { builder: b } = this;
    const selected = this.selector(node.selector);
    const total = b.node('ReduceSum', [selected, this.make.int64('axesLast', [-1])], { keepdims: 1 });
    const one = this.make.scalar('unit', 1);
    const weights = b.node('Div', [selected, b.node('Max', [total, one])]);
    const none = b.node('Relu', [b.node('Sub', [one, total])]);
    const source = this.signal(node.value);
    const fallback = node.default;
    if (this.options.averaging.has(node)) return this.average(node, source, weights, none);
    const finite = this.make.finite(source);
    const raw = valueIndex(finite.values, fallback) < 0 ? [...finite.values, fallback] : finite.values;
    const spread = this.make.onto(finite, raw);
    const mixed = b.node('MatMul', [weights, this.make.overKeys(spread)]);
    const rest = b.node('Mul', [none, this.make.oneHot(raw, fallback)]);
    return this.wrapped(node, { kind: 'finite', name: b.node('Add', [mixed, rest]), values: raw });
  }

  /** Means as real numbers; where the default is no number, the result is a distribution over the means and it. */
  private average(node: AggregateOp, source: Signal, weights: string, none: string): Signal {
    const { builder: b } = this;
    const mean = b.node('MatMul', [weights, this.make.overKeys(this.make.real(source))]);
    const domain = this.domain(node);
    if (isNumeric(node.default)) {
      const rest = b.node('Mul', [none, this.make.scalar(`default${Number(node.default)}`, Number(node.default))]);
      const signal: Signal = { kind: 'real', name: b.node('Add', [mean, rest]), values: domain };
      return this.options.wraps ? this.affine(node, [signal], Float32Array.of(1, 0)) : signal;
    }
    const grid = domain.filter(isNumeric);
    const spread = this.make.onto(this.make.finite({ kind: 'real', name: mean, values: grid }), domain);
    const kept = b.node('Mul', [spread, b.node('Sub', [this.make.scalar('unit', 1), none])]);
    const rest = b.node('Mul', [none, this.make.oneHot(domain, node.default)]);
    return this.wrapped(node, { kind: 'finite', name: b.node('Add', [kept, rest]), values: domain });
  }

  private width(node: WidthOp): Signal {
    const { builder: b, options } = this;
    const total = b.node('ReduceSum', [this.selector(node.selector), this.make.int64('axesLast', [-1])], { keepdims: 1 });
    return this.wrapped(node, this.make.finite({ kind: 'real', name: total, values: counts(options.maxLength) }));
  }

  /** The identity table behind an aggregate or width that a changed op may replace. */
  private wrapped(node: SOp, raw: Signal): Signal {
    const domain = this.domain(node);
    if (!this.options.wraps) return { ...raw, name: this.make.onto(raw, domain), values: domain };
    return this.table(node, raw.name, [raw.values], domain, ([value = null]) => value);
  }

  private parameter(
    node: Node,
    role: 'table' | 'select',
    dims: readonly number[],
    args: readonly (readonly Value[])[],
    values: readonly Value[],
    fn: (args: readonly Value[]) => Value,
  ): string {
    const size = dims.reduce((a, b) => a * b, 1);
    if (size > this.limit) throw new TableExplosion(node, dims, this.limit);
    const name = `table/${node.id}`;
    const blank: TableParameter = { name, node, role, dims, args, values, initial: new Float32Array(0) };
    this.declare({ ...blank, initial: parameterFor(blank, fn) ?? new Float32Array(size) });
    return name;
  }

  private declare(parameter: TableParameter): void {
    this.parameters.push(parameter);
    if (this.options.define) this.options.define(this.builder, parameter);
    else this.builder.input(parameter.name, 'float32', [...parameter.dims]);
  }

  private domain(node: SOp): readonly Value[] {
    const domain = this.options.domains.get(node);
    if (!domain) throw new RangeError(`no value set for s-op ${node.id}`);
    return domain;
  }

  private signal(node: SOp): Signal {
    const signal = this.signals.get(node);
    if (!signal) throw new RangeError(`s-op ${node.id} is not built`);
    return signal;
  }

  private selector(node: Selector): string {
    const name = this.selectors.get(node);
    if (name === undefined) throw new RangeError(`selector ${node.id} is not built`);
    return name;
  }
}

const counts = (n: number): number[] => Array.from({ length: n + 1 }, (_, i) => i);
