// Broken RASP texts: never an exception, every diagnostic in the text, what is not touched stays.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Analysis } from '../../../src/rasp/analyse.ts';
import { analyseRasp } from '../../../src/rasp/rasp/analyse.ts';
import { raspEditSites } from '../../../src/rasp/rasp/editSites.ts';
import { formatRasp, printStatements } from '../../../src/rasp/rasp/print.ts';
import { file } from './syntaxArbitraries.ts';

const analyse = (text: string): Analysis => analyseRasp({ path: 'r.rasp', text });

const statements = [
  'reverse = aggregate(select(indices, length - 1 - indices, ==), tokens);',
  'def counted(seq) {\n  same = select(seq, seq, ==);\n  return selector_width(same);\n}',
  'hist = selector_width(select(tokens, tokens, ==)); # how often',
  'pairs = {"(": ")", "{": "}"};',
  'total = indices;\nfor i in range(3) {\n  total = total + i;\n}',
  '# a comment',
  'vowel = tokens in ["a", "e", "i"];',
  'first, second = indices, length;',
];
/** Depends on nothing before it. */
const last = 'untouched = aggregate(select(indices, indices, <), indices) if indices > 0 else 0;\nlater = "x" if indices == 0 else "y";\n';

function checkDiagnostics(text: string): void {
  for (const { span, message } of analyse(text).diagnostics) {
    assert.ok(span.start >= 0 && span.start <= span.end && span.end <= text.length, `${message} ${span.start} ${span.end}`);
    assert.equal(span.file, 'r.rasp');
  }
}

const fragments = fc.constantFrom('(', ')', '[', ']', '{', '}', ';', ',', '"', '#', '=', '==', 'def ', 'for ', ' in ', 'return ', 'if ', 'else ', 'not ', 'select(', 'load ', '\n', '0', 'x', '§', '\u{1F600}', '\\', 'set example ', ':');

describe('RASP recovery', () => {
  it('survives every deletion and insertion in a program, and keeps the statements behind it', () => {
    const edits = fc.record({ order: fc.shuffledSubarray(statements, { minLength: 1 }), at: fc.nat(10_000), drop: fc.nat(6), insert: fc.option(fragments) });
    fc.assert(
      fc.property(edits, ({ order, at, drop, insert }) => {
        const head = `${order.join('\n')}\n`;
        const start = at % head.length;
        // The line break before the untouched part stays.
        const end = Math.min(start + drop, head.length - 1);
        const text = head.slice(0, start) + (insert ?? '') + head.slice(Math.max(start, end)) + last;
        checkDiagnostics(text);
        const names = analyse(text).entries.map(({ name }) => name);
        assert.ok(names.includes('later'), text);
      }),
      { seed: 3, numRuns: 3000 },
    );
  });

  it('survives any sequence of words and symbols', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fragments, fc.string({ maxLength: 3 })), { maxLength: 40 }), (parts) => {
        const text = parts.join('');
        checkDiagnostics(text);
        raspEditSites({ path: 'r.rasp', text });
        formatRasp({ path: 'r.rasp', text });
      }),
      { seed: 4, numRuns: 2000 },
    );
  });

  it('traces any syntactically valid file without an exception', () => {
    fc.assert(fc.property(file, (tree) => checkDiagnostics(printStatements(tree))), { seed: 5, numRuns: 500 });
  });

  it('reports several syntax errors of one file, each in its place', () => {
    const text = 'a = (1;\nb = indices;\nc = select(a, b);\nd = b + ;\ne = b;\n';
    const found = analyse(text).diagnostics.map(({ span }) => text.slice(0, span.start).split('\n').length);
    assert.deepEqual(found, [1, 3, 4]);
    assert.deepEqual(analyse(text).entries.map(({ name }) => name), ['b', 'e']);
  });

  it('keeps a statement whose semicolon is missing, and the next one', () => {
    const { entries, diagnostics } = analyse('a = indices\nb = length;\n');
    assert.deepEqual(entries.map(({ name }) => name), ['a', 'b']);
    assert.equal(diagnostics.length, 1);
  });

  it('ends a function whose brace is missing at the next line that is not indented', () => {
    const { entries, diagnostics } = analyse('def f(x) {\n  return x;\n\na = f(indices);\nb = length;\n');
    assert.deepEqual(entries.map(({ name }) => name), ['a', 'b']);
    assert.equal(diagnostics.length, 1);
  });

  it('does not report the uses of a name whose definition has an error', () => {
    assert.equal(analyse('a = undefined_thing;\nb = a + 1;\nc = (2;\nd = c + b;\n').diagnostics.length, 2);
  });

  for (const [what, text] of [
    ['brackets', `x = ${'('.repeat(20_000)}`],
    ['lists', `x = ${'['.repeat(20_000)}${']'.repeat(20_000)};`],
    ['signs', `x = ${'-'.repeat(20_000)}1;`],
    ['operators', `x = 1${' + 1'.repeat(20_000)};`],
    ['calls', `x = f${'(1)'.repeat(20_000)};`],
    ['blocks', 'for i in [1] {'.repeat(5_000)],
    ['functions', 'def f() {'.repeat(5_000)],
    ['recursion', 'def f(n) { return f(n + 1) + 1; } x = f(0);'],
    ['deep recursion of long expressions', `def f(n) { return 0 if n == 0 else f(n - 1)${' + 1'.repeat(480)}; } x = f(140);`],
    ['loops', `l = range(1000); ${'for i in l { '.repeat(6)}x = indices + i;${'}'.repeat(6)}`],
    ['strings', 's = "ab"; for i in range(60) { s = s + s; }'],
    ['lists that double', 'l = [1]; for i in range(60) { l = l + l; }'],
    ['nested lists that double', 'l = [1]; for i in range(60) { l = [l, l]; } x = l == l; m = [1]; for i in range(60) { m = [m, m]; } y = l == m;'],
    ['huge numbers', 'x = indices + 10^10^10^10; y = range(10^18); z = "a" * 10^9; w = tokens * 10^9;'],
  ] as const) {
    it(`stays within bounds for too many ${what}`, () => checkDiagnostics(text));
  }
});
