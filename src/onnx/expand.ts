// The operators that have an expansion into simpler standard ones, and graphs in which they are written out.
import { GraphBuilder } from './builder.ts';
import { floatTensor } from './float16.ts';
import type { Graph, GraphNode, ShapeOf, Tensor } from './graph.ts';
import { valuesReadBy } from './graph.ts';
import { RuleRefusal } from './rules/context.ts';
import { valueTypes } from './types.ts';
import type { Emitter, Expansion, Expansions } from './expand/expander.ts';
import { Expander } from './expand/expander.ts';
import { activationExpansions } from './expand/microsoftActivations.ts';
import { attentionExpansions } from './expand/microsoftAttention.ts';
import { groupedAttentionExpansions } from './expand/microsoftGroupedAttention.ts';
import { normalisationExpansions, simplifiedLayerNormalization } from './expand/microsoftNormalisation.ts';
import { dequantizeLinear, quantisedExpansions } from './expand/microsoftQuantised.ts';
import { rotaryExpansions } from './expand/microsoftRotary.ts';
import { standardAttentionExpansions } from './expand/standardAttention.ts';
import { standardLossExpansions } from './expand/standardLosses.ts';
import { standardNormalisationExpansions } from './expand/standardNormalisation.ts';

const ofMicrosoft: Expansions = {
  ...normalisationExpansions, ...activationExpansions, ...rotaryExpansions,
  ...attentionExpansions, ...groupedAttentionExpansions, ...quantisedExpansions, DequantizeLinear: dequantizeLinear,
};

/** ONNX Runtime registers SimplifiedLayerNormalization in the default domain. */
const ofOnnx: Expansions = {
  ...standardAttentionExpansions, ...standardNormalisationExpansions, ...standardLossExpansions,
  SimplifiedLayerNormalization: simplifiedLayerNormalization, DequantizeLinear: dequantizeLinear,
};

/** By domain ('' is ONNX's own) and operator. */
export const expansions: Readonly<Record<string, Expansions>> = { 'com.microsoft': ofMicrosoft, '': ofOnnx };

/** The expansion of an operator; undefined for those that have a rule, and those that are not differentiated. */
export const fusedExpansion = ({ domain, op }: GraphNode): Expansion | undefined => expansions[domain]?.[op];

/** Adds to the builder; the same constant once. */
function emitterTo(b: GraphBuilder): Emitter {
  const known = new Map<string, string>();
  const constant = (key: string, tensor: Tensor): string => {
    const name = known.get(key) ?? b.initializer(b.fresh(key), tensor);
    known.set(key, name);
    return name;
  };
  return {
    opWith: (op, inputs, attributes) => b.node(op, inputs, attributes),
    scalar: (value, type) => constant(`scalar/${type}/${value}`, floatTensor(type, [], [value])),
    int64: (...values) => constant(`int64/${values.join()}`, { type: 'int64', dims: [values.length], data: BigInt64Array.from(values, BigInt) }),
  };
}

export interface WithoutFusedOptions {
  /** Which fused operators are replaced; default: all. */
  readonly isWanted?: (node: GraphNode) => boolean;
  /** Of the names of what is added. */
  readonly prefix?: string;
}

/**
 * The graph with its fused operators replaced by standard ones. `shapes` are those of the graph as it is; the opset
 * is at least 18.
 * @throws RuleRefusal where an operator is used in a way that its expansion does not cover
 */
export function withoutFused(graph: Graph, shapes: ShapeOf, { isWanted = () => true, prefix = 'expanded/' }: WithoutFusedOptions = {}): Graph {
  const b = new GraphBuilder({ ...graph, nodes: [] }, prefix);
  const emitter = emitterTo(b);
  const used = new Set([...graph.nodes.flatMap(valuesReadBy), ...graph.outputs.map(({ name }) => name)]);
  const typeOf = valueTypes(graph);
  const expander = ({ outputs }: GraphNode): Expander => new Expander(emitter, shapes, typeOf, typeOf(outputs.find((output) => output !== '') ?? ''));
  for (const node of graph.nodes) {
    const expansion = isWanted(node) ? fusedExpansion(node) : undefined;
    if (expansion) named(node, () => { name(b, node, expansion(expander(node), node), used); });
    else b.nodeWithOutputs(node.op, node.inputs, node.outputs, node.attributes, node.domain);
  }
  return b.build();
}

/** Says of which node a refusal is. */
function named(node: GraphNode, expand: () => void): void {
  try {
    expand();
  } catch (error) {
    if (!(error instanceof RuleRefusal)) throw error;
    throw new RuleRefusal(`${node.domain || 'ai.onnx'}.${node.op} (${node.name ?? node.outputs[0] ?? ''}) cannot be written out in standard ops: ${error.message}`);
  }
}

/** Gives the values the names of the node's outputs. */
function name(b: GraphBuilder, node: GraphNode, values: readonly (string | null)[], used: ReadonlySet<string>): void {
  node.outputs.forEach((output, i) => {
    const value = values[i];
    if (output === '') return;
    if (value) b.node('Identity', [value], {}, output);
    else if (used.has(output)) throw new RuleRefusal(`its output ${i} is read, which the gradient does not cover`);
  });
}
