// Traces RASP calls: of functions of the file and of s-ops and selectors applied to an input.
import { evaluateSelector, evaluateSOp } from '../interpret.ts';
import type { Selector, SOp } from '../program.ts';
import { isSelector } from '../program.ts';
import { IndexTracer } from './indexTracer.ts';
import { Scope } from './scope.ts';
import type { CallExpression, Expression, Identifier } from './syntax.ts';
import type { FunctionValue, RaspValue } from './values.ts';
import { describeAtom, inputOf, kindName, sOp } from './values.ts';

/** Applying an op to a longer input is not carried out: a selector costs the square of it. */
const longestInput = 256;

export abstract class CallTracer extends IndexTracer {
  protected abstract runBody(callee: FunctionValue, scope: Scope): RaspValue;

  protected assign({ name, range }: Identifier, value: RaspValue, scope: Scope): void {
    if (scope.refuses(name)) this.fail('reserved-name', `Cannot set reserved name: ${name}`, range);
    scope.set(name, value);
  }

  protected call(expression: CallExpression, scope: Scope): RaspValue {
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

function shortDescription(value: RaspValue): string {
  if (value.kind === 'atom') return describeAtom(value);
  if ('node' in value) return value.node.name ?? value.kind;
  return value.kind === 'function' ? value.name : `(${value.kind})`;
}
