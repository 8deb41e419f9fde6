// Traces RASP expressions: atoms, lists and dicts are computed, s-ops and selectors become nodes of the graph.
import { evaluateSelector, evaluateSOp } from '../interpret.ts';
import type { Selector, SOp, Value } from '../program.ts';
import { isSelector } from '../program.ts';
import { equals, ScalarError } from '../scalar.ts';
import { suggestion } from './suggestion.ts';
import type { Elementwise, Operand } from './elementwise.ts';
import {
  binaryOperation,
  computeAtoms,
  conditionalOperation,
  logicalOperations,
  lookup,
  unaryOperations,
} from './elementwise.ts';
import { Scope } from './scope.ts';
import type {
  AggregateExpression,
  BinaryExpression,
  BuiltinExpression,
  CallExpression,
  ConditionalExpression,
  DictExpression,
  Expression,
  Identifier,
  IndexExpression,
  ListFunctionExpression,
  NameExpression,
  SelectExpression,
  UnaryExpression,
} from './syntax.ts';
import { SilentFailure, Tracer } from './tracer.ts';
import type { Atom, DictValue, FunctionValue, ListValue, RaspValue } from './values.ts';
import { atom, describeAtom, dictKey, elementsOf, isTruthy, kindName, list, valuesEqual } from './values.ts';

const maxItems = 50_000;
/** Applying an op to a longer input is not carried out: a selector costs the square of it. */
const longestInput = 256;

type BinaryOperator = BinaryExpression['operator'];

export abstract class ExpressionTracer extends Tracer {
  /** Names that a syntax error kept from being defined; their uses are not reported again. */
  protected readonly spoiled = new Set<string>();

  protected abstract runBody(callee: FunctionValue, scope: Scope): RaspValue;

  protected evaluate(expression: Expression, scope: Scope): RaspValue {
    this.enter(expression.range);
    try {
      return this.dispatch(expression, scope);
    } finally {
      this.leave();
    }
  }

  private dispatch(expression: Expression, scope: Scope): RaspValue {
    switch (expression.kind) {
      case 'number':
        return atom(Number(expression.text), expression.text.includes('.') ? 'float' : 'int');
      case 'string':
        return atom(expression.value);
      case 'name':
        return this.lookUp(expression, scope);
      case 'list':
        return list(expression.items.map((item) => this.evaluate(item, scope)));
      case 'dict':
        return this.dict(expression, scope);
      case 'list-comprehension':
        return list(this.eachOf(expression, scope, (inner) => this.evaluate(expression.value, inner)));
      case 'dict-comprehension':
        return dictOf(
          this.eachOf(expression, scope, (inner) => {
            const key = this.key(expression.key, inner);
            return { key, value: this.evaluate(expression.value, inner) };
          }),
        );
      case 'index':
        return this.index(expression, scope);
      case 'call':
        return this.call(expression, scope);
      case 'unary':
        return this.unary(expression, scope);
      case 'builtin':
        return this.builtin(expression, scope);
      case 'binary':
        return this.binary(expression, scope);
      case 'select':
        return this.select(expression, scope);
      case 'aggregate':
        return this.aggregate(expression, scope);
      case 'conditional':
        return this.conditional(expression, scope);
      case 'range':
        return this.range(expression, scope);
      case 'zip':
        return this.zip(expression, scope);
      case 'len':
        return this.len(expression, scope);
    }
  }

  private lookUp({ name, range }: NameExpression, scope: Scope): RaspValue {
    const value = scope.get(name);
    if (value === undefined) {
      if (this.spoiled.has(name)) throw new SilentFailure();
      const hint = suggestion(name, scope.visibleNames());
      return this.fail('unknown-name', `Undefined variable: ${name}${hint === undefined ? '' : `; did you mean ${hint}?`}`, range);
    }
    if (value.kind === 'unknown') throw new SilentFailure();
    return value;
  }

