// Attribution on models: against integration by hand, planted causes, chunks, cancelling, deaths, refusals.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Attribution, AttributionRequest, Attributor } from '../../../src/steering/attribution.ts';
import { openAttributor } from '../../../src/steering/attribution.ts';
import { EMBEDDINGS, outcomeFeeds } from '../../../src/lm/derivativeFeeds.ts';
import { embeddingGraph, inputsOf, targetGraph } from '../../../src/lm/derivativeGraphs.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { promptFeeds } from '../../../src/lm/interface.ts';
import { targetValues } from '../../../src/lm/target.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { toFloat64 } from '../../../src/onnx/float64.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { siteNamed, sitesOf, wholeModel } from '../../support/decoders.ts';
import { execute, sharedHost } from '../../support/host.ts';
import { stories } from '../lm/models.ts';

const tinyCode = fileURLToPath(new URL('../../../models/tiny-code', import.meta.url));
const cpu = { provider: 'cpu', threads: 1 } as const;
/** “Once upon a time, there was” of stories260k; tokens that tiny-code has as well. */
const PROMPT = [1, 403, 407, 261, 378, 432, 383, 286];
const request = (more: Partial<AttributionRequest> = {}): AttributionRequest => ({ prompt: PROMPT, preferred: [270], dispreferred: [301], fixed: [0], ...more });

function folderAt(location: string): ModelFolder {
  const opened = openModelFolder(location);
  return opened.ok ? opened.folder : assert.fail(opened.problem.message);
}

