// Reverse-mode differentiation of an ONNX graph into an ONNX graph.
//
//   const shapes = await measureShapes(graph, [feedsOfOneSize, feedsOfAnother], execute);
//   const withGradients = differentiate(graph, { loss: 'loss', withRespectTo: ['w'], shapes });   // + output grad/w
import { GraphBuilder } from './builder.ts';
import { isFloatType } from './float16.ts';
import type { Dimension, Graph, GraphNode, ShapeOf, TensorType } from './graph.ts';
import { dataTypes, isComputable, valuesReadBy } from './graph.ts';
import { blocksGradient, gradientInputs, rules } from './rules.ts';
import { refusalReason } from './refusals.ts';
import { ELSEWHERE, RuleContext, RuleRefusal } from './rules/context.ts';
import type { ElementType, TypeOf } from './types.ts';
import { valueTypes } from './types.ts';
import { upgradeOpset } from './upgrade.ts';

export interface DifferentiateOptions {
  /** The scalar value to differentiate; of a larger one, the sum of its elements. */
  readonly loss: string;
  /** A value of the graph in the shape of `loss`: what each of its elements counts for, in place of 1. */
  readonly cotangent?: string;
  /** Values (inputs, initializers or inner ones) to differentiate with respect to. */
  readonly withRespectTo: readonly string[];
  /** The shape of every value of the graph, as `measureShapes` finds it. */
  readonly shapes: ShapeOf;
  /** Names the outputs `PREFIX/NAME` and keeps two derivatives of one graph apart; default `grad`. */
  readonly prefix?: string;
}

/** An op on the path has no derivative here. Found before anything runs. */
export class NoGradientError extends Error {
  override readonly name = 'NoGradientError';
  constructor(
    /** With its domain: `com.microsoft.Attention`. */
    readonly op: string,
    /** The node's name, or that of its first output. */
    readonly node: string,
    /** From a value differentiated by to the loss: `x`, `Op(output)`, …, `loss`. */
    readonly path: readonly string[],
    reason?: string,
  ) {
    super(`there is no gradient for the op ${op}${reason === undefined ? '' : `: ${reason}`}; it lies on the path ${path.join(' → ')}`);
  }
}

export const gradientName = (value: string): string => `grad/${value}`;

/**
 * The graph with one more output `grad/NAME` for each value differentiated by, of that value's shape: d loss / d value
 * (zeros where the loss does not depend on it). Only what lies between those values and the loss is differentiated.
 * Graphs of opset 7 to 17 come back as opset 18.
 * @throws NoGradientError
 */
export function differentiate(original: Graph, options: DifferentiateOptions): Graph {
  const { loss, cotangent, withRespectTo, shapes, prefix = 'grad' } = options;
  const graph = upgradeOpset(original);
  const path = new Path(graph, loss, withRespectTo);
  path.refuseUnknown(hasRule);
  const builder = new GraphBuilder(graph, `${prefix}/`);
  for (const name of withRespectTo) builder.reserve(`${prefix}/${name}`);
  const types = valueTypes(graph);
  const context = new RuleContext(builder, graph, shapes, types, floatType(types, loss), new Set([loss, ...withRespectTo]));
  context.accumulate(loss, cotangent ?? context.filled(1, loss));
  for (const node of [...path.nodes].reverse()) backward(context, path, node);
  for (const name of withRespectTo) {
    const output = `${prefix}/${name}`;
    const gradient = context.gradient(name) ?? context.filled(0, name);
    // A type that no graph may give out (bfloat16) is widened.
    if (types(name) === floatType(types, name) || types(name) === undefined) builder.node('Identity', [gradient], {}, output);
    else builder.node('Cast', [gradient], { to: dataTypes.float32 }, output);
    builder.output(output, floatType(types, name), dimsOf(graph, name, shapes));
  }
  return withoutUnused(builder.build(), graph);
}

/** The nodes through which the loss depends on the values, in graph order; without those that change in steps. */
export const nodesOnPath = (graph: Graph, loss: string, withRespectTo: readonly string[]): readonly GraphNode[] => new Path(graph, loss, withRespectTo).nodes;

/** The ops on the path that have no rule, so that a model can be judged before it is run. Empty if all have one. */
export function missingRules(graph: Graph, loss: string, withRespectTo: readonly string[]): readonly string[] {
  const unknown = new Path(graph, loss, withRespectTo).nodes.filter((node) => !hasRule(node));
  return [...new Set(unknown.map(fullName))];
}

/**
 * Asks before anything runs whether there is a gradient. `isReplaced` are nodes that will be written out in others first.
 * @throws NoGradientError
 */
export function refuseMissingRules(graph: Graph, loss: string, withRespectTo: readonly string[], isReplaced: (node: GraphNode) => boolean): void {
  new Path(graph, loss, withRespectTo).refuseUnknown((node) => hasRule(node) || isReplaced(node));
}