  private dict({ entries }: DictExpression, scope: Scope): RaspValue {
    return dictOf(entries.map(({ key, value }) => ({ key: this.key(key, scope), value: this.evaluate(value, scope) })));
  }

  private key(expression: Expression, scope: Scope): Atom {
    const key = this.evaluate(expression, scope);
    if (key.kind === 'atom') return key;
    return this.fail('type', `a key of a dict must be a number, a string or a bool, and this is ${kindName(key)}`, expression.range);
  }

  /** What the body gives for each element, in a scope of its own each. */
  private eachOf<T>(
    { iterable, names }: { readonly iterable: Expression; readonly names: readonly Identifier[] },
    scope: Scope,
    body: (inner: Scope) => T,
  ): T[] {
    return this.iterate(iterable, scope).map((element) => {
      const inner = new Scope(scope);
      this.bindLoop(names, element, inner);
      return body(inner);
    });
  }

  protected iterate(iterable: Expression, scope: Scope): readonly RaspValue[] {
    const value = this.evaluate(iterable, scope);
    const elements = value.kind === 'atom' ? undefined : elementsOf(value);
    return elements ?? this.fail('type', `a loop goes over a list or a dict, and this is ${kindName(value)}`, iterable.range);
  }

  protected bindLoop(names: readonly Identifier[], element: RaspValue, scope: Scope): void {
    const [only] = names;
    if (names.length === 1 && only !== undefined) {
      this.assign(only, element, scope);
      return;
    }
    const parts = elementsOf(element);
    if (parts?.length !== names.length) {
      const found = parts === undefined ? kindName(element) : `${parts.length} values`;
      this.fail('type', `the loop has ${names.length} names for each element, and this element is ${found}`, spanning(names));
    }
    names.forEach((name, i) => this.assign(name, parts[i] ?? { kind: 'unknown' }, scope));
  }

  protected assign({ name, range }: Identifier, value: RaspValue, scope: Scope): void {
    if (scope.refuses(name)) this.fail('reserved-name', `Cannot set reserved name: ${name}`, range);
    scope.set(name, value);
  }

  private unary(expression: UnaryExpression, scope: Scope): RaspValue {
    const { operator, operand, operatorRange, range } = expression;
    const value = this.evaluate(operand, scope);
    if (value.kind === 'selector' && operator === 'not') {
      const place = this.place(range, 'prefix', operatorRange);
      return selector(this.make(range, () => this.graph.invert(value.node, this.span(operand.outer), place)));
    }
    if (operator === 'not' && value.kind !== 's-op') {
      const truth = isTruthy(value);
      if (truth !== undefined) return atom(!truth);
    }
    const place = this.place(range, 'prefix', operatorRange);
    return this.elementwise(unaryOperations[operator], [value], [operand], place, operator);
  }

  private builtin(expression: BuiltinExpression, scope: Scope): RaspValue {
    const { name, operand, nameRange, range } = expression;
    const value = this.evaluate(operand, scope);
    if (name === 'indicator' && value.kind !== 's-op') {
      this.fail('type', `indicator takes an s-op, and this is ${kindName(value)}`, operand.range);
    }
    return this.elementwise(unaryOperations[name], [value], [operand], this.place(range, 'call', nameRange), name);
  }

  /** The op on atoms, or a node if an s-op is among the values. */
  private elementwise(
    op: Elementwise,
    values: readonly RaspValue[],
    parts: readonly Expression[],
    place: ReturnType<Tracer['place']>,
    what: string,
  ): RaspValue {
    const operands: Operand[] = [];
    for (const [i, value] of values.entries()) {
      if (value.kind !== 'atom' && value.kind !== 's-op') {
        return this.fail('type', `cannot apply ${what} to ${kindName(value)}`, parts[i]?.range ?? place.span);
      }
      operands.push(value);
    }
    const atoms = operands.filter((operand) => operand.kind === 'atom');
    if (atoms.length === operands.length) return this.scalar(place.span, () => computeAtoms(op, atoms));
    return sOp(this.mapNode(op, operands, parts, place));
  }

