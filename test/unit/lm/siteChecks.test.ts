// What must hold of the sites of every model: unedited graphs and writes of nothing change no bit, a write adds what it
// says, a preserved norm is preserved, and the stream is the sum of what is written to it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { before, describe, it } from 'mocha';
import { readName, readSites, writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import type { Site } from '../../../src/lm/sites.ts';
import type { ModelFile } from '../../../src/onnx/file.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import type { Feeds } from '../../support/decoders.ts';
import { openedFile, runEdit, sitesOf, siteNamed } from '../../support/decoders.ts';
import { sharedHost } from '../../support/host.ts';
import { gpt2, stories } from './models.ts';

const own = fileURLToPath(new URL('../../../models/', import.meta.url));
const models: Readonly<Record<string, string>> = {
  'stories260k': `${stories}/onnx/model.onnx`,
  'stories260k, fused': `${stories}/onnx/model_fused_rotemb.onnx`,
  'tiny-random-gpt2-fused': `${gpt2}/onnx/model.onnx`,
  'tiny-code': `${own}tiny-code/onnx/model.onnx`,
  'tiny-vision': `${own}tiny-vision/onnx/decoder_model_merged.onnx`,
};

const IDS = [[1, 203, 207, 61, 178], [1, 5, 9, 200, 6]];
const [BATCH, LENGTH] = [2, 5];

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const floats = (results: Feeds, name: string): Float32Array => {
  const data = results[name]?.data;
  assert.ok(data instanceof Float32Array, `no output ${name}`);
  return data;
};
const sameBits = (a: Float32Array, b: Float32Array): boolean => Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
const width = (site: Site): number => Number(site.shape.at(-1));

/** Tokens, or embeddings where the model takes those. */
function feedsOf({ graph }: ModelFile, hidden: number): Feeds {
  const read = readInterface(graph);
  assert.ok(read.ok);
  const random = new Random(3);
  const embeds = read.io.embeds ? { [read.io.embeds.name]: float32([BATCH, LENGTH, hidden], Array.from({ length: BATCH * LENGTH * hidden }, () => random.normal())) } : {};
  return { ...promptFeeds(read.io, IDS), ...embeds };
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
function written(site: Site, random: Random, scale = 1): Written {
  const size = width(site);
  const vectors = Array.from({ length: 2 * size }, () => random.normal());
  const strength = [1.5 * scale, -0.75 * scale];
  const mask = Array.from({ length: BATCH * LENGTH * 2 }, (_, i) => [0, 1, 1, 0.5, 0][i % 5] ?? 0);
  const { strength: s, vectors: v, mask: m } = writeInputs(site);
  const added = Array.from({ length: BATCH * LENGTH }, (_, token) => Array.from({ length: size }, (_, j) =>
    [0, 1].reduce((sum, k) => sum + Math.fround(mask[2 * token + k] ?? 0) * (strength[k] ?? 0) * Math.fround(vectors[k * size + j] ?? 0), 0)));
  return { feeds: { [s]: float32([2], strength), [v]: float32([2, size], vectors), [m]: float32([BATCH, LENGTH, 2], mask) }, added };
}

describe('the sites', () => {
  for (const [model, path] of Object.entries(models)) {
    describe(`of ${model}`, () => {
      let file: ModelFile;
      let sites: readonly Site[] = [];
      let feeds: Feeds = {};
      let chosen: readonly string[] = [];
      const layers = (): number => 1 + Math.max(...sites.map(({ layer }) => layer ?? -1));
      before(function () {
        if (!existsSync(path) && !path.startsWith(own)) this.skip();
        file = openedFile(path);
        sites = sitesOf(file.graph);
        feeds = feedsOf(file, width(siteNamed(sites, 'embed')));
        const last = layers() - 1;
        chosen = ['embed', 'layers.0.attn_out', 'layers.1.resid_mid', 'layers.1.mlp_act', 'layers.1.mlp_out', `layers.${last}.resid_pre`, `layers.${last}.resid_post`, 'final_norm', 'logits'];
      });

      for (const optimization of ['disabled', 'all'] as const) {
        it(`leave the logits as they are, bit for bit, where nothing is written: optimization ${optimization}`, async () => {
          const logits = floats(await runUntouched(path, feeds, optimization), 'logits');
          assert.ok(sameBits(floats(await runEdit(file.graph, file, feeds, { optimization }), 'logits'), logits), 'the graph alone');
          const read = await runEdit(readSites(file.graph, sites), file, feeds, { optimization });
          assert.ok(sameBits(floats(read, 'logits'), logits), 'reading every site');
          for (const name of chosen) {
            const site = siteNamed(sites, name);
            for (const preserveNorm of [false, true]) {
              const off = written(site, new Random(4), 0).feeds;
              const results = await runEdit(writeSite(file.graph, site, { preserveNorm }), file, { ...feeds, ...off }, { optimization });
              assert.ok(sameBits(floats(results, 'logits'), logits), `${name}${preserveNorm ? ', norm preserved' : ''}`);
            }
          }
        });
      }

      it('write what adding by hand in float64 gives, and the next site feels it', async () => {
        const random = new Random(8);
        for (const name of chosen) {
          const site = siteNamed(sites, name);
          const write = written(site, random);
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
        for (const name of chosen) {
          const site = siteNamed(sites, name);
          const { feeds: steering, added } = written(site, new Random(9));
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

      it('add up: embed + Σ (attn_out + mlp_out) is the last resid_post', async () => {
        const parts = ['embed', ...Array.from({ length: layers() }, (_, i) => [`layers.${i}.attn_out`, `layers.${i}.mlp_out`]).flat()].map((name) => siteNamed(sites, name));
        const last = siteNamed(sites, `layers.${layers() - 1}.resid_post`);
        const results = await runEdit(readSites(file.graph, [...parts, last]), file, feeds);
        const sum = floats(results, readName(last));
        const largest = sum.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const terms = parts.map((site) => floats(results, readName(site)));
        const worst = sum.reduce((most, value, i) => Math.max(most, Math.abs(value - terms.reduce((total, term) => total + (term[i] ?? Number.NaN), 0))), 0);
        assert.ok(largest > 0.1 && worst < 2e-6 * largest, `off by ${worst} of ${largest}`);
      });
    });
  }
});
