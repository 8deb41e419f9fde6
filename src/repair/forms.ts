// The library of symbolic forms: for each op of the source, what it might have been meant to do.
import type { Override } from './batch.ts';
import type { Change } from './rewrite.ts';
import type { Transform } from './transform.ts';
import { allTransforms, complement, negation, numericTransforms } from './transform.ts';
import type { AggregateOp, Comparison, Dialect, MapOp, Node, Origin, SelectOp, SOp, Value } from '../rasp/program.ts';
import { nodesBelow } from '../rasp/program.ts';
import type { BinaryOperator } from '../rasp/scalar.ts';
import { binary, comparisonPredicate, describe, isNumeric, ScalarError, truthy } from '../rasp/scalar.ts';

/** One behaviour of an op, with the changes of its text that bring it about. */
export interface Form {
  readonly label: string;
  /** How far from what was written; the original costs 0. */
  readonly cost: number;
  readonly override: Override | null;
  /** Where the nodes of the group do not all do the same: what each does. Replaces `override`. */
  readonly overrides?: ReadonlyMap<Node, Override>;
  readonly changes: readonly Change[];
  /** The op's function of its inputs (keys and queries for a select), for its table. */
  readonly fn: (args: readonly Value[]) => Value;
  /** The function of one node of the group, where they differ. */
  readonly fns?: ReadonlyMap<Node, (args: readonly Value[]) => Value>;
}

export const overrideOf = (form: Form, node: Node): Override | null =>
  form.overrides ? (form.overrides.get(node) ?? null) : form.override;

export const functionOf = (form: Form, node: Node): Form['fn'] | undefined => (form.fns ? form.fns.get(node) : form.fn);

/** The nodes that one expression of the source made: they change together. */
export interface OpGroup {
  readonly origin: Origin;
  readonly nodes: readonly Node[];
  /** forms[0] is the original. */
  readonly forms: readonly Form[];
}

export type DomainOf = (node: SOp) => readonly Value[];

/** The values of s-ops, for two purposes. */
export interface Domains {
  /** What the s-op holds in the program as written: literals worth writing. */
  readonly observed: DomainOf;
  /** What it may hold once other ops are changed: forms that differ there are different forms. */
  readonly possible: DomainOf;
  /** Forms of a higher cost are left out. */
  readonly maxCost?: number;
}

/** The ops of a program that stand in the given file, each with its library. */
export function opGroups(root: SOp, dialect: Dialect, file: string, text: string, domains: Domains): OpGroup[] {
  const groups = new Map<string, Node[]>();
  for (const node of nodesBelow(root)) {
    const { span, form } = node.origin;
    if (span.file !== file || form === 'leaf') continue;
    const key = `${span.start}:${span.end}:${node.kind}`;
    const group = groups.get(key);
    if (group) group.push(node);
    else groups.set(key, [node]);
  }
  return [...groups.values()].flatMap((nodes) => {
    const [first] = nodes;
    if (!first) return [];
    const forms = formsOf(first, nodes, dialect, text, domains);
    return forms.length > 1 ? [{ origin: first.origin, nodes, forms }] : [];
  });
}

function formsOf(node: Node, nodes: readonly Node[], dialect: Dialect, text: string, { observed, possible, maxCost = Number.POSITIVE_INFINITY }: Domains): Form[] {
  const union = (pick: (n: Node) => SOp | undefined, domainOf: DomainOf): Value[] => {
    const picked = nodes.flatMap((n) => pick(n) ?? []);
    return [...new Set(picked.flatMap((n) => [...domainOf(n)]))];
  };
  switch (node.kind) {
    case 'select': {
      const keys = (n: Node): SOp | undefined => (n.kind === 'select' ? n.keys : undefined);
      const queries = (n: Node): SOp | undefined => (n.kind === 'select' ? n.queries : undefined);
      return selectForms(node, dialect, text, union(keys, possible), union(queries, possible), Math.min(maxCost, 3.7));
    }
    case 'map': {
      const domains = (domainOf: DomainOf): Value[][] => node.args.map((_, i) => union((n) => (n.kind === 'map' ? n.args[i] : undefined), domainOf));
      return mapForms(node, dialect, domains(observed), domains(possible), Math.min(maxCost, 3.2));
    }
    case 'aggregate':
      return aggregateForms(node, union((n) => (n.kind === 'aggregate' ? n.value : undefined), possible));
    case 'width':
      return widthForms();
    case 'and':
    case 'or':
      return connectiveForms(node, dialect);
    case 'not':
      return dropNot(node);
    default:
      return [];
  }
}

