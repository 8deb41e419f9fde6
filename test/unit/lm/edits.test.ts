// Reading and writing sites: against the untouched graph and sums by hand in float64.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readName, readSites, writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { integers, promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import type { Site } from '../../../src/lm/sites.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import type { Feeds } from '../../support/decoders.ts';
import { openedFile, runEdit, sitesOf, siteNamed, smallDecoder } from '../../support/decoders.ts';
import { sharedHost } from '../../support/host.ts';
import { gpt2, present, stories } from './models.ts';

const SITES = ['embed', 'layers.0.attn_out', 'layers.1.resid_mid', 'layers.2.mlp_act', 'layers.2.mlp_out', 'layers.3.resid_pre', 'layers.4.resid_post', 'final_norm', 'logits'];
const IDS = [[1, 403, 407, 261, 378], [1, 5, 9, 200, 6]];

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const floats = (results: Feeds, name: string): Float32Array => {
  const data = results[name]?.data;
  assert.ok(data instanceof Float32Array, `no output ${name}`);
  return data;
};
const sameBits = (a: Float32Array, b: Float32Array): boolean => Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

function feedsOf(graph: Graph, ids = IDS): Record<string, HostTensor> {
  const read = readInterface(graph);
  assert.ok(read.ok);
  return promptFeeds(read.io, ids);
}

