// Difference sets and the vectors that are made of them, against cases computed by hand; states against single runs.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readName, readSites } from '../../../src/lm/edits.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import type { ModelFolder } from '../../../src/lm/folder.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { CancellationSource, CancelledError } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';
import { differenceSet, meanNorms, pairStates, responseDifferences } from '../../../src/steering/differences.ts';
import { contrastiveDirections, globalDirections, grainsDirections, randomDirections, responseDirections } from '../../../src/steering/makeVector.ts';
import type { LayerRows } from '../../../src/steering/residualStates.ts';
import { residualSites, ResidualStates } from '../../../src/steering/residualStates.ts';
import type { TokenPair, TokenSequence } from '../../../src/steering/tokenPairs.ts';
import { sharedHost } from '../../support/host.ts';
import { filesOf, present, stories } from '../lm/models.ts';
import { openedFolder } from './steered.ts';

const session = { provider: 'cpu', threads: 1 } as const;

/** Two numbers a token; a state is their sum, in layer 1 doubled and turned. */
const meaning: Readonly<Record<number, readonly [number, number]>> = { 0: [0, 0], 1: [1, 0], 2: [0, 2], 3: [3, 1], 8: [5, 5], 9: [-1, 4] };
const summing = {
  lastTokens: (sequences: readonly TokenSequence[]): Promise<LayerRows> => {
    const sums = sequences.map(({ ids }) => ids.reduce<readonly [number, number]>(([a, b], id) => [a + (meaning[id]?.[0] ?? 0), b + (meaning[id]?.[1] ?? 0)], [0, 0]));
    const rows = (of: (sum: readonly [number, number]) => readonly number[]) => ({ width: 2, data: Float32Array.from(sums.flatMap((sum) => of(sum))) });
    return Promise.resolve([rows((sum) => sum), rows(([a, b]) => [2 * b, -2 * a])]);
  },
};

const pairOf = (ids: readonly number[], maskable = ids.map((_, i) => i)): TokenPair => ({ prompt: { ids, embeddings: [] }, preferred: [8], dispreferred: [9], maskable });
const pairs = [pairOf([3, 1, 2]), pairOf([3, 2, 2, 1], [1, 2, 3])];
/** Of the second pair the first token may not be hidden. */
const sets = [{ positive: [1], negative: [2] }, { positive: [0, 3], negative: [1] }];

describe('difference sets', () => {
  it('are what hiding tokens takes away after each response', async () => {
    const { whole, masked } = await pairStates(summing, pairs, sets, ['positive', 'negative'], 0);
    const [first, second] = differenceSet(whole, masked.positive);
    assert.deepEqual(first, { width: 2, data: Float32Array.of(1, 0, 1, 0, 1, 0, 1, 0) });
    assert.deepEqual(second, { width: 2, data: Float32Array.of(0, -2, 0, -2, 0, -2, 0, -2) });
    assert.deepEqual(differenceSet(whole, masked.negative)[0]?.data, Float32Array.of(0, 2, 0, 2, 0, 2, 0, 2));
    assert.deepEqual(responseDifferences(whole)[0]?.data, Float32Array.of(6, 1, 6, 1));
    // [4 + 5, 3 + 5], [4 − 1, 3 + 4], [4 + 5, 5 + 5], [4 − 1, 5 + 4]
    const expected = ([[9, 8], [9, 10], [3, 7], [3, 9]] as const).reduce((sum, [a, b]) => sum + Math.hypot(a, b) / 4, 0);
    const [one = 0, two = 0] = meanNorms(whole);
    assert.ok(Math.abs(one - expected) < 1e-9 && Math.abs(two - 2 * expected) < 1e-6);
  });

  const near = (found: ArrayLike<number> | undefined, expected: readonly number[]): void => expected.forEach((value, i) => assert.ok(Math.abs(value - (found?.[i] ?? Number.NaN)) < 1e-6, `${String(found)} is not ${String(expected)}`));

  it('give v⁺ − v⁻, v⁺ or −v⁻ of each layer, as unit vectors with the layer’s mean norm', async () => {
    const states = await pairStates(summing, pairs, sets, ['positive', 'negative'], 0);
    const both = grainsDirections(states, 'both', 'mean').layers;
    near(both[0]?.direction, [Math.SQRT1_2, -Math.SQRT1_2]);
    near(both[1]?.direction, [-Math.SQRT1_2, -Math.SQRT1_2]);
    near(grainsDirections(states, 'positive', 'uncentred').layers[1]?.direction, [0, -1]);
    near(grainsDirections(states, 'negative', 'uncentred').layers[0]?.direction, [0, -1]);
    near([both[0]?.norm ?? 0, both[1]?.norm ?? 0], meanNorms(states.whole).map(Math.fround));
    // All differences are the same, so that centred they show nothing.
    assert.deepEqual(grainsDirections(states, 'both', 'pca'), { layers: [], without: [0, 1] });
  });

  it('give the controls’ directions', async () => {
    const states = await pairStates(summing, pairs, sets, ['positive', 'negative'], 0);
    near(contrastiveDirections(states.whole).layers[0]?.direction, [6 / Math.sqrt(37), 1 / Math.sqrt(37)]);
    near(responseDirections(states.whole, 'uncentred').layers[1]?.direction, [1 / Math.sqrt(37), -6 / Math.sqrt(37)]);
    const shared = globalDirections(states, 'positive', 'mean', [0, 1]).layers;
    near(shared[0]?.direction, [...(shared[1]?.direction ?? [])]);
    near(shared[0]?.direction, [Math.SQRT1_2, -Math.SQRT1_2]);
    assert.deepEqual(globalDirections(states, 'positive', 'mean', [1]).layers.map(({ layer }) => layer), [1]);
    const [a, b] = [1, 1].map((seed) => randomDirections(states.whole, new Random(seed)));
    assert.deepEqual(a, b);
    assert.ok(a?.layers.every(({ direction }) => Math.abs(Math.hypot(...direction) - 1) < 1e-6));
    assert.notDeepEqual(a, randomDirections(states.whole, new Random(2)));
  });
});