  private binary(expression: BinaryExpression, scope: Scope): RaspValue {
    const { operator, left, right, operatorRange, range } = expression;
    const a = this.evaluate(left, scope);
    const b = this.evaluate(right, scope);
    if (operator === 'in') return this.contained(expression, a, b, scope);
    const place = this.place(range, 'infix', operatorRange);
    if (operator === 'and' || operator === 'or') {
      if (a.kind === 'selector' || b.kind === 'selector') return this.combine(expression, operator, a, b);
      if (a.kind !== 's-op' && b.kind !== 's-op') return this.logical(expression, operator, a, b);
      return this.elementwise(logicalOperations[operator], [a, b], [left, right], place, operator);
    }
    if (a.kind === 'selector' || b.kind === 'selector') this.fail('type', `Cannot apply ${operator} to selector(s)`, range);
    const plain = this.onLists(expression, operator, a, b);
    return plain ?? this.elementwise(binaryOperation(operator), [a, b], [left, right], place, operator);
  }

  private combine(expression: BinaryExpression, kind: 'and' | 'or', a: RaspValue, b: RaspValue): RaspValue {
    const { left, right, operatorRange, range } = expression;
    if (a.kind !== 'selector' || b.kind !== 'selector') {
      return this.fail('type', 'Cannot apply and/or between selector and non-selector', range);
    }
    const spans = [this.span(left.outer), this.span(right.outer)];
    const place = this.place(range, 'infix', operatorRange);
    return selector(this.make(range, () => this.graph.combine(kind, a.node, b.node, spans, place)));
  }

  private logical({ range }: BinaryExpression, operator: 'and' | 'or', a: RaspValue, b: RaspValue): RaspValue {
    const truth = isTruthy(a);
    if (truth === undefined) return this.fail('type', `cannot apply ${operator} to ${kindName(a)}`, range);
    return truth === (operator === 'and') ? b : a;
  }

  private onLists({ range }: BinaryExpression, operator: BinaryOperator, a: RaspValue, b: RaspValue): RaspValue | undefined {
    if (operator === '==' && a.kind !== 's-op' && b.kind !== 's-op') return atom(valuesEqual(a, b, { left: maxItems }));
    if (operator === '+' && a.kind === 'list' && b.kind === 'list') return this.sized([...a.items, ...b.items], range);
    if (operator !== '*') return undefined;
    const [items, times] = a.kind === 'list' ? [a, b] : [b, a];
    if (items.kind !== 'list' || times.kind !== 'atom' || typeof times.value === 'string') return undefined;
    const count = Number(times.value);
    if (times.type === 'float') this.fail('type', 'a list can be repeated by an int only', range);
    if (items.items.length * count > maxItems) this.tooLong(range);
    return list(Array.from({ length: Math.max(0, count) }, () => items.items).flat());
  }

  private sized(items: readonly RaspValue[], range: Expression['range']): ListValue {
    return items.length > maxItems ? this.tooLong(range) : list(items);
  }

  private tooLong(range: Expression['range']): never {
    return this.fail('limit', `the list would have more than ${maxItems} elements`, range);
  }

  private conditional(expression: ConditionalExpression, scope: Scope): RaspValue {
    const { then, condition, otherwise, range } = expression;
    const test = this.evaluate(condition, scope);
    if (test.kind !== 's-op') {
      const truth = isTruthy(test);
      if (truth === undefined) return this.fail('type', `a condition cannot be ${kindName(test)}`, condition.range);
      return this.evaluate(truth ? then : otherwise, scope);
    }
    const values = [this.evaluate(then, scope), test, this.evaluate(otherwise, scope)];
    return this.elementwise(conditionalOperation, values, [then, condition, otherwise], this.place(range, 'call'), 'if … else');
  }

