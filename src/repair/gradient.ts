// What the gradient says: one backward pass through the op tables ranks every change of every op by its promised gain.
import type { Batch, BatchState } from './batch.ts';
import type { Form, OpGroup } from './forms.ts';
import { functionOf } from './forms.ts';
import type { Example } from './types.ts';
import type { AggregateOp, Node, SOp, Value } from '../rasp/program.ts';
import { isSelector } from '../rasp/program.ts';
import { isNumeric, ScalarError } from '../rasp/scalar.ts';
import { encodeExamples } from '../numeric/encode.ts';
import type { TableParameter } from '../numeric/tableParameter.ts';
import { forEachCombination, valueIndex } from '../numeric/tableParameter.ts';
import type { TableProgram, TableProgramOptions } from '../numeric/tableProgram.ts';
import { buildTableProgram } from '../numeric/tableProgram.ts';
import { TableRunner } from '../numeric/run.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { HostTensor } from '../runtime/protocol.ts';

/** How the current form and its library are mixed where the gradient is taken. */
const CURRENT_SHARE = 0.8;
const COST_WEIGHT = 0.3;
const EXTRA_VALUES = 24;
/** Forms of a higher cost do not widen the value sets. */
export const WIDENING_COST = 1.7;

/** A form as numbers: for tables the output column of each row (-1: none), else the dense entries. */
type FormNumbers = { readonly columns: Int32Array } | { readonly dense: Float32Array } | null;

interface GroupNumbers {
  readonly parameter: TableParameter;
  readonly forms: readonly FormNumbers[];
  /** Σ_f w_f T_f, w = softmax(−0.3 cost). */
  readonly prior: Float32Array;
}

export interface Ranking {
  /** Mean −log p at the mixture. */
  readonly loss: number;
  /** gains[group][form]: loss that the change promises to take away; 0 for the form in place. */
  readonly gains: readonly Float64Array[];
  /** d loss / d table by parameter name. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

/** The differentiable table program of a batch, ready to rank changes at any choice of forms. */
export class GradientRanking {
  private constructor(
    private readonly runner: TableRunner,
    private readonly feeds: Record<string, HostTensor>,
    private readonly groups: readonly OpGroup[],
    private readonly numbers: readonly (readonly GroupNumbers[])[],
    readonly program: TableProgram,
    private readonly reorder: (ranking: Ranking) => Ranking,
  ) {}

  /** @throws TableExplosion if an op's table is too large. */
  static async create(
    batch: Batch,
    base: BatchState,
    groups: readonly OpGroup[],
    examples: readonly Example[],
    host: ModelHost,
    reorder: (ranking: Ranking) => Ranking = (ranking) => ranking,
  ): Promise<GradientRanking> {
    const program = relaxedProgram(batch, base, groups, examples);
    const runner = await TableRunner.start(program, host);
    const numbers = groups.map((group) => numbersOf(group, program));
    return new GradientRanking(runner, encodeExamples(program, examples), groups, numbers, program, reorder);
  }

  /** The execution provider that computes the gradients. */
  get provider(): string {
    return this.runner.provider;
  }

  /** One forward and backward pass with the given form in place in every group; `other` stands in for one group's form. */
  async rank(choice: readonly number[], other?: { readonly group: number; readonly form: Form }): Promise<Ranking> {
    const tables: Record<string, Float32Array> = {};
    this.numbers.forEach((list, g) => {
      for (const numbers of list) {
        const current = other?.group === g ? formNumbers(numbers.parameter, other.form) : numbers.forms[choice[g] ?? 0];
        tables[numbers.parameter.name] = mixture(numbers, current ?? numbers.forms[0] ?? null);
      }
    });
    const { loss, gradients } = await this.runner.gradients(this.feeds, tables);
    const gains = this.groups.map((group, g) => {
      const total = new Float64Array(group.forms.length);
      for (const numbers of this.numbers[g] ?? []) {
        const gradient = gradients[numbers.parameter.name];
        if (gradient) addGains(total, numbers, gradient, choice[g] ?? 0);
      }
      return total;
    });
    return this.reorder({ loss, gains, gradients });
  }

