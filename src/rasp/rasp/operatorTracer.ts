// Traces RASP operators: atoms and lists are computed, s-ops and selectors become nodes of the graph.
import type { SOp } from '../program.ts';
import { equals } from '../scalar.ts';
import type { Elementwise, Operand } from './elementwise.ts';
import { binaryOperation, computeAtoms, conditionalOperation, logicalOperations, lookup, unaryOperations } from './elementwise.ts';
import type { Scope } from './scope.ts';
import type { BinaryExpression, BuiltinExpression, ConditionalExpression, Expression, UnaryExpression } from './syntax.ts';
import { Tracer } from './tracer.ts';
import type { Atom, ListValue, RaspValue } from './values.ts';
import { atom, describeAtom, isTruthy, kindName, list, selector, sOp, valuesEqual } from './values.ts';

/** The longest list that a file may build. */
export const maxItems = 50_000;

type BinaryOperator = BinaryExpression['operator'];

export abstract class OperatorTracer extends Tracer {
  protected abstract evaluate(expression: Expression, scope: Scope): RaspValue;

  protected unary(expression: UnaryExpression, scope: Scope): RaspValue {
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

  protected builtin(expression: BuiltinExpression, scope: Scope): RaspValue {
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

  protected binary(expression: BinaryExpression, scope: Scope): RaspValue {
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

  protected tooLong(range: Expression['range']): never {
    return this.fail('limit', `the list would have more than ${maxItems} elements`, range);
  }

  protected conditional(expression: ConditionalExpression, scope: Scope): RaspValue {
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
}
