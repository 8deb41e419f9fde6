// The graphs of the vision-language model: one that is trained, and the three of its folder.
import type { EncoderConfig } from './encoder.ts';
import { encoderShapes, EncoderNodes, pixelDims, PATCHES } from './encoder.ts';
import { GraphBuilder } from '../../../src/onnx/builder.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { LlamaConfig, WeightShape } from '../llama.ts';
import { causalBias, cutWeights, int64, LlamaNodes, parameterCount, rotation, sizeAlong, weightShapes } from '../llama.ts';
import { decoderGraph, embeddingGraph, FLAT, meanLoss, weightInitializers } from '../llamaGraphs.ts';

export interface VisionModelConfig {
  readonly text: LlamaConfig;
  readonly vision: EncoderConfig;
}

/** The decoder's weights, then the encoder's, in the order of the flat vector. */
export const allShapes = ({ text, vision }: VisionModelConfig): readonly WeightShape[] => [...weightShapes(text), ...encoderShapes(vision)];

/** The segment that all others see: the start and the image. */
export const PREFIX = 0;

/**
 * Inputs: `theta` [parameters]; `pixel_values` float32 [batch, 3, 32, 32]; `start` int64 [batch, 1], the token before
 * the image; `input_ids` int64 [batch, text], what follows it; `segments` int64 [batch, sequence], 0 for the start and
 * the image, and a number for each text that sees those and itself alone; `position_ids` int64 [batch, sequence];
 * `answers` int64 [answers], places in batch · sequence whose next tokens count; `labels` int64 [1, answers], those
 * tokens; `mask` float32 [1, answers], their weights. Output: `loss` [], the weighted mean −log p of the labels.
 */
export function visionTrainingGraph(config: VisionModelConfig): Graph {
  const b = new GraphBuilder();
  const shapes = allShapes(config);
  b.input(FLAT, 'float32', [parameterCount(shapes)]);
  b.input('pixel_values', 'float32', pixelDims('batch'));
  b.input('start', 'int64', ['batch', 1]);
  b.input('input_ids', 'int64', ['batch', 'text']);
  for (const name of ['segments', 'position_ids']) b.input(name, 'int64', ['batch', 'sequence']);
  b.input('answers', 'int64', ['answers']);
  b.input('labels', 'int64', [1, 'answers']);
  b.input('mask', 'float32', [1, 'answers']);
  cutWeights(b, shapes, FLAT);
  const nodes = new LlamaNodes(b, config.text);
  const hidden = nodes.hidden({ embeds: embeddings(b, config, nodes), rotation: rotation(b, config.text, 'position_ids'), bias: segmentBias(b) });
  const rows = b.node('Gather', [b.node('Reshape', [hidden, int64(b, -1, config.text.hidden)]), 'answers'], { axis: 0 });
  meanLoss(b, nodes.tokenLoss(b.node('Unsqueeze', [rows, int64(b, 0)]), 'labels', 'token_loss'), 'mask');
  b.output('token_loss', 'float32', [1, 'answers']);
  return b.build();
}

/** The image's features between the embeddings of the tokens before and after it. */
function embeddings(b: GraphBuilder, { vision }: VisionModelConfig, nodes: LlamaNodes): string {
  return b.node('Concat', [nodes.embed('start'), new EncoderNodes(b, vision).features('pixel_values'), nodes.embed('input_ids')], { axis: 1 });
}

function segmentBias(b: GraphBuilder): string {
  const keys = b.node('Unsqueeze', ['segments', int64(b, 1, 2)]);
  const queries = b.node('Unsqueeze', ['segments', int64(b, 1, 3)]);
  const seen = b.node('Or', [b.node('Equal', [queries, keys]), b.node('Equal', [keys, int64(b, PREFIX)])]);
  const length = sizeAlong(b, 'segments', 1);
  return causalBias(b, seen, { sequence: length, total: length });
}

/** `pixel_values` float32 [images, 3, 32, 32] → `image_features` float32 [images, patches, hidden]. */
export function visionEncoderGraph({ text, vision }: VisionModelConfig, theta: Float32Array): Graph {
  const b = new GraphBuilder();
  b.input('pixel_values', 'float32', pixelDims('images'));
  weightInitializers(b, encoderShapes(vision), theta.subarray(parameterCount(weightShapes(text))));
  new EncoderNodes(b, vision).features('pixel_values', 'image_features');
  b.output('image_features', 'float32', ['images', PATCHES, vision.hidden]);
  return b.build();
}

/** The graphs of the folder, by the names of their files. */
export const publishedGraphs = (config: VisionModelConfig, theta: Float32Array): Readonly<Record<string, Graph>> => ({
  embed_tokens: embeddingGraph(config.text, theta),
  vision_encoder: visionEncoderGraph(config, theta),
  decoder_model_merged: decoderGraph(config.text, theta, { inputsEmbeds: true }),
});
