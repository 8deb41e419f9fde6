// All sites of a decoder made writable together: nothing written changes no bit, and a write is what `writeSite` makes of it.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { integers, promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import type { Site } from '../../../src/lm/sites.ts';
import type { WritableSites } from '../../../src/lm/writableSites.ts';
import { steeringInputs, steeringVector, writableSites } from '../../../src/lm/writableSites.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import type { DecoderShape, Feeds } from '../../support/decoders.ts';
import { openedFile, runEdit, sitesOf, smallDecoder } from '../../support/decoders.ts';
import { gpt2, stories } from './models.ts';

const models: Readonly<Record<string, string>> = {
  'stories260k': `${stories}/onnx/model.onnx`,
  'stories260k, fused': `${stories}/onnx/model_fused_rotemb.onnx`,
  'tiny-random-gpt2-fused': `${gpt2}/onnx/model.onnx`,
  'tiny-code': fileURLToPath(new URL('../../../models/tiny-code/onnx/model.onnx', import.meta.url)),
};

const IDS = [[1, 203, 207, 61, 178], [1, 5, 9, 200, 6]];
const [BATCH, LENGTH, VECTORS] = [2, 5, 2];
const STRENGTH = [0.6, -0.4];

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const widthOf = (site: Site): number => Number(site.shape.at(-1));
const logitsOf = (results: Feeds): Float32Array => {
  const data = results['logits']?.data;
  assert.ok(data instanceof Float32Array);
  return data;
};
const sameBits = (a: Float32Array, b: Float32Array): boolean => Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

/** What is written: by site and vector, and how much of each vector each token gets. */
interface Writing {
  readonly parts: readonly Readonly<Record<string, Float32Array>>[];
  readonly mask: HostTensor;
}

function drawn(sites: readonly Site[], random: Random, tokens: readonly [number, number] = [BATCH, LENGTH]): Writing {
  const parts = Array.from({ length: VECTORS }, () => Object.fromEntries(sites.map((site) => [site.name, Float32Array.from({ length: widthOf(site) }, () => random.normal())])));
  return { parts, mask: float32([...tokens, VECTORS], Array.from({ length: tokens[0] * tokens[1] * VECTORS }, (_, i) => [0, 1, 1, 0.5, 0][i % 5] ?? 0)) };
}

/** The feeds of `writableSites`. */
function together(writable: WritableSites, { parts, mask }: Writing, strength: readonly number[] = STRENGTH): Feeds {
  const vectors = parts.flatMap((part) => [...steeringVector(writable, part)]);
  return { [steeringInputs.strength]: float32([VECTORS], strength), [steeringInputs.vectors]: float32([VECTORS, writable.width], vectors), [steeringInputs.mask]: mask };
}

/** The graph and the feeds of `writeSite` at each site. */
function oneByOne(graph: Graph, sites: readonly Site[], { parts, mask }: Writing, preserveNorm: boolean): { readonly graph: Graph; readonly feeds: Feeds } {
  const written = sites.reduce((edited, site) => writeSite(edited, site, { preserveNorm }), graph);
  const feeds = sites.flatMap((site): readonly (readonly [string, HostTensor])[] => {
    const names = writeInputs(site);
    const vectors = parts.flatMap((part) => [...(part[site.name] ?? [])]);
    return [[names.strength, float32([VECTORS], STRENGTH)], [names.vectors, float32([VECTORS, widthOf(site)], vectors)], [names.mask, mask]];
  });
  return { graph: written, feeds: Object.fromEntries(feeds) };
}

/** Without second names of the same value: a norm is preserved once a place. */
const distinct = (sites: readonly Site[]): readonly Site[] => sites.filter((site, i) => sites.findIndex((other) => other.value === site.value && other.node === site.node) === i);

function assertClose(found: Float32Array, expected: Float32Array, what: string): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? Number.NaN))), 0);
  assert.ok(worst < 2e-5 * largest, `${what}: off by ${worst} of ${largest}`);
}

function feedsOf(graph: Graph): Feeds {
  const read = readInterface(graph);
  assert.ok(read.ok);
  return promptFeeds(read.io, IDS);
}