const original = (fn: Form['fn']): Form => ({ label: 'as written', cost: 0, override: null, changes: [], fn });

/** Combinations of arguments on which all forms are compared, and those on which forms alike so far are. */
const FEW = 48;
const MANY = 1500;

/** Keeps the cheapest of forms with equal behaviour on the domains; behaviour nowhere defined is dropped. */
function distinct(forms: readonly Form[], domains: readonly (readonly Value[])[], most = 4000): Form[] {
  const few = combinations(domains, FEW);
  const many = combinations(domains, MANY);
  const kept: Form[] = [];
  const buckets = new Map<string, { readonly form: Form; full?: string }[]>();
  for (const form of [...forms].sort((a, b) => a.cost - b.cost)) {
    if (kept.length >= most) break;
    const key = behaviour(form, few);
    const bucket = buckets.get(key) ?? [];
    const entry: { form: Form; full?: string } = { form };
    const alike = bucket.some((other) => (other.full ??= behaviour(other.form, many)) === (entry.full ??= behaviour(form, many)));
    if (alike || (form.cost > 0 && isNowhere(key) && isNowhere((entry.full ??= behaviour(form, many))))) continue;
    buckets.set(key, [...bucket, entry]);
    kept.push(form);
  }
  return kept;
}

const UNDEFINED = '!';
const SEPARATOR = '\u0001';

/** The results on the sample as a text, equal for forms that behave alike there. */
function behaviour(form: Form, sample: readonly (readonly Value[])[]): string {
  return sample
    .map((args) => {
      try {
        const value = form.fn(args);
        return typeof value === 'boolean' ? Number(value) : value;
      } catch (error) {
        if (error instanceof ScalarError) return UNDEFINED;
        throw error;
      }
    })
    .join(SEPARATOR);
}

const isNowhere = (key: string): boolean => key.split(SEPARATOR).every((value) => value === UNDEFINED);

export function combinations(domains: readonly (readonly Value[])[], most: number): Value[][] {
  const total = domains.reduce((size, domain) => size * domain.length, 1);
  const step = Math.max(1, Math.floor(total / most));
  const rows: Value[][] = [];
  for (let row = 0; row < total; row += step) {
    let rest = row;
    rows.push(
      domains.map((domain) => {
        const value = domain[rest % domain.length] ?? null;
        rest = Math.floor(rest / domain.length);
        return value;
      }),
    );
  }
  return rows;
}

interface Side {
  readonly label: string;
  readonly cost: number;
  apply(value: Value): Value;
  readonly changes: readonly Change[];
}

/** An operand as written or wrapped, where it has a text to wrap. */
function sides(origin: Origin, operand: number, domain: readonly Value[], transforms: readonly Transform[]): Side[] {
  const asWritten: Side = { label: 'x', cost: 0, apply: (value) => value, changes: [] };
  if (!origin.operands[operand]) return [asWritten];
  const numeric = domain.some(isNumeric);
  const usable = transforms.filter((transform) => numeric || transform === complement);
  return [
    asWritten,
    ...usable.map((transform) => ({
      label: transform.label,
      cost: transform.cost,
      apply: (value: Value) => transform.apply(value),
      changes: [{ kind: 'operand', operand, transform } as const],
    })),
  ];
}

const raspComparisons: readonly Comparison[] = ['==', '!=', '<', '<=', '>', '>='];
const tracrComparisons: readonly Comparison[] = [...raspComparisons, 'true', 'false'];

