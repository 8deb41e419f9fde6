// The decoder's graphs: one that is trained, from token ids to the loss, and those of an ordinary model folder.
import { GraphBuilder } from '../../src/onnx/builder.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import type { CacheNames, LlamaConfig, WeightShape } from './llama.ts';
import { causalBias, cutWeights, EMBEDDING, float, headSize, int64, integer, LlamaNodes, parameterCount, rotation, sizeAlong, sizeOf, weightShapes } from './llama.ts';

/** Types as ONNX numbers them. */
const FLOAT = 1;
const DOUBLE = 11;

/** The input that holds the weights that are trained, [parameters]. */
export const FLAT = 'theta';

/**
 * Inputs: `theta` [parameters]; `input_ids` and `labels` (the tokens that follow) int64 [batch, sequence]; `documents`
 * int64 [batch, sequence], a number a document, so that none sees another; `mask` float32 [batch, sequence], 1 where the
 * loss counts. Outputs: `loss` [], the mean −log p of a label that counts; `token_loss` [batch, sequence], of all.
 */
export function trainingGraph(config: LlamaConfig): Graph {
  const b = new GraphBuilder();
  const shapes = weightShapes(config);
  b.input(FLAT, 'float32', [parameterCount(shapes)]);
  for (const name of ['input_ids', 'labels', 'documents']) b.input(name, 'int64', ['batch', 'sequence']);
  b.input('mask', 'float32', ['batch', 'sequence']);
  cutWeights(b, shapes, FLAT);
  const nodes = new LlamaNodes(b, config);
  const hidden = nodes.hidden({ embeds: nodes.embed('input_ids'), ...ownDocument(b, config) });
  const losses = nodes.tokenLoss(hidden, 'labels', 'token_loss');
  meanLoss(b, losses, 'mask');
  b.output('token_loss', 'float32', ['batch', 'sequence']);
  return b.build();
}

/** Positions count along the row; a document sees only itself, to which only distances matter. */
function ownDocument(b: GraphBuilder, config: LlamaConfig): { rotation: ReturnType<typeof rotation>; bias: string } {
  const length = sizeAlong(b, 'input_ids', 1);
  const positions = b.node('Unsqueeze', [b.node('Range', [integer(b, 0), length, integer(b, 1)]), int64(b, 0)]);
  const same = b.node('Equal', [b.node('Unsqueeze', ['documents', int64(b, 1)]), b.node('Unsqueeze', ['documents', int64(b, 2)])]);
  const seen = b.node('Unsqueeze', [same, int64(b, 1)]);
  return { rotation: rotation(b, config, positions), bias: causalBias(b, seen, { sequence: length, total: length }) };
}

/**
 * Makes the output `loss` []: Σ mask · losses / Σ mask. The weights are summed in float64, where no sum of them is
 * rounded: in float32 the runtime's order of summing, and with it the last bit, hangs on where the fed tensor lies in memory.
 */
export function meanLoss(b: GraphBuilder, losses: string, mask: string): void {
  const sum = (value: string): string => b.node('ReduceSum', [value], { keepdims: 0 });
  const weight = b.node('Cast', [sum(b.node('Cast', [mask], { to: DOUBLE }))], { to: FLOAT });
  b.node('Div', [sum(b.node('Mul', [losses, mask])), b.node('Max', [weight, float(b, 1)])], {}, 'loss');
  b.output('loss', 'float32', []);
}

export interface DecoderOptions {
  /** Takes `inputs_embeds` float32 [batch, sequence, hidden] in place of `input_ids`. */
  readonly inputsEmbeds?: boolean;
}

/**
 * The decoder as optimum exports it. Inputs: `input_ids` (or `inputs_embeds`), `attention_mask` int64 [batch, past +
 * sequence], `position_ids` int64 [batch, sequence], `past_key_values.{i}.key/value` [batch, key/value heads, past, head
 * size]; outputs: `logits` [batch, sequence, vocabulary], `present.{i}.key/value`. Padding may stand on either side.
 * @param theta the weights of `weightShapes(config)`, one flat vector; what follows them in it is left
 */
export function decoderGraph(config: LlamaConfig, theta: Float32Array, { inputsEmbeds = false }: DecoderOptions = {}): Graph {
  const b = new GraphBuilder();
  weightInitializers(b, weightShapes(config), theta);
  const nodes = new LlamaNodes(b, config);
  const source = inputsEmbeds ? b.input('inputs_embeds', 'float32', ['batch', 'sequence', config.hidden]) : b.input('input_ids', 'int64', ['batch', 'sequence']);
  b.input('attention_mask', 'int64', ['batch', 'total']);
  b.input('position_ids', 'int64', ['batch', 'sequence']);
  const cache = Array.from({ length: config.layers }, (_, i) => cacheNames(b, config, i));
  const embeds = inputsEmbeds ? source : nodes.embed(source, '/model/embed_tokens/Gather');
  const seen = b.node('Unsqueeze', [b.node('Cast', ['attention_mask'], { to: 9 }), int64(b, 1, 2)]);
  const bias = causalBias(b, seen, { sequence: sizeAlong(b, source, 1), total: sizeAlong(b, 'attention_mask', 1) });
  nodes.logits(nodes.hidden({ embeds, rotation: rotation(b, config, 'position_ids'), bias, cache }), 'logits');
  b.output('logits', 'float32', ['batch', 'sequence', config.vocabulary]);
  for (const { present } of cache) for (const name of [present.key, present.value]) b.output(name, 'float32', cacheDims(config, 'total'));
  return b.build();
}

/** `input_ids` int64 [batch, sequence] → `inputs_embeds` float32 [batch, sequence, hidden]. */
export function embeddingGraph(config: LlamaConfig, theta: Float32Array): Graph {
  const b = new GraphBuilder();
  b.input('input_ids', 'int64', ['batch', 'sequence']);
  weightInitializers(b, weightShapes(config).filter(({ name }) => name === EMBEDDING), theta);
  new LlamaNodes(b, config).embed('input_ids', 'inputs_embeds');
  b.output('inputs_embeds', 'float32', ['batch', 'sequence', config.hidden]);
  return b.build();
}

const cacheDims = (config: LlamaConfig, positions: string): (string | number)[] => ['batch', config.keyValueHeads, positions, headSize(config)];

function cacheNames(b: GraphBuilder, config: LlamaConfig, layer: number): CacheNames {
  const past = (part: string): string => b.input(`past_key_values.${layer}.${part}`, 'float32', cacheDims(config, 'past'));
  return { past: { key: past('key'), value: past('value') }, present: { key: `present.${layer}.key`, value: `present.${layer}.value` } };
}

/** Weights as constants, cut from a flat vector in their order. */
export function weightInitializers(b: GraphBuilder, shapes: readonly WeightShape[], theta: Float32Array): void {
  let at = 0;
  for (const { name, dims } of shapes) b.initializer(name, { type: 'float32', dims, data: theta.slice(at, (at += sizeOf(dims))) });
}
