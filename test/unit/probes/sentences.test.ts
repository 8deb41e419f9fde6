// The sentence splitter: examples by hand, and what holds of any text.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { sentencesOf } from '../../../src/probes/sentences.ts';

const split = (text: string): string[] => sentencesOf(text).map(({ start, end }) => text.slice(start, end));

describe('sentences', () => {
  it('end at full stops, question and exclamation marks', () => {
    assert.deepEqual(split('Mira has 4 hens. Who has more? Nobody!  Toda does.'), ['Mira has 4 hens.', 'Who has more?', 'Nobody!', 'Toda does.']);
  });

  it('do not end in numbers, versions, abbreviations and initials', () => {
    assert.deepEqual(split('It costs 3.50 euros. Since version 2.1 it works.'), ['It costs 3.50 euros.', 'Since version 2.1 it works.']);
    assert.deepEqual(split('Dr. Smith met Mr. Brown, e.g. at noon. J. R. Ray left.'), ['Dr. Smith met Mr. Brown, e.g. at noon.', 'J. R. Ray left.']);
  });

  it('run on over line breaks, but not over paragraphs, list items and headings', () => {
    assert.deepEqual(split('# Title\nOne line\ngoes on. Two.\n\nThree\n- first item\n- second item.\n2) third'), ['Title', 'One line\ngoes on.', 'Two.', 'Three', 'first item', 'second item.', 'third']);
  });

  it('may lack their end; text without words has none', () => {
    assert.deepEqual(split('The lamp is'), ['The lamp is']);
    assert.deepEqual(split(' \n--- *** \n'), []);
    assert.deepEqual(split(''), []);
  });

  it('keep their places in other scripts', () => {
    assert.deepEqual(split('猫は箱の中。犬は外。'), ['猫は箱の中。', '犬は外。']);
  });

  it('follow each other, do not overlap, begin and end without space, and hold every letter', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom('a', 'Bc', '1', '. ', '.', '\n', '\n\n', '- ', '!', ' ', '# ', 'é', '😀', '\r\n'), { maxLength: 30 }), (pieces) => {
      const text = pieces.join('');
      let at = 0;
      const left: string[] = [];
      for (const { start, end } of sentencesOf(text)) {
        assert.ok(at <= start && start < end && end <= text.length);
        assert.equal(text.slice(start, end), text.slice(start, end).trim());
        left.push(text.slice(at, start));
        at = end;
      }
      left.push(text.slice(at));
      for (const piece of left) assert.ok(!/[\p{L}]/u.test(piece), JSON.stringify([text, piece]));
    }));
  });
});
