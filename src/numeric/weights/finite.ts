// From terms to indicators in the residual stream: sums of indicators, steps over a number, products of classes.
import type { Indicators, Plan } from './plan.ts';
import type { CompileFault } from './problem.ts';
import type { Form, Stage } from './residual.ts';
import { combine, mlpAfter, sumOf } from './residual.ts';
import type { FiniteBase, RealBase, Term, View } from './terms.ts';
import { additive, additiveForm, forEachRow, largestOf, normalise } from './terms.ts';
import type { Value } from '../../rasp/program.ts';

/** The largest rounding error of one float32 operation, relative. */
const EPSILON = 2 ** -24;
/** Noise above which a product's units saturate. */
const QUIET = 1e-6;

export interface IndicatorRequest<T> {
  readonly term: Term<T>;
  /** The group of each of the term's values; groups count from 0. */
  readonly groups: readonly number[];
  readonly count: number;
  readonly label: string;
  /** What each group stands for, in the directions' names. */
  readonly named: (group: number) => readonly Value[];
  /** Two values that float32 cannot tell apart. */
  readonly tooFine: (low: number, high: number) => CompileFault;
}

/** Computes the indicators with as few hidden units as it can, and writes them where no sum of what is there will do. */
export function indicators<T>(plan: Plan, request: IndicatorRequest<T>): Indicators {
  const { term, groups, count } = request;
  const grouped = normalise({ views: term.views, table: term.table.map((index) => (index < 0 ? -1 : (groups[index] ?? -1))), values: Array.from({ length: count }, (_, g) => g) });
  const found = groupedIndicators(plan, grouped, request);
  const none: Form = new Map();
  return { noise: found.noise, forms: Array.from({ length: count }, (_, g) => found.forms[grouped.values.indexOf(g)] ?? none) };
}

/** Indicators of `grouped.values`, in their order. */
function groupedIndicators<T>(plan: Plan, grouped: Term<number>, request: IndicatorRequest<T>): Indicators {
  const [first, ...more] = grouped.views;
  const name = (g: number): readonly Value[] => request.named(grouped.values[g] ?? 0);
  if (!first) return { forms: [plan.residual.constant(1)], noise: 0 };
  if (more.length === 0) return viewIndicators(plan, first, grouped.table, grouped.values.length, { ...request, named: name });
  return sumIndicators(plan, grouped, request, name) ?? productIndicators(plan, grouped, { ...request, named: name });
}

interface Naming {
  readonly label: string;
  readonly named: (group: number) => readonly Value[];
  readonly tooFine: (low: number, high: number) => CompileFault;
}

/** table[class] is the group. */
function viewIndicators(plan: Plan, { base, classes }: View, table: Int32Array, count: number, naming: Naming): Indicators {
  const groupOf = Array.from(classes, (c) => table[c] ?? -1);
  if (base.kind === 'real') return discretised(plan, base, groupOf, count, naming);
  return { noise: base.noise, forms: Array.from({ length: count }, (_, g) => sumOf(base.forms.filter((_f, i) => groupOf[i] === g))) };
}

/** Steps over the number that the term's views add up to, where they do and that takes fewer units than their product. */
function sumIndicators<T>(plan: Plan, grouped: Term<number>, { term, groups, ...naming }: IndicatorRequest<T>, named: Naming['named']): Indicators | null {
  const sum = additive(term);
  if (!sum) return null;
  const codes = term.values.map(Number);
  const groupOf = groups.map((g) => grouped.values.indexOf(g));
  const transitions = transitionsOf(codes, groupOf);
  if (2 * transitions.length >= productUnits(grouped) || tooFine(transitions, codes, 0)) return null;
  const convert = (view: View): FiniteBase => asBase(view.base.label, [], classIndicators(plan, view, naming));
  const linear = additiveForm(term, sum, plan.residual, convert);
  if (!linear) return null;
  const base: RealBase = { kind: 'real', label: naming.label, values: codes, codes, ...linear };
  return stepIndicators(plan, base, groupOf, grouped.values.length, { ...naming, named });
}

