// Patches: edits rebuild the new text, touch nothing else, and read well.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { plainestFirst } from '../../src/repair/context.ts';
import { editsBetween, makePatch } from '../../src/repair/patch.ts';
import { applyEdits } from '../../src/repair/rewrite.ts';

const word = fc.constantFrom('a', 'bc', ' ', '\n', '==', '<', '1', '(', ')', '# note', 'select', ',');
const text = fc.array(word, { maxLength: 40 }).map((words) => words.join(''));

describe('patches', () => {
  it('rebuild the new text from the old one', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        assert.equal(applyEdits(before, editsBetween('f', before, after)), after);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('name disjoint spans in source order', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const edits = editsBetween('f', before, after);
        edits.slice(1).forEach((edit, i) => assert.ok(edit.span.start >= (edits[i]?.span.end ?? 0)));
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('change one operator and leave the comment and the layout alone', () => {
    const before = 'a = select(tokens,  tokens, <);   # keep me\nselector_width(a);\n';
    const patch = makePatch('x/hist.rasp', before, before.replace('<)', '==)'));
    assert.deepEqual(patch.edits, [{ span: { file: 'x/hist.rasp', start: 28, end: 29 }, newText: '==' }]);
    assert.match(patch.unifiedDiff, /^-a = select\(tokens, {2}tokens, <\); {3}# keep me$/m);
    assert.match(patch.summary, /“<” becomes “==” in line 1/);
  });

  it('tell brackets around an expression as one change of it', () => {
    const before = 'key = tokens + indices - 10;\n';
    const patch = makePatch('sort.rasp', before, 'key = ((tokens + indices) / 10);\n');
    assert.equal(patch.summary, '“tokens + indices - 10” becomes “((tokens + indices) / 10)” in line 1');
    assert.equal(applyEdits(before, patch.edits), patch.source);
  });

  it('tell whole words and operators', () => {
    const summaryOf = (before: string, after: string): string => makePatch('p.py', before, after).summary;
    assert.equal(summaryOf('Select(a, b, Comparison.LEQ)', 'Select(a, b, Comparison.LT)'), '“LEQ” becomes “LT” in line 1');
    assert.equal(summaryOf('Select(a, b, Comparison.EQ)', 'Select(a, b, Comparison.NEQ)'), '“EQ” becomes “NEQ” in line 1');
    assert.equal(summaryOf('x = a <= 0;', 'x = a < 0;'), '“<=” becomes “<” in line 1');
    assert.equal(summaryOf('select(a, b, <=);', 'select(a, b, ==);'), '“<=” becomes “==” in line 1');
    assert.equal(summaryOf('select(a, b, !=);', 'select(a, b, >=);'), '“!=” becomes “>=” in line 1');
    assert.equal(summaryOf('x = a + 1;', 'x = a + 10;'), '“1” becomes “10” in line 1');
    assert.equal(summaryOf('x = a;', 'x = -a;'), 'insert “-” in line 1');
  });

  it('are ranked by how few places they change, then by how few numbers, then by how little text', () => {
    const text = 'x = tokens + 10;\n';
    const solution = (from: string, to: string, changes = 1) => ({ text: text.replace(from, to), method: 'search', changes, cost: 1 }) as const;
    const [longer, number, sign, symbol, twice] = [solution('tokens', '(tokens - length)'), solution('10', '9'), solution('10', '-10'), solution('+', '-'), solution('+', '*', 2)];
    assert.deepEqual(plainestFirst({ path: 'f.rasp', text }, [twice, number, sign, longer, symbol]), [symbol, longer, sign, number, twice]);
  });
});
