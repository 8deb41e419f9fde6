// Steering against float64 by hand, its masks, and scores under many settings against plain ones.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { readName, readSites } from '../../../src/lm/edits.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { generate } from '../../../src/lm/generate.ts';
import { integers } from '../../../src/lm/interface.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../../src/lm/score.ts';
import type { ScoreItem } from '../../../src/lm/score.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { PreparedItems } from '../../../src/steering/steeredScores.ts';
import type { AppliedVector } from '../../../src/steering/steering.ts';
import { SteeredModel } from '../../../src/steering/steering.ts';
import type { LayerDirection } from '../../../src/steering/steeringVector.ts';
import { runEdit, siteNamed, sitesOf, smallDecoder } from '../../support/decoders.ts';
import { sharedHost, startHost } from '../../support/host.ts';
import { filesOf, present, stories } from '../lm/models.ts';
import { modelPath, openedFolder } from './steered.ts';

const session = { provider: 'cpu', threads: 1 } as const;
const WIDTH = 6;
const IDS = [1, 5, 3, 7, 2];

async function steered(folder: ModelFolder, host: ModelHost = sharedHost()): Promise<SteeredModel> {
  const opened = await SteeredModel.open(host, folder, { session });
  assert.ok(opened.ok, opened.ok ? '' : opened.message);
  return opened.steered;
}

function drawn(layer: number, width: number, norm: number, random: Random): LayerDirection {
  const values = Array.from({ length: width }, () => random.normal());
  const length = Math.hypot(...values);
  return { layer, norm, direction: Float32Array.from(values, (value) => value / length) };
}

/** Logits [positions, vocabulary] of all positions. */
async function logitsOf(model: SteeredModel, ids: readonly number[], applied: readonly AppliedVector[], over: { readonly positions?: 'all' | 'continuation'; readonly weight?: (position: number) => number; readonly promptLength?: number } = {}): Promise<Float32Array> {
  const { feeds } = model.source({ applied, promptLength: ids.length, ...over });
  const { logits } = await model.decoder.run({ ids: [ids], past: 0, positions: [0], ...(feeds ? { feeds: feeds({ start: 0, count: ids.length }) } : {}) });
  return logits.data;
}

