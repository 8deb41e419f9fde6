// Carries out the Python of a Tracr file: expressions become values, s-op expressions become nodes of the graph.
import { Budget, tooDeep, tooManySteps } from './budget.ts';
import { builtins, exceptionNames, iterate } from './builtins.ts';
import type { TracrGraph } from './graph.ts';
import { unescape, unquote } from './literals.ts';
import { attributeOf, itemAt, sliceOf } from './members.ts';
import { complainingAt, infixOperation, prefixOperation } from './operators.ts';
import type { Parameter } from './parameters.ts';
import { bind } from './parameters.ts';
import { Scope } from './scope.ts';
import type { PythonFile, SyntaxNode } from './tree.ts';
import { chainEnd, childrenOf, commaSeparated, isComparisonChain } from './tree.ts';
import type { Arguments, FunctionValue, PythonValue } from './values.ts';
import { isScalar, isSequence, isTrue, keyOf, list, PythonError, represent, tuple, typeName } from './values.ts';
import type { Span } from '../diagnostic.ts';
import { suggestion } from '../rasp/suggestion.ts';

export abstract class Evaluator {
  protected readonly budget = new Budget();

  constructor(
    protected readonly file: PythonFile,
    protected readonly graph: TracrGraph,
  ) {}

  protected spanOf(node: SyntaxNode): Span {
    return { file: this.file.path, start: node.from, end: node.to };
  }

  protected textOf(node: SyntaxNode): string {
    return this.file.text.slice(node.from, node.to);
  }

  protected fail(code: string, message: string, node: SyntaxNode): never {
    throw new PythonError(code, message, this.spanOf(node));
  }

  protected count(node: SyntaxNode): void {
    if (!this.budget.step()) this.fail('limit', tooManySteps, node);
  }

  evaluate(node: SyntaxNode, scope: Scope): PythonValue {
    this.count(node);
    switch (node.name) {
      case 'Number':
        return this.numberOf(node);
      case 'String':
      case 'ContinuedString':
        return this.stringOf(node);
      case 'FormatString':
        return this.format(node, scope);
      case 'Boolean':
        return this.textOf(node) === 'True';
      case 'None':
        return null;
      case 'VariableName':
        return this.variable(node, scope);
      case 'ParenthesizedExpression':
        return this.evaluate(this.inner(node), scope);
      case 'TupleExpression':
        return tuple(this.elements(node, scope));
      case 'ArrayExpression':
        return list(this.elements(node, scope));
      case 'SetExpression':
        return { kind: 'set', items: this.elements(node, scope) };
      case 'DictionaryExpression':
        return this.dictionary(node, scope);
      case 'ArrayComprehensionExpression':
      case 'ComprehensionExpression':
        return list(this.comprehension(childrenOf(node).slice(1, -1), scope));
      case 'SetComprehensionExpression':
        return { kind: 'set', items: this.comprehension(childrenOf(node).slice(1, -1), scope) };
      case 'DictionaryComprehensionExpression':
        return this.dictionaryComprehension(node, scope);
      case 'ConditionalExpression': {
        const [then, , test, , otherwise] = childrenOf(node);
        return this.evaluate(this.truth(this.part(test, node), scope) ? this.part(then, node) : this.part(otherwise, node), scope);
      }
      case 'LambdaExpression':
        return this.lambda(node, scope);
      case 'UnaryExpression':
        return this.unary(node, scope);
      case 'BinaryExpression':
        return this.binary(node, scope);
      case 'MemberExpression':
        return this.member(node, scope);
      case 'CallExpression':
        return this.call(node, scope);
      default:
        if (node.type.isError) this.fail('syntax', 'Python does not expect this here', node);
        return this.fail('unsupported', `not supported in Tracr programs: ${node.name}`, node);
    }
  }

  protected part(node: SyntaxNode | undefined, whole: SyntaxNode): SyntaxNode {
    return node ?? this.fail('syntax', 'the expression is not complete', whole);
  }

  private inner(node: SyntaxNode): SyntaxNode {
    return this.part(childrenOf(node).find(({ name }) => name !== '(' && name !== ')'), node);
  }

  private numberOf(node: SyntaxNode): number {
    const text = this.textOf(node).replaceAll('_', '');
    const value = Number(text);
    return Number.isNaN(value) ? this.fail('unsupported', `not supported: the number ${text}`, node) : value;
  }

  private stringOf(node: SyntaxNode): string {
    if (node.name === 'ContinuedString') return childrenOf(node).map((part) => this.stringOf(part)).join('');
    return unquote(this.textOf(node));
  }

