// Python's operators on the values of a Tracr file; with an s-op or a selector they make a node of the graph.
import { compare, iterate } from './builtins.ts';
import type { SOpOperator, TracrGraph } from './graph.ts';
import type { PythonValue } from './values.ts';
import { isScalar, isSequence, keyOf, PythonError, sameValue, typeName } from './values.ts';
import type { Span } from '../diagnostic.ts';
import type { Value } from '../program.ts';
import type { BinaryOperator } from '../scalar.ts';
import { binary, negate, ScalarError } from '../scalar.ts';

const arithmeticOperators: Record<string, BinaryOperator | undefined> = {
  '+': '+', '-': '-', '*': '*', '/': '/', '//': '//', '%': '%', '**': '^',
  '==': '==', '!=': '!=', '<': '<', '<=': '<=', '>': '>', '>=': '>=',
};

/** Where the text of an operator and its operands stands; asked for only where it matters, as most operators compute numbers. */
export interface PrefixPlace {
  readonly operand: Span;
  readonly operator: Span;
  readonly whole: Span;
}
export interface InfixPlace {
  readonly left: Span;
  readonly right: Span;
  readonly operator: Span;
  readonly whole: Span;
}

function fail(code: string, message: string, span: Span): never {
  throw new PythonError(code, message, span);
}

/** Python's complaint about values, at the expression. */
export function complainingAt<T>(span: () => Span, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ScalarError) throw new PythonError('type', error.message, span());
    throw error;
  }
}

/** `-`, `+` and `~`; `not` depends on truth alone. */
export function prefixOperation(graph: TracrGraph, symbol: string, value: PythonValue, at: () => PrefixPlace): PythonValue {
  if (isSOpValue(value)) {
    const { operand, operator, whole } = at();
    if (symbol !== '-' && symbol !== '~' && symbol !== '+') fail('unsupported', `not supported on s-ops: ${symbol}`, whole);
    return graph.prefix(symbol, value.node, operand, operator, whole);
  }
  if (isSelectorValue(value) && symbol === '~') {
    const { operand, operator, whole } = at();
    return graph.selector((id, origin) => ({ kind: 'not', id, origin, operand: value.node }), { span: whole, operands: [operand], symbol: operator, form: 'prefix' });
  }
  if (!isScalar(value)) fail('type', `${symbol} cannot be applied to ${typeName(value)}`, at().whole);
  return complainingAt(() => at().whole, () => (symbol === '-' ? negate(value) : symbol === '~' ? -negate(negate(value)) - 1 : value));
}

/** Every operator between two values but `and` and `or`, whose right side may not be evaluated. */
export function infixOperation(graph: TracrGraph, symbol: string, a: PythonValue, b: PythonValue, at: () => InfixPlace): PythonValue {
  switch (symbol) {
    case 'is':
      return a === b || (isScalar(a) && sameValue(a, b));
    case 'is not':
      return !(a === b || (isScalar(a) && sameValue(a, b)));
    case 'in':
      return contains(a, b, at().right);
    case 'not in':
      return !contains(a, b, at().right);
  }
  if (isSOpValue(a) || isSOpValue(b)) return sopOperation(graph, symbol, a, b, at());
  if (isSelectorValue(a) && isSelectorValue(b) && (symbol === '&' || symbol === '|')) {
    const { left, right, operator, whole } = at();
    const parts = { span: whole, operands: [left, right], symbol: operator, form: 'infix' } as const;
    return graph.selector((id, origin) => ({ kind: symbol === '&' ? 'and' : 'or', id, origin, left: a.node, right: b.node }), parts);
  }
  if (symbol === '==') return sameValue(a, b);
  if (symbol === '!=') return !sameValue(a, b);
  if (isSequence(a) || isSequence(b)) return sequenceOperation(symbol, a, b, at().whole);
  const value = isScalar(a) && isScalar(b) ? scalarOperation(symbol, a, b, at) : undefined;
  return value === undefined ? inapplicable(symbol, a, b, at().whole) : value;
}

const inapplicable = (symbol: string, a: PythonValue, b: PythonValue, span: Span): never =>
  fail('type', `${symbol} cannot be applied to ${typeName(a)} and ${typeName(b)}`, span);

function scalarOperation(symbol: string, a: Value, b: Value, at: () => InfixPlace): Value | undefined {
  const op = arithmeticOperators[symbol];
  if (op) return complainingAt(() => at().whole, () => binary(op, a, b));
  if (symbol !== '&' && symbol !== '|') return undefined;
  if (typeof a === 'boolean' && typeof b === 'boolean') return symbol === '&' ? a && b : a || b;
  if (typeof a === 'number' && typeof b === 'number') return symbol === '&' ? a & b : a | b;
  return undefined;
}

function sopOperation(graph: TracrGraph, symbol: string, a: PythonValue, b: PythonValue, { left, right, operator, whole }: InfixPlace): PythonValue {
  const op: SOpOperator | undefined = symbol === '&' || symbol === '|' ? symbol : arithmeticOperators[symbol];
  const x = isSOpValue(a) ? a.node : isScalar(a) ? a : undefined;
  const y = isSOpValue(b) ? b.node : isScalar(b) ? b : undefined;
  if (!op || x === undefined || y === undefined) return inapplicable(symbol, a, b, whole);
  return graph.operator(op, x, y, [left, right], operator, whole);
}

function contains(item: PythonValue, container: PythonValue, span: Span): boolean {
  if (typeof container === 'string' && typeof item === 'string') return container.includes(item);
  if (!isScalar(container) && container.kind === 'dict') return container.entries.has(keyOf(item));
  return iterate(container, span).some((other) => sameValue(other, item));
}

function sequenceOperation(symbol: string, a: PythonValue, b: PythonValue, span: Span): PythonValue {
  if (isSequence(a) && isSequence(b)) {
    if (symbol === '+' && a.kind === b.kind) return { kind: a.kind, items: [...a.items, ...b.items] };
    const order = ['<', '<=', '>', '>='].includes(symbol) ? compare(a, b, span) : Number.NaN;
    if (!Number.isNaN(order)) return symbol === '<' ? order < 0 : symbol === '<=' ? order <= 0 : symbol === '>' ? order > 0 : order >= 0;
  }
  const [sequence, times] = isSequence(a) ? [a, b] : [b, a];
  if (symbol === '*' && isSequence(sequence) && typeof times === 'number') {
    if (sequence.items.length * times > 100_000) fail('limit', 'the list is too long', span);
    return { kind: sequence.kind, items: Array.from({ length: Math.max(0, times) }, () => sequence.items).flat() };
  }
  return inapplicable(symbol, a, b, span);
}

const isSOpValue = (value: PythonValue): value is Extract<PythonValue, { kind: 's-op' }> => !isScalar(value) && value.kind === 's-op';
const isSelectorValue = (value: PythonValue): value is Extract<PythonValue, { kind: 'selector' }> => !isScalar(value) && value.kind === 'selector';
