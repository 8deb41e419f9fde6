// The sets of strongest tokens, ranks, and sums over words, lines and selections.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { linesOf, spanSums, wordsOf } from '../../../src/steering/spans.ts';
import { ranks, tokenSetModes, tokenSets } from '../../../src/steering/tokenSets.ts';
import { Random } from '../../../src/shared/random.ts';

const values = [0.5, -2, 0, 3, -0.1, 1];

describe('sets of tokens', () => {
  it('are the k highest and the k lowest', () => {
    const sets = (mode: Parameters<typeof tokenSets>[1]['mode'], size: number, excluded: number[] = []) => tokenSets(values, { ...(mode ? { mode } : {}), size, excluded }, new Random(1));
    assert.deepEqual(sets('both', 2), { positive: [3, 5], negative: [1, 4] });
    assert.deepEqual(sets('positive', 3), { positive: [3, 5, 0], negative: [] });
    assert.deepEqual(sets('negative', 2), { positive: [], negative: [1, 4] });
    assert.deepEqual(sets('absolute', 3), { positive: [3, 1, 5], negative: [] });
    assert.deepEqual(sets('both', 2, [3, 1]), { positive: [5, 0], negative: [4, 2] });
    assert.deepEqual(sets('both', 10), { positive: [3, 5, 0], negative: [1, 4, 2] });
    assert.deepEqual(tokenSets([7], {}, new Random(1)), { positive: [0], negative: [] });
    assert.deepEqual(tokenSets([], {}, new Random(1)), { positive: [], negative: [] });
    assert.deepEqual(tokenSets([1, 1, 1], { size: 1 }, new Random(1)), { positive: [0], negative: [1] }, 'ties go to the earlier place');
  });

  it('share no token, hold no excluded one, and none twice, in every mode', () => {
    const prompt = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { maxLength: 30 });
    fc.assert(fc.property(prompt, fc.nat(15), fc.array(fc.nat(29)), fc.constantFrom(...tokenSetModes), fc.nat(), (numbers, size, excluded, mode, seed) => {
      const { positive, negative } = tokenSets(numbers, { mode, size, excluded }, new Random(seed));
      const all = [...positive, ...negative];
      assert.ok(positive.length <= size && negative.length <= size);
      assert.ok(all.every((place) => place in numbers && !excluded.includes(place)));
      assert.equal(new Set(all).size, all.length);
    }));
  });

  it('are drawn at random as a control, the same for the same seed, from all tokens alike', () => {
    const drawn = (seed: number): readonly number[] => tokenSets(values, { mode: 'random', size: 2, excluded: [0] }, new Random(seed)).positive;
    assert.deepEqual(drawn(5), drawn(5));
    const counts = new Map<number, number>();
    for (let seed = 0; seed < 2000; seed++) for (const place of drawn(seed)) counts.set(place, (counts.get(place) ?? 0) + 1);
    assert.deepEqual([...counts.keys()].sort(), [1, 2, 3, 4, 5]);
    // 2000 · 2 / 5 each; six standard deviations are 131.
    for (const count of counts.values()) assert.ok(Math.abs(count - 800) < 131, String(count));
  });

  it('come with ranks from the highest on, without the excluded', () => {
    assert.deepEqual(ranks(values), [3, 6, 4, 1, 5, 2]);
    assert.deepEqual(ranks(values, [3]), [2, 5, 3, null, 4, 1]);
  });
});

describe('sums over spans', () => {
  const text = 'the cat sat\n on it';
  const ranges = [{ start: 0, end: 0 }, { start: 0, end: 3 }, { start: 3, end: 5 }, { start: 5, end: 7 }, { start: 7, end: 11 }, { start: 11, end: 15 }, { start: 15, end: 18 }];
  const numbers = [100, 1, 2, 3, 4, 5, 6];

  it('give each token to the word that its text begins in', () => {
    const sums = spanSums(text, numbers, ranges, wordsOf(text));
    assert.deepEqual(sums.map(({ start, end, value, tokens }) => [text.slice(start, end), value, tokens]), [['the', 1, [1]], ['cat', 5, [2, 3]], ['sat', 4, [4]], ['on', 5, [5]], ['it', 6, [6]]]);
  });

  it('give lines, and selections of any extent', () => {
    assert.deepEqual(spanSums(text, numbers, ranges, linesOf(text)).map(({ value }) => value), [10, 11]);
    assert.deepEqual(spanSums(text, numbers, ranges, [{ start: 4, end: 11 }]).map(({ value, tokens }) => [value, tokens]), [[9, [2, 3, 4]]]);
  });

  it('count no token twice and lose none that has text', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\n', '.', 'é', '😀'), maxLength: 30 }), fc.array(fc.nat(4)), (source, lengths) => {
      let at = 0;
      const parts = lengths.map((length) => ({ start: at, end: (at = Math.min(source.length, at + length)) }));
      const sums = spanSums(source, parts.map(() => 1), parts, linesOf(source));
      assert.equal(sums.reduce((total, { value }) => total + value, 0), parts.filter(({ start, end }) => end > start).length);
    }));
  });
});