async function attributorOf(folder: ModelFolder, host = sharedHost()): Promise<Attributor> {
  const opened = await openAttributor(folder, host, { session: cpu });
  return opened.ok ? opened.attributor : assert.fail(opened.problem.message);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function near(found: readonly number[], wanted: readonly number[], tolerance: number, what = ''): void {
  assert.equal(found.length, wanted.length);
  const scale = Math.max(...wanted.map(Math.abs));
  found.forEach((value, i) => assert.ok(Math.abs(value - (wanted[i] ?? Number.NaN)) <= tolerance * scale, `${what} ${i}: ${value} is not ${wanted[i]}`));
}

describe('attribution to the tokens of a prompt', () => {
  for (const [name, location] of [['stories260k', stories], ['tiny-code', tinyCode]] as const) {
    describe(`of ${name}`, () => {
      let attributor: Attributor;
      before(async function () {
        if (!existsSync(location)) {
          console.log(`${location} is not beside the project`);
          this.skip();
        }
        attributor = await attributorOf(folderAt(location));
      });
      after(async () => attributor?.release());

      it('is what integrating the contrast by hand gives, without any gradient of the model', async () => {
        // Each token's part of dF/dα by central differences of F in that token's direction, at the nodes of a fine Simpson rule.
        const asked = request({ prompt: PROMPT.slice(0, 4), preferred: [270, 300], dispreferred: [301, 290, 262], baseline: 'mean', refine: { tolerance: 3e-4 } });
        const found = await attributor.attribute(asked);
        near(found.tokens, await byHand(folderAt(location), asked), 1e-4);
        assert.ok(found.completeness.relative < 1e-4, String(found.completeness.relative));
      });

      it('adds up to F(E) − F(E′) where points go where the contrast bends, for every baseline', async () => {
        for (const baseline of ['zero', 'pad', 'mean'] as const) {
          const { completeness, warning, tokens, spent } = await attributor.attribute(request({ baseline, refine: {} }));
          assert.ok(completeness.relative < 0.01, `${baseline}: ${completeness.relative} with ${spent.points} points`);
          assert.equal(warning, null);
          assert.equal(tokens[0], 0, 'a special token stays where it is');
        }
      });

      it('says by how much the numbers miss what they explain, and what to do', async () => {
        const { completeness, warning, tokens, value, baselineValue } = await attributor.attribute(request({ steps: 2 }));
        assert.ok(Math.abs(completeness.absolute - Math.abs(sum(tokens) - (value - baselineValue))) < 1e-12);
        assert.ok(completeness.relative > 0.05);
        assert.match(warning ?? '', /miss the change that they explain by [\d.e+]+ nats, [\d.]+ % of it\. Take more steps/);
      });

      it('is complete to rounding with IDGI', async () => {
        const { completeness } = await attributor.attribute(request({ method: 'idgi' }));
        assert.ok(completeness.absolute < 1e-12, String(completeness.absolute));
      });

      it('does not depend on the chunks, with two rows a point and padding between them', async () => {
        for (const method of ['ig', 'idgi', 'smoothgrad', 'gradxact'] as const) {
          const results: Attribution[] = [];
          for (const chunk of [1, 3, 22]) results.push(await attributor.attribute(request({ method, chunk, baseline: 'mean', preferred: [270, 300, 5], dispreferred: [301] })));
          for (const other of results.slice(1)) near(other.tokens, results[0]?.tokens ?? [], 1e-5, method);
        }
      });

      it('adds up to the same difference in every layer, and at the embeddings to what the tokens have', async () => {
        const layers = ['embed', 'layers.0.resid_post', 'layers.2.resid_post', 'layers.4.resid_post'];
        const found = await attributor.attribute(request({ baseline: 'mean', refine: { tolerance: 1e-3 }, layers, preferred: [270, 300], dispreferred: [301, 290] }));
        const change = found.value - found.baselineValue;
        assert.deepEqual([...found.layers.keys()], layers);
        for (const [layer, { tokens, response, completeness }] of found.layers) {
          assert.ok(Math.abs(sum(tokens) + response - change) < 0.01 * Math.abs(change), `${layer}: ${sum(tokens) + response} is not ${change}`);
          assert.ok(completeness.relative < 0.01);
        }
        near(found.layers.get('embed')?.tokens ?? [], found.tokens, 1e-4);
        assert.ok(Math.abs(found.layers.get('embed')?.response ?? 1) < 1e-12, 'the response does not move');
        assert.notEqual(found.layers.get('layers.2.resid_post')?.response, 0);
      });

      it('changes its sign with the responses, and counts means for sums where asked', async () => {
        const [one, other] = [request({ baseline: 'mean' }), request({ baseline: 'mean', preferred: [301], dispreferred: [270] })];
        const [forward, backward] = [await attributor.attribute(one), await attributor.attribute(other)];
        near(backward.tokens, forward.tokens.map((value) => -value), 1e-5);
        const twice = request({ preferred: [270, 300], dispreferred: null, baseline: 'mean' });
        const [total, mean] = [await attributor.attribute(twice), await attributor.attribute({ ...twice, over: 'mean' })];
        near(mean.tokens, total.tokens.map((value) => value / 2), 1e-5);
      });
    });
  }
});

const STEPS = 128;
const STEP = 1e-4;

/**
 * Of each token, ∫ dF/dα in that token's direction by Simpson's rule over central differences of the model's values, in a
 * float64 copy of its graph. Of the product only the graph of the target's values is in it.
 */
async function byHand({ file, io, sizes }: ModelFolder, { prompt, preferred, dispreferred, fixed = [] }: AttributionRequest): Promise<number[]> {
  const whole = wholeModel(file.path);
  const embed = siteNamed(sitesOf(whole), 'embed');
  const model = toFloat64(targetGraph(whole, { embed, kind: 'logProbabilities' }));
  const table = await embeddingTable(whole, sizes.vocabulary ?? 0);
  const mean = (table[0] ?? []).map((_, i) => table.reduce((total, row) => total + (row[i] ?? 0), 0) / table.length);
  const vector = (id: number): readonly number[] => table[id] ?? [];
  const along = (place: number, at: number): readonly number[] => vector(prompt[place] ?? 0).map((value, i) => (fixed.includes(place) ? value : (mean[i] ?? 0) + at * (value - (mean[i] ?? 0))));
  const session = await sharedHost().createSession(encodeGraph(model), { ...cpu, optimization: 'disabled' });
  const logProbabilities = async (response: readonly number[], points: readonly (readonly number[])[]): Promise<number[]> => {
    const ids = points.map(() => [...prompt, ...response.slice(0, -1)]);
    const data = Float64Array.from(points.flatMap((ats) => [...ats.flatMap((at, place) => along(place, at)), ...response.slice(0, -1).flatMap(vector)]));
    const outcomes = points.flatMap((_, row) => response.map((token, i) => ({ row, position: prompt.length - 1 + i, token })));
    const embeddings = { type: 'float64', dims: [points.length, ids[0]?.length ?? 0, mean.length], data } as const;
    const feeds = widened(inputsOf(model, { ...promptFeeds(io, ids), ...outcomeFeeds(outcomes), [EMBEDDINGS]: embeddings }));
    const values = (await session.run(feeds, { outputs: [targetValues.each] }))[targetValues.each]?.data as Float64Array;
    return points.map((_, row) => response.reduce((total, _token, i) => total + (values[row * response.length + i] ?? 0), 0));
  };
  const integrals: number[] = [];
  for (let place = 0; place < prompt.length; place++) {
    if (fixed.includes(place)) {
      integrals.push(0);
      continue;
    }
    const points = Array.from({ length: STEPS + 1 }, (_, i) => i / STEPS).flatMap((at) => [STEP, -STEP].map((shift) => prompt.map((_, other) => at + (other === place ? shift : 0))));
    const [plus, minus] = [await logProbabilities(preferred, points), await logProbabilities(dispreferred ?? [], points)];
    const contrast = plus.map((value, i) => value - (minus[i] ?? 0));
    const slopes = Array.from({ length: STEPS + 1 }, (_, i) => ((contrast[2 * i] ?? 0) - (contrast[2 * i + 1] ?? 0)) / (2 * STEP));
    integrals.push(slopes.reduce((total, slope, i) => total + slope * (i === 0 || i === STEPS ? 1 : i % 2 === 1 ? 4 : 2), 0) / (3 * STEPS));
  }
  await session.release();
  return integrals;
}

async function embeddingTable(graph: Graph, vocabulary: number): Promise<readonly (readonly number[])[]> {
  const embedding = embeddingGraph(graph, siteNamed(sitesOf(graph), 'embed'));
  const ids = { type: 'int64', dims: [1, vocabulary], data: BigInt64Array.from({ length: vocabulary }, (_, id) => BigInt(id)) } as const;
  const { data = [] } = Object.values(await execute(encodeGraph(embedding), { input_ids: ids }))[0] ?? {};
  const width = data.length / vocabulary;
  return Array.from({ length: vocabulary }, (_, id) => Array.from(data.slice(id * width, (id + 1) * width), Number));
}

const widened = (feeds: Readonly<Record<string, HostTensor>>): Record<string, HostTensor> => Object.fromEntries(Object.entries(feeds).map(([name, tensor]) =>
  [name, tensor.type === 'float32' ? { ...tensor, type: 'float64', data: Float64Array.from(tensor.data as Float32Array) } : tensor]));