  /**
   * For a group of ops of one argument: how much the loss would fall, to first order, if the op gave the value for the
   * argument. Null where the group's ops are no such tables.
   */
  wishes(group: number, { gradients }: Ranking): Map<Value, Map<Value, number>> | null {
    const wishes = new Map<Value, Map<Value, number>>();
    for (const { parameter } of this.numbers[group] ?? []) {
      const gradient = gradients[parameter.name];
      if (!gradient || parameter.role !== 'table' || parameter.node.kind !== 'map' || parameter.args.length !== 1) return null;
      parameter.args[0]?.forEach((argument, row) => {
        const wish = wishes.get(argument) ?? new Map<Value, number>();
        parameter.values.forEach((value, column) => {
          wish.set(value, (wish.get(value) ?? 0) - (gradient[row * parameter.values.length + column] ?? 0));
        });
        wishes.set(argument, wish);
      });
    }
    return wishes.size > 0 ? wishes : null;
  }

  /** A form's table in full, zeros where the parameter cannot express it. */
  denseTable(parameter: TableParameter, form: Form): Float32Array {
    const dense = new Float32Array(parameter.initial.length);
    addScaled(dense, formNumbers(parameter, form), 1, parameter.dims[1] ?? 1);
    return dense;
  }

  async dispose(): Promise<void> {
    await this.runner.dispose();
  }
}

export const targetsOf = (examples: readonly Example[]): Value[] => [...new Set(examples.flatMap(({ output }) => output))];

export const longestOf = (examples: readonly Example[]): number => Math.max(1, ...examples.map(({ input }) => input.length));

/** The table program around the present behaviour, its value sets widened by what the library's forms would need. */
export function relaxedProgram(
  batch: Batch,
  base: BatchState,
  groups: readonly OpGroup[],
  examples: readonly Example[],
  training: Pick<TableProgramOptions, 'define' | 'finish'> = {},
): TableProgram {
  const targets = targetsOf(examples);
  const maxLength = longestOf([...examples, ...batch.examples]);
  const domains = widenedDomains(batch, base, groups, targets, maxLength);
  return buildTableProgram(batch.root, {
    vocabulary: [...new Set(batch.examples.flatMap(({ input }) => input))],
    domains,
    targets,
    maxLength,
    averaging: averagingOps(batch, base),
    wraps: true,
    ...training,
  });
}

/** The values that each s-op may hold at any choice of the groups' cheaper forms, as far as there is room. */
export function widenedDomains(
  batch: Batch,
  base: BatchState,
  groups: readonly OpGroup[],
  targets: readonly Value[],
  longest: number,
): Map<SOp, readonly Value[]> {
  const formsOf = new Map<Node, Form[]>();
  for (const { nodes, forms } of groups) for (const node of nodes) formsOf.set(node, [...(formsOf.get(node) ?? []), ...forms]);
  const domains = new Map<SOp, readonly Value[]>();
  for (const node of batch.order) {
    if (isSelector(node)) continue;
    // An op that fails on every input has no values; a set that nothing reaches keeps the graph's dimensions above 0.
    const seen = base.columns.get(node)?.values ?? [];
    const observed = seen.length > 0 ? seen : [null];
    if (node.kind === 'tokens' || node.kind === 'constant') domains.set(node, observed);
    else if (node.kind === 'indices') domains.set(node, range(longest));
    else if (node.kind === 'length') domains.set(node, range(longest + 1));
    else domains.set(node, widened(node, observed, argumentsOf(node, domains, longest), (formsOf.get(node) ?? []).sort((a, b) => a.cost - b.cost), node === batch.root ? targets : []));
  }
  return domains;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function argumentsOf(node: SOp, domains: ReadonlyMap<SOp, readonly Value[]>, longest: number): (readonly Value[])[] {
  if (node.kind === 'map') return node.args.map((arg) => domains.get(arg) ?? []);
  if (node.kind === 'aggregate') return [[...(domains.get(node.value) ?? []), node.default]];
  return [range(longest + 1)];
}

function widened(
  node: SOp,
  observed: readonly Value[],
  args: readonly (readonly Value[])[],
  forms: readonly Form[],
  targets: readonly Value[],
): readonly Value[] {
  const values = [...observed];
  const known = new Set<Value>(values);
  let room = EXTRA_VALUES;
  const add = (value: Value): void => {
    if (room <= 0 || known.has(value) || valueIndex(values, value) >= 0) return;
    known.add(value);
    values.push(value);
    room--;
  };
  targets.forEach(add);
  const size = args.reduce((product, domain) => product * domain.length, 1);
  if (node.kind !== 'map') args[0]?.forEach(add);
  if (size > 4000) return values;
  for (const form of forms) {
    if (form.cost > WIDENING_COST || room <= 0) break;
    forEachCombination(args, (combination) => {
      if (room > 0 && !combination.includes(null)) {
        const value = attempt(() => functionOf(form, node)?.(combination) ?? null);
        if (value !== undefined) add(value);
      }
    });
  }
  return values;
}

function attempt(compute: () => Value): Value | undefined {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ScalarError) return undefined;
    throw error;
  }
}

