// Results of ops before they are computed: tables over the values of what the residual stream already holds.
import type { Form, Residual } from './residual.ts';
import { combine } from './residual.ts';
import type { Value } from '../../rasp/program.ts';

/** A result that the residual stream holds as one indicator a value. */
export interface FiniteBase {
  readonly kind: 'finite';
  readonly label: string;
  readonly values: readonly Value[];
  /** forms[v] is 1 where the result is values[v], else 0. */
  readonly forms: readonly Form[];
  /** How far a form can be from 0 or 1. */
  readonly noise: number;
}

/** A result that the residual stream holds as one number. */
export interface RealBase {
  readonly kind: 'real';
  readonly label: string;
  readonly values: readonly Value[];
  /** codes[v] is the number that stands for values[v]. */
  readonly codes: readonly number[];
  readonly form: Form;
  /** How far the number can be from its code. */
  readonly error: number;
  /** What the number was added up from, for when two codes are too close to be told apart as numbers. */
  readonly source?: Term;
}

export type Base = FiniteBase | RealBase;

/** A base with the values that need not be told apart put into one class. */
export interface View {
  readonly base: Base;
  /** The class of each of the base's values. */
  readonly classes: Int32Array;
  readonly count: number;
}

/** A function of the classes of some views. */
export interface Term<T = Value> {
  readonly views: readonly View[];
  /** For each combination of classes (the last view's fastest) the index of the result in `values`; −1 where it fails. */
  readonly table: Int32Array;
  readonly values: readonly T[];
}

export const baseTerm = (base: Base): Term =>
  normalise({ views: [{ base, classes: Int32Array.from(base.values, (_, i) => i), count: base.values.length }], table: Int32Array.from(base.values, (_, i) => i), values: base.values });

export const constantTerm = (value: Value): Term => ({ views: [], table: Int32Array.of(0), values: [value] });

/**
 * The term of a function of other terms' results, over their joint views; `key` tells results apart. Undefined is a
 * failure. Null where several joint views have more than `limit` combinations of classes.
 */
export function join<T, R>(terms: readonly Term<T>[], apply: (args: readonly T[]) => R | undefined, key: (result: R) => string, limit: number): Term<R> | null {
  const { views, steps } = jointViews(terms);
  const sizes = views.map(({ count }) => count);
  const total = sizes.reduce((a, b) => a * b, 1);
  if (total > limit && views.length > 1) return null;
  const known = new Map<string, number>();
  const values: R[] = [];
  const table = new Int32Array(total);
  forEachRow(sizes, total, (row, at) => {
    const result = resultAt(terms, steps, at, apply);
    table[row] = result === undefined ? -1 : indexOf(result, key(result), known, values);
  });
  return normalise({ views, table, values });
}

function indexOf<R>(result: R, key: string, known: Map<string, number>, values: R[]): number {
  let index = known.get(key);
  if (index === undefined) {
    index = values.push(result) - 1;
    known.set(key, index);
  }
  return index;
}

function resultAt<T, R>(terms: readonly Term<T>[], steps: readonly (readonly Int32Array[])[], at: readonly number[], apply: (args: readonly T[]) => R | undefined): R | undefined {
  const args: T[] = [];
  for (const [t, term] of terms.entries()) {
    let cell = 0;
    for (const [v, step] of (steps[t] ?? []).entries()) cell += step[at[v] ?? 0] ?? 0;
    const index = term.table[cell] ?? -1;
    if (index < 0) return undefined;
    args.push(term.values[index] as T);
  }
  return apply(args);
}

export function forEachRow(sizes: readonly number[], total: number, visit: (row: number, at: readonly number[]) => void): void {
  const at = sizes.map(() => 0);
  for (let row = 0; row < total; row++) {
    visit(row, at);
    for (let d = sizes.length - 1; d >= 0; d--) {
      const next = (at[d] ?? 0) + 1;
      at[d] = next < (sizes[d] ?? 0) ? next : 0;
      if (next < (sizes[d] ?? 0)) break;
    }
  }
}

/**
 * The common refinement of the terms' views, base by base; steps[t][v][c] is what class c of joint view v adds to the
 * cell of term t.
 */
function jointViews<T>(terms: readonly Term<T>[]): { views: View[]; steps: Int32Array[][] } {
  const bases = [...new Set(terms.flatMap(({ views }) => views.map(({ base }) => base)))];
  const views = bases.map((base) => refine(base, terms.flatMap((term) => term.views.filter((view) => view.base === base))));
  const steps = terms.map((term) => views.map((joint) => {
    const step = new Int32Array(joint.count);
    const v = term.views.findIndex(({ base }) => base === joint.base);
    const view = term.views[v];
    if (!view) return step;
    const stride = term.views.slice(v + 1).reduce((size, { count }) => size * count, 1);
    joint.classes.forEach((c, i) => (step[c] = (view.classes[i] ?? 0) * stride));
    return step;
  }));
  return { views, steps };
}

function refine(base: Base, views: readonly View[]): View {
  const [first] = views;
  if (first && views.length === 1) return first;
  const known = new Map<string, number>();
  const classes = Int32Array.from(base.values, (_, i) => {
    const key = views.map((view) => view.classes[i]).join();
    const c = known.get(key) ?? known.size;
    known.set(key, c);
    return c;
  });
  return { base, classes, count: known.size };
}

