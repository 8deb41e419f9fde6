// Derivatives of what tiny-vision says of an image: by the rows of the image and of the text alike, against differences in float64.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { drawScene } from '../../../scripts/train-models/vision/draw.ts';
import { heldOutScenes } from '../../../scripts/train-models/vision/evaluate.ts';
import { IMAGE_SIZE } from '../../../scripts/train-models/vision/scenes.ts';
import type { Outcome } from '../../../src/lm/derivativeFeeds.ts';
import { outcomeFeeds } from '../../../src/lm/derivativeFeeds.ts';
import type { Derivatives } from '../../../src/lm/derivatives.ts';
import { openDerivatives } from '../../../src/lm/derivatives.ts';
import { promptFeeds } from '../../../src/lm/interface.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../../src/lm/score.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { targetValues, withTarget } from '../../../src/lm/target.ts';
import type { ImagePrompt } from '../../../src/lm/visionEncoder.ts';
import { imagePrompt, openVisionEncoder } from '../../../src/lm/visionEncoder.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { withoutFused } from '../../../src/onnx/expand.ts';
import { toFloat64 } from '../../../src/onnx/float64.ts';
import { measureShapes } from '../../../src/onnx/shapes.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import { wholeModel } from '../../support/decoders.ts';
import { execute, sharedHost } from '../../support/host.ts';
import type { ModelFiles } from './models.ts';
import { filesOf } from './models.ts';

const location = fileURLToPath(new URL('../../../models/tiny-vision', import.meta.url));
const cpu = { provider: 'cpu', threads: 1 } as const;
const STEP = 1e-4;

describe('derivatives of an image prompt', () => {
  let files: ModelFiles;
  let prompt: ImagePrompt;
  let features: Float32Array;
  let derivatives: Derivatives;
  let outcomes: readonly Outcome[] = [];
  before(async () => {
    files = filesOf(location);
    const { folder, tokenizer } = files;
    const [scene] = heldOutScenes('natural', 1);
    assert.ok(scene);
    const encoder = await openVisionEncoder(sharedHost(), folder, cpu);
    assert.ok(encoder.ok);
    const encoded = await encoder.encoder.encode({ width: IMAGE_SIZE, height: IMAGE_SIZE, data: drawScene(scene) });
    await encoder.encoder.release();
    features = encoded.rows;
    prompt = imagePrompt(tokenizer.encode('<image>Is there a red circle?').ids, [encoded], folder.tokens);
    const [yes = 0, no = 0] = [' Yes', ' No'].map((answer) => tokenizer.encode(answer, false).ids[0]);
    const position = prompt.ids.length - 1;
    outcomes = [{ row: 0, position, token: yes }, { row: 0, position, token: no, weight: -1 }];
    const opened = await openDerivatives(folder, sharedHost(), { sites: ['embed'], target: 'logProbabilities', session: cpu });
    assert.ok(opened.ok, opened.ok ? '' : opened.problem.message);
    derivatives = opened.derivatives;
  });
  after(() => derivatives?.release());

  it('start from the features of the image in the places of its token, and from the words elsewhere', async () => {
    const { hidden } = derivatives;
    const embeddings = await derivatives.embed({ ids: [prompt.ids], images: prompt.embeddings });
    const words = await derivatives.embed({ ids: [prompt.ids] });
    const first = prompt.embeddings[0]?.at ?? assert.fail('no place for the image');
    assert.deepEqual([first, prompt.embeddings.length, features.length], [1, 1, 64 * hidden]);
    assert.deepEqual(embeddings.subarray(first * hidden, (first + 64) * hidden), features);
    assert.deepEqual(embeddings.subarray(0, first * hidden), words.subarray(0, first * hidden));
    assert.deepEqual(embeddings.subarray((first + 64) * hidden), words.subarray((first + 64) * hidden));
  });

  it('have the values that scoring the answers gives', async () => {
    const embeddings = await derivatives.embed({ ids: [prompt.ids], images: prompt.embeddings });
    const { values } = await derivatives.evaluate({ ids: [prompt.ids], embeddings, outcomes });
    const decoder = await openDecoder(sharedHost(), { ...folderDecoder(files.folder), options: cpu });
    assert.ok(decoder.ok);
    const scores = await scoreContinuations(decoder.decoder, outcomes.map(({ token }) => ({ prompt: prompt.ids, continuation: [token], embeddings: prompt.embeddings })));
    await decoder.decoder.release();
    scores.forEach(({ logProbability }, i) => assert.ok(Math.abs(logProbability - (values[i] ?? Number.NaN)) < 1e-4));
  });

  it('agree with differences in float64 at coordinates of the image and of the text', async () => {
    const { hidden } = derivatives;
    const { io, variant } = files.folder;
    const embeddings = await derivatives.embed({ ids: [prompt.ids], images: prompt.embeddings });
    const { gradients, target } = await derivatives.differentiate({ ids: [prompt.ids], embeddings, outcomes });
    const gradient = gradients.get('embed')?.data as Float32Array;
    assert.equal(gradient.length, prompt.ids.length * hidden);
    const feedsOf = (values: Float32Array, ids: readonly (readonly number[])[], asked: readonly Outcome[]): Record<string, HostTensor> => ({
      ...promptFeeds(io, ids), ...outcomeFeeds(asked), [io.embeds?.name ?? '']: { type: 'float32', dims: [ids.length, ids[0]?.length ?? 0, hidden], data: values },
    });
    const graph = withTarget(wholeModel(variant.path), 'logProbabilities');
    const other = feedsOf(new Float32Array(2 * 3 * hidden), [[1, 2, 3], [4, 5, 6]], [{ row: 0, position: 1, token: 5 }, { row: 1, position: 2, token: 6 }, { row: 1, position: 2, token: 7 }]);
    const feeds = feedsOf(embeddings, [prompt.ids], outcomes);
    const wide = toFloat64(withoutFused(graph, await measureShapes(graph, [other, feeds], execute)));
    const session = await sharedHost().createSession(encodeGraph(wide), { ...cpu, optimization: 'disabled' });
    const at = async (place: number, step: number): Promise<number> => {
      const moved = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.type === 'float32' ? ({ ...tensor, type: 'float64', data: Float64Array.from(tensor.data as Float32Array) } as HostTensor) : tensor]));
      const data = moved[io.embeds?.name ?? '']?.data as Float64Array;
      data[place] = (data[place] ?? 0) + step;
      return Number((await session.run(moved, { outputs: [targetValues.sum] }))[targetValues.sum]?.data[0]);
    };
    assert.ok(Math.abs((await at(0, 0)) - target) < 1e-4, 'the float64 copy is the same model');
    const random = new Random(5);
    const largest = (from: number, to: number): number => gradient.subarray(from, to).reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best] ?? 0) ? from + i : best), from);
    const image = [hidden, 65 * hidden] as const;
    const text = [65 * hidden, gradient.length] as const;
    const places = [image, text].flatMap(([from, to]) => [largest(from, to), ...Array.from({ length: 4 }, () => random.integer(from, to - 1))]);
    const scale = Math.max(...gradient.map(Math.abs));
    for (const place of places) {
      const slope = ((await at(place, STEP)) - (await at(place, -STEP))) / (2 * STEP);
      assert.ok(Math.abs(slope - (gradient[place] ?? Number.NaN)) < 1e-5 * scale, `${place}: ${gradient[place]}, by differences ${slope}`);
    }
    assert.ok(Math.abs(gradient[places[0] ?? 0] ?? 0) > 0.01 * scale, 'the image matters');
    await session.release();
  });
});
