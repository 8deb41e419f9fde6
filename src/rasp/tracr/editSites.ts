// The places of a Tracr file where a small change makes sense.
import type { SyntaxNode } from './tree.ts';
import { childrenOf, commaSeparated, parsePython } from './tree.ts';
import type { EditSite, SourceFile } from '../analyse.ts';

const predicates = ['EQ', 'NEQ', 'LT', 'LEQ', 'GT', 'GEQ', 'TRUE', 'FALSE'];
const comparisons = ['==', '!=', '<', '<=', '>', '>='];
const arithmetic = ['+', '-', '*', '/'];

/** In source order; alternatives never repeat the present text. */
export function tracrEditSites(source: SourceFile): EditSite[] {
  const { root, diagnostics } = parsePython(source.path, source.text);
  if (diagnostics.length > 0) return [];
  const finder = new Finder(source);
  finder.visit(root, []);
  return finder.sites.sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
}

class Finder {
  readonly sites: EditSite[] = [];

  constructor(private readonly source: SourceFile) {}

  /** @param names list-valued or other names bound so far, for loops over nothing */
  visit(node: SyntaxNode, names: string[]): void {
    if (node.name === 'ImportStatement' || node.name === 'TypeDef' || node.name === 'AssertStatement') return;
    const scope = node.name === 'FunctionDefinition' ? this.namesOf(node, names) : names;
    this.own(node, scope);
    for (const child of childrenOf(node)) {
      this.visit(child, scope);
      if (child.name === 'AssignStatement') {
        const [target] = childrenOf(child);
        if (target?.name === 'VariableName') scope.push(this.text(target));
      }
    }
  }

  private namesOf(node: SyntaxNode, outer: readonly string[]): string[] {
    const list = childrenOf(node).find(({ name }) => name === 'ParamList');
    const parameters = list ? childrenOf(list).filter(({ name, prevSibling }) => name === 'VariableName' && prevSibling?.name !== 'AssignOp') : [];
    return [...outer, ...parameters.map((parameter) => this.text(parameter))];
  }

  private own(node: SyntaxNode, names: readonly string[]): void {
    switch (node.name) {
      case 'MemberExpression':
        return this.predicate(node);
      case 'BinaryExpression':
        return this.binary(node);
      case 'UnaryExpression':
        return this.unary(node);
      case 'Number':
        return this.integer(node);
      case 'CallExpression':
        return this.call(node);
      case 'ReturnStatement':
      case 'LambdaExpression':
        return this.insertions(childrenOf(node).at(-1), node.name === 'LambdaExpression');
      case 'ForStatement':
        return this.emptyLoop(node, names);
    }
  }

  private text(node: SyntaxNode): string {
    return this.source.text.slice(node.from, node.to);
  }

  private add(kind: EditSite['kind'], from: number, to: number, alternatives: readonly string[]): void {
    const present = this.source.text.slice(from, to);
    const others = [...new Set(alternatives)].filter((alternative) => alternative !== present);
    if (others.length > 0) this.sites.push({ span: { file: this.source.path, start: from, end: to }, kind, alternatives: others });
  }

  private predicate(node: SyntaxNode): void {
    const match = /^(.*Comparison\.)(\w+)$/s.exec(this.text(node));
    if (!match?.[2] || !predicates.includes(match[2])) return;
    this.add('predicate', node.to - match[2].length, node.to, predicates);
  }

  private binary(node: SyntaxNode): void {
    const children = childrenOf(node);
    const [left, operator, right] = children;
    if (!left || !operator || !right || children.length !== 3) return;
    const symbol = this.text(operator);
    if (comparisons.includes(symbol)) this.add('comparison', operator.from, operator.to, comparisons);
    else if (arithmetic.includes(symbol) || symbol === '//' || symbol === '%') this.add('operator', operator.from, operator.to, arithmetic);
    else if (symbol === '&' || symbol === '|') this.add('operator', operator.from, operator.to, ['&', '|']);
    else if (symbol === 'and' || symbol === 'or') this.add('operator', operator.from, operator.to, ['and', 'or']);
    const literal = (side: SyntaxNode): boolean => side.name === 'Number' || side.name === 'String';
    if (literal(right)) this.add('operand', node.from, node.to, [this.text(left)]);
    else if (literal(left)) this.add('operand', node.from, node.to, [this.text(right)]);
  }

  private unary(node: SyntaxNode): void {
    const operand = childrenOf(node).at(-1);
    if (!operand) return;
    const sign = this.source.text.slice(node.from, operand.from).trim();
    this.add('unary', node.from, node.to, [this.text(operand), ...(sign === '-' ? besidesMinus(this.text(operand)) : [])]);
  }

  private integer(node: SyntaxNode): void {
    const text = this.text(node);
    if (!/^\d+$/.test(text)) return;
    const value = Number(text);
    this.add('integer', node.from, node.to, [value + 1, value - 1, value + 2, -value].map(String));
  }

  /** A sign or a negation before the s-ops that Select and Aggregate read. */
  private call(node: SyntaxNode): void {
    const [callee, args] = childrenOf(node);
    if (!callee || !args) return;
    const name = /(\w+)$/.exec(this.text(callee))?.[1];
    const groups = commaSeparated(childrenOf(args).slice(1, -1));
    const wanted = name === 'Select' ? groups.slice(0, 2) : name === 'Aggregate' ? groups.slice(1, 2) : [];
    for (const group of wanted) this.insertions(group.at(-1), false);
  }

  private insertions(expression: SyntaxNode | undefined, isScalar: boolean): void {
    if (!expression || expression.name === 'return') return;
    const text = this.text(expression);
    this.add('unary', expression.from, expression.to, [`-(${text})`, isScalar ? `not (${text})` : `~(${text})`]);
  }

  private emptyLoop(node: SyntaxNode, names: readonly string[]): void {
    const children = childrenOf(node);
    const list = children[children.findIndex(({ name }) => name === 'in') + 1];
    if (!list || !/^(\[\]|\(\)|range\(0\))$/.test(this.text(list).replaceAll(/\s/g, ''))) return;
    const known = [...new Set(names)];
    const tails = known.map((name) => `${name}[1:]`);
    const pairs = known.flatMap((a) => known.filter((b) => b !== a).map((b) => `zip(${a}, ${b})`));
    this.add('iterable', list.from, list.to, [...known, ...tails, ...pairs.slice(0, 12)]);
  }
}

/** The integers on both sides of a negative one, whose sign and digits are places of their own. */
function besidesMinus(digits: string): string[] {
  return /^\d+$/.test(digits) ? [1 - Number(digits), -1 - Number(digits)].map(String) : [];
}
