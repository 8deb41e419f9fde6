// The edit sites of a RASP text: the right places, and alternatives that can be read.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { EditSite } from '../../../src/rasp/analyse.ts';
import { raspEditSites } from '../../../src/rasp/rasp/editSites.ts';
import { parse } from '../../../src/rasp/rasp/parse.ts';
import { printStatements } from '../../../src/rasp/rasp/print.ts';
import { file } from './syntaxArbitraries.ts';

const sites = (text: string): EditSite[] => raspEditSites({ path: 'e.rasp', text });

function alternatives(text: string, kind: EditSite['kind'], present: string): readonly string[] | undefined {
  return sites(text).find(({ kind: other, span }) => other === kind && text.slice(span.start, span.end) === present)?.alternatives;
}

describe('RASP edit sites', () => {
  const rows: [string, EditSite['kind'], string, readonly string[]][] = [
    ['s = select(tokens, indices, ==);', 'predicate', '==', ['<', '>', '>=', '<=', '!=']],
    ['s = select(tokens, indices, ==);', 'predicate', 'tokens, indices, ==', ['1, 1, ==', '1, 1, !=']],
    ['s = select(tokens, indices, ==);', 'unary', 'tokens', ['-(tokens)', '(not (tokens))']],
    ['x = indices < 3;', 'comparison', '<', ['==', '>', '>=', '<=']],
    ['x = indices < 3;', 'operand', 'indices < 3', ['indices']],
    ['x = indices + 1;', 'operator', '+', ['-', '*', '/', 'and', 'or']],
    ['x = indices + 1;', 'operand', 'indices + 1', ['indices']],
    ['x = indices + 1;', 'unary', 'indices + 1', ['-(indices + 1)', '(not (indices + 1))']],
    ['x = a and b;', 'operator', 'and', ['or', '+', '-', '*', '/']],
    ['x = -(a);', 'unary', '-(a)', ['(a)']],
    ['x = not a;', 'unary', 'not a', ['a']],
    ['x = f(2);', 'integer', '2', ['3', '1', '4', '-2']],
    ['x = f(0);', 'integer', '0', ['1', '-1', '2']],
    ['l = [1]; def f(p) { for i in [] { p = i; } return p; }', 'iterable', '[]', ['p', 'l']],
    ['def f(a) { return a; }', 'unary', 'a', ['-(a)', '(not (a))']],
    ['x = aggregate(s, v);', 'unary', 'v', ['-(v)', '(not (v))']],
  ];
  for (const [text, kind, present, expected] of rows) {
    it(`${kind} ${present} in ${text}`, () => assert.deepEqual(alternatives(text, kind, present), expected));
  }

  it('has none in an example, a comment or a load', () => {
    assert.deepEqual(sites('set example [1, 2]\n# x = 1 + 1;\nload "x";'), []);
  });

  it('never offers the present text, and every alternative can be read where it stands', () => {
    fc.assert(
      fc.property(file, (statements) => {
        const text = printStatements(statements);
        for (const { span, alternatives: texts } of sites(text)) {
          for (const other of texts) {
            assert.notEqual(other, text.slice(span.start, span.end));
            const edited = text.slice(0, span.start) + other + text.slice(span.end);
            assert.deepEqual(parse({ path: 'e.rasp', text: edited }).diagnostics.map(({ message }) => message), [], edited);
          }
        }
      }),
      { seed: 6, numRuns: 100 },
    );
  });
});
