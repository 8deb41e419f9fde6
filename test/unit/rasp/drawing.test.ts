// Pictures of computations agree with the interpreter, and the op at the cursor is the one that is meant.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Analysis } from '../../../src/rasp/analyse.ts';
import { drawingOf } from '../../../src/rasp/drawing.ts';
import { analyse } from '../../../src/rasp/frontend.ts';
import { evaluateSelector } from '../../../src/rasp/interpret.ts';
import { nodeAt } from '../../../src/rasp/nodeAt.ts';
import { isSelector } from '../../../src/rasp/program.ts';
import { ReplSession } from '../../../src/rasp/repl/session.ts';
import type { Drawing, DrawnMatrix, DrawnSequence } from '../../../src/shared/drawing.ts';

const sortText = 'set example "cab"\nbefore = select(tokens, tokens, <) or (select(tokens, tokens, ==) and select(indices, indices, <));\nplace = selector_width(before);\nsorted = aggregate(select(place, indices, ==), tokens);\n';

const analysed = (text: string): Analysis => analyse({ path: 't.rasp', text });

function at(text: string, marked: string, within = marked): ReturnType<typeof nodeAt> {
  return nodeAt(analysed(text), text.indexOf(marked) + marked.indexOf(within));
}

function draw(text: string, name: string, input: string): Drawing {
  const definition = analysed(text).definitions.find((one) => one.name === name);
  assert.ok(definition);
  return drawingOf(definition.node, name, 'rasp', [...input]);
}

const sequence = (drawing: Drawing, name: string): DrawnSequence => {
  const found = drawing.ops.find((op) => op.kind === 'sequence' && op.name === name);
  assert.ok(found?.kind === 'sequence', `${name} is drawn`);
  return found;
};

describe('drawing', () => {
  const drawing = draw(sortText, 'sorted', 'cab');

  it('shows the values of every op that is needed, what is drawn last', () => {
    assert.deepEqual(sequence(drawing, 'tokens_str').values, ['c', 'a', 'b']);
    assert.deepEqual(sequence(drawing, 'place').values, ['2', '0', '1']);
    const last = drawing.ops.at(-1);
    assert.ok(last?.kind === 'sequence');
    assert.deepEqual([last.name, last.values, last.layer], ['sorted', ['a', 'b', 'c'], 2]);
  });

  it('writes constants as what they are', () => {
    assert.equal(draw('all = select(1, 1, ==);\nx = selector_width(all);\n', 'x', 'ab').ops.find(({ name }) => name === 'all')?.formula, 'select(1, 1, ==)');
  });

  it('counts a layer for each attention step that needs another', () => {
    assert.deepEqual(['tokens_str', 'indices', 'place', 'sorted'].map((name) => sequence(drawing, name).layer), [0, 0, 1, 2]);
  });

  it('holds the matrices that the interpreter computes', () => {
    const definition = analysed(sortText).definitions.find(({ name }) => name === 'before');
    assert.ok(definition && isSelector(definition.node));
    const matrix = drawing.ops.find((op): op is DrawnMatrix => op.kind === 'matrix' && op.name === 'before');
    assert.deepEqual(matrix?.rows, evaluateSelector(definition.node, 'rasp', [...'cab']));
    assert.deepEqual(matrix.rows, [[false, true, true], [false, false, false], [false, true, false]]);
  });

  it('says where attention brings values from', () => {
    const sorted = sequence(drawing, 'sorted');
    const selector = drawing.ops.find((op): op is DrawnMatrix => op.kind === 'matrix' && op.id === sorted.attention?.selector);
    assert.deepEqual([selector?.formula, selector?.keys, selector?.queries], ['select(place, indices, ==)', ['2', '0', '1'], ['0', '1', '2']]);
    assert.equal(sorted.attention?.source, sequence(drawing, 'tokens_str').id);
    assert.equal(sequence(drawing, 'place').attention?.source, null);
  });

  it('draws a selector alone, on keys and queries', () => {
    const { ops } = draw('s = select(tokens, "a", ==);\n', 's', 'bab');
    const last = ops.at(-1);
    assert.ok(last?.kind === 'matrix');
    assert.deepEqual([last.keys, last.queries, last.rows[0]], [['b', 'a', 'b'], ['a', 'a', 'a'], [false, true, false]]);
  });

  it('writes formulas in the names of the program, strings left alone', () => {
    const { ops } = draw('n = indices + 1;\nv = "x" if n == 2 else tokens;\n', 'v', 'ab');
    assert.equal(ops.at(-1)?.formula, '"x" if (n == 2) else tokens_str');
  });

  it('leaves ops out that no page could show', () => {
    const drawn = draw('a = indices;\nfor i in range(400) { a = a + i; }\nb = a + 1;\n', 'b', 'ab');
    assert.equal(drawn.ops.length + drawn.leftOut, 402);
    assert.deepEqual(drawn.ops.at(-1)?.kind === 'sequence' && drawn.ops.at(-1)?.name, 'b');
  });

  it('comes from draw in the interactive loop, on the input that it names', () => {
    const session = new ReplSession('<console>', () => undefined);
    session.line('r = aggregate(select(indices, length - 1 - indices, ==), tokens);');
    const { drawings } = session.line('draw(r, "abc");');
    const last = drawings[0]?.ops.at(-1);
    assert.deepEqual([drawings[0]?.name, drawings[0]?.input, last?.kind === 'sequence' && last.values], ['r', ['a', 'b', 'c'], ['c', 'b', 'a']]);
  });
});

describe('op at the cursor', () => {
  it('is the one that a name means, where it is defined and where it is used', () => {
    assert.equal(at(sortText, 'before =')?.name, 'before');
    assert.equal(at(sortText, '(before)', 'before')?.node.kind, 'or');
    assert.equal(at(sortText, 'place, indices', 'place')?.name, 'place');
  });
  it('is what the line defines where the cursor stands behind the statement', () => {
    assert.equal(nodeAt(analysed(sortText), sortText.indexOf('\nsorted'))?.name, 'place');
  });
  it('is the innermost expression otherwise', () => {
    assert.equal(at(sortText, 'select(place, indices')?.node.kind, 'select');
    assert.equal(at(sortText, 'aggregate')?.node.kind, 'aggregate');
  });
  it('is none in a comment, and the running example is the last that the file sets', () => {
    assert.equal(nodeAt(analysed('a = indices;\n# words'), 18), undefined);
    assert.deepEqual(analysed(sortText).runningExample, ['c', 'a', 'b']);
    assert.equal(analysed('a = indices;').runningExample, undefined);
  });
  it('is found in Tracr programs', () => {
    const text = 'from tracr.rasp import rasp\n\ndef hist():\n    same = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)\n    return rasp.SelectorWidth(same)\n';
    assert.equal(nodeAt(analyse({ path: 't.py', text }), text.indexOf('Select('))?.node.kind, 'select');
  });
});
