// The byte-level tokenizer of the project's own models.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BytePairEncoding, special, trainMerges } from '../../scripts/train-models/bpe.ts';
import { documentAt } from '../../scripts/train-models/corpus/documents.ts';
import { readTokenizer } from '../../src/lm/tokenizer.ts';
import type { Tokenizer } from '../../src/lm/tokenizer.ts';

const texts = Array.from({ length: 400 }, (_, i) => documentAt(3, i, 'training').text);
const bpe = new BytePairEncoding(trainMerges(texts, 600));

function library(): Tokenizer {
  const read = readTokenizer({ tokenizer: bpe.tokenizerJson(), config: { bos_token: '<s>', eos_token: '</s>' } });
  assert.ok(read.ok);
  return read.value;
}

/** Any text that UTF-8 can hold, without the literal names of special tokens. */
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...' \n\tab12:;_.é–漢😀'), maxLength: 40 }), fc.constantFrom(...texts))
  .filter((text) => !/<s>|<\/s>|<pad>/.test(text) && Buffer.from(text).toString() === text);

describe('the byte-level pair encoding', () => {
  it('has a token for every byte, and merges up to the size asked for', () => {
    const { model } = bpe.tokenizerJson() as { model: { vocab: Record<string, number>; merges: string[][] } };
    assert.equal(bpe.size, 600);
    assert.deepEqual(Object.values(model.vocab).sort((a, b) => a - b), Array.from({ length: 600 }, (_, id) => id));
    assert.equal(model.merges.length, 600 - 256 - 3);
  });

  it('gives every text back, byte by byte', () => {
    const tokenizer = library();
    fc.assert(fc.property(anyText, (text) => assert.equal(tokenizer.decode(bpe.encode(text)), text)));
  });

  it('encodes as Hugging Face’s tokenizer does with its tokenizer.json', () => {
    const tokenizer = library();
    fc.assert(fc.property(anyText, (text) => assert.deepEqual(tokenizer.encode(text, false).ids, bpe.encode(text))));
  });

  it('lets the tokens’ ranges cover the text, after a beginning of text', () => {
    const tokenizer = library();
    for (const text of texts.slice(0, 60)) {
      const { ids, ranges } = tokenizer.encode(text);
      assert.equal(ids[0], special.bos);
      assert.equal(ranges.map(({ start, end }) => text.slice(start, end)).join(''), text);
    }
  });

  it('keeps every digit a token of its own', () => {
    const tokenizer = library();
    assert.deepEqual(bpe.encode('x = 2048').slice(-4).map((id) => tokenizer.decode([id])), ['2', '0', '4', '8']);
  });

  it('merges the most frequent pair first, and of equally frequent ones that of lower tokens', () => {
    const id = (letter: string): number => 3 + letter.charCodeAt(0);
    assert.deepEqual(trainMerges(['abab cdcd cd'], 259 + 2), [[id('c'), id('d')], [id(' '), 259]]);
    assert.deepEqual(trainMerges(['ab,cd,ab,cd'], 259 + 1), [[id('a'), id('b')]]);
  });
});
