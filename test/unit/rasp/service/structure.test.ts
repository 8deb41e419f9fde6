// Outline, folding, formatting and semantic tokens.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { parse } from '../../../../src/rasp/rasp/parse.ts';
import { printStatements } from '../../../../src/rasp/rasp/print.ts';
import { foldsOf } from '../../../../src/rasp/service/folding.ts';
import { formatDocument, formatRange } from '../../../../src/rasp/service/formatting.ts';
import type { Replacement } from '../../../../src/rasp/service/formatting.ts';
import { outlineOf } from '../../../../src/rasp/service/outline.ts';
import type { OutlineItem } from '../../../../src/rasp/service/outline.ts';
import { semanticTokensOf } from '../../../../src/rasp/service/semanticTokens.ts';
import { file as anyFile, withoutPlaces } from '../syntaxArbitraries.ts';
import { open, tangled, written } from './programs.ts';

const source = (text: string): { path: string; text: string } => ({ path: '/main.rasp', text });
const apply = (text: string, edit: Replacement | null): string => (edit ? text.slice(0, edit.range.start) + edit.newText + text.slice(edit.range.end) : text);
const tree = (text: string): unknown => withoutPlaces(parse(source(text)).statements);

describe('outline', () => {
  it('lists what is defined, with its kind, functions with their insides', () => {
    const show = ({ name, detail, kind, children }: OutlineItem): string => `${name} ${kind} ${detail}${children.length > 0 ? ` {${children.map(show).join('; ')}}` : ''}`;
    const items = outlineOf(open('s = select(indices, indices, <);\na, b = 1, indices;\ndef f(x) {\n  y = aggregate(s, x);\n  return y;\n}\nfor i in [1] {\n  z = f(a) + i;\n}\n'));
    assert.deepEqual(items.map(show), ['s selector selector', 'a value value', 'b s-op s-op', 'f function (x) {y s-op s-op}', 'z s-op s-op']);
  });

  it('has names inside wholes, for every sample', () => {
    for (const text of written) for (const { whole, nameRange } of outlineOf(open(text))) assert.ok(whole.start <= nameRange.start && nameRange.end <= whole.end);
  });
});

describe('folding', () => {
  it('folds functions, loops, comment blocks and examples', () => {
    const text = '# a\n# b\ndef f(x) {\n  for i in [1] {\n    y = i;\n  }\n  return x;\n}\nx = [1,\n  2];\n\n#: "a" -> "a"\n#: "b" -> "b"\n# c\n';
    const folds = foldsOf(open(text)).map(({ startLine, endLine, kind }) => `${startLine}-${endLine} ${kind}`);
    assert.deepEqual(folds, ['0-1 comment', '2-6 code', '3-4 code', '8-9 code', '11-12 comment']);
  });
});

describe('formatting', () => {
  it('honours the indentation and keeps parentheses that make the meaning plain', () => {
    const text = 'def f(a,b){\nreturn (a and b)or c;}\n';
    assert.equal(apply(text, formatDocument(source(text), '\t')), 'def f(a, b) {\n\treturn (a and b) or c;\n}\n');
  });

  it('leaves a text with syntax errors alone', () => assert.equal(formatDocument(source('x = (1;'), '  '), null));

  const once = (text: string): void => {
    const formatted = apply(text, formatDocument(source(text), '  '));
    assert.equal(formatDocument(source(formatted), '  '), null, formatted);
    assert.deepEqual(tree(formatted), tree(text), formatted);
  };

  it('changes nothing the second time, and no meaning ever', () => {
    for (const text of written) once(text);
    fc.assert(fc.property(anyFile, (statements) => once(printStatements(statements))), { seed: 21, numRuns: 200 });
    fc.assert(fc.property(tangled, once), { seed: 22, numRuns: 100 });
  });

  it('of a range touches its statements only', () => {
    const text = 'a=1;\nb=2;# two\nc=3;\n';
    const from = text.indexOf('b');
    assert.equal(apply(text, formatRange(source(text), { start: from, end: from + 1 }, '  ')), 'a=1;\nb = 2; # two\nc=3;\n');
  });

  it('of a range in a function stays in its block', () => {
    const text = 'def f(x) {\ny=x;\n z=y;\nreturn z;\n}\n';
    const from = text.indexOf('z=');
    assert.equal(apply(text, formatRange(source(text), { start: from, end: from + 3 }, '    ')), 'def f(x) {\ny=x;\n    z = y;\nreturn z;\n}\n');
  });

  it('of a range keeps what cannot be read', () => {
    const text = 'a=1;\nb=(2;\nc=3;\n';
    assert.equal(formatRange(source(text), { start: 0, end: text.length }, '  '), null);
    assert.equal(apply(text, formatRange(source(text), { start: 0, end: 2 }, '  ')), 'a = 1;\nb=(2;\nc=3;\n');
  });

  it('of any range keeps the meaning', () => {
    const property = fc.property(tangled, fc.nat(), fc.nat(), (text, a, b) => {
      const [start, end] = [a % text.length, b % text.length].sort((x, y) => x - y) as [number, number];
      assert.deepEqual(tree(apply(text, formatRange(source(text), { start, end }, '  '))), tree(text));
    });
    fc.assert(property, { seed: 23, numRuns: 200 });
  });
});

describe('semantic tokens', () => {
  const shown = (text: string): string[] =>
    semanticTokensOf(open(text)).map(({ start, length, type, modifiers }) => [text.slice(start, start + length), type, ...modifiers].join(' '));

  it('tell s-ops, selectors, functions, parameters, constants, the library and operators', () => {
    assert.deepEqual(shown('s = select(indices, 1, <);\nn = 3;\ndef f(x) { return sort(x, n) + 1; }\nt = not s and full_s;\n'), [
      's selector declaration', 'select function defaultLibrary', 'indices sop defaultLibrary', '< operator comparison',
      'n variable declaration readonly',
      'f function declaration', 'x parameter declaration', 'sort function defaultLibrary', 'x parameter', 'n variable readonly', '+ operator arithmetic',
      't selector declaration', 'not operator logical', 's selector', 'and operator logical', 'full_s selector defaultLibrary',
    ]);
  });

  it('come in source order and never overlap', () => {
    const ordered = (text: string): void => {
      let end = 0;
      for (const { start, length } of semanticTokensOf(open(text))) {
        assert.ok(start >= end && length > 0, text);
        end = start + length;
      }
    };
    for (const text of written) ordered(text);
    fc.assert(fc.property(tangled, ordered), { seed: 24, numRuns: 50 });
  });
});
