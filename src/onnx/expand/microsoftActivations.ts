// The fused activations and products of com.microsoft in standard ops (onnxruntime, docs/ContribOperators.md).
import type { GraphNode } from '../graph.ts';
import { attributeFloat, attributeInt, attributeString, range, RuleRefusal } from '../rules/context.ts';
import type { Expander, Expansion, Expansions } from './expander.ts';

const times = (c: Expander, factor: number, x: string): string => c.op('Mul', c.scalar(factor), x);
const onePlus = (c: Expander, x: string): string => c.op('Add', c.scalar(1), x);
const plus = (c: Expander, x: string, bias: string | undefined): string => (bias ? c.op('Add', x, bias) : x);

/** x (1 + erf(x/√2)) / 2 */
const gelu = (c: Expander, x: string): string => c.op('Mul', times(c, 0.5, x), onePlus(c, c.op('Erf', times(c, Math.SQRT1_2, x))));

/** x (1 + tanh √(2/π) (x + 0.044715 x³)) / 2 */
function tanhGelu(c: Expander, x: string): string {
  const cubic = times(c, 0.044715, c.op('Mul', x, c.op('Mul', x, x)));
  const inner = times(c, Math.sqrt(2 / Math.PI), c.op('Add', x, cubic));
  return c.op('Mul', times(c, 0.5, x), onePlus(c, c.op('Tanh', inner)));
}

const QUICK_ALPHA = 1.702;

/** x σ(α x) */
const quickGelu: Expansion = (c, node) => {
  const { inputs: [x = ''] } = node;
  return [c.op('Mul', x, c.op('Sigmoid', times(c, attributeFloat(node, 'alpha', QUICK_ALPHA), x)))];
};

/** Moves the first axis before the last one: the form that transBatchA and transBatchB ask for. */
const batchesFirst = (c: Expander, x: string, rank: number): string =>
  c.opWith('Transpose', [x], { perm: [...range(rank).slice(1, -1), 0, rank - 1] });

function operand(c: Expander, node: GraphNode, at: number, side: 'A' | 'B'): string {
  const x = node.inputs[at] ?? '';
  const rank = c.rank(x);
  const moved = attributeInt(node, `transBatch${side}`, 0) === 1 && rank > 2 ? batchesFirst(c, x, rank) : x;
  return attributeInt(node, `trans${side}`, 0) === 1 && rank > 1 ? c.swap(moved, rank) : moved;
}

const fusedMatMul: Expansion = (c, node) => {
  const product = c.op('MatMul', operand(c, node, 0, 'A'), operand(c, node, 1, 'B'));
  const alpha = attributeFloat(node, 'alpha', 1);
  return [alpha === 1 ? product : times(c, alpha, product)];
};

const activations: Readonly<Record<string, (c: Expander, x: string, node: GraphNode) => string>> = {
  Relu: (c, x) => c.op('Relu', x),
  Tanh: (c, x) => c.op('Tanh', x),
  Sigmoid: (c, x) => c.op('Sigmoid', x),
  LeakyRelu: (c, x, node) => c.opWith('LeakyRelu', [x], { alpha: { float: attributeFloat(node, 'activation_alpha', 0.01) } }),
};

const fusedGemm: Expansion = (c, node) => {
  const name = attributeString(node, 'activation', '');
  const activation = activations[name];
  if (!activation) throw new RuleRefusal(`its activation ${name} is not differentiated here`);
  const kept = Object.entries(node.attributes).filter(([attribute]) => !attribute.startsWith('activation'));
  return [activation(c, c.opWith('Gemm', node.inputs, Object.fromEntries(kept)), node)];
};

export const activationExpansions = {
  Gelu: (c, { inputs: [x = ''] }) => [gelu(c, x)],
  BiasGelu: (c, { inputs: [x = '', bias] }) => [gelu(c, plus(c, x, bias))],
  FastGelu: (c, { inputs: [x = '', bias] }) => [tanhGelu(c, plus(c, x, bias))],
  QuickGelu: quickGelu,
  FusedMatMul: fusedMatMul,
  TransposeMatMul: fusedMatMul,
  FusedGemm: fusedGemm,
} satisfies Expansions;
