// Where a growing text lies after somebody else's change of the document, held against the changed document itself.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { placeAfter } from '../../src/editor/models/textPlace.ts';

/** A document, a text in it, and a change. */
const situation = fc.record({ length: fc.integer({ min: 0, max: 12 }), cuts: fc.tuple(fc.nat(12), fc.nat(12)), change: fc.tuple(fc.nat(12), fc.nat(12)), text: fc.constantFrom('', 'x', 'xy\n') }).map(({ length, cuts, change, text }) => {
  const within = (pair: readonly [number, number]): readonly [number, number] => {
    const [low, high] = [Math.min(...pair, length), Math.min(Math.max(...pair), length)];
    return [low, high];
  };
  const [[start, end], [rangeOffset, rangeEnd]] = [within(cuts), within(change)];
  return { document: 'abcdefghijkl'.slice(0, length), place: { start, end }, change: { rangeOffset, rangeLength: rangeEnd - rangeOffset, text } };
});

describe('the place of a growing text', () => {
  it('holds the same text after a change outside it, what is left of it after one inside, and is lost where the change took it or its edge', () => {
    fc.assert(fc.property(situation, ({ document, place, change }) => {
      const { start, end } = place;
      const [from, to] = [change.rangeOffset, change.rangeOffset + change.rangeLength];
      const changed = document.slice(0, from) + change.text + document.slice(to);
      const taken = Math.max(0, Math.min(to, end) - Math.max(from, start));
      const isCutAcross = from < start ? to > start : to > end && from < end;
      const isInside = from < end && to > start && from >= start && to <= end;
      const found = placeAfter(place, change);
      if (isCutAcross || (taken > 0 && taken === end - start)) return assert.equal(found, null);
      assert.ok(found);
      const expected = isInside ? document.slice(start, from) + change.text + document.slice(to, end) : document.slice(start, end);
      assert.equal(changed.slice(found.start, found.end), expected);
    }), { numRuns: 3000 });
  });

  it('stays before what is typed where it goes on, and moves behind it where nothing of it is there yet', () => {
    const typed = { rangeLength: 0, text: 'xy' };
    assert.deepEqual(placeAfter({ start: 3, end: 5 }, { ...typed, rangeOffset: 5 }), { start: 3, end: 5 });
    assert.deepEqual(placeAfter({ start: 3, end: 5 }, { ...typed, rangeOffset: 3 }), { start: 5, end: 7 });
    assert.deepEqual(placeAfter({ start: 3, end: 3 }, { ...typed, rangeOffset: 3 }), { start: 5, end: 5 });
  });
});