  private contained(expression: BinaryExpression, item: RaspValue, container: RaspValue, scope: Scope): RaspValue {
    const { left, right, operatorRange, range } = expression;
    if (item.kind !== 'atom' && item.kind !== 's-op') {
      return this.fail('type', `in takes an s-op or a value on its left, and this is ${kindName(item)}`, left.range);
    }
    if (item.kind === 'atom' && container.kind === 's-op') return this.occurs(expression, item, container.node, scope);
    if (container.kind !== 'list') {
      return this.fail('type', `in takes a list ${item.kind === 'atom' ? 'or an s-op ' : ''}on its right, and this is ${kindName(container)}`, right.range);
    }
    if (item.kind === 'atom') {
      return atom(container.items.some((member) => valuesEqual(item, member, { left: maxItems })));
    }
    const members = this.atomsOf(container, right);
    const values = members.map(({ value }) => value);
    const op = lookup((text) => `${text} in [${members.map(describeAtom).join(', ')}]`, 'bool', (a) => values.some((value) => equals(a, value)));
    return sOp(this.mapNode(op, [item], [left], this.place(range, 'infix', operatorRange)));
  }

  private atomsOf(container: ListValue, at: Expression): Atom[] {
    return container.items.map((member) =>
      member.kind === 'atom' ? member : this.fail('type', `in takes a list of values, and this one holds ${kindName(member)}`, at.range),
    );
  }

  /** `atom in s-op`: whether it is anywhere in the sequence, at every position. */
  private occurs({ right, range }: BinaryExpression, item: Atom, sequence: SOp, scope: Scope): RaspValue {
    const place = this.place(range, 'call');
    const isItem: Elementwise = { ...binaryOperation('=='), compute: (a) => (equals(a, item.value) ? 1 : 0), type: () => 'int' };
    const marks = this.mapNode(isItem, [{ kind: 's-op', node: sequence }, item], [right, null], place);
    const full = scope.get('full_s');
    const everywhere = this.selectAll(full?.kind === 'selector' ? full.node : undefined, range);
    const share = this.make(range, () => this.graph.aggregate(everywhere, marks, atom(0), [null, null], place));
    return sOp(this.mapNode(binaryOperation('>'), [{ kind: 's-op', node: share }, atom(0)], [null, null], place));
  }

  private index(expression: IndexExpression, scope: Scope): RaspValue {
    const object = this.evaluate(expression.object, scope);
    const index = this.evaluate(expression.index, scope);
    switch (object.kind) {
      case 'list':
        return this.indexSequence(expression, object.items, index);
      case 'dict':
        return this.indexDict(expression, object, index);
      case 's-op':
        return this.indexSOp(expression, object.node, index, scope);
      default: {
        const characters = elementsOf(object);
        if (characters !== undefined) return this.indexSequence(expression, characters, index);
        return this.fail('type', `can only index into a list, dict, string or s-op, and this is ${kindName(object)}`, expression.object.range);
      }
    }
  }

  private indexSequence(expression: IndexExpression, items: readonly RaspValue[], index: RaspValue): RaspValue {
    const at = expression.index;
    if (index.kind === 's-op') {
      const op = lookup((text) => `${this.shortText(expression)}[${text}]`, floatAmong(items), (a) => elementAt(items, a));
      return sOp(this.mapNode(op, [index], [at], this.place(expression.range, 'call')));
    }
    if (index.kind !== 'atom' || (index.type !== 'int' && index.type !== 'bool')) {
      return this.fail('type', `index into a list or string has to be integer, and this is ${kindName(index)}`, at.range);
    }
    const i = Number(index.value);
    const item = items.at(i);
    if (item === undefined || i < -items.length) {
      return this.fail('index', `index ${i} out of range for a list or string of length ${items.length}`, at.range);
    }
    return item;
  }

