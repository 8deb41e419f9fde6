// Contrast pairs: their file, their tokens, and prompts with hidden tokens.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { pairsHash, readContrastPairs } from '../../../src/steering/contrastPairs.ts';
import { hidden, maskToken, pairFault, tokenPair } from '../../../src/steering/tokenPairs.ts';
import { openedFolder } from './steered.ts';

describe('contrast pairs', () => {
  it('are read one a line, with empty lines left out and further fields ignored', () => {
    const read = readContrastPairs('{"prompt":"a","preferred":" b","dispreferred":" c","id":7}\n\n{"prompt":"d","preferred":" e","dispreferred":" f","image":"g.png"}\r\n');
    assert.deepEqual(read, { ok: true, pairs: [{ prompt: 'a', preferred: ' b', dispreferred: ' c' }, { prompt: 'd', preferred: ' e', dispreferred: ' f', image: 'g.png' }], lines: [1, 3] });
  });

  it('name every bad row by its line', () => {
    const read = readContrastPairs('{"prompt":"a","preferred":"b","dispreferred":"b"}\nnot JSON\n{"prompt":"a","preferred":"b","dispreferred":"c"}\n{"prompt":"","preferred":"b","dispreferred":"c"}\n{"prompt":"a","preferred":3,"dispreferred":"c"}\n[]');
    assert.ok(!read.ok);
    assert.deepEqual(read.faults.map(({ line }) => line), [1, 2, 4, 5, 6]);
    assert.match(read.faults[0]?.message ?? '', /the same, "b"/);
    assert.match(read.faults[1]?.message ?? '', /no JSON/);
    assert.match(read.faults[2]?.message ?? '', /“prompt”: it must not be empty/);
    assert.match(read.faults[3]?.message ?? '', /“preferred”/);
  });

  it('are missing from an empty file, which is said', () => {
    const read = readContrastPairs('\n  \n');
    assert.ok(!read.ok);
    assert.match(read.faults[0]?.message ?? '', /there are no pairs/);
  });

  it('never fail to be read or refused, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
      const read = readContrastPairs(text);
      assert.ok(read.ok ? read.pairs.length > 0 : read.faults.length > 0);
    }));
  });

  it('have a hash that knows their order and their content', () => {
    const [a, b] = [{ prompt: 'a', preferred: 'b', dispreferred: 'c' }, { prompt: 'ab', preferred: '', dispreferred: 'c' }];
    assert.equal(pairsHash([a, b]), pairsHash([{ ...a }, { ...b }]));
    assert.notEqual(pairsHash([a, b]), pairsHash([b, a]));
    assert.notEqual(pairsHash([a]), pairsHash([b]));
  });
});

describe('pairs in tokens', () => {
  const { folder, tokenizer } = openedFolder('tiny-code');
  const pair = { prompt: 'Context: In Brisstad the lemon is green.\nQuestion: What colour is the lemon?\nAnswer:', preferred: ' green', dispreferred: ' yellow' };

  it('are the prompt and what follows it', () => {
    const { prompt, preferred, dispreferred } = tokenPair(tokenizer, folder, pair);
    assert.deepEqual([...prompt.ids, ...preferred], tokenizer.encode(pair.prompt + pair.preferred).ids);
    assert.deepEqual([...prompt.ids, ...dispreferred], tokenizer.encode(pair.prompt + pair.dispreferred).ids);
    assert.equal(tokenizer.decode(preferred), ' green');
  });

  it('give a token that begins in the prompt to both responses', () => {
    const { prompt, preferred, dispreferred } = tokenPair(tokenizer, folder, { prompt: 'Answer: ', preferred: 'green', dispreferred: 'yellow' });
    assert.deepEqual([...prompt.ids, ...preferred], tokenizer.encode('Answer: green').ids);
    assert.deepEqual([...prompt.ids, ...dispreferred], tokenizer.encode('Answer: yellow').ids);
  });

  it('never let special tokens be hidden', () => {
    const { prompt, maskable } = tokenPair(tokenizer, folder, pair);
    const special = prompt.ids.flatMap((id, i) => ([folder.tokens.bos, folder.tokens.pad, ...folder.tokens.eos].includes(id) ? [i] : []));
    assert.deepEqual(special, [0]);
    assert.deepEqual(maskable, prompt.ids.map((_, i) => i).slice(1));
  });

  it('are refused where they are longer than the context', () => {
    assert.equal(pairFault(tokenPair(tokenizer, folder, pair), 192), null);
    assert.match(pairFault(tokenPair(tokenizer, folder, pair), 20) ?? '', /tokens, and the model holds 20/);
  });

  it('let an image be hidden patch by patch', () => {
    const vision = openedFolder('tiny-vision');
    const rows = Float32Array.from({ length: 64 * 96 }, (_, i) => i);
    const { prompt, maskable } = tokenPair(vision.tokenizer, vision.folder, { prompt: '<image>Is there a red circle?', preferred: ' Yes.', dispreferred: ' No.' }, { rows, width: 96 });
    assert.equal(prompt.ids.filter((id) => id === vision.folder.tokens.image).length, 64);
    assert.ok(maskable.includes(1) && maskable.includes(64) && !maskable.includes(0));
    const mask = maskToken(vision.tokenizer, vision.folder) ?? -1;
    const masked = hidden(prompt, [3, 70], mask);
    assert.equal(masked.embeddings.length, 63);
    assert.ok(masked.embeddings.every(({ at, rows: own }) => at !== 3 && own[0] === (at - 1) * 96));
    assert.deepEqual(masked.ids.map((id, i) => (id === prompt.ids[i] ? null : [i, id])).filter((change) => change), [[3, mask], [70, mask]]);
  });

  it('split rows that stand for several places at once', () => {
    const rows = Float32Array.from({ length: 8 }, (_, i) => i);
    const masked = hidden({ ids: [1, 9, 9, 9, 9, 2], embeddings: [{ at: 1, rows, width: 2 }] }, [2], 0);
    assert.deepEqual(masked.ids, [1, 9, 0, 9, 9, 2]);
    assert.deepEqual(masked.embeddings.map(({ at, rows: own }) => [at, ...own]), [[1, 0, 1], [3, 4, 5], [4, 6, 7]]);
  });

  it('are hidden by padding, else the end of a text, else the unknown token', () => {
    const tokens = { bos: 1, eos: [2], pad: 0, image: null };
    const idOf = (token: string): number | null => (token === '<unk>' ? 5 : null);
    assert.equal(maskToken({ idOf }, { tokens }), 0);
    assert.equal(maskToken({ idOf }, { tokens: { ...tokens, pad: null } }), 2);
    assert.equal(maskToken({ idOf }, { tokens: { ...tokens, pad: null, eos: [] } }), 5);
    assert.equal(maskToken({ idOf: () => null }, { tokens: { ...tokens, pad: null, eos: [] } }), null);
  });
});