function selectForms(
  node: SelectOp,
  dialect: Dialect,
  text: string,
  keys: readonly Value[],
  queries: readonly Value[],
  maxCost: number,
): Form[] {
  const { origin } = node;
  const own = (key: Value, query: Value): boolean => node.predicate.apply(key, query);
  const predicates: { label: string; cost: number; apply: typeof own; changes: readonly Change[] }[] = [
    { label: node.predicate.label, cost: 0, apply: own, changes: [] },
  ];
  for (const comparison of origin.symbol ? (dialect === 'rasp' ? raspComparisons : tracrComparisons) : []) {
    if (comparison === node.predicate.comparison) continue;
    const predicate = comparisonPredicate(comparison);
    const newText = predicateText(comparison, dialect, origin, text);
    predicates.push({
      label: comparison,
      cost: 1,
      apply: (key, query) => predicate.apply(key, query),
      changes: [{ kind: 'symbol', newText }],
    });
  }
  const forms: Form[] = [];
  for (const key of sides(origin, 0, keys, numericTransforms)) {
    for (const query of sides(origin, 1, queries, numericTransforms)) {
      for (const predicate of predicates) {
        const cost = key.cost + query.cost + predicate.cost;
        if (cost > maxCost) continue;
        const selects = (k: Value, q: Value): boolean => predicate.apply(key.apply(k), query.apply(q));
        forms.push({
          label: `${key.label.replaceAll('x', 'key')} ${predicate.label} ${query.label.replaceAll('x', 'query')}`,
          cost,
          override: cost === 0 ? null : { selects },
          changes: [...key.changes, ...query.changes, ...predicate.changes],
          fn: ([k = null, q = null]) => selects(k, q),
        });
      }
    }
  }
  if (dialect === 'rasp') forms.push(...constantSelectors(origin));
  return distinct(forms, [keys, queries]);
}

/** RASP writes "all" and "none" as a comparison of constants. */
function constantSelectors(origin: Origin): Form[] {
  const [keys, queries] = origin.operands;
  if (!keys || !queries || !origin.symbol) return [];
  return [true, false].map((every) => ({
    label: every ? 'select all' : 'select none',
    cost: 1.6,
    override: { selects: () => every },
    changes: [{ kind: 'replace', from: keys.start, to: origin.symbol?.end ?? queries.end, newText: every ? '1, 1, ==' : '1, 1, !=' }],
    fn: () => every,
  }));
}

const tracrNames: Record<Comparison, string> = {
  '==': 'EQ',
  '!=': 'NEQ',
  '<': 'LT',
  '<=': 'LEQ',
  '>': 'GT',
  '>=': 'GEQ',
  true: 'TRUE',
  false: 'FALSE',
};

function predicateText(comparison: Comparison, dialect: Dialect, origin: Origin, text: string): string {
  if (dialect === 'rasp') return comparison;
  const written = origin.symbol ? text.slice(origin.symbol.start, origin.symbol.end) : '';
  const prefix = /^[\w.]*Comparison\./.exec(written)?.[0];
  if (prefix !== undefined) return prefix + tracrNames[comparison];
  if (comparison === 'true' || comparison === 'false') return `lambda key, query: ${comparison === 'true' ? 'True' : 'False'}`;
  return `lambda key, query: key ${comparison} query`;
}

function mapForms(node: MapOp, dialect: Dialect, observed: readonly (readonly Value[])[], possible: readonly (readonly Value[])[], maxCost: number): Form[] {
  const own = (args: readonly Value[]): Value => node.fn.apply(args);
  const cores: Core[] = [{ label: node.fn.label, cost: 0, apply: own, changes: [] }, ...coresOf(node, dialect, observed)];
  const argumentSides = possible.map((domain, i) => sides(node.origin, i, domain, allTransforms));
  const results: readonly (Transform | null)[] = [null, ...allTransforms];
  const forms: Form[] = [];
  const add = (core: Core, args: readonly Side[], result: Transform | null): void => {
    const cost = core.cost + args.reduce((sum, side) => sum + side.cost, 0) + (result?.cost ?? 0);
    if (cost > maxCost) return;
    const inner = (at: readonly Value[]): Value => core.apply(at.map((value, i) => args[i]?.apply(value) ?? value));
    const fn = result ? (at: readonly Value[]): Value => result.apply(inner(at)) : inner;
    forms.push({
      label: [core.label, ...args.filter((side) => side.cost > 0).map((side) => `with ${side.label}`), ...(result ? [`then ${result.label}`] : [])].join(' '),
      cost,
      override: cost === 0 ? null : { fn },
      changes: [...core.changes, ...args.flatMap((side) => side.changes), ...(result ? [{ kind: 'result', transform: result } as const] : [])],
      fn,
    });
  };
  const plain = argumentSides.map((list) => list[0]).filter((side) => side !== undefined);
  for (const core of cores) {
    for (const result of results) add(core, plain, result);
    argumentSides.forEach((list, i) => {
      for (const side of list.slice(1)) {
        const args = plain.map((p, j) => (j === i ? side : p));
        for (const result of [null, complement, negation]) add(core, args, result);
      }
    });
  }
  return distinct([original(own), ...forms], possible, possible.length === 1 ? 400 : 800);
}

