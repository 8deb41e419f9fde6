// What is read of the residual stream: the same as a plain pass of the whole model gives, in batches and with a cache.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'mocha';
import { captureFinalStates } from '../../../src/probes/capture.ts';
import { rowOf } from '../../../src/probes/features.ts';
import { openResidualReader, probeSites } from '../../../src/probes/residualReader.ts';
import { fittingContext, readStatement, readText } from '../../../src/probes/statements.ts';
import { readName, readSites } from '../../../src/lm/edits.ts';
import { promptFeeds } from '../../../src/lm/interface.ts';
import { findSites } from '../../../src/lm/sites.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { sharedHost } from '../../support/host.ts';
import type { ModelFiles } from '../lm/models.ts';
import { filesOf, gpt2, stories } from '../lm/models.ts';
import { distance, readerOf, tinyCode } from './support.ts';

const frame = { before: 'Context: ', between: '\nSummary: ' };

/** What a site holds at every position, by a pass of the whole graph. */
async function whole({ folder }: ModelFiles, site: string, ids: readonly number[]): Promise<Float32Array> {
  const found = findSites(folder.file.graph);
  const graph = readSites(folder.file.graph, found.ok ? found.sites.filter(({ name }) => name === site) : []);
  const session = await sharedHost().createSession({ graph: encodeGraph(graph), dataFolder: folder.file.dataFolder, dataBytes: folder.file.dataBytes }, { provider: 'cpu', threads: 1 });
  const results = await session.run(promptFeeds(folder.io, [ids]), { outputs: [readName({ name: site })] });
  await session.release();
  return results[readName({ name: site })]?.data as Float32Array;
}

describe('the final token of a statement', () => {
  const { tokenizer } = tinyCode();

  it('is its full stop; what follows is not read', () => {
    const text = 'Mira has 66 hens. The cloak of Mira is brown. And';
    const read = readText(tokenizer, frame, 'Mira has 66 hens.', text, [{ start: 0, end: 17 }, { start: 18, end: 45 }]);
    const textStart = `${frame.before}Mira has 66 hens.${frame.between}`.length;
    assert.deepEqual(read.finals.map((final) => read.ranges[final]?.end), [textStart + 17, textStart + 45]);
    assert.equal(read.ids.length, (read.finals[1] ?? 0) + 1);
    const context = read.ranges.slice(read.contextAt.start, read.contextAt.end);
    // Its first token holds the space before it.
    assert.deepEqual([context[0]?.start, context.at(-1)?.end], [frame.before.length - 1, frame.before.length + 17]);
    const [before, first] = read.ranges.slice(read.contextTokens - 1, read.contextTokens + 1);
    assert.ok((before?.end ?? 0) <= textStart && (first?.end ?? 0) > textStart);
  });

  it('is found without a full stop and with space after it', () => {
    const read = readStatement(tokenizer, frame, 'a', 'The lamp is red \n');
    assert.equal(read.ranges.at(-1)?.end, `${frame.before}a${frame.between}The lamp is red`.length);
  });

  it('keeps its place where the beginning of a context is left out to fit', () => {
    const context = Array.from({ length: 30 }, (_, i) => `Mira has ${i} hens.`).join(' ');
    const { text, left } = fittingContext(tokenizer, frame, context, 'Mira has 66 hens.', 64);
    assert.ok(text.ids.length <= 64 && text.ids.length > 55, `${text.ids.length}`);
    assert.ok(left > 0 && left < context.length);
    assert.deepEqual(fittingContext(tokenizer, frame, 'Short.', 'Mira has 66 hens.', 64).left, 0);
    assert.ok(fittingContext(tokenizer, frame, context, context, 64).left >= context.length);
  });
});

describe('captured states', () => {
  for (const [name, files] of [['tiny-code', tinyCode], ['stories260k', () => filesOf(stories)], ['tiny-random-gpt2-fused', () => filesOf(gpt2)], ['stories260k, fused', () => filesOf(`${stories}/onnx/model_fused_rotemb.onnx`)]] as const) {
    it(`of ${name} are those of the whole model, alone, in a padded batch and after a cache`, async function () {
      if (name !== 'tiny-code' && !existsSync(stories)) this.skip();
      const model = files();
      const ids = [[1, 5, 9, 200, 6, 7, 30], [1, 8, 100], [1, 2, 3, 4, 50, 60, 70, 80, 90, 33]];
      for (const site of ['layers.1.resid_post', 'layers.2.resid_mid']) {
        const reader = await readerOf(model.folder, [site]);
        const states = (await captureFinalStates(reader, ids.map((row) => ({ ids: row })))).get(site) ?? assert.fail();
        for (const [i, row] of ids.entries()) {
          const all = await whole(model, site, row);
          assert.ok(distance(rowOf(states, i), all.slice(-states.width)) < 1e-4, `${site}, row ${i}`);
        }
        const [first = []] = ids;
        const cache = reader.newCache();
        await reader.read({ ids: [first.slice(0, 4)], past: 0, positions: [0, 0], cache: { from: null, to: cache } });
        const rest = (await reader.read({ ids: [first.slice(4)], past: 4, positions: [2, 3], cache: { from: cache, to: null } })).get(site);
        assert.deepEqual(rest?.dims, [1, 1, states.width]);
        assert.ok(distance(rest?.data ?? [], rowOf(states, 0)) < 1e-4, `${site} after a cache`);
        await reader.forget([cache]);
        await reader.release();
      }
    });
  }

  it('do not depend on how many texts go together', async () => {
    const { folder, tokenizer } = tinyCode();
    const texts = ['Mira has 66 hens.', 'The cloak of Dormo is brown.', 'Toda met Vena at the mill on Friday.'].map((text) => readStatement(tokenizer, frame, 'Mira has 66 hens. Toda is a baker.', text));
    const sites = probeSites(folder).map(({ name }) => name);
    const reader = await readerOf(folder, sites);
    const [together, alone] = [await captureFinalStates(reader, texts), await captureFinalStates(reader, texts, { tokensPerPass: 1 })];
    assert.equal(sites.length, 5);
    for (const site of sites) assert.ok(distance(together.get(site)?.data ?? [], alone.get(site)?.data ?? []) < 1e-4, site);
    await reader.release();
  });

  it('are refused by name where a model has no such site', async () => {
    const opened = await openResidualReader(sharedHost(), tinyCode().folder, ['layers.7.resid_post']);
    assert.ok(!opened.ok && opened.problem.code === 'unknownSite');
    assert.match(opened.problem.message, /tiny-code has no site “layers.7.resid_post”. It has: layers.0.resid_pre, /);
  });
});
