// Language models on WebGPU, its GPU computed in software, against the same on CPU: logits, cached decoding, site reads, writes and gradients, images.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { drawScene } from '../../../scripts/train-models/vision/draw.ts';
import { heldOutScenes } from '../../../scripts/train-models/vision/evaluate.ts';
import { IMAGE_SIZE } from '../../../scripts/train-models/vision/scenes.ts';
import { openDerivatives } from '../../../src/lm/derivatives.ts';
import { readName, readSites, writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { generate } from '../../../src/lm/generate.ts';
import { integers, promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import type { Decoder } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { differentiateBySites, siteGradientName } from '../../../src/lm/siteGradients.ts';
import { targetInputs, targetValues, withTarget } from '../../../src/lm/target.ts';
import { TokenStream } from '../../../src/lm/tokenStream.ts';
import type { ImageFeatures, ImagePrompt } from '../../../src/lm/visionEncoder.ts';
import { imagePrompt, openVisionEncoder } from '../../../src/lm/visionEncoder.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { ModelFile } from '../../../src/onnx/file.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { AGREEMENT, relativeDifference } from '../../../src/runtime/providers.ts';
import type { HostTensor, Provider } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import type { Feeds } from '../../support/decoders.ts';
import { executeBeside, openedFile, sitesOf, siteNamed } from '../../support/decoders.ts';
import { sharedHost, startHost } from '../../support/host.ts';
import { softwareGpu } from '../../support/softwareGpu.ts';
import type { ModelFiles } from './models.ts';
import { filesOf, gpt2, stories } from './models.ts';

const own = fileURLToPath(new URL('../../../models/', import.meta.url));
const PROMPT = [1, 303, 307, 261, 378];
const IDS = [[1, 403, 407, 261, 378, 9], [1, 5, 9, 200, 6, 300]];
const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const vector = (data: ArrayLike<number>): HostTensor => float32([data.length], data);

const models = [
  { name: 'stories260k', path: `${stories}/onnx/model.onnx`, last: 4 },
  { name: 'stories260k, fused', path: `${stories}/onnx/model_fused_rotemb.onnx`, last: 4 },
  { name: 'tiny-random-gpt2-fused', path: `${gpt2}/onnx/model.onnx`, last: 4 },
  { name: 'tiny-code', path: `${own}tiny-code/onnx/model.onnx`, last: 4 },
  { name: 'tiny-vision', path: `${own}tiny-vision/onnx/decoder_model_merged.onnx`, last: 2 },
];

function agree(found: ArrayLike<number> | undefined, expected: ArrayLike<number> | undefined, what: string): void {
  assert.ok(found && expected && expected.length > 0, what);
  const difference = relativeDifference({ output: vector(found) }, { output: vector(expected) });
  assert.ok(difference < AGREEMENT, `${what}: ${difference}`);
}

describe('language models on WebGPU agree with CPU', function () {
  this.timeout(240_000);
  let gpu: ModelHost;
  before(function () {
    const environment = softwareGpu();
    if (!environment) this.skip();
    gpu = startHost({ environment });
  });
  after(() => gpu?.dispose());

  const hostOf = (provider: Provider): ModelHost => (provider === 'cpu' ? sharedHost() : gpu);
  const decoderOf = async ({ folder }: ModelFiles, provider: Provider): Promise<Decoder> => {
    const opened = await openDecoder(hostOf(provider), { ...folderDecoder(folder), options: { provider } });
    assert.ok(opened.ok);
    return opened.decoder;
  };
  const run = async (graph: Uint8Array, { dataFolder, dataBytes }: ModelFile, feeds: Feeds, provider: Provider): Promise<Feeds> => {
    const session = await hostOf(provider).createSession({ graph, dataFolder, dataBytes }, { provider, optimization: 'disabled' });
    try {
      return await session.run(feeds);
    } finally {
      await session.release();
    }
  };
  const imageFeatures = async ({ folder }: ModelFiles, provider: Provider): Promise<ImageFeatures> => {
    const opened = await openVisionEncoder(hostOf(provider), folder, { provider });
    assert.ok(opened.ok, opened.ok ? '' : opened.fault.message);
    const [scene] = heldOutScenes('natural', 1);
    assert.ok(scene);
    const features = await opened.encoder.encode({ width: IMAGE_SIZE, height: IMAGE_SIZE, data: drawScene(scene) });
    await opened.encoder.release();
    return features;
  };
  /** A question about an image where the model takes images. */
  const promptFor = async (files: ModelFiles): Promise<ImagePrompt> => {
    if (!files.folder.vision) return { ids: PROMPT, embeddings: [] };
    return imagePrompt(files.tokenizer.encode('<image>Is there a red circle?').ids, [await imageFeatures(files, 'cpu')], files.folder.tokens);
  };

  for (const { name, path, last } of models) {
    it(`${name}: logits of a prompt and of each cached token, and the greedy text`, async function () {
      if (!existsSync(path) && !path.startsWith(own)) this.skip();
      const files = filesOf(path);
      const { ids: prompt, embeddings } = await promptFor(files);
      const [cpu, webgpu] = [await decoderOf(files, 'cpu'), await decoderOf(files, 'webgpu')];
      const streams = [cpu, webgpu].map((decoder) => new TokenStream({ decoder, embeddings }, true));
      for (const ids of [prompt, [9], [200]]) {
        const [expected, found] = [await streams[0]?.append(ids), await streams[1]?.append(ids)];
        agree(found, expected, `after ${ids.join(' ')}`);
      }
      for (const stream of streams) await stream.close();
      const options = { sampling: greedy, maxTokens: 4, contextLength: null, endIds: [], stop: [], cache: true };
      const [ours, theirs] = [await generate({ decoder: cpu, embeddings }, files.tokenizer, prompt, options, new Random(1)), await generate({ decoder: webgpu, embeddings }, files.tokenizer, prompt, options, new Random(1))];
      assert.deepEqual(theirs.tokens.map(({ id }) => id), ours.tokens.map(({ id }) => id));
      await cpu.release();
      await webgpu.release();
    });

    it(`${name}: reads of sites, a write, and gradients by sites`, async function () {
      if (!existsSync(path) && !path.startsWith(own)) this.skip();
      const file = openedFile(path);
      const sites = ['embed', 'layers.0.attn_out', 'layers.2.resid_mid', `layers.${Math.min(3, last)}.mlp_act`, `layers.${last}.resid_post`, 'final_norm'].map((site) => siteNamed(sitesOf(file.graph), site));
      const written = siteNamed(sitesOf(file.graph), 'layers.1.resid_post');
      const width = Number(written.shape.at(-1));
      const { strength, vectors, mask } = writeInputs(written);
      const random = new Random(8);
      const normal = (count: number): number[] => Array.from({ length: count }, () => random.normal());
      const graph = withTarget(readSites(writeSite(file.graph, written), sites), 'logProbabilities');
      const feeds = (ids: readonly (readonly number[])[], positions: readonly number[], outcomes: readonly number[]): Feeds => {
        const read = readInterface(graph);
        assert.ok(read.ok);
        const [rows, length] = [ids.length, ids[0]?.length ?? 0];
        return {
          ...promptFeeds(read.io, ids),
          ...(read.io.embeds ? { [read.io.embeds.name]: float32([rows, length, width], normal(rows * length * width)) } : {}),
          [strength]: float32([1], [1.5]),
          [vectors]: float32([1, width], normal(width)),
          [mask]: float32([1, 1, 1], [1]),
          [targetInputs.positions]: integers('int64', [positions.length / 2, 2], positions),
          [targetInputs.outcomes]: integers('int64', [outcomes.length / 2, 2], outcomes),
          [targetInputs.weights]: float32([outcomes.length / 2], Array.from({ length: outcomes.length / 2 }, (_, i) => 1 - i)),
        };
      };
      const asked = feeds(IDS, [0, 2, 1, 4], [0, 270, 1, 5, 1, 6]);
      const question = { loss: targetValues.logits, cotangent: targetValues.cotangent, feeds: [feeds([[1, 2, 3]], [0, 1], [0, 5]), asked] as const, execute: executeBeside(file), sites };
      const model = encodeGraph(await differentiateBySites(graph, question));
      const [expected, found] = [await run(model, file, asked, 'cpu'), await run(model, file, asked, 'webgpu')];
      const compared = ['logits', targetValues.sum, ...sites.map(readName), ...sites.map(siteGradientName)];
      for (const output of compared) agree(found[output]?.data as Float32Array, expected[output]?.data as Float32Array, output);
      assert.equal(compared.length, 14);
    });
  }

  it('tiny-vision: the features of an image', async () => {
    const files = filesOf(`${own}tiny-vision`);
    const [expected, found] = [await imageFeatures(files, 'cpu'), await imageFeatures(files, 'webgpu')];
    assert.equal(found.width, expected.width);
    agree(found.rows, expected.rows, 'features');
  });

  for (const name of ['tiny-code', 'tiny-vision']) {
    it(`${name}: derivatives by given embeddings, those of an image among them`, async () => {
      const files = filesOf(`${own}${name}`);
      const { ids, embeddings: images } = await promptFor(files);
      const position = ids.length - 1;
      const outcomes = [{ row: 0, position, token: 270 }, { row: 0, position, token: 301, weight: -1 }];
      const results = [];
      for (const provider of ['cpu', 'webgpu'] as const) {
        const opened = await openDerivatives(files.folder, hostOf(provider), { sites: ['embed', 'layers.1.resid_post'], target: 'logProbabilities', session: { provider } });
        assert.ok(opened.ok, opened.ok ? '' : opened.problem.message);
        const embeddings = await opened.derivatives.embed({ ids: [ids], images });
        results.push({ embeddings, ...(await opened.derivatives.differentiate({ ids: [ids], embeddings, outcomes })) });
        await opened.derivatives.release();
      }
      const [expected, found] = results;
      agree(found?.embeddings, expected?.embeddings, 'embeddings');
      agree(found?.values, expected?.values, 'values');
      for (const site of ['embed', 'layers.1.resid_post']) agree(found?.gradients.get(site)?.data as Float32Array, expected?.gradients.get(site)?.data as Float32Array, site);
    });
  }
});
