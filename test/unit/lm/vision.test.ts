// Vision-language folders: images as pixel values, as rows among the tokens, and in generation and scoring.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { generate } from '../../../src/lm/generate.ts';
import type { ImagePreparation, RgbImage } from '../../../src/lm/imagePreparation.ts';
import { pixelValues, readPreparation } from '../../../src/lm/imagePreparation.ts';
import type { LanguageModel } from '../../../src/lm/languageModel.ts';
import { openLanguageModel } from '../../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../../src/lm/score.ts';
import { imagePrompt, openVisionEncoder } from '../../../src/lm/visionEncoder.ts';
import { GraphBuilder } from '../../../src/onnx/builder.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph, Initializer } from '../../../src/onnx/graph.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { wholeModel } from '../../support/decoders.ts';
import { sharedHost } from '../../support/host.ts';
import { present, reference, stories } from './models.ts';

const usual: ImagePreparation = { ...preparationOf(null), do_rescale: false, do_normalize: false };

function preparationOf(file: string | null): ImagePreparation {
  const read = readPreparation(file);
  return read.ok ? read.preparation : assert.fail(read.message);
}

/** All three channels the same. */
function grey(width: number, height: number, value: (x: number, y: number) => number): RgbImage {
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, (_, i) => value(Math.floor(i / 3) % width, Math.floor(i / 3 / width))) };
}

const pattern = grey(5, 4, (x, y) => (37 * 3 * (y * 5 + x) + 11 * y * y) % 256);

const REFERENCE: readonly (readonly [string, 2 | 3, number, number, readonly number[]])[] = [
  ['bilinear', 2, 2, 3, [89.29, 125.56, 161.24, 161.69, 135.27, 129.16]],
  ['bilinear', 2, 7, 8, [0.0, 48.56, 117.94, 187.31, 176.69, 86.06, 139.44, 188.0, 19.29, 67.85, 131.51, 143.74, 133.12, 99.63, 158.72, 207.29, 50.14, 98.71, 153.22, 74.03, 63.4, 121.35, 189.58, 238.14, 92.0, 140.56, 193.94, 103.31, 92.69, 162.06, 159.44, 152.0, 137.0, 177.56, 221.79, 142.6, 131.97, 189.92, 124.44, 69.0, 193.0, 169.56, 140.65, 152.88, 142.26, 108.78, 116.44, 125.0, 228.0, 164.56, 89.94, 159.31, 148.69, 58.06, 111.44, 160.0]],
  ['bicubic', 3, 2, 3, [82.98, 125.2, 164.3, 169.06, 135.57, 125.46]],
];

describe('image preparation', () => {
  // torch 1.13: interpolate(image, size, mode, antialias=True), which is what PIL computes but for its roundings to 8 bits.
  for (const [name, resample, height, width, expected] of REFERENCE) {
    it(`resizes as torch does but for the roundings: ${name} to ${width} × ${height}`, () => {
      const { data } = pixelValues(pattern, { ...usual, size: { height, width }, resample });
      expected.forEach((value, i) => assert.ok(Math.abs((data[i] ?? Number.NaN) - value) <= 1.2, `${data[i]} instead of ${value} at ${i}`));
    });
  }

  it('keeps one colour one colour at any size, and an image of the right size as it is', () => {
    const flat = grey(9, 7, () => 93);
    for (const resample of [0, 1, 2, 3, 4, 5] as const) {
      assert.ok(pixelValues(flat, { ...usual, size: { height: 4, width: 23 }, resample }).data.every((value) => value === 93));
      assert.deepEqual([...pixelValues(pattern, { ...usual, size: { height: 4, width: 5 }, resample }).data.subarray(0, 20)], [...pattern.data].filter((_, i) => i % 3 === 0));
    }
  });

  it('takes the shortest edge to a size and keeps the shape, cuts the middle, and fills with black beyond the image', () => {
    const wide = grey(40, 10, (x) => x);
    const { height, width } = pixelValues(wide, { ...usual, size: { shortest_edge: 5 } });
    assert.deepEqual([height, width], [5, 20]);
    const middle = pixelValues(wide, { ...usual, do_resize: false, do_center_crop: true, crop_size: { height: 2, width: 4 } });
    assert.deepEqual([middle.height, middle.width, ...middle.data.subarray(0, 8)], [2, 4, 18, 19, 20, 21, 18, 19, 20, 21]);
    const beyond = pixelValues(grey(2, 1, () => 7), { ...usual, do_resize: false, do_center_crop: true, crop_size: 4 });
    assert.deepEqual([...beyond.data.subarray(0, 16)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 0, 0, 0, 0, 0]);
  });

  it('scales and normalises each channel, one after the other', () => {
    const image: RgbImage = { width: 1, height: 1, data: Uint8Array.of(0, 51, 255) };
    const { data } = pixelValues(image, { ...preparationOf(null), do_resize: false, image_mean: [0.5, 0.4, 0.3], image_std: [0.5, 0.1, 0.2] });
    [-1, -2, 3.5].forEach((value, i) => assert.ok(Math.abs((data[i] ?? Number.NaN) - value) < 1e-5));
  });
});

