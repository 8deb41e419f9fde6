// The printer and the parser are each other's inverse.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Expression } from '../../../src/rasp/rasp/syntax.ts';
import { parse } from '../../../src/rasp/rasp/parse.ts';
import { formatRasp, printExpression, printStatements } from '../../../src/rasp/rasp/print.ts';
import { expression, file, withoutPlaces } from './syntaxArbitraries.ts';

function parseExpression(text: string): Expression {
  const { statements, diagnostics } = parse({ path: 'e.rasp', text: `f(${text});` });
  assert.deepEqual(diagnostics.map(({ message }) => message), [], text);
  const [only] = statements;
  assert.ok(only?.kind === 'expression' && only.expression.kind === 'call' && only.expression.args[0]);
  return only.expression.args[0];
}

describe('RASP printer', () => {
  it('prints every expression so that it is read back as the same tree', () => {
    fc.assert(
      fc.property(expression, (tree) => {
        assert.deepEqual(withoutPlaces(parseExpression(printExpression(tree))), withoutPlaces(tree));
      }),
      { seed: 1, numRuns: 1500 },
    );
  });

  it('prints every file so that it is read back as the same statements, comments included', () => {
    fc.assert(
      fc.property(file, (statements) => {
        const text = printStatements(statements);
        const parsed = parse({ path: 'f.rasp', text });
        assert.deepEqual(parsed.diagnostics.map(({ message }) => message), [], text);
        assert.deepEqual(withoutPlaces(parsed.statements), withoutPlaces(statements), text);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it('writes no parentheses that the grammar does not need', () => {
    const cases: [string, string][] = [
      ['((a)+(b))*(c)', '(a + b) * c'],
      ['(not a)==b', 'not a == b'],
      ['not (a==b)', 'not (a == b)'],
      ['(-x)^2', '-x ^ 2'],
      ['-(x^2)', '-(x ^ 2)'],
      ['(a-b)-c', 'a - b - c'],
      ['a-(b-c)', 'a - (b - c)'],
      ['(a if b else c) if d else e', 'a if b else c if d else e'],
      ['a if b else (c if d else e)', 'a if b else (c if d else e)'],
      ['(a and b) or c', 'a and b or c'],
      ['a and (b or c)', 'a and (b or c)'],
      ['(a+b) in c', 'a + b in c'],
      ['(f)(x)[(0)]', 'f(x)[0]'],
    ];
    for (const [written, printed] of cases) assert.equal(printExpression(parseExpression(written)), printed);
  });

  it('formats a file, keeps its comments and empty lines, and changes nothing the second time', () => {
    const text = '# top\n\n\nx=1;#one\ndef f(a,b){# why\n\n\treturn a+b;\n# last\n}\nfor i in range(3){x=x+i;}\n\nset example "hey"\n';
    const formatted = '# top\n\nx = 1; #one\ndef f(a, b) {\n  # why\n\n  return a + b;\n  # last\n}\nfor i in range(3) {\n  x = x + i;\n}\n\nset example "hey"\n';
    assert.equal(formatRasp({ path: 'x.rasp', text }), formatted);
    assert.equal(formatRasp({ path: 'x.rasp', text: formatted }), formatted);
  });

  it('does not format what it cannot read', () => {
    assert.equal(formatRasp({ path: 'x.rasp', text: 'x = (1;' }), undefined);
  });
});