describe('sites that are writable together', () => {
  for (const [name, path] of Object.entries(models)) {
    for (const preserveNorm of [false, true]) {
      const how = preserveNorm ? ', norms preserved' : '';
      it(`of ${name}${how}: with strength 0 or mask 0 give the bits of the untouched graph`, async function () {
        if (!existsSync(path)) this.skip();
        const file = openedFile(path);
        const feeds = feedsOf(file.graph);
        const sites = sitesOf(file.graph);
        const writable = writableSites(file.graph, sites, { preserveNorm });
        const writing = drawn(sites, new Random(1));
        const nothing = float32([1, 1, VECTORS], [0, 0]);
        for (const optimization of ['all', 'disabled'] as const) {
          const untouched = logitsOf(await runEdit(file.graph, file, feeds, { optimization }));
          for (const off of [together(writable, writing, [0, 0]), together(writable, { ...writing, mask: nothing })]) {
            assert.ok(sameBits(logitsOf(await runEdit(writable.graph, file, { ...feeds, ...off }, { optimization })), untouched), optimization);
          }
        }
      });

      it(`of ${name}${how}: two vectors with a mask of each token write what writes site by site write`, async function () {
        if (!existsSync(path)) this.skip();
        const file = openedFile(path);
        const feeds = feedsOf(file.graph);
        // A fused embedding takes one write, under one of its names.
        const all = sitesOf(file.graph).filter(({ name, entry }) => entry.kind !== 'embedding' || name === 'embed');
        const sites = preserveNorm ? distinct(all) : all;
        const writable = writableSites(file.graph, sites, { preserveNorm });
        const writing = drawn(sites, new Random(2));
        const separate = oneByOne(file.graph, sites, writing, preserveNorm);
        const expected = logitsOf(await runEdit(separate.graph, file, { ...feeds, ...separate.feeds }));
        const found = logitsOf(await runEdit(writable.graph, file, { ...feeds, ...together(writable, writing) }));
        assertClose(found, expected, 'logits');
        assert.ok(!sameBits(found, logitsOf(await runEdit(file.graph, file, feeds))));
      });
    }
  }

  it('are written at one place where writes do the same: a branch and its sum, a layer\'s end and the next one\'s beginning', async function () {
    if (!existsSync(stories)) this.skip();
    for (const path of [models['stories260k'], models['stories260k, fused']]) {
      const { graph } = openedFile(path ?? '');
      const writable = writableSites(graph, sitesOf(graph));
      const added = writable.graph.nodes.filter(({ op }) => op === 'Add').length - graph.nodes.filter(({ op }) => op === 'Add').length;
      assert.equal(added, 1 + 5 * 3 + 2, 'embed, three a layer, final_norm and logits');
      assert.equal(writable.width, 64 + 5 * (64 + 172 + 64) + 64 + 512);
      assert.deepEqual(writable.layout.get('layers.1.attn_out'), writable.layout.get('layers.1.resid_mid'));
      assert.deepEqual(writable.layout.get('layers.1.mlp_out'), writable.layout.get('layers.2.resid_pre'));
      assert.notDeepEqual(writable.layout.get('layers.1.attn_out'), writable.layout.get('layers.1.mlp_out'));
    }
  });

  it('of any subset of sites of any form of decoder write what writes site by site write', async () => {
    const forms: readonly DecoderShape['form'][] = ['llama', 'gemma', 'parallel', 'parallelLeft', 'gpt2'];
    const feeds = { input_ids: integers('int64', [1, 3], [1, 7, 4]) };
    const inline = { dataFolder: '/', dataBytes: 0 };
    await fc.assert(fc.asyncProperty(fc.constantFrom(...forms), fc.infiniteStream(fc.boolean()), fc.boolean(), fc.integer(), async (form, chosen, preserveNorm, seed) => {
      const graph = smallDecoder({ form, layers: 2 });
      const some = sitesOf(graph).filter(() => chosen.next().value === true);
      const sites = preserveNorm ? distinct(some) : some;
      fc.pre(sites.length > 0);
      const writing = drawn(sites, new Random(seed), [1, 3]);
      const writable = writableSites(graph, sites, { preserveNorm });
      const separate = oneByOne(graph, sites, writing, preserveNorm);
      const expected = logitsOf(await runEdit(separate.graph, inline, { ...feeds, ...separate.feeds }));
      assertClose(logitsOf(await runEdit(writable.graph, inline, { ...feeds, ...together(writable, writing) })), expected, `${form}: ${sites.map((site) => site.name).join(', ')}`);
    }), { numRuns: 40 });
  });

  it('take vectors with parts for the sites that are writable, and add up parts for one place', () => {
    const graph = smallDecoder({ form: 'llama', layers: 1 });
    const writable = writableSites(graph, sitesOf(graph));
    const ones = (length: number): Float32Array => new Float32Array(length).fill(1);
    const { offset, width } = writable.layout.get('layers.0.resid_mid') ?? { offset: -1, width: -1 };
    const vector = steeringVector(writable, { 'layers.0.attn_out': ones(6), 'layers.0.resid_mid': ones(6) });
    assert.deepEqual([...vector].map((value, i) => (i >= offset && i < offset + width ? value - 2 : value)), [...new Float32Array(writable.width)]);
    assert.throws(() => steeringVector(writable, { 'layers.0.attn_out': ones(5) }), /a vector of 5 numbers does not fit layers\.0\.attn_out, which is 6 wide/);
    assert.throws(() => steeringVector(writable, { 'layers.3.attn_out': ones(6) }), /does not fit layers\.3\.attn_out, which is not writable/);
  });
});