describe('a vision-language model folder', () => {
  let root = '';
  let folder = '';
  before(function () {
    if (!present) this.skip();
    root = mkdtempSync(path.join(tmpdir(), 'gradlens-vision-'));
    folder = madeFolder(path.join(root, 'spelling'));
  });
  after(() => {
    if (root !== '') rmSync(root, { recursive: true, force: true });
  });

  async function opened(): Promise<LanguageModel> {
    const result = await openLanguageModel(sharedHost(), folder);
    return result.ok ? result.model : assert.fail(result.problem.message);
  }
  const options = { sampling: greedy, maxTokens: 60, contextLength: 512, endIds: [], stop: [], cache: true };

  it('writes from text as the model does that takes tokens, with and without the cache', async () => {
    const { decoder, tokenizer } = await opened();
    for (const { prompt_ids: ids, greedy_ids: expected } of reference().greedy) {
      for (const cache of [true, false]) {
        const { tokens } = await generate({ decoder }, tokenizer, ids, { ...options, cache, maxTokens: cache ? 60 : 12 }, new Random(1));
        assert.deepEqual(tokens.map(({ id }) => id), expected.slice(0, cache ? 60 : 12));
      }
    }
  });

  it('puts an image where its token stands: pixels that spell a prompt are continued as the prompt', async () => {
    const { decoder, tokenizer, folder: { path: own, vision, tokens } } = await opened();
    const encoder = await openVisionEncoder(sharedHost(), { path: own, vision });
    assert.ok(encoder.ok, encoder.ok ? '' : encoder.fault.message);
    const { prompt_ids: ids, greedy_ids: expected } = reference().greedy[0] ?? assert.fail();
    const features = await encoder.encoder.encode(spelling(ids.slice(1, 5)));
    const IMAGE = tokens.image ?? assert.fail();
    for (const prompt of [[1, IMAGE, ...ids.slice(5)], [1, ...ids.slice(5)], [1, IMAGE, IMAGE, IMAGE, IMAGE, ...ids.slice(5)]]) {
      const placed = imagePrompt(prompt, [features], tokens);
      assert.deepEqual(placed.ids, [1, IMAGE, IMAGE, IMAGE, IMAGE, ...ids.slice(5)]);
      const written = await generate({ decoder, embeddings: placed.embeddings }, tokenizer, placed.ids, options, new Random(1));
      assert.deepEqual(written.tokens.map(({ id }) => id), expected.slice(0, 60));
    }
    assert.throws(() => imagePrompt([1, IMAGE, IMAGE], [features], tokens), /The prompt has tokens for 2 images, and one image is given\. Give as many images/);
  });

  it('places the rows of several images in the order of their tokens, side by side or apart', () => {
    const tokens = { image: 9, bos: 1 };
    const [first, second] = [{ rows: Float32Array.of(1, 2, 3, 4), width: 2 }, { rows: Float32Array.of(5, 6, 7, 8, 9, 10), width: 2 }];
    const rows = (ids: readonly number[]) => {
      const { ids: placed, embeddings } = imagePrompt(ids, [first, second], tokens);
      return { placed, rows: embeddings.flatMap(({ at, rows: data, width }) => Array.from({ length: data.length / width }, (_, i) => [at + i, ...data.subarray(i * width, (i + 1) * width)])) };
    };
    const together = { placed: [1, 9, 9, 9, 9, 9, 4], rows: [[1, 1, 2], [2, 3, 4], [3, 5, 6], [4, 7, 8], [5, 9, 10]] };
    for (const ids of [[1, 4], [1, 9, 9, 4], [1, 9, 9, 9, 9, 9, 4]]) assert.deepEqual(rows(ids), together);
    const apart = { placed: [9, 9, 4, 9, 9, 9], rows: [[0, 1, 2], [1, 3, 4], [3, 5, 6], [4, 7, 8], [5, 9, 10]] };
    for (const ids of [[9, 4, 9], [9, 9, 4, 9, 9, 9]]) assert.deepEqual(rows(ids), apart);
    assert.deepEqual(rows([9, 4, 9, 4, 9, 9, 9]), { placed: [9, 4, 9, 4, 9, 9, 9], rows: [[0, 1, 2], [2, 3, 4], [4, 5, 6], [5, 7, 8], [6, 9, 10]] });
  });

  it('scores with an image as with the text that it spells, in batches with either padding', async () => {
    const { decoder, folder: { path: own, vision, tokens } } = await opened();
    const encoder = await openVisionEncoder(sharedHost(), { path: own, vision });
    assert.ok(encoder.ok);
    const { ids } = reference().story;
    const plain = [{ prompt: ids.slice(0, 5), continuation: ids.slice(5, 12) }, { prompt: ids.slice(0, 20), continuation: ids.slice(20, 24) }];
    const expected = await scoreContinuations(decoder, plain);
    const features = await encoder.encoder.encode(spelling(ids.slice(1, 5)));
    const items = plain.map(({ prompt, continuation }) => {
      const placed = imagePrompt([1, ...prompt.slice(5)], [features], tokens);
      return { prompt: placed.ids, embeddings: placed.embeddings, continuation };
    });
    for (const padding of ['left', 'right'] as const) {
      const scores = await scoreContinuations(decoder, items, { padding });
      scores.forEach(({ perToken }, i) => perToken.forEach((value, t) => assert.ok(Math.abs(value - (expected[i]?.perToken[t] ?? Number.NaN)) < 1e-5)));
    }
  });

  it('says so where a model takes no images, or ones of another size', async () => {
    const none = await openVisionEncoder(sharedHost(), { path: 'here', vision: null });
    assert.match(none.ok ? '' : none.fault.message, /here is no vision-language model.*Leave the image out/);
    const { folder: { path: own, vision } } = await opened();
    const other = path.join(root, 'preprocessor.json');
    writeFileSync(other, JSON.stringify({ do_resize: false }));
    const encoder = await openVisionEncoder(sharedHost(), { path: own, vision: vision && { ...vision, preprocessor: other } });
    await assert.rejects(encoder.ok ? encoder.encoder.encode(grey(3, 3, () => 0)) : Promise.reject(new Error()), /takes images of 2 × 2 pixels and preprocessor_config\.json makes ones of 3 × 3/);
  });
});

