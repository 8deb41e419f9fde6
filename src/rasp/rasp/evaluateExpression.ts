// Traces RASP expressions: names, literals, loops in lists and dicts, select and aggregate, functions of lists.
import type { SOp } from '../program.ts';
import { CallTracer } from './callTracer.ts';
import { maxItems } from './operatorTracer.ts';
import { Scope } from './scope.ts';
import { suggestion } from './suggestion.ts';
import type { AggregateExpression, DictExpression, Expression, Identifier, ListFunctionExpression, NameExpression, SelectExpression } from './syntax.ts';
import { SilentFailure } from './tracer.ts';
import type { Atom, DictValue, ListValue, RaspValue } from './values.ts';
import { atom, dictKey, elementsOf, kindName, list, selector, sOp } from './values.ts';

export abstract class ExpressionTracer extends CallTracer {
  /** Names that a syntax error kept from being defined; their uses are not reported again. */
  protected readonly spoiled = new Set<string>();

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
}

function dictOf(entries: readonly { readonly key: Atom; readonly value: RaspValue }[]): DictValue {
  return { kind: 'dict', entries: new Map(entries.map((entry) => [dictKey(entry.key), entry])) };
}

function spanning(names: readonly Identifier[]): Expression['range'] {
  return { start: names[0]?.range.start ?? 0, end: names.at(-1)?.range.end ?? 0 };
}