describe('steering of a small decoder', () => {
  const graph = smallDecoder({ form: 'llama', layers: 2 });
  let location = '';
  let model: SteeredModel;

  before(async () => {
    location = mkdtempSync(path.join(tmpdir(), 'steering-'));
    mkdirSync(path.join(location, 'onnx'));
    for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json']) cpSync(path.join(modelPath('tiny-code'), file), path.join(location, file));
    writeFileSync(path.join(location, 'onnx', 'model.onnx'), encodeGraph(graph));
    const opened = openModelFolder(location);
    assert.ok(opened.ok);
    model = await steered(opened.folder);
  });
  after(async () => {
    await model.release();
    rmSync(location, { recursive: true, force: true });
  });

  /** Float64: α · norm · v added, each token rescaled to its own norm, then the last norm and the head. */
  async function byHand(ids: readonly number[], applied: readonly { readonly of: LayerDirection; readonly strength: number }[], weight: (position: number) => number): Promise<number[]> {
    const site = siteNamed(sitesOf(graph), 'layers.1.resid_post');
    const read = await runEdit(readSites(graph, [site]), { dataFolder: '/', dataBytes: 0 }, { input_ids: integers('int64', [1, ids.length], ids) });
    const states = read[readName(site)]?.data as Float32Array;
    const weights = [...graph.initializers.values()].flatMap((one) => ('data' in one && one.data instanceof Float32Array ? [{ dims: one.dims, data: one.data }] : []));
    const head = weights.filter(({ dims }) => String(dims) === `${WIDTH},11`).at(-1)?.data ?? new Float32Array();
    const scale = weights.filter(({ dims }) => String(dims) === String(WIDTH)).at(-1)?.data ?? new Float32Array();
    return ids.flatMap((_, position) => {
      const h = [...states.subarray(position * WIDTH, (position + 1) * WIDTH)];
      const moved = h.map((value, i) => value + applied.reduce((sum, { of, strength }) => sum + weight(position) * strength * of.norm * (of.direction[i] ?? 0), 0));
      const kept = moved.map((value) => (value * Math.hypot(...h)) / Math.hypot(...moved));
      const root = Math.sqrt(kept.reduce((sum, value) => sum + value * value, 0) / WIDTH + 1e-5);
      return Array.from({ length: 11 }, (_one, token) => kept.reduce((sum, value, i) => sum + (value / root) * (scale[i] ?? 0) * (head[i * 11 + token] ?? 0), 0));
    });
  }

  const assertNear = (found: ArrayLike<number>, expected: readonly number[]): void => {
    assert.equal(found.length, expected.length);
    expected.forEach((value, i) => assert.ok(Math.abs(value - (found[i] ?? Number.NaN)) < 2e-5, `logit ${i} is ${found[i] ?? Number.NaN}, not ${value}`));
  };

  it('is α times the mean norm along the direction, with each token’s norm kept', async () => {
    const of = drawn(1, WIDTH, 2.5, new Random(3));
    assertNear(await logitsOf(model, IDS, [{ vector: { layers: [of] }, strength: 1.5 }], { positions: 'all' }), await byHand(IDS, [{ of, strength: 1.5 }], () => 1));
  });

  it('adds up over several vectors, each with its own strength', async () => {
    const [a, b] = [drawn(1, WIDTH, 2, new Random(4)), drawn(1, WIDTH, 1, new Random(5))];
    const applied = [{ vector: { layers: [a] }, strength: -0.5 }, { vector: { layers: [b] }, strength: 2 }];
    assertNear(await logitsOf(model, IDS, applied, { positions: 'all' }), await byHand(IDS, [{ of: a, strength: -0.5 }, { of: b, strength: 2 }], () => 1));
  });

  it('acts from the prompt’s last token on, or by weights of its own', async () => {
    const of = drawn(1, WIDTH, 2, new Random(6));
    const applied = [{ vector: { layers: [of] }, strength: 1 }];
    assertNear(await logitsOf(model, IDS, applied, { promptLength: 4 }), await byHand(IDS, [{ of, strength: 1 }], (position) => (position >= 3 ? 1 : 0)));
    const half = (position: number): number => (position === 1 ? 0.5 : position === 4 ? 2 : 0);
    assertNear(await logitsOf(model, IDS, applied, { positions: 'all', weight: half }), await byHand(IDS, [{ of, strength: 1 }], half));
  });

  it('is felt only at the layers that are chosen', async () => {
    const layers = [drawn(0, WIDTH, 2, new Random(7)), drawn(1, WIDTH, 2, new Random(8))];
    const [first, second] = layers;
    assert.ok(first && second);
    const chosen = await logitsOf(model, IDS, [{ vector: { layers }, strength: 1, layers: [1] }], { positions: 'all' });
    assert.deepEqual(chosen, await logitsOf(model, IDS, [{ vector: { layers: [second] }, strength: 1 }], { positions: 'all' }));
    assert.notDeepEqual(chosen, await logitsOf(model, IDS, [{ vector: { layers }, strength: 1 }], { positions: 'all' }));
  });

  it('refuses a vector of another width', () => {
    assert.throws(() => model.amounts([{ vector: { layers: [drawn(1, 8, 1, new Random(1))] }, strength: 1 }]), RangeError);
  });

  it('scores as one pass does where the model keeps nothing', async () => {
    const of = drawn(0, WIDTH, 2, new Random(9));
    const applied = [{ vector: { layers: [of] }, strength: 0.7 }];
    const prepared = new PreparedItems(model, [{ prompt: [1, 5, 3], continuation: [7, 2] }]);
    const [score] = await prepared.score(model.amounts(applied));
    const logits = await logitsOf(model, [1, 5, 3, 7], applied, { promptLength: 3 });
    const logProbability = (row: number, id: number): number => {
      const own = [...logits.subarray(row * 11, (row + 1) * 11)];
      return (own[id] ?? 0) - Math.log(own.reduce((sum, value) => sum + Math.exp(value), 0));
    };
    assertNear(score?.perToken ?? [], [logProbability(2, 7), logProbability(3, 2)]);
  });
});

/** Items of several lengths, one with a prompt of one token and one with nothing to score. */
const items = (vocabulary: number, random: Random): readonly ScoreItem[] => [[12, 1], [7, 3], [12, 2], [1, 2], [30, 1], [9, 0]].map(([prompt = 1, continuation = 0]) => ({
  prompt: [1, ...Array.from({ length: prompt - 1 }, () => random.integer(5, vocabulary - 1))],
  continuation: Array.from({ length: continuation }, () => random.integer(5, vocabulary - 1)),
}));

