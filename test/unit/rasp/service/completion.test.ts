// Completion and signature help: what may be written where.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Completion } from '../../../../src/rasp/service/completion.ts';
import { completionsAt } from '../../../../src/rasp/service/completion.ts';
import { signatureAt } from '../../../../src/rasp/service/signatureHelp.ts';
import { parse } from '../../../../src/rasp/rasp/parse.ts';
import { cursor, open, written } from './programs.ts';

const files = { '': [{ name: 'other.rasp', isFolder: false }, { name: 'notes.txt', isFolder: false }, { name: 'parts', isFolder: true }], 'parts/': [{ name: 'inner.rasp', isFolder: false }] };

function complete(marked: string): Completion[] {
  const { text, offset } = cursor(marked);
  return completionsAt(open(text), offset, { list: (folder) => files[folder as keyof typeof files] ?? [] });
}

const labels = (marked: string): string[] => complete(marked).map(({ label }) => label);

describe('completion', () => {
  it('offers the names in scope, the library and the words of the language', () => {
    const found = labels('first = indices;\ndef f(seq) {\n  inner = seq;\n  return |;\n}\nlater = 1;\n');
    for (const name of ['first', 'seq', 'inner', 'f', 'sort', 'indices', 'tokens', 'True', 'select', 'aggregate', 'not', 'later']) assert.ok(found.includes(name), name);
    assert.ok(!found.includes('def'), 'no statement in an expression');
  });

  it('does not offer what is not defined yet, nor the locals of other functions', () => {
    const found = labels('def f(seq) {\n  inner = seq;\n  return inner;\n}\nx = |;\nlater = 1;\n');
    for (const name of ['later', 'seq', 'inner', 'x']) assert.ok(!found.includes(name), name);
  });

  it('offers each name once', () => {
    const found = labels('tokens = tokens_int;\nsame = tokens;\nx = |;\n');
    assert.equal(new Set(found).size, found.length);
  });

  it('works where the line does not parse', () => {
    assert.ok(labels('first = indices;\nx = select(first, |\n').includes('first'));
    assert.ok(labels('def f(seq) {\n  x = aggregate(se|\n  return x;\n}\n').includes('seq'));
  });

  it('gives only operators as third argument of select', () => {
    assert.deepEqual(labels('x = select(indices, tokens, |);'), ['==', '!=', '<', '<=', '>', '>=']);
    assert.deepEqual(labels('x = select(indices, max(indices, 1), |'), ['==', '!=', '<', '<=', '>', '>=']);
    assert.ok(labels('x = select(indices, max(indices, |').includes('indices'));
  });

  it('gives files and folders behind load', () => {
    assert.deepEqual(labels('load "|";'), ['other', 'parts/']);
    assert.deepEqual(labels('load "parts/|'), ['inner']);
    assert.deepEqual(complete('load |').map(({ insert }) => insert), ['"other";', '"parts/";']);
    assert.deepEqual(labels('x = "|";'), []);
  });

  it('gives directives behind #: and nothing in other comments', () => {
    assert.deepEqual(labels('#: |'), ['reference', 'vocabulary', 'input -> output']);
    assert.deepEqual(labels('# a |'), []);
  });

  it('gives nothing where a new name is written', () => {
    assert.deepEqual(labels('def |'), []);
    assert.deepEqual(labels('def f(a, |'), []);
    assert.deepEqual(labels('for |'), []);
    assert.ok(labels('x = [1];\nfor i in |').includes('x'));
  });

  it('gives operator words behind an operand', () => {
    assert.deepEqual(labels('x = indices |'), ['and', 'or', 'if', 'else', 'in']);
  });

  it('puts selectors first where a selector is wanted', () => {
    const found = complete('earlier = select(indices, indices, <);\nplain = indices;\nx = aggregate(|');
    const rank = (name: string): number => found.find(({ label }) => label === name)?.rank ?? Number.NaN;
    assert.ok(rank('earlier') < rank('plain'));
    assert.ok(rank('full_s') < rank('plain'));
  });

  it('inserts calls with their parameters, and the bare name where a parenthesis stands already', () => {
    const insert = (marked: string, label: string): string | undefined => complete(marked).find((item) => item.label === label)?.insert;
    assert.equal(insert('x = shi|', 'shift'), 'shift(${1:seq}, ${2:n}, ${3:filler})');
    assert.equal(insert('x = shi|(tokens);', 'shift'), 'shift');
    assert.equal(insert('def own(a, b) { return a; }\nx = o|', 'own'), 'own(${1:a}, ${2:b})');
  });

  it('tells the comment above a function', () => {
    const item = complete('# Doubles.\n# Twice.\ndef double(x) { return x * 2; }\ny = |').find(({ label }) => label === 'double');
    assert.equal(item?.documentation, 'Doubles.\nTwice.');
    assert.equal(item?.detail, 'def double(x)');
  });

  it('answers at every offset of every sample', () => {
    for (const text of written) {
      const file = open(text);
      for (let offset = 0; offset <= Math.min(text.length, 800); offset += 3) {
        for (const { range, label, insert } of completionsAt(file, offset)) {
          assert.ok(range.start <= offset && offset <= range.end && label !== '' && insert !== '');
        }
      }
    }
  });

  it('inserts names that parse where they are put', () => {
    const { text, offset } = cursor('a = indices;\nx = |;\n');
    for (const { insert, isSnippet, kind } of completionsAt(open(text), offset)) {
      if (kind === 'keyword') continue;
      const plain = isSnippet ? insert.replaceAll(/\$\{\d+\|([^,]+)[^}]*\}/gu, '$1').replaceAll(/\$\{\d+:([^}]*)\}/gu, '$1') : insert;
      assert.deepEqual(parse({ path: '/x.rasp', text: text.slice(0, offset) + plain + text.slice(offset) }).diagnostics, [], plain);
    }
  });
});

describe('signature help', () => {
  const active = (marked: string): string => {
    const { text, offset } = cursor(marked);
    const signature = signatureAt(open(text), offset);
    if (!signature) return 'none';
    const range = signature.parameters[signature.active]?.range;
    return `${signature.label} ${range ? signature.label.slice(...range) : '-'}`;
  };

  it('names the parameter that is being written', () => {
    assert.equal(active('x = select(|'), 'select(key, query, operator) key');
    assert.equal(active('x = select(indices, |);'), 'select(key, query, operator) query');
    assert.equal(active('x = shift(tokens, 1, |'), 'shift(seq, n, filler) filler');
    assert.equal(active('x = aggregate(full_s, [1, 2][0], |'), 'aggregate(selector, values [, default]) default');
    assert.equal(active('x = range(1, |'), 'range([start,] stop [, step]) stop');
  });

  it('is of the innermost call, through lists and parentheses', () => {
    assert.equal(active('x = max(min(1, |'), 'min(a, b) b');
    assert.equal(active('x = max(min(1, 2), |'), 'max(a, b) b');
    assert.equal(active('x = max((1 + |'), 'max(a, b) a');
    assert.equal(active('x = max([1, 2, |'), 'max(a, b) a');
  });

  it('knows the functions of the file', () => {
    assert.equal(active('def own(left, right) {\n  return left;\n}\ny = own(1, |'), 'own(left, right) right');
  });

  it('is silent outside of calls, in comments and in definitions', () => {
    assert.equal(active('x = max(1, 2);|'), 'none');
    assert.equal(active('x = 1; # max(|'), 'none');
    assert.equal(active('def f(|'), 'none');
    assert.equal(active('x = max(1, 2;\ny = |'), 'none');
  });
});
