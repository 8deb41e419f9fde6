// Traces RASP indexing: into lists, strings and dicts by values or by s-ops, and into s-ops by position.
import type { SOp, Value } from '../program.ts';
import { ScalarError } from '../scalar.ts';
import { binaryOperation, lookup } from './elementwise.ts';
import { OperatorTracer } from './operatorTracer.ts';
import type { Scope } from './scope.ts';
import type { Expression, IndexExpression } from './syntax.ts';
import type { Atom, DictValue, RaspValue } from './values.ts';
import { atom, describeAtom, dictKey, elementsOf, kindName, sOp } from './values.ts';

export abstract class IndexTracer extends OperatorTracer {
  protected index(expression: IndexExpression, scope: Scope): RaspValue {
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
