// Why operators that are met in real models have no gradient here, and what to do instead.
import type { GraphNode } from './graph.ts';

const quantised = 'it computes with rounded whole numbers; use a variant of the model whose activations are floats (fp32, fp16, or q4 with MatMulNBits)';
const repeated = 'it repeats a graph of its own; export the model with the steps written out';
const experts = 'it sends each token to a few of its experts; the gradient through that choice is not made here';
const sequences = 'it works on a sequence of tensors, which has no gradient here; export the model without it';

const each = (reason: string, ...ops: readonly string[]): Readonly<Record<string, string>> => Object.fromEntries(ops.map((op) => [op, reason]));

const reasons: Readonly<Record<string, string>> = {
  If: 'it chooses between two graphs of its own; export the model without the choice, for example a decoder without its “merged” branch for the cache',
  ...each(repeated, 'Loop', 'Scan'),
  ...each(experts, 'MoE', 'QMoE'),
  ...each(sequences, 'SequenceAt', 'SequenceConstruct', 'SequenceEmpty', 'SequenceErase', 'SequenceInsert', 'SequenceLength', 'SequenceMap', 'SplitToSequence', 'ConcatFromSequence', 'Optional', 'OptionalGetElement', 'OptionalHasElement'),
  ...each(quantised, 'DynamicQuantizeLinear', 'MatMulInteger', 'ConvInteger', 'QLinearMatMul', 'QLinearConv', 'QLinearAdd', 'QLinearMul', 'QAttention', 'QGemm', 'QOrderedMatMul', 'MatMulIntegerToFloat', 'DynamicQuantizeMatMul', 'QEmbedLayerNormalization'),
  Resize: 'the gradient of resampling an image is not made here; take the gradient after it',
};

const knownDomains: ReadonlySet<string> = new Set(['', 'com.microsoft']);

/** The reason, as the end of a sentence; undefined where there is no more to say than that there is no rule. */
export const refusalReason = ({ op, domain }: GraphNode): string | undefined =>
  knownDomains.has(domain) ? reasons[op] : `operators of the domain ${domain} are not known here`;