function backward(context: RuleContext, path: Path, node: GraphNode): void {
  const gradients = node.outputs.map((output) => context.gradient(output));
  if (gradients.every((gradient) => gradient === null)) return;
  const results = applyRule(context, path, node, gradients);
  const continuous = gradientInputs(node);
  node.inputs.forEach((input, i) => {
    if (!path.active.has(input) || !continuous.includes(input)) return;
    const result = results[i];
    if (result === ELSEWHERE) return;
    if (!result) throw path.refusal(node, `its input ${i} takes no gradient`);
    context.accumulate(input, result);
  });
}

function applyRule(context: RuleContext, path: Path, node: GraphNode, gradients: readonly (string | null)[]): readonly (string | null)[] {
  const rule = rules[node.op];
  if (!rule) throw path.refusal(node);
  try {
    return context.within(node, () => rule(context, node, gradients[0] ?? '', gradients));
  } catch (error) {
    if (error instanceof RuleRefusal) throw path.refusal(node, error.message);
    throw error;
  }
}

const fullName = ({ op, domain }: GraphNode): string => (domain === '' ? op : `${domain}.${op}`);
const hasRule = ({ op, domain }: GraphNode): boolean => domain === '' && op in rules;

/** Of a gradient, which is that of its value. */
function floatType(types: TypeOf, value: string): TensorType {
  const type = types(value) ?? 'float32';
  return isComputable(type) ? type : 'float32';
}

/** Indices that come beside values (TopK, MaxPool) change in steps. */
const isContinuous = (type: ElementType | undefined): boolean => type === undefined || isFloatType(type) || type === 'bfloat16';

function dimsOf(graph: Graph, name: string, shapes: ShapeOf): readonly Dimension[] {
  return graph.inputs.find((input) => input.name === name)?.dims ?? shapes(name);
}

/** The nodes that the loss reaches the values through. */
class Path {
  /** In graph order. */
  readonly nodes: readonly GraphNode[];
  /** Values that depend on one of the values differentiated by, and those themselves. */
  readonly active: ReadonlySet<string>;

  constructor(
    graph: Graph,
    private readonly loss: string,
    private readonly withRespectTo: readonly string[],
  ) {
    const active = new Set(withRespectTo);
    const types = valueTypes(graph);
    const forward = graph.nodes.filter((node) => {
      const touched = !blocksGradient(node) && gradientInputs(node).some((input) => active.has(input));
      if (touched) for (const output of node.outputs) if (output !== '' && isContinuous(types(output))) active.add(output);
      return touched;
    });
    const wanted = new Set([loss]);
    const kept = forward.reverse().filter((node) => {
      const leads = node.outputs.some((output) => wanted.has(output));
      if (leads) for (const input of node.inputs) wanted.add(input);
      return leads;
    });
    this.nodes = kept.reverse();
    this.active = active;
  }

  refuseUnknown(isCovered: (node: GraphNode) => boolean): void {
    for (const node of this.nodes) if (!isCovered(node)) throw this.refusal(node, refusalReason(node));
  }

  refusal(node: GraphNode, reason?: string): NoGradientError {
    const written = [...this.before(node), step(node), ...this.after(node)];
    const shown = written.length > 12 ? [...written.slice(0, 5), '…', ...written.slice(-6)] : written;
    return new NoGradientError(fullName(node), node.name ?? node.outputs[0] ?? '', shown, reason);
  }

  /** One way from a value differentiated by to the node. */
  private before(node: GraphNode): string[] {
    const input = valuesReadBy(node).find((name) => this.active.has(name)) ?? '';
    if (this.withRespectTo.includes(input)) return [input];
    const producer = this.nodes.find(({ outputs }) => outputs.includes(input));
    return producer ? [...this.before(producer), step(producer)] : [];
  }

  /** One way from the node to the loss. */
  private after(node: GraphNode): string[] {
    if (node.outputs.includes(this.loss)) return [this.loss];
    const user = this.nodes.find(({ inputs }) => inputs.some((input) => input !== '' && node.outputs.includes(input)));
    return user ? [step(user), ...this.after(user)] : [];
  }
}

const step = (node: GraphNode): string => `${fullName(node)}(${node.name ?? node.outputs[0] ?? ''})`;

/** Drops nodes and constants that no output needs and that `base` does not have: gradients of constants, mostly. */
function withoutUnused(graph: Graph, base: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const kept = [...graph.nodes].reverse().filter((node, i) => {
    const own = graph.nodes.length - 1 - i >= base.nodes.length;
    if (own && !node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  const initializers = [...graph.initializers].filter(([name]) => base.initializers.has(name) || needed.has(name));
  return { ...graph, nodes: kept.reverse(), initializers: new Map(initializers) };
}