/** Each sequence alone, as a reader that knows no batches has it. */
async function alone(folder: ModelFolder, sequences: readonly TokenSequence[]): Promise<readonly (readonly number[])[]> {
  const found = residualSites(folder);
  assert.ok(found.ok);
  const opened = await openDecoder(sharedHost(), { ...folderDecoder(folder, readSites(folder.file.graph, found.sites)), options: session });
  assert.ok(opened.ok);
  const states: (readonly number[])[] = [];
  for (const { ids, embeddings } of sequences) {
    const { reads } = await opened.decoder.run({ ids: [ids], past: 0, positions: [-1], reads: found.sites.map(readName), embeddings });
    states.push(found.sites.flatMap((site) => [...(reads[readName(site)]?.data ?? [])]));
  }
  await opened.decoder.release();
  return states;
}

async function assertStates(folder: ModelFolder, sequences: readonly TokenSequence[], memory?: number): Promise<number> {
  const opened = await ResidualStates.open(sharedHost(), folder, session);
  assert.ok(opened.ok);
  let batches = 0;
  const rows = await opened.states.lastTokens(sequences, { ...(memory === undefined ? {} : { memory }), onProgress: () => batches++ });
  const expected = await alone(folder, sequences);
  const { width } = opened.states;
  expected.forEach((own, i) => own.forEach((value, k) => {
    const found = rows[Math.floor(k / width)]?.data[i * width + (k % width)] ?? Number.NaN;
    assert.ok(Math.abs(found - value) < 1e-3 + 1e-5 * Math.abs(value), `sequence ${i}, number ${k}: ${found}, not ${value}`);
  }));
  await opened.states.release();
  return batches;
}

const drawn = (lengths: readonly number[], vocabulary: number): readonly TokenSequence[] => {
  const random = new Random(3);
  return lengths.map((length) => ({ ids: Array.from({ length }, () => random.integer(5, vocabulary - 1)), embeddings: [] }));
};

describe('states of the residual stream', () => {
  const { folder } = openedFolder('tiny-code');

  it('are those of single runs, whatever the lengths and however many go together', async () => {
    const sequences = drawn([3, 17, 1, 9, 9, 30], 1500);
    assert.equal(await assertStates(folder, sequences), 1);
    // One longest sequence at a time.
    assert.equal(await assertStates(folder, sequences, 1), 6);
  });

  it('are right for graphs that allow no padding on the left', async function () {
    if (!present) this.skip();
    const { folder: fused } = filesOf(`${stories}/onnx/model_fused_rotemb.onnx`);
    assert.equal(await assertStates(fused, drawn([3, 17, 3, 9], 500)), 3);
  });

  it('are right with images in the prompt, hidden ones too', async () => {
    const vision = openedFolder('tiny-vision');
    const random = new Random(4);
    const rows = Float32Array.from({ length: 96 * 4 }, () => random.normal());
    const image = vision.folder.tokens.image ?? -1;
    const sequences = [{ ids: [1, image, image, image, image, 40, 41], embeddings: [{ at: 1, rows, width: 96 }] }, { ids: [1, image, 0, image, image, 40], embeddings: [{ at: 1, rows: rows.subarray(0, 96), width: 96 }, { at: 3, rows: rows.subarray(192), width: 96 }] }];
    await assertStates(vision.folder, sequences);
  });

  it('stop between batches when cancelled', async () => {
    const opened = await ResidualStates.open(sharedHost(), folder, session);
    assert.ok(opened.ok);
    const source = new CancellationSource();
    await assert.rejects(opened.states.lastTokens(drawn([5, 6, 7], 1500), { token: source.token, memory: 1, onProgress: () => source.cancel() }), CancelledError);
    await opened.states.release();
  });
});