interface Transition {
  readonly from: number;
  readonly to: number;
  readonly low: number;
  readonly high: number;
}

/** Where the group changes along the sorted codes. Values without a group go with their neighbours. */
function transitionsOf(codes: readonly number[], groupOf: readonly number[]): Transition[] {
  const order = codes.map((_, i) => i).filter((i) => (groupOf[i] ?? -1) >= 0).sort((a, b) => (codes[a] ?? 0) - (codes[b] ?? 0));
  return order.slice(1).flatMap((i, rank) => {
    const before = order[rank] ?? 0;
    const [from = 0, to = 0] = [groupOf[before], groupOf[i]];
    return from === to ? [] : [{ from, to, low: codes[before] ?? 0, high: codes[i] ?? 0 }];
  });
}

/** The steps over a base, made once for each way to group its values. */
function discretised(plan: Plan, base: RealBase, groupOf: readonly number[], count: number, naming: Naming): Indicators {
  const known = plan.discretised.get(base) ?? new Map<string, Indicators>();
  plan.discretised.set(base, known);
  const key = groupOf.join();
  const found = known.get(key) ?? (sourceIndicators(plan, base, groupOf, count, naming) ?? stepIndicators(plan, base, groupOf, count, naming));
  known.set(key, found);
  return found;
}

/** The product of what a number was added up from, where its steps would be too fine. */
function sourceIndicators(plan: Plan, { source, codes, error }: RealBase, groupOf: readonly number[], count: number, naming: Naming): Indicators | null {
  if (!source || !tooFine(transitionsOf(codes, groupOf), codes, error)) return null;
  const grouped = normalise({ views: source.views, table: source.table.map((index) => groupOf[index] ?? -1), values: Array.from({ length: count }, (_, g) => g) });
  return productIndicators(plan, grouped, naming);
}

/** The first step that numbers with such an error, or float32, cannot take. */
function tooFine(transitions: readonly Transition[], codes: readonly number[], error: number): Transition | undefined {
  const largest = largestOf(codes);
  return transitions.find(({ low, high }) => error + 4 * EPSILON * largest > (high - low) / 4);
}

/**
 * Steps over a number: ReLU(L(x − t) + ½) − ReLU(L(x − t) − ½) with t between two codes and L ≥ 2 / their distance is 0
 * up to a quarter of the distance below t and 1 from a quarter above it.
 * Source: Tracr's discretisation (Lindner et al. 2023), with its exactness taken from the values.
 */
function stepIndicators(plan: Plan, base: RealBase, groupOf: readonly number[], count: number, naming: Naming): Indicators {
  const { residual } = plan;
  const stage = mlpAfter(residual.stageOf([base.form]));
  const directions = Array.from({ length: count }, (_, g) => residual.add(naming.label, naming.named(g), stage));
  const write = (group: number, factor: number): readonly [number, number] => [directions[group] ?? 0, factor];
  plan.unit(stage, residual.constant(1), new Map([write(lowestGroup(base, groupOf), 1)]));
  const largest = largestOf(base.codes);
  const transitions = transitionsOf(base.codes, groupOf);
  const fault = tooFine(transitions, base.codes, base.error);
  if (fault) throw naming.tooFine(fault.low, fault.high);
  let noise = 0;
  for (const { from, to, low, high } of transitions) {
    const steepness = plan.gradual ? 1 / (high - low) : powerOfTwoAtLeast(2 / (high - low));
    const middle = (low + high) / 2;
    const step = (offset: number): Form => combine([[base.form, steepness], [residual.constant(offset - steepness * middle), 1]]);
    plan.unit(stage, step(0.5), new Map([write(to, 1), write(from, -1)]));
    plan.unit(stage, step(-0.5), new Map([write(to, -1), write(from, 1)]));
    noise = Math.max(noise, 4 * EPSILON * steepness * (largest + Math.abs(middle)));
  }
  return { noise, forms: directions.map((direction): Form => new Map([[direction, 1]])) };
}