/** The file itself, as the runtime reads it. */
async function runUntouched(path: string, feeds: Feeds, optimization: 'all' | 'disabled'): Promise<Feeds> {
  const session = await sharedHost().createSession({ path }, { provider: 'cpu', threads: 1, optimization });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

interface Written {
  readonly feeds: Record<string, HostTensor>;
  /** What is to be added, [batch · sequence][width]. */
  readonly added: readonly (readonly number[])[];
}

/** Two vectors at a site, each for some tokens. */
function written(site: Site, width: number, random: Random, scale = 1): Written {
  const [batch, length] = [IDS.length, IDS[0]?.length ?? 0];
  const vectors = Array.from({ length: 2 * width }, () => random.normal());
  const strength = [1.5 * scale, -0.75 * scale];
  const mask = Array.from({ length: batch * length * 2 }, (_, i) => [0, 1, 1, 0.5, 0][i % 5] ?? 0);
  const { strength: s, vectors: v, mask: m } = writeInputs(site);
  const added = Array.from({ length: batch * length }, (_, token) => Array.from({ length: width }, (_, j) =>
    [0, 1].reduce((sum, k) => sum + Math.fround(mask[2 * token + k] ?? 0) * (strength[k] ?? 0) * Math.fround(vectors[k * width + j] ?? 0), 0)));
  return { feeds: { [s]: float32([2], strength), [v]: float32([2, width], vectors), [m]: float32([batch, length, 2], mask) }, added };
}

const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

describe('edits of sites', () => {
  if (!present) {
    it('need the models beside the project', function () {
      this.skip();
    });
    return;
  }
  for (const path of [`${stories}/onnx/model.onnx`, `${stories}/onnx/model_fused_rotemb.onnx`, `${gpt2}/onnx/model.onnx`]) {
    describe(`of ${path.split('/').slice(-3).join('/')}`, () => {
      const file = openedFile(path);
      const sites = sitesOf(file.graph);
      const feeds = feedsOf(file.graph);
      const width = (site: Site): number => Number(site.shape.at(-1));

      for (const optimization of ['disabled', 'all'] as const) {
        it(`leave the logits as they are, bit for bit, where nothing is written: optimization ${optimization}`, async () => {
          const logits = floats(await runUntouched(path, feeds, optimization), 'logits');
          assert.ok(sameBits(floats(await runEdit(file.graph, file, feeds, { optimization }), 'logits'), logits), 'the graph alone');
          const read = await runEdit(readSites(file.graph, sites), file, feeds, { optimization });
          assert.ok(sameBits(floats(read, 'logits'), logits), 'reading every site');
          for (const name of SITES) {
            const site = siteNamed(sites, name);
            for (const preserveNorm of [false, true]) {
              const off = written(site, width(site), new Random(4), 0).feeds;
              const results = await runEdit(writeSite(file.graph, site, { preserveNorm }), file, { ...feeds, ...off }, { optimization });
              assert.ok(sameBits(floats(results, 'logits'), logits), `${name}${preserveNorm ? ', norm preserved' : ''}`);
            }
          }
        });
      }

      it('write what adding by hand in float64 gives, and the next site feels it', async () => {
        const random = new Random(8);
        for (const name of SITES) {
          const site = siteNamed(sites, name);
          const write = written(site, width(site), random);
          const before = floats(await runEdit(readSites(file.graph, [site]), file, feeds), readName(site));
          const results = await runEdit(readSites(writeSite(file.graph, site), [site]), file, { ...feeds, ...write.feeds });
          const after = floats(results, readName(site));
          const added = write.added.flat();
        const expected = [...before].map((value, i) => value + (added[i] ?? Number.NaN));
          const worst = Math.max(...expected.map((value, i) => Math.abs(value - (after[i] ?? Number.NaN))));
          assert.ok(worst < 2e-6 * Math.max(1, ...expected.map(Math.abs)), `${name}: off by ${worst}`);
          assert.ok(!sameBits(floats(results, 'logits'), floats(await runEdit(file.graph, file, feeds), 'logits')), name);
        }
      });

      it('preserve the norm of every token to 1e-5 where that is asked for, and turn it', async () => {
        for (const name of SITES) {
          const site = siteNamed(sites, name);
          const { feeds: steering, added } = written(site, width(site), new Random(9));
          const before = floats(await runEdit(readSites(file.graph, [site]), file, feeds), readName(site));
          const after = floats(await runEdit(readSites(writeSite(file.graph, site, { preserveNorm: true }), [site]), file, { ...feeds, ...steering }), readName(site));
          added.forEach((delta, token) => {
            const [old, now] = [before, after].map((values) => values.subarray(token * width(site), (token + 1) * width(site)));
            assert.ok(old && now);
            assert.ok(Math.abs(norm(now) / norm(old) - 1) < 1e-5, `${name}, token ${token}: ${norm(old)} became ${norm(now)}`);
            const moved = [...old].map((value, j) => value + (delta[j] ?? 0));
            const direction = moved.reduce((dot, value, j) => dot + value * (now[j] ?? 0), 0) / norm(moved) / norm(now);
            assert.ok(direction > 1 - 1e-6, `${name}, token ${token}: turned to ${direction}`);
          });
        }
      });
    });
  }

  it('compose: writes at two sites, one of them the same place under another name, are both felt', async () => {
    const file = openedFile(`${stories}/onnx/model_fused_rotemb.onnx`);
    const sites = sitesOf(file.graph);
    const [post, pre] = ['layers.1.resid_post', 'layers.2.resid_pre'].map((name) => siteNamed(sites, name));
    assert.ok(post && pre);
    const [first, second] = [written(post, 64, new Random(1)), written(pre, 64, new Random(2))];
    const feeds = feedsOf(file.graph);
    const before = floats(await runEdit(readSites(file.graph, [post]), file, feeds), readName(post));
    const both = readSites(writeSite(writeSite(file.graph, post), pre), [post]);
    const after = floats(await runEdit(both, file, { ...feeds, ...first.feeds, ...second.feeds }), readName(post));
    const [a, b] = [first.added.flat(), second.added.flat()];
    before.forEach((value, i) => assert.ok(Math.abs(value + (a[i] ?? 0) + (b[i] ?? 0) - (after[i] ?? Number.NaN)) < 2e-5));
    assert.throws(() => writeSite(writeSite(file.graph, post), post), /two graph values are named write\/layers\.1\.resid_post\/strength/);
  });

  it('take masks of size 1 for all tokens', async () => {
    const graph = smallDecoder({ form: 'llama', layers: 2 });
    const site = siteNamed(sitesOf(graph), 'layers.0.resid_post');
    const { strength, vectors, mask } = writeInputs(site);
    const feeds = { input_ids: integers('int64', [1, 3], [1, 2, 3]), [strength]: float32([1], [2]), [vectors]: float32([1, 6], [1, 2, 3, 4, 5, 6]), [mask]: float32([1, 1, 1], [1]) };
    const none = { dataFolder: '/', dataBytes: 0 };
    const before = floats(await runEdit(readSites(graph, [site]), none, { input_ids: feeds.input_ids }), readName(site));
    const after = floats(await runEdit(readSites(writeSite(graph, site), [site]), none, feeds), readName(site));
    before.forEach((value, i) => assert.ok(Math.abs(value + 2 * ((i % 6) + 1) - (after[i] ?? Number.NaN)) < 1e-5));
  });
});
