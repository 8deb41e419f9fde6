// The program under the cursor, in both syntaxes.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { entryAt } from '../../../src/rasp/entryAt.ts';
import { analyse } from '../../../src/rasp/frontend.ts';

/** The name of the entry at the place of `|`. */
function at(marked: string, path = 'p.rasp'): string | undefined {
  const offset = marked.indexOf('|');
  assert.ok(offset >= 0);
  return entryAt(analyse({ path, text: marked.replace('|', '') }), offset)?.name;
}

describe('the program at a place', () => {
  it('is the s-op whose statement holds it', () => {
    assert.equal(at('a = indices;\nb = a +| 1;\nc = b;\n'), 'b');
    assert.equal(at('a = indices;\nb = a\n  +| 1;\nc = b;\n'), 'b');
    assert.equal(at('a = indices;\n|b = a + 1;\nc = b;\n'), 'b');
  });

  it('is the s-op that the word names', () => assert.equal(at('a = indices;\nb = |a + 1;\nc = b;\n'), 'a'));

  it('is the last one where the place belongs to none', () => {
    assert.equal(at('a = indices;\nb = a;\n# a |comment\n#: "a" -> [0]\nc = b;\n'), 'c');
    assert.equal(at('|'), undefined);
  });

  it('is the function that holds it, else the last one', () => {
    const text = 'from tracr.rasp import rasp\n\ndef first():\n    return rasp.tokens\n\ndef inner(x):\n    return x\n\ndef last():\n    return inner(rasp.indices)\n';
    assert.equal(at(text.replace('rasp.tokens', 'rasp.|tokens'), 'p.py'), 'first');
    assert.equal(at(text.replace('return x', 'return |x'), 'p.py'), 'last');
    assert.equal(at(text.replace('inner(rasp', 'inner(|rasp'), 'p.py'), 'last');
  });
});
