// Parts of the items that share nothing, and the search that sees only its own.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { MeasuredItems } from '../../../bench/steer/protocol.ts';
import { measureMethod } from '../../../bench/steer/protocol.ts';
import type { Outcome } from '../../../bench/steer/protocol.ts';
import type { Method } from '../../../bench/steer/methods.ts';
import { Random } from '../../../src/shared/random.ts';
import { layersText, readLayers } from '../../../src/steering/layerRange.ts';
import type { SettingFigures, SteeringSetting } from '../../../src/steering/search.ts';
import { layerRanges, searchSetting, settingsOf } from '../../../src/steering/search.ts';
import { leaksOf, splitItems, withoutLeaks } from '../../../src/steering/splits.ts';
import type { SteeredModel } from '../../../src/steering/steering.ts';

const self = (item: string): readonly string[] => [item];

describe('splits', () => {
  it('hold every item once', () => {
    fc.assert(fc.property(fc.nat(40), fc.nat(10), fc.nat(10), fc.nat(), (count, build, validation, seed) => {
      const items = Array.from({ length: count }, (_, i) => i);
      const splits = splitItems(items, { build, validation }, new Random(seed));
      assert.deepEqual([...splits.build, ...splits.validation, ...splits.test].sort((a, b) => a - b), items);
      assert.equal(splits.build.length, Math.min(count, build));
    }));
  });

  it('leak where an item stands in two parts, whatever its case, spaces and punctuation', () => {
    const splits = { build: ['What is it?', 'a'], validation: ['b', 'c'], test: ['what  IS it', 'b', 'd', 'd'] };
    assert.deepEqual(leaksOf(splits, self), [{ key: 'what is it', parts: ['build', 'test'] }, { key: 'b', parts: ['validation', 'test'] }]);
    assert.deepEqual(leaksOf({ build: ['a'], validation: ['b'], test: ['c', 'c'] }, self), []);
  });

  it('leak by any of an item’s keys', () => {
    const keys = ({ prompt, answer }: { prompt: string; answer: string }): readonly string[] => [prompt, answer];
    const leaks = leaksOf({ build: [{ prompt: 'p', answer: 'x' }], validation: [], test: [{ prompt: 'q', answer: 'x' }] }, keys);
    assert.deepEqual(leaks.map(({ key }) => key), ['x']);
  });

  it('lose what an earlier part has, and nothing else', () => {
    const word = fc.array(fc.constantFrom('a', 'b', 'c', 'A ', 'd!'), { maxLength: 6 });
    fc.assert(fc.property(word, word, word, (build, validation, test) => {
      const clean = withoutLeaks({ build, validation, test }, self);
      assert.deepEqual(leaksOf(clean, self), []);
      assert.deepEqual(clean.build, build);
      if (leaksOf({ build, validation, test }, self).length === 0) assert.deepEqual(clean, { build, validation, test });
    }));
  });
});

describe('the search for a setting', () => {
  const figures = (over: Partial<SettingFigures> = {}): SettingFigures => ({ rate: 0.5, margin: 0, likelihood: -1, ...over });
  const find = async (of: (setting: SteeringSetting) => Partial<SettingFigures>, settings = settingsOf(layerRanges(3), [1, 2])) =>
    (await searchSetting(settings, (setting) => Promise.resolve(figures(of(setting))))).best;

  it('takes the highest rate, then the larger margin, the smaller strength and the fewer layers', async () => {
    const rated = await find(({ layers, strength }) => ({ rate: layers[0] === 1 && strength === 2 ? 0.9 : 0.5, margin: strength }));
    assert.deepEqual([rated.layers[0], rated.strength, rated.rate], [1, 2, 0.9]);
    const even = await find(({ strength }) => (strength === 0 ? {} : { rate: 0.7 }));
    assert.deepEqual([even.layers, even.strength], [[0], 1]);
    const margin = await find(({ layers, strength }) => (strength === 0 ? {} : { rate: 0.7, margin: layers.length }));
    assert.deepEqual([margin.layers, margin.strength], [[0, 1, 2], 1]);
  });

  it('stays without steering where nothing is better', async () => {
    assert.deepEqual((await find(({ strength }) => ({ rate: strength === 0 ? 0.6 : 0.5 }))).layers, []);
    assert.equal((await find(() => ({}))).strength, 0);
  });

  it('passes over what makes the preferred responses less likely', async () => {
    const best = await find(({ strength }) => (strength === 2 ? { rate: 1, likelihood: -5 } : strength === 1 ? { rate: 0.6 } : {}));
    assert.deepEqual([best.strength, best.rate], [1, 0.6]);
  });

  it('tries all runs of few layers and windows of many, each once', () => {
    assert.deepEqual(layerRanges(2), [[0], [1], [0, 1]]);
    for (const count of [1, 5, 6, 7, 32, 80]) {
      const ranges = layerRanges(count);
      assert.equal(new Set(ranges.map(String)).size, ranges.length, `${count} layers`);
      assert.deepEqual([...new Set(ranges.flat())].sort((a, b) => a - b), Array.from({ length: count }, (_, i) => i));
      assert.ok(ranges.length < 50);
    }
    assert.ok(layerRanges(32).some((range) => String(range) === '28,29,30,31'));
  });

  it('looks at the test items once, after it has chosen', async () => {
    const seen: string[] = [];
    const model = { stream: { layers: 2, hidden: 1 } } as unknown as SteeredModel;
    const validation = { figures: (applied: readonly unknown[]) => Promise.resolve((seen.push('validation'), figures({ rate: applied.length > 0 ? 0.8 : 0.5 }))) } as unknown as MeasuredItems;
    const outcome: Outcome = { overTempting: true, overAll: true, margin: 1, likelihood: -1 };
    const test = { outcomes: () => Promise.resolve((seen.push('test'), [outcome])) } as unknown as MeasuredItems;
    const method: Method = { name: 'm', about: '', directions: null };
    const directions = [0, 1].map((layer) => ({ layer, norm: 1, direction: Float32Array.of(1) }));
    const result = await measureMethod(method, directions, { model, validation, test, strengths: [1] });
    assert.deepEqual(seen, ['validation', 'validation', 'validation', 'validation', 'test']);
    assert.deepEqual([result.search.best.layers, result.outcomes], [[0], [outcome]]);
  });
});

describe('layers as people write them', () => {
  it('are one or a run', () => {
    assert.deepEqual(readLayers('3', 5), { ok: true, layers: [3] });
    assert.deepEqual(readLayers(' 1 - 3 ', 5), { ok: true, layers: [1, 2, 3] });
  });

  it('are refused where the model has none such', () => {
    const message = (text: string): string => {
      const read = readLayers(text, 5);
      assert.ok(!read.ok);
      return read.message;
    };
    assert.match(message('5'), /no layer 5: its layers are 0 to 4/);
    assert.match(message('2-9'), /no layer 9/);
    assert.match(message('3-1'), /ends before it begins\. Write 1-3/);
    assert.match(message('all'), /“all” names no layers/);
    assert.match(message('-1'), /names no layers/);
  });

  it('are written back in runs', () => assert.equal(layersText([4, 0, 2, 3]), '0, 2-4'));
});