/** Merges classes that the function does not tell apart, drops views that it does not read and results that do not occur. */
export function normalise<T>(term: Term<T>): Term<T> {
  let { views, table } = term;
  for (let v = views.length - 1; v >= 0; v--) ({ views, table } = coarsen(views, table, v));
  const used = [...new Set(table)].filter((index) => index >= 0).sort((a, b) => a - b);
  if (used.length === term.values.length) return { views, table, values: term.values };
  const renamed = new Map(used.map((index, i) => [index, i]));
  return { views, table: table.map((index) => renamed.get(index) ?? -1), values: used.map((index) => term.values[index] as T) };
}

function coarsen(views: readonly View[], table: Int32Array, v: number): { views: readonly View[]; table: Int32Array } {
  const view = views[v];
  if (!view) return { views, table };
  const stride = views.slice(v + 1).reduce((size, { count }) => size * count, 1);
  const block = stride * view.count;
  const known = new Map<string, number>();
  const merged = Array.from({ length: view.count }, (_, c) => {
    const key = sliceKey(table, c * stride, stride, block);
    const at = known.get(key) ?? known.size;
    known.set(key, at);
    return at;
  });
  const count = known.size;
  if (count === view.count) return { views, table };
  const smaller = new Int32Array((table.length / view.count) * count);
  table.forEach((index, cell) => {
    const c = Math.floor((cell % block) / stride);
    smaller[Math.floor(cell / block) * stride * count + (merged[c] ?? 0) * stride + (cell % stride)] = index;
  });
  const coarse = count === 1 ? [] : [{ base: view.base, classes: view.classes.map((c) => merged[c] ?? 0), count }];
  return { views: [...views.slice(0, v), ...coarse, ...views.slice(v + 1)], table: smaller };
}

function sliceKey(table: Int32Array, start: number, stride: number, block: number): string {
  if (stride === 1 && block === table.length) return String(table[start]);
  const parts: string[] = [];
  for (let at = start; at < table.length; at += block) parts.push(table.subarray(at, at + stride).join());
  return parts.join();
}

/** A number as a form, and how far it can be off. */
export interface Linear {
  readonly form: Form;
  readonly error: number;
}

/** A term whose number is the origin plus one gain a view: gains[v][class]. */
export interface Additive {
  readonly origin: number;
  readonly gains: readonly Float64Array[];
}

/** The gains of a term that is a sum over its views; null where it is none, or fails, or is no number. */
export function additive({ views, table, values }: Term<unknown>): Additive | null {
  if (table.includes(-1) || !values.every((value) => typeof value === 'number' || typeof value === 'boolean')) return null;
  const numbers = Float64Array.from(table, (index) => Number(values[index] ?? 0));
  const origin = numbers[0] ?? 0;
  const sizes = views.map(({ count }) => count);
  let stride = numbers.length;
  const gains = sizes.map((size) => {
    stride /= size;
    return Float64Array.from({ length: size }, (_, c) => (numbers[c * stride] ?? 0) - origin);
  });
  let holds = true;
  forEachRow(sizes, numbers.length, (row, at) => {
    let expected = origin;
    for (let v = 0; v < gains.length; v++) expected += gains[v]?.[at[v] ?? 0] ?? 0;
    holds &&= Math.abs((numbers[row] ?? 0) - expected) <= 1e-9 * Math.max(1, Math.abs(expected));
  });
  return holds ? { origin, gains } : null;
}

/** The term's number as a form, where it is a sum of numbers that the bases hold as they are; else null. */
export function linearForm(term: Term<unknown>, residual: Residual): Linear | null {
  const sum = additive(term);
  return sum && additiveForm(term, sum, residual, () => null);
}

/** As linearForm; `convert` gives the indicators of a view whose number is no multiple of what its base holds. */
export function additiveForm({ views }: Term<unknown>, { origin, gains }: Additive, residual: Residual, convert: (view: View) => FiniteBase | null): Linear | null {
  const parts: Linear[] = [];
  for (const [v, view] of views.entries()) {
    const wanted = Array.from(view.classes, (c) => gains[v]?.[c] ?? 0);
    const part = baseForm(view.base, wanted, residual) ?? converted(convert(view), gains[v] ?? new Float64Array(0));
    if (!part) return null;
    parts.push(part);
  }
  return {
    form: combine([[residual.constant(origin), 1], ...parts.map(({ form }): [Form, number] => [form, 1])]),
    error: parts.reduce((sum, { error }) => sum + error, 0),
  };
}

const converted = (base: FiniteBase | null, gain: Float64Array): Linear | null => base && weighted(base.forms, [...gain], base.noise);

/** Σ number · indicator. */
export function weighted(forms: readonly Form[], numbers: readonly number[], noise: number): Linear {
  return { form: combine(forms.map((form, i) => [form, numbers[i] ?? 0])), error: 2 * noise * largestOf(numbers) };
}

export const largestOf = (numbers: readonly number[]): number => numbers.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);

/** wanted[value] as a form: any numbers over indicators, an affine function of a number. */
function baseForm(base: Base, wanted: readonly number[], residual: Residual): Linear | null {
  if (base.kind === 'finite') return weighted(base.forms, wanted, base.noise);
  const { codes } = base;
  const [code = 0, first = 0] = [codes[0], wanted[0]];
  const far = codes.reduce((best, other, i) => (Math.abs(other - code) > Math.abs((codes[best] ?? 0) - code) ? i : best), 0);
  const slope = ((wanted[far] ?? 0) - first) / ((codes[far] ?? 0) - code);
  const shift = first - slope * code;
  const scale = Math.max(1, largestOf(wanted));
  if (!codes.every((other, i) => Math.abs(slope * other + shift - (wanted[i] ?? 0)) <= 1e-9 * scale)) return null;
  return { form: combine([[base.form, slope], [residual.constant(shift), 1]]), error: Math.abs(slope) * base.error };
}
