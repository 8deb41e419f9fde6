// Reverse-mode differentiation of an ONNX graph into an ONNX graph.
import { GraphBuilder } from './builder.ts';
import type { Dimension, Graph, GraphNode, TensorType } from './graph.ts';
import type { ShapeOf } from './rules.ts';
import { notDifferentiable, rules, RuleContext } from './rules.ts';

export interface DifferentiateOptions {
  /** The scalar value to differentiate. */
  readonly loss: string;
  /** Values (inputs, initializers or inner ones) to differentiate with respect to. */
  readonly withRespectTo: readonly string[];
  /** The shape of every value of the graph, as `measureShapes` finds it. */
  readonly shapes: ShapeOf;
}

/** An op on the path has no derivative here. Found before anything runs. */
export class NoGradientError extends Error {
  override readonly name = 'NoGradientError';
  constructor(
    readonly op: string,
    readonly path: readonly string[],
  ) {
    super(`there is no gradient for the op ${op}; it lies on the path ${path.join(' → ')}`);
  }
}

export const gradientName = (value: string): string => `grad/${value}`;

/**
 * The graph with one more output `grad/NAME` for each value differentiated by, of that value's shape: d loss / d value.
 * Only what lies between those values and the loss is differentiated.
 * @throws NoGradientError
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Graph {
  const { loss, withRespectTo, shapes } = options;
  const path = nodesOnPath(graph, loss, withRespectTo);
  refuseUnknown(path, loss);
  const builder = new GraphBuilder(graph, 'grad/');
  const context = new RuleContext(builder, shapes, typeOf(graph, loss));
  const needed = new Set([...withRespectTo, ...path.flatMap(({ outputs }) => outputs)]);
  context.accumulate(loss, context.scalar(1, shapes(loss).length));
  for (const node of [...path].reverse()) {
    const gradients = node.outputs.map((output) => context.gradient(output));
    if (gradients.every((gradient) => gradient === null)) continue;
    const rule = rules[node.op as keyof typeof rules];
    const results = rule(context, node, gradients);
    node.inputs.forEach((input, i) => {
      const result = results[i];
      if (result && needed.has(input)) context.accumulate(input, result);
    });
  }
  for (const name of withRespectTo) {
    const gradient = context.gradient(name) ?? context.zerosLike(name);
    builder.node('Identity', [gradient], {}, gradientName(name));
    builder.output(gradientName(name), typeOf(graph, loss), dimsOf(graph, name, shapes));
  }
  return builder.build();
}

function dimsOf(graph: Graph, name: string, shapes: ShapeOf): readonly Dimension[] {
  return graph.inputs.find((input) => input.name === name)?.dims ?? shapes(name).map((_, i) => `${name}_${i}`);
}

function typeOf(graph: Graph, loss: string): TensorType {
  return graph.outputs.find(({ name }) => name === loss)?.type ?? 'float32';
}

/** Nodes that read one of the values, directly or not, and that the loss needs; in graph order. */
function nodesOnPath(graph: Graph, loss: string, withRespectTo: readonly string[]): GraphNode[] {
  const reached = new Set(withRespectTo);
  const forward = graph.nodes.filter((node) => {
    const touched = !notDifferentiable.has(node.op) && node.inputs.some((input) => reached.has(input));
    if (touched) for (const output of node.outputs) reached.add(output);
    return touched;
  });
  const wanted = new Set([loss]);
  const kept = [...forward].reverse().filter((node) => {
    const leads = node.outputs.some((output) => wanted.has(output));
    if (leads) for (const input of node.inputs) wanted.add(input);
    return leads;
  });
  return kept.reverse();
}

function refuseUnknown(path: readonly GraphNode[], loss: string): void {
  path.forEach((node, i) => {
    if (node.domain === '' && node.op in rules) return;
    const rest = path.slice(i).map(({ op, outputs }) => `${op}(${outputs[0] ?? ''})`);
    const shown = rest.length > 6 ? [...rest.slice(0, 5), '…', loss] : [...rest, loss];
    throw new NoGradientError(node.domain === '' ? node.op : `${node.domain}.${node.op}`, shown);
  });
}
