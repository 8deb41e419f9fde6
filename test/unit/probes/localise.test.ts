// Where a score comes from: against finite differences, sums that must agree, and a model whose answer is known.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { twinExamples } from '../../../bench/probes/contradictions.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { promptFeeds } from '../../../src/lm/interface.ts';
import { readName, readSites, writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { findSites } from '../../../src/lm/sites.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { captureFinalStates } from '../../../src/probes/capture.ts';
import type { Localisation, Localiser, Neuron } from '../../../src/probes/localise.ts';
import { openLocaliser } from '../../../src/probes/localise.ts';
import type { Probe } from '../../../src/probes/probe.ts';
import { gradientOf, probeScores } from '../../../src/probes/probe.ts';
import { removalEffect } from '../../../src/probes/removal.ts';
import { readStatement } from '../../../src/probes/statements.ts';
import { Random } from '../../../src/shared/random.ts';
import { sharedHost } from '../../support/host.ts';
import { filesOf, gpt2, stories } from '../lm/models.ts';
import { plantNeuron } from './plantedModel.ts';
import { readerOf, tinyCode } from './support.ts';

const random = new Random(17);
const probeAt = (site: string, hidden: number, weights = Float64Array.from({ length: hidden }, () => random.normal())): Probe => ({
  model: { name: 'm', variant: 'default', layers: 5, hidden, fingerprint: '' }, site, frame: { before: 'Context: ', between: '\nSummary: ' }, l2: 1, bias: 0.5, threshold: 0, meanNorm: 1, data: { name: 'd', items: 1, hash: '' }, seed: 1, report: null,
  weights, standardisation: { mean: new Float64Array(hidden), scale: new Float64Array(hidden).fill(2) },
});

async function localiserOf(folder: ModelFolder, probe: Probe): Promise<Localiser> {
  const opened = await openLocaliser(sharedHost(), folder, probe, { provider: 'cpu', threads: 1 });
  return opened.ok ? opened.localiser : assert.fail(opened.problem.message);
}

const near = (a: number, b: number, scale = Math.max(1, Math.abs(b))): void => assert.ok(Math.abs(a - b) < 2e-3 * scale, `${a} and not ${b}`);
const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

describe('the localisation of a score', () => {
  const ids = [1, 5, 9, 200, 6, 7, 30];

  for (const [name, location] of [['tiny-code', null], ['stories260k', stories], ['stories260k, fused', `${stories}/onnx/model_fused_rotemb.onnx`], ['tiny-random-gpt2-fused', gpt2]] as const) {
    it(`of ${name} has the score that is read, and each MLP's neurons share what the MLP adds`, async function () {
      if (location !== null && !existsSync(location)) this.skip();
      const folder = location === null ? tinyCode().folder : filesOf(location).folder;
      const found = findSites(folder.file.graph);
      const probe = probeAt('layers.2.resid_post', Number((found.ok ? found.sites : [])[0]?.shape.at(-1)));
      const localiser = await localiserOf(folder, probe);
      const { score, components, neurons, tokens, topPercentShare } = await localiser.localise(ids);
      const reader = await readerOf(folder, [probe.site]);
      const states = (await captureFinalStates(reader, [{ ids }])).get(probe.site) ?? assert.fail();
      near(score, probeScores(probe, states)[0] ?? Number.NaN);
      assert.deepEqual(components.map(({ site }) => site), [0, 1, 2].flatMap((layer) => [`layers.${layer}.attn_out`, `layers.${layer}.mlp_out`]));
      assert.equal(tokens.length, ids.length);
      assert.ok(topPercentShare > 0.01 && topPercentShare < 1);
      neurons.slice(1).forEach(({ attribution }, i) => assert.ok(Math.abs(attribution) <= Math.abs(neurons[i]?.attribution ?? 0)));
      // A bias of the down projection is of no neuron; gpt2 has them, the Llamas none.
      if (location !== gpt2) for (const layer of [0, 1, 2]) near(sum(neurons.filter((neuron) => neuron.layer === layer).map(({ attribution }) => attribution)), components.find(({ site }) => site === `layers.${layer}.mlp_out`)?.attribution ?? Number.NaN);
      await Promise.all([localiser.release(), reader.release()]);
    });
  }

  it('is the slope of the score by the size of each token\'s embedding and each component', async () => {
    const { folder } = tinyCode();
    const probe = probeAt('layers.3.resid_post', 128);
    const localiser = await localiserOf(folder, probe);
    const { components, tokens } = await localiser.localise(ids);
    const found = findSites(folder.file.graph);
    const sites = found.ok ? found.sites : [];
    for (const [name, places, expected] of [['embed', [2], tokens[2]], ['embed', [6], tokens[6]], ['layers.1.attn_out', null, components.find(({ site }) => site === 'layers.1.attn_out')?.attribution], ['layers.2.mlp_out', null, components.find(({ site }) => site === 'layers.2.mlp_out')?.attribution]] as const) {
      const site = sites.find((one) => one.name === name) ?? assert.fail();
      const target = sites.find((one) => one.name === probe.site) ?? assert.fail();
      const at = async (graph: Parameters<typeof encodeGraph>[0], feeds: Parameters<Awaited<ReturnType<ReturnType<typeof sharedHost>['createSession']>>['run']>[0], output: string): Promise<Float32Array> => {
        const session = await sharedHost().createSession({ graph: encodeGraph(graph), dataFolder: folder.file.dataFolder, dataBytes: folder.file.dataBytes }, { provider: 'cpu', threads: 1 });
        const results = await session.run({ ...promptFeeds(folder.io, [ids]), ...feeds }, { outputs: [output] });
        await session.release();
        return results[output]?.data as Float32Array;
      };
      const held = await at(readSites(folder.file.graph, [site]), {}, readName(site));
      const graph = readSites(writeSite(folder.file.graph, site), [target]);
      const moved = async (step: number): Promise<number> => {
        const { strength, vectors, mask } = writeInputs(site);
        // One vector a token: what the site holds there.
        const shares = new Float32Array(ids.length * ids.length);
        for (const place of places ?? ids.keys()) shares[place * ids.length + place] = 1;
        const state = await at(graph, {
          [strength]: { type: 'float32', dims: [ids.length], data: new Float32Array(ids.length).fill(step) },
          [vectors]: { type: 'float32', dims: [ids.length, 128], data: held },
          [mask]: { type: 'float32', dims: [1, ids.length, ids.length], data: shares },
        }, readName(target));
        return sum(gradientOf(probe).map((slope, k) => slope * (state[(ids.length - 1) * 128 + k] ?? 0)));
      };
      const slope = ((await moved(0.02)) - (await moved(-0.02))) / 0.04;
      assert.ok(Math.abs(slope - (expected ?? Number.NaN)) < 0.02 * Math.max(0.2, Math.abs(slope)), `${name}: ${expected ?? 'none'} and not ${slope}`);
    }
    await localiser.release();
  });

  it('is refused by name where the model has no such site', async () => {
    const opened = await openLocaliser(sharedHost(), tinyCode().folder, probeAt('layers.9.resid_post', 128));
    assert.ok(!opened.ok && opened.problem.code === 'unknownSite');
  });
});

describe('a model whose verdict hangs on one neuron', () => {
  const { tokenizer, folder: original } = tinyCode();
  const texts = twinExamples({ seed: 9, pairs: 4 }).map(({ context, continuation }) => readStatement(tokenizer, { before: 'Context: ', between: '\nSummary: ' }, context, continuation).ids);
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-planted-'));
  after(() => rmSync(folder, { recursive: true }));

  /** The neuron writes the direction, nothing else does, and the probe reads it after the fourth layer. */
  async function planted(neuron: Neuron): Promise<{ readonly localiser: Localiser; readonly found: readonly Localisation[] }> {
    const { folder: changed, direction } = plantNeuron(original, neuron, path.join(folder, `layer${neuron.layer}`));
    const localiser = await localiserOf(changed, probeAt('layers.3.resid_post', 128, direction.map((value) => 2 * value)));
    const found: Localisation[] = [];
    for (const ids of texts) found.push(await localiser.localise(ids));
    return { localiser, found };
  }

  describe('of the first layer', () => {
    const neuron = { layer: 0, index: 77 };
    let localiser: Localiser;
    let found: readonly Localisation[];
    before(async () => void ({ localiser, found } = await planted(neuron)));
    after(async () => localiser?.release());

    it('has that neuron on top with all that the score is, and nothing from any other', () => {
      for (const { score, neurons: [top, ...others], topPercentShare } of found) {
        assert.deepEqual([top?.layer, top?.index], [0, 77]);
        near(top?.attribution ?? Number.NaN, score - 0.5, Math.abs(score - 0.5));
        assert.ok(others.every(({ attribution }) => Math.abs(attribution) < 1e-2 * Math.abs(score - 0.5)));
        assert.ok(topPercentShare > 0.99);
      }
    });

    it('has all from the first MLP and from the attention before it', () => {
      for (const { components, score } of found) {
        near(components.find(({ site }) => site === 'layers.0.mlp_out')?.attribution ?? Number.NaN, score - 0.5);
        for (const { layer, attribution } of components.filter((component) => component.layer > 0)) assert.ok(layer > 0 && Math.abs(attribution) < 1e-2 * Math.abs(score - 0.5));
      }
    });

    it('has the bias alone as its score without it, and its score without any others', async () => {
      const [ids = [], { score } = { score: Number.NaN }] = [texts[0], found[0]];
      near(await localiser.scoreWithout(ids, [neuron]), 0.5);
      near(await localiser.scoreWithout(ids, []), score);
      near(await localiser.scoreWithout(ids, [{ layer: 3, index: 5 }, { layer: 0, index: 76 }]), score);
    });

    it('is moved more by taking the top neuron away than by taking another', async () => {
      const effect = await removalEffect(localiser, texts, { count: 1, draws: 3, random: new Random(2) });
      assert.equal(effect.texts, texts.length);
      assert.ok(effect.difference.interval[0] > 0 && effect.top.value > effect.others.value, JSON.stringify(effect));
    });
  });

  it('of a later layer has all of its own layer from it, and from earlier ones what they do to it', async () => {
    const { localiser, found } = await planted({ layer: 2, index: 77 });
    for (const { score, neurons } of found) {
      near(neurons.find(({ layer, index }) => layer === 2 && index === 77)?.attribution ?? Number.NaN, score - 0.5, Math.abs(score - 0.5));
      assert.ok(neurons.every(({ layer, index, attribution }) => layer < 2 || index === 77 || Math.abs(attribution) < 1e-2 * Math.abs(score - 0.5)));
      assert.ok(neurons.some(({ layer, attribution }) => layer < 2 && Math.abs(attribution) > 0));
    }
    await localiser.release();
  });
});
