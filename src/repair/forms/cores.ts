// The functions that an elementwise op may be given, by how it is written: infix, prefix, lambda, linear.
import { comparisonsFor, literals, literalText } from './literals.ts';
import type { Change } from '../rewrite.ts';
import type { Dialect, MapOp, Origin, Value } from '../../rasp/program.ts';
import type { BinaryOperator } from '../../rasp/scalar.ts';
import { binary, describe, truthy } from '../../rasp/scalar.ts';

export interface Core {
  readonly label: string;
  readonly cost: number;
  apply(args: readonly Value[]): Value;
  readonly changes: readonly Change[];
}

export function coresOf(node: MapOp, dialect: Dialect, domains: readonly (readonly Value[])[]): Core[] {
  const { origin } = node;
  const arity = node.args.length;
  switch (origin.form) {
    case 'infix':
      return arity === 2 ? infixCores(origin, dialect) : literalCores(dialect, domains[0] ?? [], 'sop');
    case 'prefix':
      return [identityCore];
    case 'lambda': {
      if (!origin.symbol) return [];
      const names = origin.parameters?.length === arity ? origin.parameters : ['x', 'y', 'z'].slice(0, arity);
      return lambdaCores(names, arity, domains, dialect);
    }
    case 'linear':
      return linearCores(origin);
    default:
      return [];
  }
}

/** What an op does can be taken away: the plainest change, so it wins ties. */
const identityCore: Core = {
  label: 'x',
  cost: 0.6,
  apply: ([x = null]) => x,
  changes: [{ kind: 'only', operand: 0 }],
};

const arithmetic: readonly BinaryOperator[] = ['+', '-', '*', '==', '!=', '<', '<=', '>', '>='];

const connectives = {
  and: (a: Value, b: Value): Value => truthy(a) && truthy(b),
  or: (a: Value, b: Value): Value => truthy(a) || truthy(b),
};

function infixCores(origin: Origin, dialect: Dialect): Core[] {
  if (!origin.symbol) return [];
  const cores: Core[] = arithmetic
    .filter((op) => dialect === 'tracr' || op !== '!=')
    .map((op) => ({
      label: `x ${op} y`,
      cost: 1,
      apply: ([x = null, y = null]) => binary(op, x, y),
      changes: [{ kind: 'symbol', newText: op }],
    }));
  for (const name of ['and', 'or'] as const) {
    const newText = dialect === 'rasp' ? name : name === 'and' ? '&' : '|';
    const apply = ([x = null, y = null]: readonly Value[]): Value => connectives[name](x, y);
    cores.push({ label: `x ${name} y`, cost: 1, apply, changes: [{ kind: 'symbol', newText }] });
  }
  cores.push({ ...identityCore, cost: 1.6 });
  cores.push({ label: 'y', cost: 1.6, apply: ([, y = null]) => y, changes: [{ kind: 'only', operand: 1 }] });
  return cores;
}

/** Forms of one argument and a literal: the argument alone, and compared with each value of its set. */
function literalCores(dialect: Dialect, domain: readonly Value[], context: 'sop'): Core[] {
  const cores: Core[] = [identityCore];
  for (const value of literals(domain)) {
    for (const op of comparisonsFor(value)) {
      if (op === '!=' && dialect === 'rasp' && context === 'sop') continue;
      cores.push({
        label: `x ${op} ${describe(value)}`,
        cost: 1.6,
        apply: ([x = null]) => binary(op, x, value),
        changes: [{ kind: 'around', operand: 0, open: '', close: ` ${op} ${literalText(value, dialect)}` }],
      });
    }
  }
  return cores;
}

function lambdaCores(
  names: readonly string[],
  arity: number,
  domains: readonly (readonly Value[])[],
  dialect: Dialect,
): Core[] {
  const [x = 'x', y = 'y'] = names;
  const parameters = names.join(', ');
  const body = (text: string, cost: number, label: string, apply: Core['apply']): Core => ({
    label,
    cost,
    apply,
    changes: [{ kind: 'symbol', newText: `lambda ${parameters}: ${text}` }],
  });
  if (arity === 1) {
    const cores = [body(x, 0.8, 'x', ([a = null]) => a)];
    for (const value of literals(domains[0] ?? [])) {
      const text = literalText(value, dialect);
      for (const op of comparisonsFor(value)) {
        cores.push(body(`${x} ${op} ${text}`, 1.5, `x ${op} ${text}`, ([a = null]) => binary(op, a, value)));
      }
    }
    for (const value of [0, 1, true, false]) {
      const text = literalText(value, dialect);
      cores.push(body(text, 2.5, text, () => value));
    }
    return cores;
  }
  if (arity !== 2) return [];
  const cores = [body(x, 1.6, 'x', ([a = null]) => a), body(y, 1.6, 'y', ([, b = null]) => b)];
  for (const op of arithmetic) {
    cores.push(body(`${x} ${op} ${y}`, 1.3, `x ${op} y`, ([a = null, b = null]) => binary(op, a, b)));
  }
  cores.push(body(`${y} - ${x}`, 1.5, 'y - x', ([a = null, b = null]) => binary('-', b, a)));
  for (const name of ['and', 'or'] as const) {
    const apply = ([a = null, b = null]: readonly Value[]): Value => pythonConnective(name, a, b);
    cores.push(body(`${x} ${name} ${y}`, 1.3, `x ${name} y`, apply));
    const right = ([a = null, b = null]: readonly Value[]): Value => pythonConnective(name, a, !truthy(b));
    cores.push(body(`${x} ${name} not ${y}`, 1.8, `x ${name} not y`, right));
    const left = ([a = null, b = null]: readonly Value[]): Value => pythonConnective(name, !truthy(a), b);
    cores.push(body(`not ${x} ${name} ${y}`, 1.8, `not x ${name} y`, left));
  }
  return cores;
}

/** Python's `and` and `or` give one of their operands back. */
function pythonConnective(name: 'and' | 'or', a: Value, b: Value): Value {
  return truthy(a) === (name === 'and') ? b : a;
}

function linearCores(origin: Origin): Core[] {
  const [first, second] = origin.coefficients ?? [null, null];
  if (!first || !second) return [];
  const cores: Core[] = [];
  for (const a of [1, -1, 0]) {
    for (const b of [1, -1, 0]) {
      cores.push({
        label: `${a}·x + ${b}·y`,
        cost: 1.2,
        apply: ([x = null, y = null]) => binary('+', binary('*', a, x), binary('*', b, y)),
        changes: [
          { kind: 'replace', from: first.start, to: first.end, newText: String(a) },
          { kind: 'replace', from: second.start, to: second.end, newText: String(b) },
        ],
      });
    }
  }
  return cores;
}
