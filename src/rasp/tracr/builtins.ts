// Python's built-in functions and methods, as far as Tracr programs use them.
import type { Arguments, FunctionValue, PythonList, PythonValue } from './values.ts';
import { isScalar, isSequence, isTrue, keyOf, list, PythonError, represent, sameValue, tuple, typeName } from './values.ts';
import type { Span } from '../diagnostic.ts';
import { binary, isNumeric, roundHalfEven } from '../scalar.ts';

/** Longest list that a program may build. */
const MAX_ITEMS = 100_000;

/** The items of anything that a `for` may run over. */
export function iterate(value: PythonValue, span: Span): readonly PythonValue[] {
  if (typeof value === 'string') return [...value];
  if (isScalar(value)) throw new PythonError('type', `${typeName(value)} cannot be looped over`, span);
  if (isSequence(value)) return value.items;
  if (value.kind === 'dict') return [...value.entries.values()].map(([key]) => key);
  throw new PythonError('type', `${typeName(value)} cannot be looped over`, span);
}

type Builtin = (args: readonly PythonValue[], call: Arguments) => PythonValue;

const number = (value: PythonValue | undefined, call: Arguments): number => {
  if (value !== undefined && isScalar(value) && isNumeric(value)) return Number(value);
  throw new PythonError('type', `a number is needed here, and this is ${typeName(value ?? null)}`, call.span);
};

const items = (value: PythonValue | undefined, call: Arguments): PythonValue[] => [...iterate(value ?? null, call.span)];

function range(args: readonly PythonValue[], call: Arguments): PythonList {
  const [a, b, c] = args.map((arg) => number(arg, call));
  const [start, stop, step] = b === undefined ? [0, a ?? 0, 1] : [a ?? 0, b, c ?? 1];
  if (step === 0) throw new PythonError('value', 'the step of range() must not be 0', call.span);
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (count > MAX_ITEMS) throw new PythonError('limit', `a range of ${count} items is too long; the limit is ${MAX_ITEMS}`, call.span);
  return list(Array.from({ length: count }, (_, i) => start + i * step));
}

/** The best of some values by an order, with `key` and several arguments as in Python. */
const best =
  (sign: 1 | -1): Builtin =>
  (args, call) => {
    const candidates = args.length === 1 ? items(args[0], call) : [...args];
    const [first] = candidates;
    if (first === undefined) throw new PythonError('value', 'min() and max() need at least one item', call.span);
    return candidates.reduce((a, b) => (sign * compare(keyed(b, call), keyed(a, call), call.span) > 0 ? b : a));
  };

function keyed(value: PythonValue, call: Arguments): PythonValue {
  const key = call.keywords.get('key');
  return key && !isScalar(key) && key.kind === 'function' ? callWith(key, [value], call.span) : value;
}

export function callWith(fn: FunctionValue, args: readonly PythonValue[], span: Span): PythonValue {
  return fn.call({ positional: args, keywords: new Map(), spans: [], keywordSpans: new Map(), span });
}

/** Negative, zero or positive, as Python orders numbers, strings and sequences of them. */
export function compare(a: PythonValue, b: PythonValue, span: Span): number {
  if (isSequence(a) && isSequence(b)) {
    for (let i = 0; i < Math.min(a.items.length, b.items.length); i++) {
      const order = compare(a.items[i] ?? null, b.items[i] ?? null, span);
      if (order !== 0) return order;
    }
    return a.items.length - b.items.length;
  }
  if (isScalar(a) && isScalar(b)) return binary('<', a, b) === true ? -1 : binary('>', a, b) === true ? 1 : 0;
  throw new PythonError('type', `${typeName(a)} and ${typeName(b)} have no order`, span);
}

function text(value: PythonValue): string {
  return typeof value === 'string' ? value : represent(value);
}

function parse(value: PythonValue | undefined, call: Arguments): number {
  if (typeof value !== 'string') return number(value, call);
  const parsed = value.trim() === '' ? Number.NaN : Number(value);
  if (Number.isNaN(parsed)) throw new PythonError('value', `“${value}” is no number`, call.span);
  return parsed;
}

function round(args: readonly PythonValue[], call: Arguments): number {
  const [value, digits] = args;
  if (digits === undefined || digits === null) return roundHalfEven(number(value, call));
  const scale = 10 ** number(digits, call);
  return roundHalfEven(number(value, call) * scale) / scale;
}

const functions: Record<string, Builtin> = {
  len: ([value = null], call) => (typeof value === 'string' ? [...value].length : items(value, call).length),
  range,
  zip: (args, call) => {
    const lists = args.map((arg) => items(arg, call));
    const length = lists.length === 0 ? 0 : Math.min(...lists.map((l) => l.length));
    return list(Array.from({ length }, (_, i) => tuple(lists.map((l) => l[i] ?? null))));
  },
  enumerate: ([value, start], call) => list(items(value, call).map((item, i) => tuple([i + (start === undefined ? 0 : number(start, call)), item]))),
  list: ([value], call) => list(value === undefined ? [] : items(value, call)),
  tuple: ([value], call) => tuple(value === undefined ? [] : items(value, call)),
  set: ([value], call) => {
    const kept = new Map((value === undefined ? [] : items(value, call)).map((item) => [keyOf(item), item]));
    return { kind: 'set', items: [...kept.values()] };
  },
  dict: () => ({ kind: 'dict', entries: new Map() }),
  reversed: ([value], call) => list(items(value, call).reverse()),
  sorted: ([value], call) => {
    const ordered = items(value, call).sort((a, b) => compare(keyed(a, call), keyed(b, call), call.span));
    return list(isTrue(call.keywords.get('reverse') ?? false) ? ordered.reverse() : ordered);
  },
  sum: ([value], call) => items(value, call).reduce<number>((total, item) => total + number(item, call), 0),
  min: best(-1),
  max: best(1),
  abs: ([value], call) => Math.abs(number(value, call)),
  round,
  int: ([value], call) => Math.trunc(parse(value ?? 0, call)),
  float: ([value], call) => parse(value ?? 0, call),
  str: ([value = '']) => text(value),
  repr: ([value = null]) => represent(value),
  bool: ([value = false]) => isTrue(value),
  any: ([value], call) => items(value, call).some(isTrue),
  all: ([value], call) => items(value, call).every(isTrue),
  map: ([fn = null, value], call) => list(items(value, call).map((item) => callWith(functionOf(fn, call), [item], call.span))),
  filter: ([fn = null, value], call) => list(items(value, call).filter((item) => isTrue(callWith(functionOf(fn, call), [item], call.span)))),
  ord: ([value]) => (typeof value === 'string' ? (value.codePointAt(0) ?? 0) : 0),
  chr: ([value], call) => String.fromCodePoint(number(value, call)),
  isinstance: () => true,
  print: () => null,
};

