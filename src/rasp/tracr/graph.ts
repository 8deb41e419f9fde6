// Makes the program graph's nodes for Tracr's constructors and for operators on s-ops.
import type { SOpValue, SelectorValue } from './values.ts';
import { PythonError } from './values.ts';
import type { Span } from '../diagnostic.ts';
import type { Encoding, Node, Origin, Predicate, ScalarFunction, Selector, SOp, Value } from '../program.ts';
import type { BinaryOperator } from '../scalar.ts';
import { binary, describe, negate, truthy } from '../scalar.ts';

/** More nodes than a program that a person writes; a loop that runs away stops here. */
const MAX_NODES = 20_000;

export type OriginParts = Pick<Origin, 'span' | 'operands' | 'symbol' | 'form'> & Partial<Pick<Origin, 'parameters' | 'coefficients'>>;

export type SOpOperator = BinaryOperator | '&' | '|';

export class TracrGraph {
  private nextId = 0;
  private readonly leaves = new Map<string, SOpValue>();
  calls: readonly Span[] = [];

  constructor(private readonly file: string) {}

  tokens(): SOpValue {
    return this.leaf('tokens', (id, origin) => ({ kind: 'tokens', cast: 'asis', id, origin, name: 'tokens' }));
  }

  indices(): SOpValue {
    return this.leaf('indices', (id, origin) => ({ kind: 'indices', id, origin, name: 'indices' }));
  }

  length(): SOpValue {
    return this.leaf('length', (id, origin) => ({ kind: 'length', id, origin, name: 'length' }));
  }

  private leaf(name: string, make: (id: number, origin: Origin) => SOp): SOpValue {
    const known = this.leaves.get(name);
    if (known) return known;
    const span = { file: this.file, start: 0, end: 0 };
    const value: SOpValue = { kind: 's-op', node: make(this.nextId++, { span, operands: [], symbol: null, form: 'leaf', calls: [] }) };
    this.leaves.set(name, value);
    return value;
  }

  sop<T extends SOp>(make: (id: number, origin: Origin) => T, parts: OriginParts): SOpValue {
    return { kind: 's-op', node: make(this.id(parts.span), { ...parts, calls: this.calls }) };
  }

  selector<T extends Selector>(make: (id: number, origin: Origin) => T, parts: OriginParts): SelectorValue {
    return { kind: 'selector', node: make(this.id(parts.span), { ...parts, calls: this.calls }) };
  }

  private id(span: Span): number {
    if (this.nextId >= MAX_NODES) {
      throw new PythonError('limit', `the program builds more than ${MAX_NODES} ops; make its loops shorter`, span);
    }
    return this.nextId++;
  }

  map(fn: ScalarFunction, args: readonly SOp[], parts: OriginParts, encoding?: Encoding): SOpValue {
    return this.sop((id, origin) => ({ kind: 'map', id, origin, fn, args, ...(encoding ? { encoding } : {}) }), parts);
  }

  select(keys: SOp, queries: SOp, predicate: Predicate, parts: OriginParts): SelectorValue {
    return this.selector((id, origin) => ({ kind: 'select', id, origin, keys, queries, predicate }), parts);
  }

  constant(value: Value, span: Span): SOpValue {
    const type = typeof value === 'number' ? (Number.isInteger(value) ? 'int' : 'float') : typeof value === 'boolean' ? 'bool' : value === null ? 'none' : 'string';
    return this.sop((id, origin) => ({ kind: 'constant', id, origin, value, type }), { span, operands: [], symbol: null, form: 'leaf' });
  }

  /** a OP b where at least one side is an s-op; a literal side is folded into the function. */
  operator(op: SOpOperator, a: SOp | Value, b: SOp | Value, spans: readonly [Span, Span], symbol: Span, span: Span): SOpValue {
    const [left, right] = [isSOp(a), isSOp(b)];
    const args = [...(isSOp(a) ? [a] : []), ...(isSOp(b) ? [b] : [])];
    const operands = [...(left ? [spans[0]] : []), ...(right ? [spans[1]] : [])];
    const apply = (x: Value, y: Value): Value => sopOperation(op, x, y);
    const fn: ScalarFunction =
      left && right
        ? { label: `x ${op} y`, arity: 2, apply: ([x = null, y = null]) => apply(x, y) }
        : isSOp(a)
          ? { label: `x ${op} ${describe(b as Value)}`, arity: 1, apply: ([x = null]) => apply(x, b as Value) }
          : { label: `${describe(a)} ${op} x`, arity: 1, apply: ([x = null]) => apply(a, x) };
    return this.map(fn, args, { span, operands, symbol, form: 'infix' });
  }

  prefix(op: '-' | '~' | '+', operand: SOp, operandSpan: Span, symbol: Span, span: Span): SOpValue {
    const apply = (x: Value): Value => (op === '-' ? negate(x) : op === '~' ? !truthy(x) : x);
    const fn: ScalarFunction = { label: op === '~' ? 'not x' : `${op}x`, arity: 1, apply: ([x = null]) => apply(x) };
    return this.map(fn, [operand], { span, operands: [operandSpan], symbol, form: 'prefix' });
  }
}

/** Tracr's & and | are Python's `and` and `or` of the elements. */
function sopOperation(op: SOpOperator, x: Value, y: Value): Value {
  if (op === '&') return truthy(x) ? y : x;
  if (op === '|') return truthy(x) ? x : y;
  return binary(op, x, y);
}

const isSOp = (value: SOp | Value): value is SOp => value !== null && typeof value === 'object';

/** A node under another name or encoding; shared nodes are left as they are. */
export function renamed<T extends Node>(node: T, change: { name?: string; encoding?: Encoding }): T {
  return { ...node, ...change };
}
