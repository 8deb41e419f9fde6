// Sampling filters against straightforward implementations; stop strings against a plain search.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { candidates, divergence, greedy, penalised, sample } from '../../../src/shared/sampling.ts';
import { StopWatch } from '../../../src/lm/stopText.ts';
import { Random } from '../../../src/shared/random.ts';

// Steps of 1/256: no two that a rounding of the softmax could make equal, or set in another order.
const logits = fc.uniqueArray(fc.integer({ min: -2048, max: 2048 }).map((steps) => steps / 256), { minLength: 1, maxLength: 40 });
const settings = fc.record({ temperature: fc.double({ min: 0.2, max: 3, noNaN: true }), topK: fc.integer({ min: 0, max: 45 }), topP: fc.double({ min: 0.05, max: 1, noNaN: true }), minP: fc.double({ min: 0, max: 0.9, noNaN: true }), repetitionPenalty: fc.constant(1) });

interface Entry { readonly id: number; readonly p: number }

const renormalised = (list: readonly Entry[]): Entry[] => {
  const sum = list.reduce((total, { p }) => total + p, 0);
  return list.map(({ id, p }) => ({ id, p: p / sum }));
};

/** One filter after the other, each on a sorted and renormalised list. */
function straightforward(values: readonly number[], { temperature, topK, topP, minP }: { temperature: number; topK: number; topP: number; minP: number }): Entry[] {
  let list = renormalised(values.map((value, id) => ({ id, p: Math.exp(value / temperature) }))).sort((a, b) => b.p - a.p);
  if (topK > 0) list = renormalised(list.slice(0, topK));
  if (topP < 1) {
    let before = 0;
    list = renormalised(list.filter(({ p }) => {
      const keep = before < topP;
      before += p;
      return keep;
    }));
  }
  const most = list[0]?.p ?? 0;
  return renormalised(list.filter(({ p }, i) => i === 0 || p >= minP * most)).sort((a, b) => a.id - b.id);
}

describe('sampling', () => {
  it('keeps the candidates, with the probabilities, that one filter after the other does', () => {
    fc.assert(fc.property(logits, settings, (values, sampling) => {
      const found = candidates(values, sampling);
      const expected = straightforward(values, sampling);
      assert.deepEqual(found.map(({ id }) => id), expected.map(({ id }) => id));
      found.forEach(({ probability }, i) => assert.ok(Math.abs(probability - (expected[i]?.p ?? 0)) < 1e-9));
    }));
  });

  it('draws as often as the probabilities say', () => {
    const random = new Random(1);
    const counts = [0, 0, 0];
    for (let i = 0; i < 20_000; i++) {
      const id = sample([0, Math.log(2), Math.log(5)], [], { ...greedy, temperature: 1 }, random);
      counts[id] = (counts[id] ?? 0) + 1;
    }
    // Five standard deviations of the largest binomial.
    [1 / 8, 2 / 8, 5 / 8].forEach((p, id) => assert.ok(Math.abs((counts[id] ?? 0) / 20_000 - p) < 5 * Math.sqrt(0.25 / 20_000)));
  });

  it('penalises tokens that were there, once however often, in the direction of less likely', () => {
    assert.deepEqual([...penalised([2, -2, 3], [0, 0, 1], 2)], [1, -4, 3]);
    assert.equal(sample([2, -2, 1.5], [0], { ...greedy, repetitionPenalty: 2 }, new Random(1)), 2);
  });

  it('gives the divergence of two distributions in nats', () => {
    const [p, q] = [[0.5, 0.5], [0.25, 0.75]];
    const expected = 0.5 * Math.log(2) + 0.5 * Math.log(0.5 / 0.75);
    assert.ok(Math.abs(divergence(p.map(Math.log), q.map(Math.log)) - expected) < 1e-12);
  });
});

describe('stop strings', () => {
  it('are found wherever the pieces are cut, and hold back only what may become one', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 });
    fc.assert(fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, words) => {
      const watch = new StopWatch(words);
      let out = '';
      let given = '';
      let stop: string | null = null;
      for (const piece of pieces) {
        given += piece;
        const released = watch.push(piece);
        out += released.text;
        stop = released.stop;
        if (stop !== null) break;
        assert.ok(words.some((word) => given === out || word.startsWith(given.slice(out.length))));
      }
      if (stop === null) assert.equal(out + watch.end(), pieces.join(''));
      else assert.ok(given.startsWith(out + stop));
      const found = words.some((word) => pieces.join('').includes(word));
      assert.equal(stop !== null, found);
      if (stop !== null) assert.ok(!words.some((word) => out.includes(word)));
    }));
  });
});
