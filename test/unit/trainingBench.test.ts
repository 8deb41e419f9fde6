// The report of the training benchmark: which of torch's settings counts, and the mean of the ratios.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { faultOf } from '../../bench/training/bench.ts';
import type { Row } from '../../bench/training/report.ts';
import { peerOf, ratioOf, summarise } from '../../bench/training/report.ts';

const shape = { layers: 1, heads: 1, keySize: 1, mlpHidden: 1, dModel: 1, parameters: 1, nonzero: 1 };

function row(program: string, times: Readonly<Record<string, readonly number[]>>): Row {
  return {
    program, batch: 32, shape, gaps: { ours: 0, torch: 0 },
    times: Object.entries(times).map(([name, millis]) => ({ name, steps: 1, millis: [...millis], cpuMillis: millis.map((one) => 2 * one) })),
  };
}

const rows = [
  row('a', { GradLens: [1, 2, 4], 'GradLens, 1 thread': [1, 1, 1], 'torch, 1 thread': [4, 4, 4], 'torch, 1 thread, foreach': [9, 1, 9] }),
  row('b', { GradLens: [2, 2, 2], 'GradLens, 1 thread': [4, 4, 4], 'torch, 1 thread': [9, 9, 9], 'torch, 1 thread, foreach': [1, 1, 1] }),
];

describe('the report of the training benchmark', () => {
  it("takes the setting of torch with the smallest median for each shape, against the product's median", () => {
    assert.deepEqual(rows.map((one) => peerOf(one)?.name), ['torch, 1 thread', 'torch, 1 thread, foreach']);
    assert.deepEqual(rows.map(ratioOf), [2, 0.5]);
  });

  it('gives the geometric mean over the shapes, its range over the rounds, and the shapes below the target', () => {
    const { ratio, rounds, below } = summarise(rows);
    assert.ok(Math.abs(ratio - 1) < 1e-12);
    // Round by round √(4 · ½), √(2 · ½), √(1 · ½).
    [Math.SQRT1_2, Math.SQRT2].forEach((bound, i) => assert.ok(Math.abs((rounds[i] ?? 0) - bound) < 1e-12));
    assert.deepEqual(below, ['b × 32']);
  });

  it("compares processor time with torch's most frugal setting", () => {
    const { cpu } = summarise(rows);
    assert.ok(Math.abs(cpu.product - Math.sqrt((4 / 2) * (1 / 2))) < 1e-12);
    assert.ok(Math.abs(cpu.oneThread - Math.sqrt((4 / 1) * (1 / 4))) < 1e-12);
  });
});

describe('the control of the training benchmark', () => {
  it('refuses losses that are off the truth by more than 1e-3 and ten times what torch is off', () => {
    assert.equal(faultOf([1e-7, 9e-4, 9e-4], [0, 0, 0]), null);
    assert.equal(faultOf([1e-7, 0.02], [0.003, 1e-7]), null);
    const late = [0, 0, 0, 0, 0, 0.1];
    assert.match(faultOf([1e-7, 0.02, 0], late) ?? '', /before step 2 .* by 2\.0e-2 .* limit is 1\.0e-3/);
    assert.equal(faultOf([0, 0, 0, 0, 0, 0.02], late), null);
    assert.equal(faultOf([0, 0, 0, 0, 0, 0.02], [...late.slice(1), 0, 0.1]), null);
    assert.match(faultOf([0, 0, 0, 0, 0, 0.02], [0, 0, 0, 0, 0, 1e-5]) ?? '', /before step 6/);
    assert.match(faultOf([Number.NaN], [1]) ?? '', /before step 1/);
  });
});
