// Renaming changes names and nothing else; where it would, it says why not.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { ReadSource } from '../../../../src/rasp/analyse.ts';
import type { TextEdit } from '../../../../src/rasp/diagnostic.ts';
import { openLanguageFile } from '../../../../src/rasp/service/languageFile.ts';
import { prepareRename, renameAt } from '../../../../src/rasp/service/rename.ts';
import { cursor, open, outputs, tangled, written } from './programs.ts';

const nothing: ReadSource = () => undefined;

function applied(text: string, edits: readonly TextEdit[], path = '/main.rasp'): string {
  const own = edits.filter(({ span }) => span.file === path).sort((a, b) => b.span.start - a.span.start);
  return own.reduce((result, { span, newText }) => result.slice(0, span.start) + newText + result.slice(span.end), text);
}

function renamed(marked: string, newName: string): string {
  const { text, offset } = cursor(marked);
  const result = renameAt(open(text), offset, newName, nothing);
  return 'refusal' in result ? result.refusal : applied(text, result.edits);
}

describe('rename', () => {
  it('follows scopes', () => {
    assert.equal(renamed('x| = 1;\ndef f(x) { return x; }\ny = f(x);\n', 'z'), 'z = 1;\ndef f(x) { return x; }\ny = f(z);\n');
    assert.equal(renamed('x = 1;\ndef f(x) { return x|; }\ny = f(x);\n', 'z'), 'x = 1;\ndef f(z) { return z; }\ny = f(x);\n');
  });

  it('refuses what belongs to the language, and names that it reserves', () => {
    assert.match(renamed('y = ind|ices;\n', 'z'), /built into the language/);
    assert.match(renamed('y = so|rt(tokens, tokens);\n', 'z'), /library/);
    assert.match(renamed('y| = 1;\n', 'indices'), /reserved/);
    assert.match(renamed('y| = 1;\n', 'sort'), /library and reserved/);
    assert.match(renamed('y| = 1;\n', 'and'), /word of the language/);
    assert.match(renamed('y| = 1;\n', '2y'), /is no name/);
    assert.match(renamed('y = 1; |# text\n', 'z'), /no name here/);
  });

  it('refuses a name that is taken, and says where', () => {
    assert.match(renamed('x| = 1;\nz = 2;\ny = x + z;\n', 'z'), /another “z” \(line 2\)/);
    assert.match(renamed('x| = 1;\ndef f(z) {\n  return x + z;\n}\n', 'z'), /another “z” \(line 2\)/);
    assert.match(renamed('x = 1;\ndef f(a|) {\n  return x + a;\n}\n', 'x'), /another “x”/);
  });

  it('lets a parameter take a library name that the function does not use', () => {
    assert.equal(renamed('def f(a|) { return a + 1; }\n', 'max'), 'def f(max) { return max + 1; }\n');
    assert.match(renamed('def f(a|) { return max(a, 1); }\n', 'max'), /another “max”/);
  });

  it('refuses a file that it cannot read in full', () => {
    assert.match(renamed('x| = 1;\ny = (x;\n', 'z'), /syntax errors/);
  });

  it('renames in the file that defines the name and in those that load it', () => {
    const texts: Record<string, string> = { '/main.rasp': 'load "other";\nz = double(two);\n', '/other.rasp': 'two = 2;\ndef double(x) { return x * two; }\n' };
    const read: ReadSource = (path) => texts[path];
    const user = open(texts['/main.rasp'] ?? '', read);
    const other = openLanguageFile({ path: '/other.rasp', text: texts['/other.rasp'] ?? '' }, read);
    const result = renameAt(other, 0, 'pair', read, [user]);
    assert.ok('edits' in result, JSON.stringify(result));
    assert.equal(applied(texts['/main.rasp'] ?? '', result.edits), 'load "other";\nz = double(pair);\n');
    assert.equal(applied(texts['/other.rasp'] ?? '', result.edits, '/other.rasp'), 'pair = 2;\ndef double(x) { return x * pair; }\n');
    const clash = renameAt(other, 0, 'z', read, [user]);
    assert.match('refusal' in clash ? clash.refusal : '', /another “z”/);
    const hidden = renameAt(other, 0, '_two', read, [user]);
    assert.ok('refusal' in hidden, 'a private name would not be loaded');
  });

  const undoes = (text: string): void => {
    const before = outputs(text);
    const file = open(text);
    for (const { symbol } of new Map(file.occurrences.map((occurrence) => [occurrence.symbol, occurrence])).values()) {
      const place = symbol.definitions[0]?.span ?? symbol.references[0];
      if (place === undefined || place.file !== '/main.rasp' || 'refusal' in prepareRename(file, place.start)) continue;
      const there = renameAt(file, place.start, 'fresh_name', nothing);
      assert.ok('edits' in there, `${text}\n${symbol.name}: ${JSON.stringify(there)}`);
      const text2 = applied(text, there.edits);
      assert.notEqual(text2, text);
      // The file's own tokens count as an output of it under any other name.
      const after = outputs(text2).slice(symbol.name === 'tokens' ? 1 : 0);
      assert.deepEqual(after, before, `${text}\n--- ${symbol.name} renamed:\n${text2}`);
      const offset = text2.indexOf('fresh_name');
      const back = renameAt(open(text2), offset, symbol.name, nothing);
      assert.ok('edits' in back, `${text2}\nback to ${symbol.name}: ${JSON.stringify(back)}`);
      assert.equal(applied(text2, back.edits), text);
    }
  };

  it('and back again is the identity, and the outputs stay: the samples', () => {
    for (const text of written) undoes(text);
  });

  it('and back again is the identity, and the outputs stay: programs whose scopes shadow each other', () => {
    fc.assert(fc.property(tangled, undoes), { seed: 12, numRuns: 25 });
  });

  it('to a name that is there already either is refused or changes no output', () => {
    fc.assert(
      fc.property(tangled, fc.nat(), fc.constantFrom('a', 'b', 'c', 'f', 'x', 'last'), (text, at, newName) => {
        const file = open(text);
        const occurrence = file.occurrences[at % file.occurrences.length];
        const result = occurrence && renameAt(file, occurrence.span.start, newName, nothing);
        if (result && 'edits' in result) assert.deepEqual(outputs(applied(text, result.edits)), outputs(text), text);
      }),
      { seed: 13, numRuns: 300 },
    );
  });
});
