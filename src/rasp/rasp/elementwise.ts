// Elementwise operators: on atoms they compute, on s-ops they make the scalar function of a map op.
import type { ElementType, ScalarFunction, SOp, Value } from '../program.ts';
import { binary, isNumeric, negate, roundHalfEven, ScalarError, truthy } from '../scalar.ts';
import type { ArithmeticOperator, ComparisonOperator } from './syntax.ts';
import type { Atom, SOpValue } from './values.ts';
import { atom, describeAtom } from './values.ts';

export type Operand = Atom | SOpValue;

/** A function of up to three scalars. */
export interface Elementwise {
  compute(a: Value, b: Value, c: Value): Value;
  /** Of the operands' types; undefined where the result's values tell. */
  type(types: readonly ElementType[]): ElementType | undefined;
  label(operands: readonly string[]): string;
}

/** The function of the s-ops among the operands, in order; atoms become part of it. */
export function foldAtoms(op: Elementwise, operands: readonly Operand[]): { fn: ScalarFunction; args: readonly SOp[] } {
  const args = operands.flatMap((operand) => (operand.kind === 's-op' ? [operand.node] : []));
  let letter = 0;
  const texts = operands.map((operand) => (operand.kind === 's-op' ? ('xyz'[letter++] ?? 'x') : describeAtom(operand)));
  const fn: ScalarFunction = {
    label: op.label(texts),
    arity: args.length,
    apply: applyFolded(op, operands),
    resultType(types) {
      let next = 0;
      return op.type(operands.map((operand) => (operand.kind === 's-op' ? (types[next++] ?? 'int') : operand.type)));
    },
  };
  return { fn, args };
}

function applyFolded({ compute }: Elementwise, operands: readonly Operand[]): ScalarFunction['apply'] {
  const constants = operands.map((operand) => (operand.kind === 's-op' ? null : operand.value));
  const [first = null, second = null] = constants;
  if (constants.length === 1) return (args) => compute(at(args, 0), null, null);
  if (constants.length === 2) {
    if (first !== null) return (args) => compute(first, at(args, 0), null);
    if (second !== null) return (args) => compute(at(args, 0), second, null);
    return (args) => compute(at(args, 0), at(args, 1), null);
  }
  return (args) => {
    let next = 0;
    const [a = null, b = null, c = null] = constants.map((constant) => constant ?? at(args, next++));
    return compute(a, b, c);
  };
}

const at = (args: readonly Value[], i: number): Value => args[i] ?? null;

/** The value for atoms only. Throws ScalarError. */
export function computeAtoms(op: Elementwise, operands: readonly Atom[]): Atom {
  const [a, b, c] = operands;
  const value = op.compute(a?.value ?? null, b?.value ?? null, c?.value ?? null);
  return atom(value ?? 0, op.type(operands.map(({ type }) => type)));
}

const comparisons: ReadonlySet<string> = new Set<ComparisonOperator>(['==', '<=', '>=', '<', '>']);

export function binaryOperation(operator: ArithmeticOperator | ComparisonOperator): Elementwise {
  return {
    compute: computations[operator] ?? ((a, b) => binary(operator, a, b)),
    type: ([a, b]) => (comparisons.has(operator) ? 'bool' : arithmeticType(operator, a, b)),
    label: ([a, b]) => `${a} ${operator} ${b}`,
  };
}

/** The commonest operators without the general dispatch where both sides are numbers. */
const computations: Partial<Record<ArithmeticOperator | ComparisonOperator, (a: Value, b: Value) => Value>> = {
  '+': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a + b : binary('+', a, b)),
  '-': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : binary('-', a, b)),
  '*': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a * b : binary('*', a, b)),
  '==': (a, b) => (typeof a === typeof b ? a === b : binary('==', a, b)),
  '<': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a < b : binary('<', a, b)),
  '>': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a > b : binary('>', a, b)),
};

function arithmeticType(operator: string, a?: ElementType, b?: ElementType): ElementType | undefined {
  if (operator === '/') return 'float';
  return a === 'float' || b === 'float' ? 'float' : undefined;
}

const sameFraction = ([a]: readonly ElementType[]): ElementType | undefined => (a === 'float' ? 'float' : undefined);

export const unaryOperations: Readonly<Record<'-' | '+' | 'not' | 'round' | 'indicator', Elementwise>> = {
  '-': { compute: (a) => negate(a), type: sameFraction, label: ([a]) => `-${a}` },
  '+': { compute: positive, type: sameFraction, label: ([a]) => `+${a}` },
  not: { compute: (a) => !truthy(a), type: () => 'bool', label: ([a]) => `not ${a}` },
  round: { compute: (a) => roundHalfEven(a), type: () => 'int', label: ([a]) => `round(${a})` },
  indicator: { compute: (a) => (truthy(a) ? 1 : 0), type: () => 'int', label: ([a]) => `indicator(${a})` },
};

function positive(a: Value): Value {
  if (!isNumeric(a)) throw new ScalarError('+ needs a number');
  return Number(a);
}

export const logicalOperations: Readonly<Record<'and' | 'or', Elementwise>> = {
  and: { compute: (a, b) => truthy(a) && truthy(b), type: () => 'bool', label: ([a, b]) => `${a} and ${b}` },
  or: { compute: (a, b) => truthy(a) || truthy(b), type: () => 'bool', label: ([a, b]) => `${a} or ${b}` },
};

/** `a if b else c`, operands in this order. */
export const conditionalOperation: Elementwise = {
  compute: (a, b, c) => (truthy(b) ? a : c),
  type: ([a, , c]) => (a === 'float' || c === 'float' ? 'float' : undefined),
  label: ([a, b, c]) => `${a} if ${b} else ${c}`,
};

/** Looks its operand up, for `list[s]`, `dict[s]` and `s in list`. */
export function lookup(label: (operand: string) => string, type: ElementType | undefined, compute: (a: Value) => Value): Elementwise {
  return { compute, type: () => type, label: ([a]) => label(a ?? '') };
}