function functionOf(value: PythonValue, call: Arguments): FunctionValue {
  if (!isScalar(value) && value.kind === 'function') return value;
  throw new PythonError('type', `a function is needed here, and this is ${typeName(value)}`, call.span);
}

export const builtins: ReadonlyMap<string, PythonValue> = new Map(
  Object.entries(functions).map(([name, body]): [string, FunctionValue] => [
    name,
    { kind: 'function', name, call: (call) => body(call.positional, call) },
  ]),
);

const stringMethods: Record<string, (self: string, args: readonly PythonValue[], call: Arguments) => PythonValue> = {
  upper: (s) => s.toUpperCase(),
  lower: (s) => s.toLowerCase(),
  strip: (s) => s.trim(),
  join: (s, [value], call) => items(value, call).map(text).join(s),
  split: (s, [by]) => list(typeof by === 'string' ? s.split(by) : s.trim().split(/\s+/)),
  replace: (s, [from, to]) => s.replaceAll(text(from ?? ''), text(to ?? '')),
  startswith: (s, [prefix]) => s.startsWith(text(prefix ?? '')),
  endswith: (s, [suffix]) => s.endsWith(text(suffix ?? '')),
  isalpha: (s) => /^\p{L}+$/u.test(s),
  isdigit: (s) => /^\d+$/.test(s),
  isupper: (s) => s !== s.toLowerCase() && s === s.toUpperCase(),
  islower: (s) => s !== s.toUpperCase() && s === s.toLowerCase(),
  find: (s, [part]) => s.indexOf(text(part ?? '')),
  count: (s, [part]) => s.split(text(part ?? '')).length - 1,
  format: (s, args) => args.reduce<string>((result, arg) => result.replace('{}', text(arg)), s),
};

const listMethods: Record<string, (self: PythonList, args: readonly PythonValue[], call: Arguments) => PythonValue> = {
  append: (self, [item = null], call) => {
    if (self.items.length >= MAX_ITEMS) throw new PythonError('limit', `a list of more than ${MAX_ITEMS} items`, call.span);
    self.items.push(item);
    return null;
  },
  extend: (self, [value], call) => {
    self.items.push(...items(value, call).slice(0, MAX_ITEMS));
    return null;
  },
  insert: (self, [at, item = null], call) => {
    self.items.splice(number(at, call), 0, item);
    return null;
  },
  pop: (self, [at], call) => {
    const index = at === undefined ? self.items.length - 1 : number(at, call);
    const [item] = self.items.splice(index < 0 ? index + self.items.length : index, 1);
    if (item === undefined) throw new PythonError('index', 'pop from an empty list', call.span);
    return item;
  },
  index: (self, [item = null], call) => {
    const at = self.items.findIndex((other) => sameValue(other, item));
    if (at < 0) throw new PythonError('value', `${represent(item)} is not in the list`, call.span);
    return at;
  },
  count: (self, [item = null]) => self.items.filter((other) => sameValue(other, item)).length,
  copy: (self) => list([...self.items]),
  reverse: (self) => {
    self.items.reverse();
    return null;
  },
};

/** A method of a string, list or dict, or undefined. */
export function methodOf(self: PythonValue, name: string): PythonValue | undefined {
  const method = (body: (args: readonly PythonValue[], call: Arguments) => PythonValue): FunctionValue => ({
    kind: 'function',
    name,
    call: (call) => body(call.positional, call),
  });
  if (typeof self === 'string') {
    const body = stringMethods[name];
    return body && method((args, call) => body(self, args, call));
  }
  if (isScalar(self)) return undefined;
  if (isSequence(self)) {
    const body = listMethods[name];
    return body && method((args, call) => body(self, args, call));
  }
  if (self.kind !== 'dict') return undefined;
  const pairs = [...self.entries.values()];
  switch (name) {
    case 'items':
      return method(() => list(pairs.map(([k, v]) => tuple([k, v]))));
    case 'keys':
      return method(() => list(pairs.map(([k]) => k)));
    case 'values':
      return method(() => list(pairs.map(([, v]) => v)));
    case 'get':
      return method(([key = null, fallback = null]) => self.entries.get(keyOf(key))?.[1] ?? fallback);
    default:
      return undefined;
  }
}

export const exceptionNames: ReadonlySet<string> = new Set([
  'ValueError', 'TypeError', 'KeyError', 'IndexError', 'NotImplementedError', 'RuntimeError', 'Exception', 'AssertionError',
]);