/**
 * Aggregates to treat as means. Elsewhere the result is a mixture of the selected values, which equals the mean where
 * one value is selected and has the better gradient where a wrong selector picks several.
 */
function averagingOps(batch: Batch, base: BatchState): Set<SOp> {
  const averaging = new Set<SOp>();
  for (const node of batch.order) {
    if (node.kind !== 'aggregate') continue;
    const values = base.columns.get(node.value)?.values ?? [];
    const truthValues = values.every((value) => isNumeric(value) && (Number(value) === 0 || Number(value) === 1));
    if (truthValues || node.encoding === 'numerical' || averages(node, base)) averaging.add(node);
  }
  return averaging;
}

/** Do results occur that are no element of the averaged sequence, and more than a few? */
function averages(node: AggregateOp, base: BatchState): boolean {
  const values = base.columns.get(node.value)?.values ?? [];
  const results = base.columns.get(node)?.values ?? [];
  return values.some((value) => isNumeric(value) && !Number.isInteger(Number(value))) && results.some((r) => valueIndex(values, r) < 0);
}

function numbersOf(group: OpGroup, program: TableProgram): GroupNumbers[] {
  return program.parameters
    .filter(({ node }) => group.nodes.includes(node))
    .map((parameter) => {
      const forms = group.forms.map((form) => formNumbers(parameter, form));
      return { parameter, forms, prior: priorOf(parameter, group.forms, forms) };
    });
}

function formNumbers(parameter: TableParameter, form: Form): FormNumbers {
  const fn = functionOf(form, parameter.node);
  if (form.cost === 0 || !fn) return parameter.role === 'table' ? { columns: columnsOf(parameter) } : { dense: parameter.initial };
  if (parameter.role !== 'table') return denseNumbers(parameter, fn);
  const index = new Map(parameter.values.map((value, i) => [value, i]));
  const columns = new Int32Array(parameter.dims[0] ?? 0).fill(-1);
  const cache = new Map<Value, number>();
  forEachCombination(parameter.args, (combination, row) => {
    const value = attempt(() => (combination.includes(null) && parameter.node.kind === 'map' ? null : fn(combination)));
    if (value === undefined) return;
    let column = cache.get(value);
    if (column === undefined) {
      column = index.get(value) ?? valueIndex(parameter.values, value);
      cache.set(value, column);
    }
    columns[row] = column;
  });
  return { columns };
}

