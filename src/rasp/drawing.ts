// Makes the picture of a computation: every op that an s-op or a selector needs, evaluated on one input, by layers.
import type { Drawing, DrawnMatrix, DrawnSequence } from '../shared/drawing.ts';
import { Evaluation } from './interpret.ts';
import type { Dialect, Node, Selector, SOp, Value } from './program.ts';
import { inputsOf, isSelector, nodesBelow } from './program.ts';
import { elementTexts, shownSequence } from './repl/sequenceText.ts';
import { tokenText } from './repl/pythonText.ts';
import { describe } from './scalar.ts';

export type { Drawing } from '../shared/drawing.ts';

const mostOps = 150;
/** Longer formulas do not serve as names. */
const longestName = 28;

/** @throws EvaluationError where the op fails on the input. */
export function drawingOf(root: Node, name: string, dialect: Dialect, input: readonly Value[]): Drawing {
  const evaluation = new Evaluation(dialect, input);
  evaluation.evaluate(root);
  const nodes = nodesBelow(root).filter((node) => node.kind !== 'constant' || node === root);
  const shown = nodes.slice(-mostOps);
  const namer = new Namer(dialect, nodes, name);
  const layers = layersOf(nodes);
  const tokens = input.map(tokenText);
  const ops = shown.map((node) =>
    isSelector(node) ? drawnMatrix(node, evaluation, namer, layers, tokens) : drawnSequence(node, evaluation, namer, layers),
  );
  return { name, input: tokens, ops, leftOut: nodes.length - shown.length };
}

/** How many attention steps stand between the input and each op; a selector counts with the aggregate that reads it. */
function layersOf(nodes: readonly Node[]): ReadonlyMap<Node, number> {
  const layers = new Map<Node, number>();
  for (const node of nodes) {
    const above = isSelector(node) ? (node.kind === 'select' ? 1 : 0) : node.kind === 'aggregate' ? 1 : 0;
    const below = inputsOf(node).map((input) => (layers.get(input) ?? 0) - (isSelector(input) && node.kind === 'aggregate' ? 1 : 0));
    layers.set(node, Math.max(0, ...below) + above);
  }
  return layers;
}

function drawnSequence(node: SOp, evaluation: Evaluation, namer: Namer, layers: ReadonlyMap<Node, number>): DrawnSequence {
  const sequence = shownSequence(node, evaluation);
  return {
    kind: 'sequence',
    id: node.id,
    name: namer.name(node),
    formula: namer.formula(node),
    layer: layers.get(node) ?? 0,
    values: elementTexts(sequence),
    type: sequence.type,
    sources: node.kind === 'map' ? node.args.filter(({ kind }) => kind !== 'constant').map(({ id }) => id) : [],
    attention: attentionOf(node),
  };
}

function attentionOf(node: SOp): DrawnSequence['attention'] {
  if (node.kind === 'width') return { selector: node.selector.id, source: null };
  if (node.kind !== 'aggregate') return null;
  return { selector: node.selector.id, source: node.value.kind === 'constant' ? null : node.value.id };
}

function drawnMatrix(node: Selector, evaluation: Evaluation, namer: Namer, layers: ReadonlyMap<Node, number>, tokens: readonly string[]): DrawnMatrix {
  const texts = (op: SOp): readonly string[] => elementTexts(shownSequence(op, evaluation));
  return {
    kind: 'matrix',
    id: node.id,
    name: namer.name(node),
    formula: namer.formula(node),
    layer: layers.get(node) ?? 1,
    keys: node.kind === 'select' ? texts(node.keys) : tokens,
    queries: node.kind === 'select' ? texts(node.queries) : tokens,
    rows: evaluation.matrix(node),
  };
}

/** Names for all ops: the source's, or the formula where it is short. */
class Namer {
  private readonly names = new Map<Node, string>();
  /** Nodes that are named by a formula with operators. */
  private readonly composite = new Set<Node>();
  private readonly counts = { selector: 0, 's-op': 0 };

  /** @param nodes inputs before users, the last one is called `rootName` */
  constructor(
    private readonly dialect: Dialect,
    nodes: readonly Node[],
    rootName: string,
  ) {
    for (const node of nodes) this.names.set(node, this.chosen(node));
    const root = nodes.at(-1);
    if (root !== undefined) this.names.set(root, rootName);
  }

  name(node: Node): string {
    return this.names.get(node) ?? (node.kind === 'constant' ? describe(node.value) : `op ${node.id}`);
  }

  /** As an operand: in parentheses where the name is a formula with operators. */
  private operand(node: Node): string {
    const name = this.name(node);
    return this.composite.has(node) ? `(${name})` : name;
  }

  private chosen(node: Node): string {
    if (node.kind === 'constant') return describe(node.value);
    if (node.name !== undefined) return node.name;
    const formula = this.formula(node);
    if (formula.length <= longestName) {
      if (['map', 'and', 'or', 'not'].includes(node.kind)) this.composite.add(node);
      return formula;
    }
    const kind = isSelector(node) ? 'selector' : 's-op';
    this.counts[kind] += 1;
    return `${kind} ${this.counts[kind]}`;
  }

  formula(node: Node): string {
    switch (node.kind) {
      case 'map':
        return this.mapFormula(node.fn.label, node.args);
      case 'aggregate':
        return `aggregate(${this.name(node.selector)}, ${this.name(node.value)}${node.default === 0 || node.default === null ? '' : `, ${describe(node.default)}`})`;
      case 'width':
        return `selector_width(${this.name(node.selector)})`;
      case 'select':
        return `select(${this.name(node.keys)}, ${this.name(node.queries)}, ${node.predicate.label})`;
      case 'and':
      case 'or':
        return `${this.operand(node.left)} ${node.kind} ${this.operand(node.right)}`;
      case 'not':
        return `not ${this.operand(node.operand)}`;
      case 'constant':
        return describe(node.value);
      case 'tokens':
        return node.cast === 'asis' ? 'the input' : `the input as ${{ str: 'strings', int: 'ints', float: 'floats', bool: 'bools' }[node.cast]}`;
      case 'indices':
        return 'positions from 0';
      case 'length':
        return 'the length of the input';
    }
  }

  /** RASP's labels speak of x, y and z; Tracr's are functions with names of their own. */
  private mapFormula(label: string, args: readonly SOp[]): string {
    if (this.dialect === 'tracr') return `${label} of ${args.map((arg) => this.name(arg)).join(', ')}`;
    return label.replace(/"[^"]*"|\b[xyz]\b/gu, (part) => {
      const arg = args['xyz'.indexOf(part)];
      return arg === undefined || part.length > 1 ? part : this.operand(arg);
    });
  }
}