  private indexDict(expression: IndexExpression, { entries }: DictValue, index: RaspValue): RaspValue {
    if (index.kind === 's-op') {
      const values = [...entries.values()].map(({ value }) => value);
      const op = lookup((text) => `${this.shortText(expression)}[${text}]`, floatAmong(values), (a) => entryAt(entries, a));
      return sOp(this.mapNode(op, [index], [expression.index], this.place(expression.range, 'call')));
    }
    if (index.kind !== 'atom') {
      return this.fail('type', `index into dict has to be an atom or an s-op, and this is ${kindName(index)}`, expression.index.range);
    }
    const found = entries.get(dictKey(index));
    return found?.value ?? this.fail('index', `index [ ${describeAtom(index)} ] not in dict.`, expression.index.range);
  }

  private shortText({ object }: IndexExpression): string {
    return object.kind === 'name' ? object.name : object.kind === 'string' ? `"${object.value}"` : '(…)';
  }

  /** `s[i]`: the value at that position, or from the end, at every position; 0 where there is none. */
  private indexSOp(expression: IndexExpression, sequence: SOp, index: RaspValue, scope: Scope): RaspValue {
    const { object, index: at, range } = expression;
    if (index.kind !== 'atom' || (index.type !== 'int' && index.type !== 'bool')) {
      return this.fail('type', `index into sequence has to be integer, and this is ${kindName(index)}`, at.range);
    }
    const place = this.place(range, 'call');
    const position = Number(index.value) < 0 ? this.fromEnd(index, at, scope) : this.constantNode(index, at);
    const indices = this.builtInSOp('indices', scope, range);
    const chosen = this.make(range, () => this.graph.select(indices, position, '==', [null, this.span(at.outer)], place));
    return sOp(this.make(range, () => this.graph.aggregate(chosen, sequence, atom(0), [null, this.span(object.outer)], place)));
  }

  private fromEnd(index: Atom, at: Expression, scope: Scope): SOp {
    const length = this.builtInSOp('length', scope, at.range);
    return this.mapNode(binaryOperation('+'), [{ kind: 's-op', node: length }, index], [null, null], this.place(at.range, 'call'));
  }

  private builtInSOp(name: string, scope: Scope, at: Expression['range']): SOp {
    const value = this.globalScope(scope).get(name);
    return value?.kind === 's-op' ? value.node : this.fail('unknown-name', `Undefined variable: ${name}`, at);
  }

  /** The scope that holds what is built in, whatever the file calls by the same name. */
  protected abstract globalScope(scope: Scope): Scope;

  private select(expression: SelectExpression, scope: Scope): RaspValue {
    const { key, query, operator, operatorRange, range } = expression;
    const keys = this.sequence(key, scope, 'select');
    const queries = this.sequence(query, scope, 'select');
    const spans = [this.span(key.outer), this.span(query.outer)];
    const place = this.place(range, 'call', operatorRange);
    return selector(this.make(range, () => this.graph.select(keys, queries, operator, spans, place)));
  }

  /** An s-op, or an atom made one. */
  private sequence(expression: Expression, scope: Scope, what: string): SOp {
    const value = this.evaluate(expression, scope);
    if (value.kind === 's-op') return value.node;
    if (value.kind === 'atom') return this.constantNode(value, expression);
    return this.fail('type', `${what} takes an s-op or a value here, and this is ${kindName(value)}`, expression.range);
  }

  private aggregate(expression: AggregateExpression, scope: Scope): RaspValue {
    const { selector: chosen, value, default: otherwise, range } = expression;
    const rows = this.evaluate(chosen, scope);
    if (rows.kind !== 'selector') {
      return this.fail('type', `aggregate expects a selector first, and this is ${kindName(rows)}`, chosen.range);
    }
    const values = this.sequence(value, scope, 'aggregate');
    const fallback = otherwise === null ? atom(0) : this.evaluate(otherwise, scope);
    if (fallback.kind !== 'atom') {
      return this.fail('type', `aggregate's default must be a number, a string or a bool, and this is ${kindName(fallback)}`, otherwise?.range ?? range);
    }
    const spans = [this.span(chosen.outer), this.span(value.outer)];
    const place = this.place(range, 'call');
    return sOp(this.make(range, () => this.graph.aggregate(rows.node, values, fallback, spans, place)));
  }

