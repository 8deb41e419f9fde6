// Names lead to their definitions, and definitions to their uses.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { openLanguageFile } from '../../../../src/rasp/service/languageFile.ts';
import { definitionAt, highlightsAt, placesAt } from '../../../../src/rasp/service/navigation.ts';
import type { RaspSymbol } from '../../../../src/rasp/service/symbols.ts';
import { cursor, open, tangled, written } from './programs.ts';

const other = 'def double(x) {\n  return x * two;\n}\ntwo = 2;\n_hidden = 3;\n';
const readOther = (path: string): string | undefined => (path === '/other.rasp' ? other : undefined);

function definitionOf(marked: string): string {
  const { text, offset } = cursor(marked);
  const target = definitionAt(open(text, readOther), offset);
  if (!target) return 'none';
  const source = target.span.file === '/main.rasp' ? text : target.span.file === '/other.rasp' ? other : null;
  const line = source === null ? 0 : source.slice(0, target.span.start).split('\n').length;
  return `${target.span.file}:${line}`;
}

describe('definition', () => {
  it('is the last assignment before the use', () => {
    assert.equal(definitionOf('x = 1;\nx = 2;\ny = x|;\nx = 3;\n'), '/main.rasp:2');
    assert.equal(definitionOf('x = 1;\nx = x| + 1;\n'), '/main.rasp:1');
  });

  it('of a name in a function is the local one, the parameter or the one outside', () => {
    assert.equal(definitionOf('x = 1;\ndef f(a) {\n  y = x|;\n  x = a;\n  return x + y;\n}\n'), '/main.rasp:1');
    assert.equal(definitionOf('x = 1;\ndef f(a) {\n  x = a;\n  return x|;\n}\n'), '/main.rasp:3');
    assert.equal(definitionOf('a = 1;\ndef f(a) {\n  return a|;\n}\n'), '/main.rasp:2');
  });

  it('of a comprehension\'s name stands inside it', () => {
    assert.equal(definitionOf('k = 1;\nz = [k| * 2 for\n k in range(3)];\n'), '/main.rasp:3');
    assert.equal(definitionOf('k = [1];\nz = [k * 2 for\n k in k|];\n'), '/main.rasp:1');
  });

  it('leads through load to another file, but not to private names', () => {
    assert.equal(definitionOf('load "other";\ny = dou|ble(indices);\n'), '/other.rasp:1');
    assert.equal(definitionOf('load "oth|er";\n'), '/other.rasp:1');
    assert.equal(definitionOf('load "other";\ny = _hid|den;\n'), 'none');
  });

  it('of a library function is the library, and what is built in has none', () => {
    assert.equal(definitionOf('y = so|rt(tokens, tokens);\n'), '<library>:0');
    assert.equal(definitionOf('y = ind|ices;\n'), 'none');
  });
});

describe('references', () => {
  it('of tokens tell the file\'s own from the language\'s', () => {
    const { text, offset } = cursor('a = tokens;\ntok|ens = tokens_int;\nb = tokens;\n');
    const places = placesAt(open(text), offset).map(({ span, role }) => `${span.start} ${role}`);
    assert.deepEqual(places, ['12 definition', '37 reference']);
  });

  it('join what a loop or a later call may mix', () => {
    const { text, offset } = cursor('x| = 1;\ndef f(a) {\n  for i in range(2) {\n    y = x + a;\n    x = y;\n  }\n  return x;\n}\n');
    assert.equal(placesAt(open(text), offset).length, 4);
  });

  it('are found in the files that load this one', () => {
    const user = open('load "other";\nz = double(two);\n', readOther);
    const loaded = openLanguageFile({ path: '/other.rasp', text: other });
    const places = placesAt(loaded, other.indexOf('two'), [user]).map(({ span }) => `${span.file} ${span.start}`);
    assert.deepEqual(places, ['/main.rasp 25', '/other.rasp 29', '/other.rasp 36']);
  });

  it('of any name come back to the symbol itself, whichever place is asked', () => {
    const check = (text: string): void => {
      const file = open(text);
      const symbols = new Set<RaspSymbol>(file.occurrences.map(({ symbol }) => symbol));
      for (const symbol of symbols) {
        for (const span of [...symbol.references, ...symbol.definitions.map((definition) => definition.span)]) {
          if (span.file !== '/main.rasp') continue;
          assert.equal(file.occurrenceAt(span.start)?.symbol, symbol, text);
          const target = definitionAt(file, span.start);
          assert.equal(target !== null, symbol.definitions.length > 0, text);
          assert.ok(target === null || symbol.definitions.some((definition) => definition.span.start === target.span.start), text);
        }
      }
    };
    for (const text of written) check(text);
    fc.assert(fc.property(tangled, check), { seed: 11, numRuns: 150 });
  });

  it('are highlighted as read and written', () => {
    const { text, offset } = cursor('x = 1;\nx = x| + 1;\n');
    assert.deepEqual(highlightsAt(open(text), offset).map(({ role }) => role), ['definition', 'definition', 'reference']);
  });
});
