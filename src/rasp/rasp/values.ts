// What a RASP expression can be while a file is traced: atoms, lists, dicts, s-ops, selectors, functions.
import type { ElementType, Node, Selector, SOp, Value } from '../program.ts';
import { describe, equals, truthy } from '../scalar.ts';
import type { Scope } from './scope.ts';
import type { Identifier, Statement } from './syntax.ts';

export interface Atom {
  readonly kind: 'atom';
  readonly value: number | string | boolean;
  /** Tells Python's 1.0 from 1. */
  readonly type: Exclude<ElementType, 'none'>;
}
export interface ListValue {
  readonly kind: 'list';
  readonly items: readonly RaspValue[];
}
export interface DictValue {
  readonly kind: 'dict';
  /** By `dictKey`. */
  readonly entries: ReadonlyMap<string, { readonly key: Atom; readonly value: RaspValue }>;
}
export interface SOpValue {
  readonly kind: 's-op';
  readonly node: SOp;
}
export interface SelectorValue {
  readonly kind: 'selector';
  readonly node: Selector;
}
export interface FunctionValue {
  readonly kind: 'function';
  readonly name: string;
  readonly parameters: readonly Identifier[];
  /** `width`: selector_width, which is built in. */
  readonly body: readonly Statement[] | 'width';
  readonly scope: Scope;
  /** Where it is written. */
  readonly file: string;
}
/** What an s-op or a selector gives for an input; nothing can be computed with it. */
export interface AppliedValue {
  readonly kind: 'applied';
  readonly op: Node;
  readonly input: readonly Value[];
}
/** The value of something that was reported as wrong: whatever uses it is silently left out. */
export interface UnknownValue {
  readonly kind: 'unknown';
}

export type RaspValue =
  | Atom
  | ListValue
  | DictValue
  | SOpValue
  | SelectorValue
  | FunctionValue
  | AppliedValue
  | UnknownValue;

/** An atom of that value; a number is a float if it is said to be or has a fraction. */
export function atom(value: number | string | boolean, hint?: ElementType): Atom {
  if (typeof value === 'string') return { kind: 'atom', value, type: 'string' };
  if (typeof value === 'boolean') return { kind: 'atom', value, type: 'bool' };
  return { kind: 'atom', value, type: hint === 'float' || !Number.isInteger(value) ? 'float' : 'int' };
}

export const list = (items: readonly RaspValue[]): ListValue => ({ kind: 'list', items });

/** Equal for keys that Python's dicts take for the same: 1, 1.0 and True. */
export function dictKey({ value }: { readonly value: Value }): string {
  return typeof value === 'string' ? `s${value}` : `n${Number(value)}`;
}

const kindNames: Readonly<Record<RaspValue['kind'], string>> = {
  atom: 'a value',
  list: 'a list',
  dict: 'a dict',
  's-op': 'an s-op',
  selector: 'a selector',
  function: 'a function',
  applied: 'the result of a computation',
  unknown: 'something unknown',
};

/** `a list`, `an s-op`, `a string` …, for messages. */
export function kindName(value: RaspValue): string {
  if (value.kind !== 'atom') return kindNames[value.kind];
  return { int: 'an int', float: 'a float', bool: 'a bool', string: 'a string' }[value.type];
}

/** As RASP writes it: 1.0 keeps its fraction, strings are in double quotes. */
export function describeAtom({ value, type }: Atom): string {
  if (typeof value === 'string') return `"${value}"`;
  const text = describe(value);
  return type === 'float' && /^-?\d+$/u.test(text) ? `${text}.0` : text;
}

/** Python's bool(); undefined where it means nothing. */
export function isTruthy(value: RaspValue): boolean | undefined {
  switch (value.kind) {
    case 'atom':
      return truthy(value.value);
    case 'list':
      return value.items.length > 0;
    case 'dict':
      return value.entries.size > 0;
    default:
      return undefined;
  }
}

/** Python's == on lists, dicts and atoms; at most `budget.left` comparisons, then false. */
export function valuesEqual(a: RaspValue, b: RaspValue, budget: { left: number }): boolean {
  budget.left -= 1;
  if (a === b) return true;
  if (budget.left < 0) return false;
  if (a.kind === 'atom' && b.kind === 'atom') return equals(a.value, b.value);
  if (a.kind === 'list' && b.kind === 'list') {
    return a.items.length === b.items.length && a.items.every((item, i) => sameItem(item, b.items[i], budget));
  }
  if (a.kind === 'dict' && b.kind === 'dict') {
    return (
      a.entries.size === b.entries.size &&
      [...a.entries].every(([key, { value }]) => sameItem(value, b.entries.get(key)?.value, budget))
    );
  }
  return 'node' in a && 'node' in b && a.node === b.node;
}

function sameItem(a: RaspValue, b: RaspValue | undefined, budget: { left: number }): boolean {
  return b !== undefined && valuesEqual(a, b, budget);
}

/** What a loop over it, or an unpacking, goes through; undefined if it cannot be gone through. */
export function elementsOf(value: RaspValue): readonly RaspValue[] | undefined {
  switch (value.kind) {
    case 'list':
      return value.items;
    case 'dict':
      return [...value.entries.values()].map(({ key }) => key);
    case 'atom':
      return typeof value.value === 'string' ? [...value.value].map((character) => atom(character)) : undefined;
    default:
      return undefined;
  }
}

/** The tokens that a string or a list stands for as a program's input. */
export function inputOf(value: RaspValue): Value[] | undefined {
  const elements = elementsOf(value);
  if (elements === undefined) return undefined;
  const tokens = elements.flatMap((element) => (element.kind === 'atom' ? [element.value] : []));
  return tokens.length === elements.length ? tokens : undefined;
}

export const sOp = (node: SOp): RaspValue => ({ kind: 's-op', node });
export const selector = (node: Selector): RaspValue => ({ kind: 'selector', node });