  private format(node: SyntaxNode, scope: Scope): string {
    const whole = this.textOf(node);
    const head = /^\w*("""|'''|"|')/.exec(whole);
    const quote = head?.[1] ?? '"';
    let at = node.from + (head?.[0].length ?? 1);
    let result = '';
    for (const part of childrenOf(node)) {
      if (part.name !== 'FormatReplacement') continue;
      result += unescape(this.file.text.slice(at, part.from));
      const value = this.evaluate(this.part(childrenOf(part).find(({ name }) => name !== '{'), part), scope);
      result += typeof value === 'string' ? value : represent(value);
      at = part.to;
    }
    return (result + unescape(this.file.text.slice(at, node.to - quote.length))).replaceAll('{{', '{').replaceAll('}}', '}');
  }

  private variable(node: SyntaxNode, scope: Scope): PythonValue {
    const name = this.textOf(node);
    const value = scope.find(name) ?? (scope.find(name) === null ? null : builtins.get(name));
    if (value !== undefined) return value;
    if (exceptionNames.has(name)) return { kind: 'module', name: 'package' };
    const near = suggestion(name, [...new Set([...scope.all(), ...builtins.keys()])]);
    return this.fail('unknown-name', `Unknown name “${name}”.${near ? ` Did you mean “${near}”?` : ''}`, node);
  }

  private elements(node: SyntaxNode, scope: Scope): PythonValue[] {
    return commaSeparated(childrenOf(node).slice(1, -1)).flatMap((group) => this.element(group, scope));
  }

  private element(group: readonly SyntaxNode[], scope: Scope): readonly PythonValue[] {
    const [first, second] = group;
    if (first?.name === '*' && second) return iterate(this.evaluate(second, scope), this.spanOf(second));
    return first ? [this.evaluate(first, scope)] : [];
  }

  private dictionary(node: SyntaxNode, scope: Scope): PythonValue {
    const entries = new Map<string, readonly [PythonValue, PythonValue]>();
    for (const [key, , value] of commaSeparated(childrenOf(node).slice(1, -1))) {
      if (!key || !value) this.fail('unsupported', 'not supported: this kind of dictionary', node);
      const k = this.evaluate(key, scope);
      entries.set(keyOf(k), [k, this.evaluate(value, scope)]);
    }
    return { kind: 'dict', entries };
  }

  /** `element for target in list if test …`, nested as in Python. */
  private comprehension(parts: readonly SyntaxNode[], scope: Scope, make = (inner: Scope): PythonValue => this.evaluate(parts[0] as SyntaxNode, inner)): PythonValue[] {
    const first = parts.findIndex(({ name }) => name === 'for');
    const results: PythonValue[] = [];
    this.clauses(parts.slice(first), new Scope(scope), (inner) => results.push(make(inner)));
    return results;
  }

  private clauses(parts: readonly SyntaxNode[], scope: Scope, each: (scope: Scope) => void): void {
    const [keyword] = parts;
    if (!keyword) return each(scope);
    const next = parts.findIndex(({ name }, i) => i > 0 && (name === 'for' || name === 'if'));
    const rest = next < 0 ? [] : parts.slice(next);
    const own = next < 0 ? parts : parts.slice(0, next);
    if (keyword.name === 'if') {
      if (this.truth(this.part(own[1], keyword), scope)) this.clauses(rest, scope, each);
      return;
    }
    const at = own.findIndex(({ name }) => name === 'in');
    const source = this.part(own[at + 1], keyword);
    for (const item of iterate(this.evaluate(source, scope), this.spanOf(source))) {
      this.count(keyword);
      this.assign(own.slice(1, at), item, scope);
      this.clauses(rest, scope, each);
    }
  }

  private dictionaryComprehension(node: SyntaxNode, scope: Scope): PythonValue {
    const parts = childrenOf(node).slice(1, -1);
    const [key, , value] = parts;
    const pairs = this.comprehension(parts, scope, (inner) => tuple([this.evaluate(this.part(key, node), inner), this.evaluate(this.part(value, node), inner)]));
    const entries = new Map<string, readonly [PythonValue, PythonValue]>();
    for (const pair of pairs) {
      if (!isSequence(pair)) continue;
      const [k = null, v = null] = pair.items;
      entries.set(keyOf(k), [k, v]);
    }
    return { kind: 'dict', entries };
  }

  /** Binds targets (names, subscripts, nested tuples), separated by commas, to a value. */
  protected assign(targets: readonly SyntaxNode[], value: PythonValue, scope: Scope): void {
    const groups = commaSeparated(targets);
    const [only] = groups;
    if (groups.length === 1 && only?.[0] && !targets.some(({ name }) => name === ',')) return this.assignOne(only[0], value, scope);
    const whole = this.part(targets[0], this.file.root);
    const items = iterate(value, this.spanOf(whole));
    if (items.length !== groups.length) this.fail('value', `${groups.length} names for ${items.length} values`, whole);
    groups.forEach(([target], i) => {
      if (target) this.assignOne(target, items[i] ?? null, scope);
    });
  }

  private assignOne(target: SyntaxNode, value: PythonValue, scope: Scope): void {
    switch (target.name) {
      case 'VariableName':
        scope.names.set(this.textOf(target), value);
        return;
      case 'TupleExpression':
      case 'ArrayExpression':
      case 'ParenthesizedExpression':
        this.assign(childrenOf(target).slice(1, -1), value, scope);
        return;
      case 'MemberExpression':
        this.assignItem(target, value, scope);
        return;
      default:
        this.fail('unsupported', 'not supported: an assignment to this', target);
    }
  }

  private assignItem(target: SyntaxNode, value: PythonValue, scope: Scope): void {
    const [object, bracket, index] = childrenOf(target);
    if (!object || !index || bracket?.name !== '[') this.fail('unsupported', 'not supported: attributes cannot be set', target);
    const container = this.evaluate(object, scope);
    const key = this.evaluate(index, scope);
    if (isSequence(container) && container.kind === 'list' && typeof key === 'number') {
      container.items[key < 0 ? key + container.items.length : key] = value;
    } else if (!isScalar(container) && container.kind === 'dict') container.entries.set(keyOf(key), [key, value]);
    else this.fail('type', `items of ${typeName(container)} cannot be set`, target);
  }

  private lambda(node: SyntaxNode, scope: Scope): FunctionValue {
    const children = childrenOf(node);
    const list_ = children.find(({ name }) => name === 'ParamList');
    const body = this.part(children.at(-1), node);
    const parameters = list_ ? this.parameters(list_, scope) : [];
    return {
      kind: 'function',
      name: this.textOf(node),
      isLambda: true,
      parameters: parameters.map(({ name }) => name),
      call: (args) => {
        this.budget.enterFunction();
        return this.evaluate(body, bind(parameters, args, scope, 'the lambda'));
      },
    };
  }

  protected parameters(node: SyntaxNode, scope: Scope): Parameter[] {
    let keywordOnly = false;
    const children = childrenOf(node).filter(({ name }) => name !== '(' && name !== ')');
    return commaSeparated(children).flatMap((group): Parameter[] => {
      const [star] = group;
      const name = group.find((part) => part.name === 'VariableName');
      if (star?.name === '*' || star?.name === '**') {
        keywordOnly ||= star.name === '*';
        return name ? [{ name: this.textOf(name), kind: star.name === '*' ? 'list' : 'dict', fallback: undefined }] : [];
      }
      if (!name) return [];
      const at = group.findIndex((part) => part.name === 'AssignOp');
      const fallback = at >= 0 && group[at + 1] ? this.evaluate(group[at + 1] as SyntaxNode, scope) : undefined;
      return [{ name: this.textOf(name), kind: keywordOnly ? 'keyword' : 'plain', fallback }];
    });
  }

  protected truth(node: SyntaxNode, scope: Scope): boolean {
    return this.truthOf(this.evaluate(node, scope), node);
  }

  private truthOf(value: PythonValue, node: SyntaxNode): boolean {
    if (!isScalar(value) && value.kind === 's-op') {
      this.fail('type', 'an s-op is neither true nor false when the program is built; use &, | and ~ on s-ops', node);
    }
    return isTrue(value);
  }

  private unary(node: SyntaxNode, scope: Scope): PythonValue {
    const [operator, operand] = childrenOf(node);
    const inner = this.part(operand, node);
    const at = this.part(operator, node);
    const symbol = this.textOf(at);
    if (symbol === 'not') return !this.truth(inner, scope);
    return prefixOperation(this.graph, symbol, this.evaluate(inner, scope), () => ({ operand: this.spanOf(inner), operator: this.spanOf(at), whole: this.spanOf(node) }));
  }

  /** Python's complaint about values, at the expression. */
  protected scalar<T>(node: SyntaxNode, compute: () => T): T {
    return complainingAt(() => this.spanOf(node), compute);
  }

  private binary(node: SyntaxNode, scope: Scope): PythonValue {
    const children = childrenOf(node);
    const [left, ...middle] = children.slice(0, -1);
    const right = this.part(children.at(-1), node);
    const first = this.part(left, node);
    const operator = this.part(middle[0], node);
    const symbol = middle.map((part) => this.textOf(part)).join(' ');
    if (symbol === 'and' || symbol === 'or') {
      const value = this.evaluate(first, scope);
      const truth = this.truthOf(value, first);
      return truth === (symbol === 'and') ? this.evaluate(right, scope) : value;
    }
    const a = this.chained(first, operator, scope);
    if (a === false && isComparisonChain(first, operator)) return false;
    const b = this.evaluate(right, scope);
    return infixOperation(this.graph, symbol, a, b, () => ({
      left: this.spanOf(chainEnd(first, operator)), right: this.spanOf(right), operator: this.spanOf(operator), whole: this.spanOf(node),
    }));
  }

  /** In `a < b <= c` the left side of <= is b, once a < b holds. */
  private chained(first: SyntaxNode, operator: SyntaxNode, scope: Scope): PythonValue {
    if (!isComparisonChain(first, operator)) return this.evaluate(first, scope);
    if (!this.truth(first, scope)) return false;
    return this.evaluate(chainEnd(first, operator), scope);
  }

  private member(node: SyntaxNode, scope: Scope): PythonValue {
    const [objectNode, punctuation, ...rest] = childrenOf(node);
    const object = this.evaluate(this.part(objectNode, node), scope);
    if (punctuation?.name === '[') return this.subscript(object, rest.slice(0, -1), node, scope);
    const property = this.part(rest[0], node);
    return attributeOf(this.graph, object, this.textOf(property), this.spanOf(property));
  }

  private subscript(object: PythonValue, parts: readonly SyntaxNode[], node: SyntaxNode, scope: Scope): PythonValue {
    if (parts.some(({ name }) => name === ':')) return this.slice(object, parts, node, scope);
    return itemAt(object, this.evaluate(this.part(parts[0], node), scope), this.spanOf(node));
  }

  private slice(object: PythonValue, parts: readonly SyntaxNode[], node: SyntaxNode, scope: Scope): PythonValue {
    const bounds: (number | undefined)[] = [undefined];
    for (const part of parts) {
      if (part.name === ':') bounds.push(undefined);
      else bounds[bounds.length - 1] = Number(this.evaluate(part, scope));
    }
    return sliceOf(object, bounds, this.spanOf(node));
  }

  private call(node: SyntaxNode, scope: Scope): PythonValue {
    const [callee, argList] = childrenOf(node);
    const fn = this.evaluate(this.part(callee, node), scope);
    const args = this.arguments(this.part(argList, node), node, scope);
    if (isScalar(fn) || fn.kind !== 'function') {
      if (!isScalar(fn) && fn.kind === 'module' && fn.name === 'package') return args.positional[0] ?? '';
      return this.fail('type', `${typeName(fn)} cannot be called`, node);
    }
    return this.inside(node, fn.parameters !== undefined, () => this.scalar(node, () => fn.call(args)));
  }

  private arguments(argList: SyntaxNode, call: SyntaxNode, scope: Scope): Arguments {
    const positional: PythonValue[] = [];
    const spans: (Span | null)[] = [];
    const keywords = new Map<string, PythonValue>();
    const keywordSpans = new Map<string, Span>();
    const children = childrenOf(argList);
    if (children.some(({ name }) => name === 'for')) {
      positional.push(list(this.comprehension(children.slice(1, -1), scope)));
      spans.push(null);
      return { positional, spans, keywords, keywordSpans, span: this.spanOf(call) };
    }
    for (const group of commaSeparated(children.slice(1, -1))) {
      const [first, operator, value] = group;
      if (first && operator?.name === 'AssignOp' && value) {
        keywords.set(this.textOf(first), this.evaluate(value, scope));
        keywordSpans.set(this.textOf(first), this.spanOf(value));
      } else {
        const values = this.element(group, scope);
        positional.push(...values);
        spans.push(...values.map(() => (first && first.name !== '*' ? this.spanOf(first) : null)));
      }
    }
    return { positional, spans, keywords, keywordSpans, span: this.spanOf(call) };
  }

  /** Runs a call one level deeper; calls of the file's own functions are remembered in the nodes they make. */
  private inside<T>(node: SyntaxNode, own: boolean, body: () => T): T {
    if (!this.budget.descend()) this.fail('recursion', tooDeep, node);
    const outer = this.graph.calls;
    if (own) this.graph.calls = [...outer, this.spanOf(node)];
    try {
      return body();
    } finally {
      this.graph.calls = outer;
      this.budget.ascend();
    }
  }
}
