// The values that a Tracr program's Python computes while it is traced.
import type { Comparison, Encoding, Selector, SOp, Value } from '../program.ts';
import type { Span } from '../diagnostic.ts';
import { equals, describe, truthy } from '../scalar.ts';

export interface PythonList {
  readonly kind: 'list' | 'tuple' | 'set';
  readonly items: PythonValue[];
}
export interface PythonDict {
  readonly kind: 'dict';
  /** By the key's written form, which tells 1 from "1" and True from 1 as little as Python does. */
  readonly entries: Map<string, readonly [PythonValue, PythonValue]>;
}
export interface SOpValue {
  readonly kind: 's-op';
  readonly node: SOp;
}
export interface SelectorValue {
  readonly kind: 'selector';
  readonly node: Selector;
}
export interface ModuleValue {
  readonly kind: 'module';
  readonly name: 'rasp' | 'Comparison' | 'Encoding' | 'package';
}
export interface ComparisonValue {
  readonly kind: 'comparison';
  readonly comparison: Comparison;
}
export interface EncodingValue {
  readonly kind: 'encoding';
  readonly encoding: Encoding;
}
/** A call's arguments, with the spans of their texts. */
export interface Arguments {
  readonly positional: readonly PythonValue[];
  readonly keywords: ReadonlyMap<string, PythonValue>;
  readonly spans: readonly (Span | null)[];
  readonly keywordSpans: ReadonlyMap<string, Span>;
  /** The whole call. */
  readonly span: Span;
}
export interface FunctionValue {
  readonly kind: 'function';
  readonly name: string;
  /** Parameter names of a function or lambda of the file; absent for built-ins. */
  readonly parameters?: readonly string[];
  readonly isLambda?: boolean;
  call(args: Arguments): PythonValue;
}
export type PythonValue =
  | Value
  | PythonList
  | PythonDict
  | SOpValue
  | SelectorValue
  | ModuleValue
  | ComparisonValue
  | EncodingValue
  | FunctionValue;

/** A Python error of the program's, at its place. */
export class PythonError extends Error {
  override readonly name = 'PythonError';
  constructor(
    readonly code: string,
    message: string,
    readonly span: Span,
  ) {
    super(message);
  }
}

export const isScalar = (value: PythonValue): value is Value => value === null || typeof value !== 'object';

export const isSequence = (value: PythonValue): value is PythonList =>
  !isScalar(value) && (value.kind === 'list' || value.kind === 'tuple' || value.kind === 'set');

export function isTrue(value: PythonValue): boolean {
  if (isScalar(value)) return truthy(value);
  if (isSequence(value)) return value.items.length > 0;
  return value.kind !== 'dict' || value.entries.size > 0;
}

export function sameValue(a: PythonValue, b: PythonValue): boolean {
  if (isScalar(a) || isScalar(b)) return isScalar(a) && isScalar(b) && equals(a, b);
  if (isSequence(a) && isSequence(b)) {
    return a.kind === b.kind && a.items.length === b.items.length && a.items.every((item, i) => sameValue(item, b.items[i] ?? null));
  }
  return a === b;
}

/** The text of a value, as Python's repr writes it. */
export function represent(value: PythonValue): string {
  if (isScalar(value)) return describe(value);
  switch (value.kind) {
    case 'list':
      return `[${value.items.map(represent).join(', ')}]`;
    case 'tuple':
      return `(${value.items.map(represent).join(', ')}${value.items.length === 1 ? ',' : ''})`;
    case 'set':
      return `{${value.items.map(represent).join(', ')}}`;
    case 'dict':
      return `{${[...value.entries.values()].map(([k, v]) => `${represent(k)}: ${represent(v)}`).join(', ')}}`;
    case 'function':
      return `<function ${value.name}>`;
    default:
      return `<${value.kind}>`;
  }
}

/** What a message calls a value. */
export function typeName(value: PythonValue): string {
  if (value === null) return 'None';
  if (typeof value !== 'object') return { number: 'a number', string: 'a string', boolean: 'a bool' }[typeof value as 'number' | 'string' | 'boolean'];
  return value.kind === 's-op' ? 'an s-op' : value.kind === 'encoding' ? 'an encoding' : `a ${value.kind}`;
}

export const keyOf = (value: PythonValue): string => represent(typeof value === 'boolean' ? Number(value) : value);

export const list = (items: PythonValue[]): PythonList => ({ kind: 'list', items });
export const tuple = (items: PythonValue[]): PythonList => ({ kind: 'tuple', items });
