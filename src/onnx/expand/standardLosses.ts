// The losses of ONNX in simpler ops (ONNX operator specification).
import type { GraphNode } from '../graph.ts';
import { attributeInt, attributeString, range } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';

/** −w[target] · log p[target], reduced; targets equal to `ignore_index` count nothing. `logs` is [N, C, …], targets [N, …]. */
function negativeLogLikelihood(c: Expander, node: GraphNode, logs: string, targets: string, weights: string | undefined): string {
  const classes = c.integers(targets);
  const isIgnoring = 'ignore_index' in node.attributes;
  const ignored = c.op('Equal', classes, c.op('Squeeze', c.int64(attributeInt(node, 'ignore_index', 0))));
  const safe = isIgnoring ? c.op('Where', ignored, c.op('Squeeze', c.int64(0)), classes) : classes;
  const picked = c.op('Squeeze', c.opWith('GatherElements', [logs, c.unsqueeze(safe, 1)], { axis: 1 }), c.int64(1));
  const ones = c.op('Expand', c.scalar(1), c.op('Shape', targets));
  const given = weights ? c.op('Gather', weights, safe) : ones;
  const weight = isIgnoring ? c.op('Where', ignored, c.scalar(0), given) : given;
  const losses = c.op('Neg', c.op('Mul', picked, weight));
  const total = (value: string): string => c.opWith('ReduceSum', [value, c.int64(...range(c.rank(targets)))], { keepdims: 0 });
  switch (attributeString(node, 'reduction', 'mean')) {
    case 'none': return losses;
    case 'sum': return total(losses);
    default: return c.op('Div', total(losses), total(weight));
  }
}

const nllLoss: Expansion = (c, node) => {
  const { inputs: [logs = '', targets = '', weights] } = node;
  return [negativeLogLikelihood(c, node, logs, targets, weights)];
};

const softmaxCrossEntropy: Expansion = (c, node) => {
  const { inputs: [scores = '', targets = '', weights] } = node;
  const logs = c.opWith('LogSoftmax', [scores], { axis: 1 });
  return [negativeLogLikelihood(c, node, logs, targets, weights), logs];
};

export const standardLossExpansions = { NegativeLogLikelihoodLoss: nllLoss, SoftmaxCrossEntropyLoss: softmaxCrossEntropy } satisfies Expansions;
