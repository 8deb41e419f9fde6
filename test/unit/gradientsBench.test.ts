// The report of the gradients benchmark: whom ours is compared with, and what stands below the target.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Row, Times } from '../../bench/gradients/report.ts';
import { markdown, pairOf, ratioOf } from '../../bench/gradients/report.ts';

const times = (name: string, side: Times['side'], threads: number, millis: readonly number[], cpuMillis = millis): Times =>
  ({ name, side, threads, millis: [...millis], cpuMillis: [...cpuMillis], peak: 2 ** 20, gap: side === 'forward' ? null : 1e-6 });

const row: Row = {
  model: 'm', batch: 1, length: 256, estimate: 2 ** 21,
  shape: { hidden: 8, layers: 1, heads: 2, keyValueHeads: 1, neurons: 16, vocabulary: 32 },
  times: [
    times('ours, 1', 'ours', 1, [10, 12, 11]), times('ours, 2', 'ours', 2, [8, 8, 8], [16, 16, 16]), times('forward, 1', 'forward', 1, [1, 1, 1]),
    times('eager, 1', 'torch', 1, [15, 13, 14]), times('traced, 1', 'torch', 1, [20, 20, 20], [13, 13, 13]), times('eager, 2', 'torch', 2, [30, 30, 30]),
  ],
};

describe('the report of the gradients benchmark', () => {
  it("takes the fastest of torch's settings with at most as many threads", () => {
    assert.deepEqual([1, 2].map((threads) => pairOf(row, threads)?.torch.name), ['eager, 1', 'eager, 1']);
    assert.equal(pairOf(row, 1, 'cpuMillis')?.torch.name, 'traced, 1');
    assert.equal(pairOf(row, 3), null);
  });

  it('gives the ratio of medians with the lowest and highest round', () => {
    assert.deepEqual(ratioOf(row, 1), { ratio: 14 / 11, lowest: 13 / 12, highest: 15 / 10 });
    assert.equal(ratioOf(row, 2).ratio, 14 / 8);
  });

  it('names what is below the target, and models that were not measured', () => {
    const text = markdown({ machine: {}, torch: '1', kernels: [], load: { before: 0, after: 0 }, settings: { seed: 1, rounds: 3, millis: 1 }, wanted: ['m', 'other'], rows: [row] });
    assert.match(text, /Below 1\.3: m × 1 on 1\.\n/);
    assert.match(text, /1 of 2 models: the others \(other\) were not measured/);
    assert.ok(text.includes(`geometric mean over models and threads: ${Math.sqrt((14 / 11) * (14 / 8)).toFixed(2)}`));
  });
});