  private range({ args, range }: ListFunctionExpression, scope: Scope): RaspValue {
    const numbers = args.map((arg) => {
      const value = this.evaluate(arg, scope);
      if (value.kind === 'atom' && (value.type === 'int' || value.type === 'bool')) return Number(value.value);
      return this.fail('type', `range expects integers, and this is ${kindName(value)}`, arg.range);
    });
    if (numbers.length > 3) this.fail('arity', `range takes 1, 2 or 3 integers, and ${numbers.length} are given`, range);
    const [from = 0, to = 0, step = 1] = numbers.length === 1 ? [0, ...numbers] : numbers;
    if (step === 0) this.fail('evaluation', 'the step of a range must not be 0', range);
    const length = Math.max(0, Math.ceil((to - from) / step));
    if (length > maxItems) this.tooLong(range);
    return list(Array.from({ length }, (_, i) => atom(from + i * step)));
  }

  private zip({ args, range }: ListFunctionExpression, scope: Scope): RaspValue {
    const lists = args.map((arg) => this.listOf(arg, scope, 'zip'));
    const [first] = lists;
    const length = first?.items.length ?? 0;
    if (lists.some(({ items }) => items.length !== length)) {
      const lengths = lists.map(({ items }) => items.length).join(', ');
      return this.fail('type', `zip takes lists of one length, and these have lengths ${lengths}`, range);
    }
    return list(Array.from({ length }, (_, i) => list(lists.flatMap(({ items }) => items.slice(i, i + 1)))));
  }

  private len({ args }: ListFunctionExpression, scope: Scope): RaspValue {
    const [arg] = args;
    return atom(arg === undefined ? 0 : this.listOf(arg, scope, 'len').items.length);
  }

  private listOf(expression: Expression, scope: Scope, what: string): ListValue {
    const value = this.evaluate(expression, scope);
    return value.kind === 'list' ? value : this.fail('type', `${what} takes lists, and this is ${kindName(value)}`, expression.range);
  }

  private call(expression: CallExpression, scope: Scope): RaspValue {
    const { callee, args } = expression;
    const callable = this.callee(callee, args, scope);
    switch (callable.kind) {
      case 'function':
        return this.callFunction(expression, callable, scope);
      case 's-op':
      case 'selector':
        return this.apply(expression, callable.node, scope);
      default:
        return this.fail('not-callable', `only functions, s-ops and selectors can be called, and this is ${kindName(callable)}`, callee.range);
    }
  }

  /** An op that is only made to be applied may well fail on the running example. */
  private callee(callee: Expression, args: readonly Expression[], scope: Scope): RaspValue {
    const [only] = args;
    if (callee.kind === 'name' || args.length !== 1 || only === undefined) return this.evaluate(callee, scope);
    const input = inputOf(this.evaluate(only, scope));
    if (input === undefined || input.length === 0) return this.evaluate(callee, scope);
    return this.tryout.withAlternative(input, () => this.evaluate(callee, scope));
  }

  private apply({ args, range }: CallExpression, node: SOp | Selector, scope: Scope): RaspValue {
    const [only] = args;
    if (only === undefined || args.length > 1) {
      return this.fail('arity', `an s-op or a selector is applied to 1 input, and ${args.length} are given`, range);
    }
    const value = this.evaluate(only, scope);
    const input = inputOf(value);
    if (input === undefined) return this.fail('type', `an input is a string or a list of values, and this is ${kindName(value)}`, only.range);
    if (input.length === 0) return this.fail('type', 'an input must not be empty', only.range);
    if (input.length <= longestInput) {
      this.application(range, () => void (isSelector(node) ? evaluateSelector(node, 'rasp', input) : evaluateSOp(node, 'rasp', input)));
    }
    return { kind: 'applied', op: node, input };
  }