async function assertScores(folder: ModelFolder, model: SteeredModel, given: readonly ScoreItem[], applied: readonly AppliedVector[]): Promise<void> {
  const prepared = new PreparedItems(model, given);
  const found = await prepared.score(model.amounts(applied));
  for (const [i, { prompt, continuation }] of given.entries()) {
    const { feeds } = model.source({ applied, promptLength: prompt.length });
    const ids = [...prompt, ...continuation];
    const { logits: { data, dims } } = await model.decoder.run({ ids: [ids], past: 0, positions: [0], ...(feeds ? { feeds: feeds({ start: 0, count: ids.length }) } : {}) });
    const vocabulary = dims.at(-1) ?? 1;
    const expected = continuation.map((id, k) => {
      const row = [...data.subarray((prompt.length - 1 + k) * vocabulary, (prompt.length + k) * vocabulary)];
      return (row[id] ?? 0) - Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    });
    assert.equal(found[i]?.perToken.length, expected.length);
    expected.forEach((value, k) => assert.ok(Math.abs(value - (found[i]?.perToken[k] ?? Number.NaN)) < 1e-4, `${folder.name}, item ${i}, token ${k}: ${found[i]?.perToken[k] ?? Number.NaN}, not ${value}`));
  }
  await prepared.release();
}

describe('scores under many settings', () => {
  const { folder } = openedFolder('tiny-code');

  it('are those of whole passes, whatever the lengths', async () => {
    const model = await steered(folder);
    const random = new Random(11);
    const applied = [{ vector: { layers: [drawn(1, 128, 8, random), drawn(3, 128, 15, random)] }, strength: 0.8 }];
    await assertScores(folder, model, items(1500, random), applied);
    await model.release();
  });

  it('hold for graphs that allow no padding on the left', async function () {
    if (!present) this.skip();
    const fused = filesOf(`${stories}/onnx/model_fused_rotemb.onnx`).folder;
    const model = await steered(fused);
    const random = new Random(12);
    await assertScores(fused, model, items(512, random), [{ vector: { layers: [drawn(2, 64, 4, random)] }, strength: 1 }]);
    await model.release();
  });

  it('are the unsteered model’s at strength 0, setting after setting', async () => {
    const model = await steered(folder);
    const given = items(1500, new Random(13)).filter(({ continuation }) => continuation.length > 0);
    const opened = await openDecoder(sharedHost(), { ...folderDecoder(folder), options: session });
    assert.ok(opened.ok);
    const expected = await scoreContinuations(opened.decoder, given);
    const prepared = new PreparedItems(model, given);
    await prepared.score(model.amounts([{ vector: { layers: [drawn(2, 128, 9, new Random(1))] }, strength: 2 }]));
    const found = await prepared.score(model.amounts([]));
    expected.forEach(({ logProbability }, i) => assert.ok(Math.abs(logProbability - (found[i]?.logProbability ?? Number.NaN)) < 1e-4));
    await prepared.release();
    await opened.decoder.release();
    await model.release();
  });

  it('outlive the death of the model host', async () => {
    const host = startHost();
    try {
      const model = await steered(folder, host);
      const prepared = new PreparedItems(model, items(1500, new Random(14)));
      const first = await prepared.score(model.amounts([]));
      host.interrupt();
      assert.deepEqual(await prepared.score(model.amounts([])), first);
    } finally {
      host.dispose();
    }
  });
});

describe('steered generation', () => {
  it('is the unsteered model’s at strength 0 and another one’s at a strength that is felt', async () => {
    const { folder, tokenizer } = openedFolder('tiny-code');
    const model = await steered(folder);
    const opened = await openDecoder(sharedHost(), { ...folderDecoder(folder), options: session });
    assert.ok(opened.ok);
    const prompt = tokenizer.encode('Context: In Brisstad the lemon is green and the coin is red.\nQuestion: What colour is the lemon?\nAnswer:').ids;
    const options = { sampling: greedy, maxTokens: 24, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: [], cache: true };
    const written = async (strength: number): Promise<readonly number[]> => {
      const vector = { layers: [drawn(2, 128, 12, new Random(2)), drawn(4, 128, 20, new Random(3))] };
      const { tokens } = await generate(model.source({ applied: [{ vector, strength }], promptLength: prompt.length }), tokenizer, prompt, options, new Random(1));
      return tokens.map(({ id }) => id);
    };
    const plain = await generate({ decoder: opened.decoder }, tokenizer, prompt, options, new Random(1));
    assert.deepEqual(await written(0), plain.tokens.map(({ id }) => id));
    assert.notDeepEqual(await written(3), plain.tokens.map(({ id }) => id));
    await opened.decoder.release();
    await model.release();
  });
});
