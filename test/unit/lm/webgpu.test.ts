// Language models on WebGPU, its GPU computed in software, against the same on CPU: logits, cached decoding, site reads, writes and gradients.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { readName, readSites, writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { generate } from '../../../src/lm/generate.ts';
import { integers, promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import type { Decoder } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { differentiateBySites, siteGradientName } from '../../../src/lm/siteGradients.ts';
import { targetInputs, targetValues, withTarget } from '../../../src/lm/target.ts';
import { TokenStream } from '../../../src/lm/tokenStream.ts';
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
import { filesOf, gpt2, present, stories } from './models.ts';

const READ = ['embed', 'layers.0.attn_out', 'layers.2.resid_mid', 'layers.3.mlp_act', 'layers.4.resid_post', 'final_norm'];
const IDS = [[1, 403, 407, 261, 378, 9], [1, 5, 9, 200, 6, 300]];
const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });

const models = [
  { name: 'stories260k', folder: stories, path: `${stories}/onnx/model.onnx` },
  { name: 'stories260k, fused', folder: stories, path: `${stories}/onnx/model_fused_rotemb.onnx` },
  { name: 'tiny-random-gpt2-fused', folder: gpt2, path: `${gpt2}/onnx/model.onnx` },
];

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
  const decoderOf = async ({ graph, path }: ModelFile, provider: Provider): Promise<Decoder> => {
    const opened = await openDecoder(hostOf(provider), { graph, source: { path }, options: { provider } });
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

  if (!present) {
    it('needs the models beside the project', function () {
      this.skip();
    });
    return;
  }
  for (const { name, folder, path } of models) {
    it(`${name}: logits of a prompt and of each cached token, and the greedy text`, async () => {
      const file = openedFile(path);
      const [cpu, webgpu] = [await decoderOf(file, 'cpu'), await decoderOf(file, 'webgpu')];
      const streams = [cpu, webgpu].map((decoder) => new TokenStream({ decoder }, true));
      for (const ids of [[1, 403, 407, 261, 378], [9], [200]]) {
        const [expected, found] = [await streams[0]?.append(ids), await streams[1]?.append(ids)];
        assert.ok(expected && found);
        const difference = relativeDifference({ logits: float32([found.length], found) }, { logits: float32([expected.length], expected) });
        assert.ok(difference < AGREEMENT, `after ${ids.join(' ')}: ${difference}`);
      }
      for (const stream of streams) await stream.close();
      const { tokenizer } = filesOf(folder);
      const options = { sampling: greedy, maxTokens: 4, contextLength: null, endIds: [], stop: [], cache: true };
      const [ours, theirs] = [await generate({ decoder: cpu }, tokenizer, [1, 403, 407], options, new Random(1)), await generate({ decoder: webgpu }, tokenizer, [1, 403, 407], options, new Random(1))];
      assert.deepEqual(theirs.tokens.map(({ id }) => id), ours.tokens.map(({ id }) => id));
      await cpu.release();
      await webgpu.release();
    });

    it(`${name}: reads of sites, a write, and gradients by sites`, async () => {
      const file = openedFile(path);
      const sites = READ.map((site) => siteNamed(sitesOf(file.graph), site));
      const written = siteNamed(sitesOf(file.graph), 'layers.1.resid_post');
      const width = Number(written.shape.at(-1));
      const { strength, vectors, mask } = writeInputs(written);
      const random = new Random(8);
      const graph = withTarget(readSites(writeSite(file.graph, written), sites), 'logProbabilities');
      const feeds = (ids: readonly (readonly number[])[], positions: readonly number[], outcomes: readonly number[]): Feeds => {
        const read = readInterface(graph);
        assert.ok(read.ok);
        return {
          ...promptFeeds(read.io, ids),
          [strength]: float32([1], [1.5]),
          [vectors]: float32([1, width], Array.from({ length: width }, () => random.normal())),
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
      for (const output of compared) {
        const [ours, theirs] = [expected[output], found[output]];
        assert.ok(ours && theirs, output);
        const difference = relativeDifference({ output: theirs }, { output: ours });
        assert.ok(difference < AGREEMENT, `${output}: ${difference}`);
      }
      assert.equal(compared.length, 14);
    });
  }
});
