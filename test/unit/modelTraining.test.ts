// Training of the project's own models: packing, the schedule, checkpoints.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { special } from '../../scripts/train-models/bpe.ts';
import type { LlamaConfig } from '../../scripts/train-models/llama.ts';
import { initialWeights, weightShapes } from '../../scripts/train-models/llama.ts';
import { trainingGraph } from '../../scripts/train-models/llamaGraphs.ts';
import { packed } from '../../scripts/train-models/packing.ts';
import type { PackedBatch, RowShape, TokenisedDocument } from '../../scripts/train-models/packing.ts';
import type { Batch, TrainingTask } from '../../scripts/train-models/training.ts';
import { learningRate, train } from '../../scripts/train-models/training.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost } from '../support/host.ts';

const config: LlamaConfig = { vocabulary: 11, hidden: 8, layers: 1, heads: 2, keyValueHeads: 1, neurons: 8, ropeTheta: 10000, normEpsilon: 1e-5 };

function drawn(random: Random, count: number): TokenisedDocument[] {
  return Array.from({ length: count }, () => {
    const start = random.integer(3, 10);
    const ids = Array.from({ length: random.integer(2, 9) }, (_, i) => 3 + ((start + i) % 8));
    return { ids, weights: ids.map(() => Math.fround(random.integer(1, 4) / 3)) };
  });
}

const shape: RowShape = { rows: 3, length: 12 };
const batchAt = (index: number, rows = shape.rows): Batch => packed(drawn(new Random(index), 30)[Symbol.iterator](), { ...shape, rows });

/** The documents of a batch, read back from its tensors. */
function readBack({ feeds }: PackedBatch): TokenisedDocument[] {
  const [inputs, labels, numbers] = ['input_ids', 'labels', 'documents'].map((name) => [...(feeds[name]?.data as BigInt64Array)].map(Number)) as [number[], number[], number[]];
  const mask = feeds['mask']?.data as Float32Array;
  return [...new Set(numbers)].filter((number) => number > 0).sort((a, b) => a - b).map((number) => {
    const at = numbers.flatMap((other, i) => (other === number ? [i] : []));
    assert.deepEqual(at, at.map((_, i) => (at[0] ?? 0) + i), 'a document lies in one piece');
    assert.equal(inputs[at[0] ?? 0], special.bos);
    assert.equal(labels[at.at(-1) ?? 0], special.eos);
    assert.deepEqual(at.slice(1).map((i) => inputs[i]), at.slice(0, -1).map((i) => labels[i]));
    return { ids: at.slice(0, -1).map((i) => labels[i] ?? 0), weights: at.slice(0, -1).map((i) => mask[i] ?? 0) };
  });
}

describe('packing documents into rows', () => {
  it('keeps each whole, after a beginning of text and before an end, its labels with their weights', () => {
    const documents = drawn(new Random(1), 30);
    const batch = packed(documents[Symbol.iterator](), shape);
    const found = readBack(batch);
    assert.equal(found.length, batch.documents);
    assert.ok(found.length >= 5);
    assert.deepEqual(found.filter((one) => !documents.some((other) => JSON.stringify(other) === JSON.stringify(one))), []);
    assert.equal(batch.tokens, found.reduce((sum, { ids }) => sum + ids.length + 1, 0));
    const mask = batch.feeds['mask']?.data as Float32Array;
    assert.equal(mask.filter((weight) => weight > 0).length, batch.tokens);
  });

  it('leaves out a document that is longer than a row', () => {
    const long = { ids: new Array<number>(40).fill(4), weights: new Array<number>(40).fill(1) };
    const batch = packed([long, { ids: [5, 6], weights: [1, 2] }][Symbol.iterator](), shape);
    assert.deepEqual(readBack(batch), [{ ids: [5, 6], weights: [1, 2] }]);
  });
});

describe('the training of the project’s own models', () => {
  const folders: string[] = [];
  const task = (steps = 100): TrainingTask => {
    const folder = mkdtempSync(path.join(tmpdir(), 'training-'));
    folders.push(folder);
    const shapes = weightShapes(config);
    return {
      graph: trainingGraph(config), shapes, initial: initialWeights(shapes, new Random(2)), batchAt, samples: [batchAt(0, 2).feeds, batchAt(0, 3).feeds],
      schedule: { steps, warmup: 5, peak: 1e-2, floor: 0.1, weightDecay: 0.01, beta2: 0.99, clipNorm: 1 },
      host: sharedHost(), threads: 1, folder, checkpointSeconds: 0, recipe: 'test', log: () => undefined,
    };
  };
  after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

  it('raises the learning rate to its peak and lets it fall to its floor', () => {
    const { schedule } = task();
    assert.equal(learningRate(4, schedule), 1e-2);
    assert.ok(learningRate(0, schedule) < learningRate(3, schedule));
    assert.ok(Math.abs(learningRate(100, schedule) - 1e-3) < 1e-12);
    assert.ok(Math.abs(learningRate(52, schedule) - (1e-3 + 9e-3 / 2)) < 2e-4, 'half way, half way down');
  });

  it('learns', async () => {
    const { curve } = await train(task());
    const [first, last] = [curve[0]?.loss ?? 0, curve.at(-1)?.loss ?? 0];
    assert.deepEqual(curve.map(({ step }) => step), [50, 100]);
    assert.ok(last < first - 0.1, `${first} to ${last}`);
  });

  it('ends the same to the bit whether or not it was interrupted', async () => {
    const whole = await train(task());
    const cut = task();
    await assert.rejects(train({ ...cut, batchAt: (index) => {
      if (index >= 70) throw new Error('interrupted');
      return batchAt(index);
    } }), /interrupted/);
    const asked: number[] = [];
    const resumed = await train({ ...cut, batchAt: (index) => {
      asked.push(index);
      return batchAt(index);
    } });
    assert.equal(Math.min(...asked), 50, 'it goes on from the last checkpoint');
    assert.deepEqual(resumed.theta, whole.theta);
    assert.deepEqual(resumed.curve, whole.curve);
    assert.equal(resumed.tokens, whole.tokens);
  });

  it('does not go on from a checkpoint of another recipe', async () => {
    const first = task(50);
    await train(first);
    const asked: number[] = [];
    await train({ ...first, recipe: 'another', batchAt: (index) => {
      asked.push(index);
      return batchAt(index);
    } });
    assert.equal(Math.min(...asked), 0);
  });
});
