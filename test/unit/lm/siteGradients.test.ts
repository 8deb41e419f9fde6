// Gradients by the sites of exported models, fused operators and old operator sets included, against differences in float64.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { writeInputs, writeSite } from '../../../src/lm/edits.ts';
import { integers, promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import { differentiateBySites, siteGradientName } from '../../../src/lm/siteGradients.ts';
import type { Site } from '../../../src/lm/sites.ts';
import { findSites } from '../../../src/lm/sites.ts';
import type { TargetKind } from '../../../src/lm/target.ts';
import { targetInputs, targetValues, withTarget } from '../../../src/lm/target.ts';
import { decodeModel } from '../../../src/onnx/decode.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import { withoutFused } from '../../../src/onnx/expand.ts';
import { toFloat64 } from '../../../src/onnx/float64.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import { measureShapes } from '../../../src/onnx/shapes.ts';
import { upgradeOpset } from '../../../src/onnx/upgrade.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import type { Feeds } from '../../support/decoders.ts';
import { executeBeside, openedFile, runEdit, sitesOf, siteNamed, smallDecoder } from '../../support/decoders.ts';
import { execute, sharedHost } from '../../support/host.ts';
import { gpt2, present, stories } from './models.ts';

const sitesFor = (last: number): readonly string[] => ['embed', 'layers.0.attn_out', 'layers.2.resid_mid', `layers.${last - 1}.mlp_act`, `layers.${last - 1}.mlp_out`, `layers.${last}.resid_post`, 'final_norm'];
const own = fileURLToPath(new URL('../../../models/', import.meta.url));
const IDS = [[1, 403, 407, 261, 378], [1, 5, 9, 200, 6]];
const none = { dataFolder: '/', dataBytes: 0 };

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

/** Tokens, or where the model takes those, embeddings drawn for them. */
function feedsOf(graph: Graph, ids: readonly (readonly number[])[], { positions, outcomes, weights }: { positions: readonly number[]; outcomes: readonly number[]; weights: readonly number[] }): Feeds {
  const read = readInterface(graph);
  assert.ok(read.ok);
  const [random, { embeds }] = [new Random(2), read.io];
  const dims = [ids.length, ids[0]?.length ?? 0, Number(embeds?.dims.at(-1) ?? 0)];
  const given = embeds ? { [embeds.name]: float32(dims, Array.from({ length: dims.reduce((size, dim) => size * dim, 1) }, () => random.normal())) } : {};
  return {
    ...promptFeeds(read.io, ids),
    ...given,
    [targetInputs.positions]: integers('int64', [positions.length / 2, 2], positions),
    [targetInputs.outcomes]: integers('int64', [outcomes.length / 2, 2], outcomes),
    [targetInputs.weights]: float32([weights.length], weights),
  };
}

/** One position with two outcomes, and two positions with one. */
const point = { positions: [0, 2, 1, 4, 1, 0], outcomes: [0, 270, 0, 300, 1, 17, 2, 45], weights: [1, -0.5, 0.25, 2] };
const question = { loss: targetValues.logits, cotangent: targetValues.cotangent };
const measured = (graph: Graph) => [
  feedsOf(graph, [[1, 2, 3]], { positions: [0, 1], outcomes: [0, 5], weights: [1] }),
  feedsOf(graph, IDS, { positions: [0, 2, 1, 4], outcomes: [0, 270, 1, 5, 1, 6], weights: [1, 1, 1] }),
] as const;

const widened = (feeds: Feeds): Feeds => Object.fromEntries(Object.entries(feeds).map(([name, tensor]) =>
  [name, tensor.type === 'float32' ? { ...tensor, type: 'float64', data: Float64Array.from(tensor.data as Float32Array) } : tensor]));

/** Sizes of what a write takes: one vector a token, the mask being the identity. */
function steering(site: Site, direction: readonly number[], epsilon: number, batch: number): Feeds {
  const { strength, vectors, mask } = writeInputs(site);
  const width = Number(site.shape.at(-1));
  const count = direction.length / width;
  return {
    [strength]: float32([count], new Array<number>(count).fill(epsilon)),
    [vectors]: float32([count, width], direction),
    [mask]: float32([batch, count / batch, count], Array.from({ length: count * count }, (_, i) => (i % (count + 1) === 0 ? 1 : 0))),
  };
}

/** The graph with the site open to a write, without fused operators, in float64. */
async function inFloat64(graph: Graph, site: Site, kind: TargetKind): Promise<Graph> {
  const open = withTarget(writeSite(graph, site), kind);
  const wide = Number(site.shape.at(-1));
  const feeds = measured(graph).map((each, i) => ({ ...each, ...steering(site, new Array<number>((i === 0 ? 3 : 10) * wide).fill(0), 0, i + 1) }));
  const [first, second] = feeds;
  assert.ok(first && second);
  return toFloat64(withoutFused(open, await measureShapes(open, [first, second], execute)));
}

/** Asserts f(h + εd) − f(h − εd) over 2ε along random directions, to 1e-5 of the slope along the gradient. */
async function agreesWithDifferences(wide: Graph, site: Site, feeds: Feeds, gradient: Float32Array): Promise<void> {
  const random = new Random(12);
  const session = await sharedHost().createSession(encodeGraph(wide), { provider: 'cpu', optimization: 'disabled' });
  const at = async (direction: readonly number[], epsilon: number): Promise<number> => {
    const results = await session.run({ ...widened(feeds), ...widened(steering(site, direction, epsilon, IDS.length)) }, { outputs: [targetValues.sum] });
    return Number(results[targetValues.sum]?.data[0]);
  };
  const length = norm(gradient);
  assert.ok(length > 0, `${site.name}: the gradient is not zero`);
  // Along the gradient itself the slope is its norm; random directions turn what the first one cannot see.
  const directions = [Array.from(gradient, (value) => Math.fround(value / length)), ...[0, 1, 2].map(() => Array.from(gradient, () => Math.fround(random.normal() / Math.sqrt(gradient.length))))];
  for (const direction of directions) {
    const expected = ((await at(direction, 1e-4)) - (await at(direction, -1e-4))) / 2e-4;
    const found = direction.reduce((dot, value, i) => dot + value * (gradient[i] ?? Number.NaN), 0);
    assert.ok(Math.abs(found - expected) < 1e-5 * length, `${site.name}: ${found}, by differences ${expected}, of a gradient of norm ${length}`);
  }
  await session.release();
}

describe('gradients by sites', () => {
  for (const [name, folder, file, last] of [
    ['stories260k', stories, 'model.onnx', 4], ['stories260k', stories, 'model_fused_rotemb.onnx', 4], ['tiny-random-gpt2-fused', gpt2, 'model.onnx', 4],
    ['tiny-code', `${own}tiny-code`, 'model.onnx', 4], ['tiny-vision', `${own}tiny-vision`, 'decoder_model_merged.onnx', 2],
  ] as const) {
    for (const kind of ['logProbabilities', 'logits'] as const) {
      it(`of ${kind} agree with differences in float64 at every kind of site: ${name}, ${file}`, async function () {
        if (!present && !folder.startsWith(own)) this.skip();
        const path = `${folder}/onnx/${file}`;
        const opened = openedFile(path);
        const sites = sitesFor(last).map((site) => siteNamed(sitesOf(opened.graph), site));
        const graph = withTarget(opened.graph, kind);
        const differentiated = await differentiateBySites(graph, { ...question, sites, feeds: measured(opened.graph), execute: executeBeside(opened) });
        const feeds = feedsOf(opened.graph, IDS, point);
        const gradients = await runEdit(differentiated, opened, feeds);
        const decoded = decodeModel(readFileSync(path), path);
        assert.ok(decoded.ok);
        const checked = kind === 'logits' ? sites.filter((site) => site.kind === 'embed' || site.kind === 'resid_post') : sites;
        for (const site of checked) {
          const gradient = gradients[siteGradientName(site)];
          assert.deepEqual(gradient?.dims, [2, 5, Number(site.shape.at(-1))]);
          await agreesWithDifferences(await inFloat64(decoded.graph, site, kind), site, feeds, gradient?.data as Float32Array);
        }
      }).timeout(180_000);
    }
  }

  it('leave the values of the target as they follow from the model\'s own logits', async function () {
    if (!present) this.skip();
    for (const path of [`${stories}/onnx/model_fused_rotemb.onnx`, `${gpt2}/onnx/model.onnx`]) {
      const opened = openedFile(path);
      const feeds = feedsOf(opened.graph, IDS, point);
      const results = await runEdit(withTarget(opened.graph, 'logProbabilities'), opened, feeds);
      const logits = results['logits'];
      const vocabulary = logits?.dims[2] ?? 0;
      const expected = [[0, 2, 270], [0, 2, 300], [1, 4, 17], [1, 0, 45]].map(([row = 0, position = 0, token = 0]) => {
        const all = Array.from(logits?.data as Float32Array).slice((row * 5 + position) * vocabulary, (row * 5 + position + 1) * vocabulary);
        const most = Math.max(...all);
        return (all[token] ?? Number.NaN) - most - Math.log(all.reduce((sum, value) => sum + Math.exp(value - most), 0));
      });
      const found = Array.from(results[targetValues.each]?.data as Float32Array);
      found.forEach((value, i) => assert.ok(Math.abs(value - (expected[i] ?? Number.NaN)) < 1e-5, `${found.join()} and not ${expected.join()}`));
      const sum = point.weights.reduce((total, weight, i) => total + weight * (expected[i] ?? Number.NaN), 0);
      assert.ok(Math.abs(Number(results[targetValues.sum]?.data[0]) - sum) < 1e-4);
    }
  });

  for (const form of ['llama', 'gemma', 'gpt2', 'parallel'] as const) {
    it(`compute the head at the chosen positions alone, also behind a soft cap: the form ${form}`, async () => {
      const graph = smallDecoder({ form, layers: 2 });
      const target = withTarget(graph, 'logits');
      const chosen = { positions: [1, 2, 0, 1], outcomes: [0, 3, 1, 7], weights: [1, -1] };
      const run = await runEdit({ ...target, outputs: [...target.outputs, { name: targetValues.logits, type: 'float32', dims: ['p', 'v'] }] }, none, feedsOf(graph, [[1, 2, 3], [4, 5, 6]], chosen));
      const [all, few] = [run['logits']?.data, run[targetValues.logits]?.data] as [Float32Array, Float32Array];
      assert.deepEqual(run[targetValues.logits]?.dims, [2, 11]);
      [5, 1].forEach((row, i) => few.subarray(i * 11, (i + 1) * 11).forEach((value, v) => assert.ok(Math.abs(value - (all[row * 11 + v] ?? Number.NaN)) < 1e-6)));
      const picks = target.nodes.filter(({ op, inputs }) => op === 'GatherND' && inputs[1] === targetInputs.positions);
      assert.ok(picks.every(({ inputs }) => inputs[0] !== 'logits'), 'no full logits are read');
    });
  }

  it('pick from the logits where positions are mixed after the head', async () => {
    const graph = smallDecoder({ form: 'llama', layers: 1 });
    const mixed: Graph = { ...graph, nodes: graph.nodes.flatMap((node) => (node.outputs[0] === 'logits'
      ? [{ ...node, outputs: ['raw'] }, { op: 'CumSum', domain: '', inputs: ['raw', 'axis'], outputs: ['logits'], attributes: {} }]
      : [node])), initializers: new Map([...graph.initializers, ['axis', { type: 'int64', dims: [], data: BigInt64Array.of(1n) }]]) };
    const feeds = feedsOf(mixed, [[1, 2, 3]], { positions: [0, 2], outcomes: [0, 4], weights: [1] });
    const results = await runEdit(withTarget(mixed, 'logits'), none, feeds);
    assert.ok(Math.abs(Number(results[targetValues.sum]?.data[0]) - Number(results['logits']?.data[2 * 11 + 4])) < 1e-6);
    const sites = findSites(upgradeOpset(mixed));
    assert.ok(sites.ok);
  });
});