/** Pixels whose red and green are the low and the high byte of a token. */
const spelling = (ids: readonly number[]): RgbImage => ({ width: 2, height: 2, data: Uint8Array.from(ids.flatMap((id) => [id % 256, Math.floor(id / 256), 0])) });

/** stories260k in three graphs, and an encoder whose features are the embeddings of the tokens that the pixels spell. */
function madeFolder(folder: string): string {
  mkdirSync(path.join(folder, 'onnx'), { recursive: true });
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) cpSync(path.join(stories, file), path.join(folder, file));
  const whole = wholeModel(`${stories}/onnx/model.onnx`);
  const gather = whole.nodes.find(({ op, inputs }) => op === 'Gather' && inputs[1] === 'input_ids') ?? assert.fail();
  const table = whole.initializers.get(gather.inputs[0] ?? '') ?? assert.fail();
  const named = (name: string): string => (name === gather.outputs[0] || name === 'input_ids' ? 'inputs_embeds' : name);
  const decoder: Graph = {
    ...whole,
    inputs: whole.inputs.map((input) => (input.name === 'input_ids' ? { name: 'inputs_embeds', type: 'float32', dims: ['batch_size', 'sequence_length', 64] } : input)),
    nodes: whole.nodes.filter((node) => node !== gather).map((node) => ({ ...node, inputs: node.inputs.map(named) })),
  };
  const graphs = { decoder_model_merged: decoder, embed_tokens: embedTokens(table), vision_encoder: spellingEncoder(table) };
  for (const [name, graph] of Object.entries(graphs)) writeFileSync(path.join(folder, 'onnx', `${name}.onnx`), encodeGraph(graph));
  const text = { model_type: 'llama', hidden_size: 64, num_attention_heads: 8, num_key_value_heads: 4, num_hidden_layers: 5, vocab_size: 512, max_position_embeddings: 512 };
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ model_type: 'llava', image_token_index: 600, bos_token_id: 1, text_config: text }));
  writeFileSync(path.join(folder, 'preprocessor_config.json'), JSON.stringify({ size: { height: 2, width: 2 }, do_rescale: false, do_normalize: false }));
  return folder;
}

function embedTokens(table: Initializer): Graph {
  const b = new GraphBuilder();
  b.input('input_ids', 'int64', ['batch', 'sequence']);
  b.node('Gather', [b.initializer('table', table), 'input_ids'], {}, 'inputs_embeds');
  b.output('inputs_embeds', 'float32', ['batch', 'sequence', 64]);
  return b.build();
}

function spellingEncoder(table: Initializer): Graph {
  const b = new GraphBuilder();
  b.input('pixel_values', 'float32', ['images', 3, 2, 2]);
  const weights = b.initializer('weights', { type: 'float32', dims: [3, 1], data: Float32Array.of(1, 256, 0) });
  const shape = b.initializer('shape', { type: 'int64', dims: [3], data: BigInt64Array.of(0n, 3n, 4n) });
  const pixels = b.node('Transpose', [b.node('Reshape', ['pixel_values', shape])], { perm: [0, 2, 1] });
  const flat = b.initializer('flat', { type: 'int64', dims: [2], data: BigInt64Array.of(0n, 4n) });
  const ids = b.node('Cast', [b.node('Reshape', [b.node('MatMul', [pixels, weights]), flat])], { to: 7 });
  b.node('Gather', [b.initializer('table', table), ids], {}, 'image_features');
  b.output('image_features', 'float32', ['images', 4, 64]);
  return b.build();
}