function columnsOf({ dims, initial }: TableParameter): Int32Array {
  const [rows = 0, width = 0] = dims;
  return Int32Array.from({ length: rows }, (_, row) => initial.subarray(row * width, (row + 1) * width).indexOf(1));
}

function denseNumbers(parameter: TableParameter, fn: Form['fn']): FormNumbers {
  if (parameter.role === 'affine') {
    const probe = (at: readonly Value[]): number => {
      const value = attempt(() => fn(at));
      return value !== undefined && isNumeric(value) ? Number(value) : Number.NaN;
    };
    const k = parameter.args.length;
    const zero: number[] = Array.from({ length: k }, () => 0);
    const constant = probe(zero);
    const unit = (d: number): number[] => zero.map((_, i) => (i === d ? 1 : 0));
    const slopes = zero.map((_, d) => probe(unit(d)) - constant);
    const double = zero.map((_, d) => probe(unit(d).map((x) => 2 * x)) - constant);
    const affine = slopes.every((slope, d) => Number.isFinite(slope) && Math.abs((double[d] ?? 0) - 2 * slope) < 1e-9);
    return affine && Number.isFinite(constant) ? { dense: Float32Array.from([...slopes, constant]) } : null;
  }
  const [keys = [], queries = []] = parameter.args;
  const dense = new Float32Array(keys.length * queries.length);
  keys.forEach((key, k) => {
    queries.forEach((query, q) => {
      if (attempt(() => fn([key, query])) === true) dense[k * queries.length + q] = 1;
    });
  });
  return { dense };
}

function priorOf(parameter: TableParameter, forms: readonly Form[], numbers: readonly FormNumbers[]): Float32Array {
  const size = parameter.initial.length;
  const prior = new Float32Array(size);
  const weights = forms.map((form, f) => (numbers[f] ? Math.exp(-COST_WEIGHT * form.cost) : 0));
  const total = weights.reduce((a, b) => a + b, 0);
  numbers.forEach((entry, f) => addScaled(prior, entry, (weights[f] ?? 0) / total, parameter.dims[1] ?? 1));
  return prior;
}

function addScaled(out: Float32Array, entry: FormNumbers, scale: number, width: number): void {
  if (!entry) return;
  if ('dense' in entry) {
    for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + scale * (entry.dense[i] ?? 0);
    return;
  }
  entry.columns.forEach((column, row) => {
    if (column >= 0) out[row * width + column] = (out[row * width + column] ?? 0) + scale;
  });
}

function mixture({ parameter, prior }: GroupNumbers, current: FormNumbers): Float32Array {
  // An affine op stays pure: a blend of −x and x would be 0, which no form means.
  if (parameter.role === 'affine') return current && 'dense' in current ? current.dense : parameter.initial;
  const out = prior.map((p) => (1 - CURRENT_SHARE) * p);
  addScaled(out, current, CURRENT_SHARE, parameter.dims[1] ?? 1);
  return out;
}

/** −⟨gradient, T_f − T_current⟩ of every form f. */
function addGains(total: Float64Array, { parameter, forms }: GroupNumbers, gradient: Float32Array, chosen: number): void {
  const width = parameter.dims[1] ?? 1;
  const along = (entry: FormNumbers): number => {
    if (!entry) return Number.NaN;
    let sum = 0;
    if ('dense' in entry) for (let i = 0; i < gradient.length; i++) sum += (gradient[i] ?? 0) * (entry.dense[i] ?? 0);
    else entry.columns.forEach((column, row) => (sum += column >= 0 ? (gradient[row * width + column] ?? 0) : 0));
    return sum;
  };
  const here = along(forms[chosen] ?? null);
  forms.forEach((entry, f) => {
    const gain = here - along(entry);
    if (f !== chosen && Number.isFinite(gain)) total[f] = (total[f] ?? 0) + gain;
  });
}
