// What the playground is told of two answers: the unsteered one is the plain model's, and the drift is that of each layer.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { modelPath, openedFolder } from './steered.ts';
import { ModelTurns } from '../../../src/lm/modelTurns.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { writeVectorFile } from '../../../src/steering/vectorFile.ts';
import { steeringHandlers } from '../../../src/steering/workerHandlers.ts';
import { builtHost } from '../../support/host.ts';

describe('two answers of the playground', () => {
  let turns: ModelTurns;
  let folder = '';
  before(() => {
    turns = new ModelTurns(builtHost());
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-comparison-'));
  });
  after(() => {
    turns.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const request = { model: { path: modelPath('tiny-code'), variant: null }, provider: { kind: 'asked', provider: 'cpu' }, memoryBudgetBytes: null, text: 'Write a program that adds the numbers of a list.', asMessage: true, sampling: greedy, maxTokens: 24, seed: 1 } as const;
  const compare = async (strength: number) => {
    const result = await steeringHandlers(turns).compare({ ...request, steering: [{ file: path.join(folder, 'vector.gguf'), strength, from: 2, to: 3 }] }, { token: neverCancelled, tell: () => undefined });
    return result.ok ? result : assert.fail(result.message);
  };

  it('come with the drift of each layer: none before the steered ones, some after', async () => {
    const { sizes } = openedFolder('tiny-code').folder;
    const [hidden, layers] = [sizes.hidden ?? 0, sizes.layers ?? 0];
    const random = new Random(3);
    const directions = [0, 2, 3].map((layer) => {
      const values = Array.from({ length: hidden }, () => random.normal());
      return { layer, norm: 8, direction: Float32Array.from(values, (value) => value / Math.hypot(...values)) };
    });
    writeVectorFile(path.join(folder, 'vector.gguf'), {
      layers: directions,
      provenance: { method: 'random', settings: {}, data: { name: 'none', items: 1, hash: '0' }, model: { name: 'tiny-code', family: 'llama', variant: 'default', layers, hidden, fingerprint: '0' }, tokens: 'none', strength: 'none', seed: 3 },
    });
    const plain = await steeringHandlers(turns).compare({ ...request, steering: [] }, { token: neverCancelled, tell: () => undefined });
    assert.ok(plain.ok);
    const steered = await compare(1.2);
    assert.equal(steered.unsteered, plain.unsteered);
    assert.ok(steered.isSteered && steered.divergence.length > 0 && steered.divergence.some((nats) => nats > 0));
    assert.deepEqual(steered.drift.map(({ layer }) => layer), Array.from({ length: layers }, (_, layer) => layer));
    const at = (layer: number): number => steered.drift[layer]?.drift ?? Number.NaN;
    assert.deepEqual([at(0), at(1)], [0, 0], 'layers before the first steered one');
    assert.ok(Math.abs(at(layers - 1)) > 1e-4 && Number.isFinite(at(layers - 1)));
    const nothing = await compare(0);
    assert.ok(nothing.divergence.every((nats) => nats === 0) && nothing.drift.every(({ drift }) => drift === 0));
    assert.equal(nothing.steered, plain.unsteered);
  });
});