interface Core {
  readonly label: string;
  readonly cost: number;
  apply(args: readonly Value[]): Value;
  readonly changes: readonly Change[];
}

function coresOf(node: MapOp, dialect: Dialect, domains: readonly (readonly Value[])[]): Core[] {
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

const comparisonsFor = (value: Value): readonly BinaryOperator[] =>
  isNumeric(value) ? ['==', '!=', '<', '<=', '>', '>='] : ['==', '!='];

/** Literals worth writing into a program: all of a small set, else the small integers. */
function literals(domain: readonly Value[]): readonly Value[] {
  const known = domain.filter((value) => value !== null);
  if (known.length <= 12) return known.every(isNumeric) ? [...new Set([0, 1, ...known.map(Number)])] : known;
  const numbers = known.filter(isNumeric).map(Number);
  return [...new Set([0, 1, ...numbers.filter((x) => Number.isInteger(x) && Math.abs(x) <= 4)])];
}

export function literalText(value: Value, dialect: Dialect): string {
  if (value === null) return 'None';
  if (typeof value === 'string') return dialect === 'rasp' ? `"${value}"` : JSON.stringify(value);
  return describe(value);
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

function aggregateForms(node: AggregateOp, domain: readonly Value[]): Form[] {
  const forms: Form[] = [original(([x = null]) => x)];
  const numeric = domain.some(isNumeric);
  for (const transform of allTransforms.filter((t) => numeric || t === complement)) {
    const apply = (value: Value): Value => transform.apply(value);
    const fn = ([x = null]: readonly Value[]): Value => (x === null ? null : transform.apply(x));
    if (node.origin.operands[1]) {
      forms.push({ label: `average of ${transform.label}`, cost: transform.cost, override: { value: apply }, changes: [{ kind: 'operand', operand: 1, transform }], fn });
    }
    const result = (value: Value): Value => (value === null ? null : transform.apply(value));
    forms.push({ label: `then ${transform.label}`, cost: transform.cost + 0.1, override: { result }, changes: [{ kind: 'result', transform }], fn });
  }
  return forms;
}

function widthForms(): Form[] {
  return [
    original(([x = null]) => x),
    ...allTransforms.map((transform): Form => ({
      label: `then ${transform.label}`,
      cost: transform.cost,
      override: { result: (value) => transform.apply(value) },
      changes: [{ kind: 'result', transform }],
      fn: ([x = null]) => transform.apply(x),
    })),
  ];
}

function connectiveForms(node: Node, dialect: Dialect): Form[] {
  const { origin, kind } = node;
  const forms = [original(() => null)];
  if (origin.form !== 'infix' || !origin.symbol || (kind !== 'and' && kind !== 'or')) return forms;
  const other = kind === 'and' ? 'or' : 'and';
  const newText = dialect === 'rasp' ? other : other === 'and' ? '&' : '|';
  forms.push({ label: other, cost: 1, override: { connective: other }, changes: [{ kind: 'symbol', newText }], fn: () => null });
  return forms;
}

function dropNot(node: Node): Form[] {
  const forms = [original(() => null)];
  if (node.origin.form === 'prefix') {
    forms.push({ label: 'without not', cost: 0.6, override: { connective: 'left' }, changes: [{ kind: 'only', operand: 0 }], fn: () => null });
  }
  return forms;
}