function lowestGroup({ codes }: RealBase, groupOf: readonly number[]): number {
  let lowest = -1;
  codes.forEach((code, i) => {
    if ((groupOf[i] ?? -1) >= 0 && (lowest < 0 || code < (codes[lowest] ?? 0))) lowest = i;
  });
  return groupOf[lowest] ?? 0;
}

/** Products with a power of two are exact. */
const powerOfTwoAtLeast = (x: number): number => 2 ** Math.ceil(Math.log2(x));

/** Hidden units of a product: one for each combination of classes but those of the commonest group. */
function productUnits(grouped: Term<number>): number {
  return grouped.table.length - Math.max(...countsOf(grouped)) + 1;
}

function countsOf({ table, values }: Term<number>): number[] {
  const counts = values.map(() => 0);
  for (const g of table) if (g >= 0) counts[g] = (counts[g] ?? 0) + 1;
  return counts;
}

/**
 * One hidden unit for each combination of classes: ReLU(Σ x − (k − 1)), or a saturating pair where the indicators are
 * noisy. The commonest group is 1 minus the others.
 */
function productIndicators(plan: Plan, grouped: Term<number>, naming: Naming): Indicators {
  const { residual } = plan;
  const views = grouped.views.map((view) => classIndicators(plan, view, naming));
  const noise = views.reduce((sum, view) => sum + view.noise, 0);
  const stage = mlpAfter(residual.stageOf(views.flatMap(({ forms }) => forms)));
  const counts = countsOf(grouped);
  const commonest = counts.indexOf(Math.max(...counts));
  const directions = grouped.values.map((_, g) => residual.add(naming.label, naming.named(g), stage));
  const rest = directions[commonest] ?? 0;
  plan.unit(stage, residual.constant(1), new Map([[rest, 1]]));
  const sizes = grouped.views.map(({ count }) => count);
  forEachRow(sizes, grouped.table.length, (row, at) => {
    const group = grouped.table[row] ?? -1;
    if (group < 0 || group === commonest) return;
    const inputs = sumOf(views.map(({ forms }, v) => forms[at[v] ?? 0] ?? new Map<number, number>()));
    const writes: Form = new Map([[directions[group] ?? 0, 1], [rest, -1]]);
    conjunction(plan, stage, inputs, views.length, noise > QUIET, writes);
  });
  const left = noise > QUIET ? 4 * EPSILON * views.length : noise;
  return { noise: 2 * left, forms: directions.map((direction): Form => new Map([[direction, 1]])) };
}

/** 1 where all `arity` indicators in the sum are 1. */
function conjunction(plan: Plan, stage: Stage, inputs: Form, arity: number, saturating: boolean, writes: Form): void {
  const { residual } = plan;
  const unit = (factor: number, offset: number, sign: number): void => {
    const reads = combine([[inputs, factor], [residual.constant(offset), 1]]);
    plan.unit(stage, reads, combine([[writes, sign]]));
  };
  if (!saturating) return unit(1, 1 - arity, 1);
  unit(4, 3 - 4 * arity, 1);
  unit(4, 2 - 4 * arity, -1);
}

function classIndicators(plan: Plan, { base, classes, count }: View, naming: Naming): Indicators {
  const named = (c: number): Value[] => base.values.filter((_, i) => classes[i] === c);
  return viewIndicators(plan, { base, classes, count }, Int32Array.from({ length: count }, (_, c) => c), count, { ...naming, label: base.label, named });
}

/** Indicators made sharp again: a saturating pair of units each. */
export function cleaned(plan: Plan, { forms, noise }: Indicators, label: string, named: (group: number) => readonly Value[]): Indicators {
  if (noise <= QUIET) return { forms, noise };
  const stage = mlpAfter(plan.residual.stageOf(forms));
  const sharp = forms.map((form, g): Form => {
    const direction = plan.residual.add(label, named(g), stage);
    conjunction(plan, stage, form, 1, true, new Map([[direction, 1]]));
    return new Map([[direction, 1]]);
  });
  return { forms: sharp, noise: 8 * EPSILON };
}

export const asBase = (label: string, values: readonly Value[], { forms, noise }: Indicators): FiniteBase => ({ kind: 'finite', label, values, forms, noise });
