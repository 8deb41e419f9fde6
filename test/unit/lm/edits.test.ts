// Writing sites: several writes at once, and masks of any size.
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
import { present, stories } from './models.ts';

const IDS = [[1, 403, 407, 261, 378], [1, 5, 9, 200, 6]];

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const floats = (results: Feeds, name: string): Float32Array => {
  const data = results[name]?.data;
  assert.ok(data instanceof Float32Array, `no output ${name}`);
  return data;
};
function feedsOf(graph: Graph, ids = IDS): Record<string, HostTensor> {
  const read = readInterface(graph);
  assert.ok(read.ok);
  return promptFeeds(read.io, ids);
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

describe('edits of sites', () => {
  it('compose: writes at two sites, one of them the same place under another name, are both felt', async function () {
    if (!present) this.skip();
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
