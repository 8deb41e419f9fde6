// Every node knows where it was written, well enough to be written back.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Node, Origin } from '../../../src/rasp/program.ts';
import { inputsOf, nodesBelow } from '../../../src/rasp/program.ts';
import type { Span } from '../../../src/rasp/diagnostic.ts';
import { programOf } from '../../../src/rasp/analyse.ts';
import { analyseRasp } from '../../../src/rasp/rasp/analyse.ts';
import { libraryPath } from '../../../src/rasp/rasp/library.ts';

function nodes(text: string): Node[] {
  const analysis = analyseRasp({ path: 'o.rasp', text });
  assert.deepEqual(analysis.diagnostics, []);
  const program = programOf(analysis);
  assert.ok(program);
  return nodesBelow(program.output);
}

/** Texts in place of spans. */
function written(text: string, { span, operands, symbol, form, calls }: Origin): unknown {
  const cut = (part: Span | null): string | null => part && text.slice(part.start, part.end);
  return { form, span: cut(span), operands: operands.map(cut), symbol: cut(symbol), calls: calls.map(cut) };
}

function lastOf(text: string): unknown {
  const node = nodes(text).at(-1);
  assert.ok(node);
  return written(text, node.origin);
}

describe('origins of RASP nodes', () => {
  const rows: [string, unknown][] = [
    ['x = indices + length;', { form: 'infix', span: 'indices + length', operands: ['indices', 'length'], symbol: '+', calls: [] }],
    ['x = indices + 1;', { form: 'infix', span: 'indices + 1', operands: ['indices'], symbol: '+', calls: [] }],
    ['x = 1 - indices;', { form: 'infix', span: '1 - indices', operands: ['indices'], symbol: '-', calls: [] }],
    ['x = (indices + 1) * (2);', { form: 'infix', span: '(indices + 1) * (2)', operands: ['(indices + 1)'], symbol: '*', calls: [] }],
    ['x = -indices;', { form: 'prefix', span: '-indices', operands: ['indices'], symbol: '-', calls: [] }],
    ['x = not (indices);', { form: 'prefix', span: 'not (indices)', operands: ['(indices)'], symbol: 'not', calls: [] }],
    ['x = round(indices);', { form: 'call', span: 'round(indices)', operands: ['indices'], symbol: 'round', calls: [] }],
    ['x = tokens in ["a"];', { form: 'infix', span: 'tokens in ["a"]', operands: ['tokens'], symbol: 'in', calls: [] }],
    ['x = indices and length;', { form: 'infix', span: 'indices and length', operands: ['indices', 'length'], symbol: 'and', calls: [] }],
    ['x = 1 if indices else length;', { form: 'call', span: '1 if indices else length', operands: ['indices', 'length'], symbol: null, calls: [] }],
    ['x = aggregate(full_s, indices, 2);', { form: 'call', span: 'aggregate(full_s, indices, 2)', operands: ['full_s', 'indices'], symbol: null, calls: [] }],
    ['x = selector_width(full_s);', { form: 'call', span: 'selector_width(full_s)', operands: ['full_s'], symbol: null, calls: [] }],
    ['def f(a) { return a + 1; } x = f(indices);', { form: 'infix', span: 'a + 1', operands: ['a'], symbol: '+', calls: ['f(indices)'] }],
    ['def g(a) { return a + 1; } def f(a) { return g(a); } x = f(indices);', { form: 'infix', span: 'a + 1', operands: ['a'], symbol: '+', calls: ['f(indices)', 'g(a)'] }],
  ];
  for (const [text, expected] of rows) it(text, () => assert.deepEqual(lastOf(text), expected));

  it('a select names its key, its query and its operator; its atoms are constants', () => {
    const text = 'x = selector_width(select((indices), 1.0, <=));';
    const select = nodes(text).find(({ kind }) => kind === 'select');
    assert.ok(select?.kind === 'select');
    assert.deepEqual(written(text, select.origin), { form: 'call', span: 'select((indices), 1.0, <=)', operands: ['(indices)', '1.0'], symbol: '<=', calls: [] });
    assert.ok(select.queries.kind === 'constant' && select.queries.type === 'float');
    assert.deepEqual(written(text, select.queries.origin), { form: 'leaf', span: '1.0', operands: [], symbol: null, calls: [] });
  });

  it('selectors combine by infix and prefix', () => {
    const text = 'x = selector_width(not (full_s and full_s));';
    const [and, not] = nodes(text).filter(({ kind }) => kind === 'and' || kind === 'not');
    assert.ok(and && not);
    assert.deepEqual(written(text, and.origin), { form: 'infix', span: 'full_s and full_s', operands: ['full_s', 'full_s'], symbol: 'and', calls: [] });
    assert.deepEqual(written(text, not.origin), { form: 'prefix', span: 'not (full_s and full_s)', operands: ['(full_s and full_s)'], symbol: 'not', calls: [] });
  });

  it('a name shares its node', () => {
    assert.deepEqual(nodes('a = indices + 1; b = a; x = b * a;').map(({ kind }) => kind), ['indices', 'map', 'map']);
  });

  it('ids grow from inputs to users, and operands match inputs in number', () => {
    const all = nodes('s = select(tokens, tokens, ==) and not select(indices, 2, <); x = sort(tokens, selector_width(s) + tokens[-1] * 0) if "a" in tokens else tokens;'.replace(' + tokens[-1] * 0', ''));
    for (const node of all) {
      assert.equal(node.origin.operands.length, inputsOf(node).length, node.kind);
      for (const input of inputsOf(node)) assert.ok(input.id < node.id);
    }
  });

  it('nodes of library functions lie in the library, with the call in the file', () => {
    const text = 'x = sort(tokens, tokens);';
    const node = nodes(text).at(-1);
    assert.equal(node?.origin.span.file, libraryPath);
    assert.deepEqual(node?.origin.calls.map(({ start, end }) => text.slice(start, end)), ['sort(tokens, tokens)']);
  });

  it('nodes carry the name that the source gives them last', () => {
    assert.deepEqual(nodes('def f(s) { inner = s + 1; return inner; } a = f(indices); x = f(a) * 2;').map(({ name }) => name), ['indices', 'a', 'f(a)', 'x']);
  });

  it('folds atoms into the function, with a label that reads as RASP', () => {
    const labels = nodes('x = (1.0 if indices == 2 else indices + 1) - indices;').flatMap((node) => (node.kind === 'map' ? [node.fn.label] : []));
    assert.deepEqual(labels, ['x == 2', 'x + 1', '1.0 if x else y', 'x - y']);
  });
});