  private callFunction(expression: CallExpression, callee: FunctionValue, scope: Scope): RaspValue {
    const { args, range } = expression;
    const { name, parameters } = callee;
    const values = args.map((arg) => this.evaluate(arg, scope));
    if (values.length !== parameters.length) {
      const expected = `${parameters.length} (${parameters.map((parameter) => parameter.name).join(', ')})`;
      this.fail('arity', `wrong number of arguments for ${name}: expected ${expected}, got ${values.length}`, range);
    }
    if (callee.body === 'width') return this.width(expression, values[0]);
    const inner = new Scope(callee.scope);
    const result = this.inCall(range, callee.file, () => {
      parameters.forEach((parameter, i) => this.assign(parameter, values[i] ?? { kind: 'unknown' }, inner));
      return this.runBody(callee, inner);
    });
    if ('node' in result) this.graph.name(result.node, `${name}(${values.map(shortDescription).join(' , ')})`);
    return result;
  }

  private width({ args, range }: CallExpression, value: RaspValue | undefined): RaspValue {
    const [arg] = args;
    if (value?.kind !== 'selector' || arg === undefined) {
      return this.fail('type', `selector_width takes a selector, and this is ${kindName(value ?? { kind: 'unknown' })}`, arg?.range ?? range);
    }
    const place = this.place(range, 'call');
    return sOp(this.make(range, () => this.graph.width(value.node, this.span(arg.outer), place)));
  }
}

const sOp = (node: SOp): RaspValue => ({ kind: 's-op', node });
const selector = (node: Selector): RaspValue => ({ kind: 'selector', node });

function dictOf(entries: readonly { readonly key: Atom; readonly value: RaspValue }[]): DictValue {
  return { kind: 'dict', entries: new Map(entries.map((entry) => [dictKey(entry.key), entry])) };
}

function spanning(names: readonly Identifier[]): Expression['range'] {
  return { start: names[0]?.range.start ?? 0, end: names.at(-1)?.range.end ?? 0 };
}

/** The tokens that a string or a list stands for as a program's input. */
export function inputOf(value: RaspValue): Value[] | undefined {
  const elements = elementsOf(value);
  if (elements === undefined) return undefined;
  const tokens = elements.flatMap((element) => (element.kind === 'atom' ? [element.value] : []));
  return tokens.length === elements.length ? tokens : undefined;
}

function floatAmong(items: readonly RaspValue[]): 'float' | undefined {
  return items.some((item) => item.kind === 'atom' && item.type === 'float') ? 'float' : undefined;
}

function elementAt(items: readonly RaspValue[], index: Value): Value {
  if (typeof index !== 'boolean' && !Number.isInteger(index)) throw new ScalarError('an index must be an integer');
  const i = Number(index);
  const item = i < -items.length ? undefined : items.at(i);
  if (item === undefined) throw new ScalarError(`index ${i} out of range for a list or string of length ${items.length}`, 'value');
  return scalarOf(item);
}

function entryAt(entries: DictValue['entries'], key: Value): Value {
  const found = entries.get(dictKey({ value: key }));
  if (found === undefined) throw new ScalarError(`index [ ${describeAtom(atom(key ?? 0))} ] not in dict.`, 'value');
  return scalarOf(found.value);
}

function scalarOf(item: RaspValue): Value {
  if (item.kind !== 'atom') throw new ScalarError(`a sequence holds values only, not ${kindName(item)}`);
  return item.value;
}

function shortDescription(value: RaspValue): string {
  if (value.kind === 'atom') return describeAtom(value);
  if ('node' in value) return value.node.name ?? value.kind;
  return value.kind === 'function' ? value.name : `(${value.kind})`;
}
