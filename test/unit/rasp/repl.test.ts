// The interactive loop stands whatever is typed.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { ReplSession } from '../../../src/rasp/repl/session.ts';
import { isUnfinished } from '../../../src/rasp/repl/unfinished.ts';
import { floatText, quoted } from '../../../src/rasp/repl/pythonText.ts';

const words = ['a', 'b', 'indices', 'tokens', 'length', 'full_s', 'def', 'f', 'for', 'in', 'return', 'set', 'example', 'show', 'load', 'draw', 'if', 'else', 'not', 'and', 'select(', 'aggregate(', 'range(', 'selector_width', 'True', '3', '2.5', '"ab"', '(', ')', '[', ']', '{', '}', ',', ';', ';', '=', '==', '<', '+', '-', '/', '^', ':', '#', 'examples', 'off', '\n', '\n'];

describe('interactive loop', () => {
  it('answers any lines with text and a prompt, and computes right afterwards', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 40 }), (parts) => {
        const session = new ReplSession('<console>', () => undefined);
        for (const line of parts.join(' ').split('\n')) {
          const reply = session.line(line);
          assert.match(reply.prompt, /^(?:>> |\.\. +)$/u);
          assert.ok(reply.text === '' || reply.text.endsWith('\n'));
        }
        session.cancel();
        session.line('examples on');
        session.line('full seq display off');
        session.line('set example "xy"');
        assert.equal(session.line('indices;').text, '     s-op: indices\n \t Example: indices("xy") = [0, 1] (ints)\n');
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('waits for the rest of a statement, but not where no rest could mend it', () => {
    for (const text of ['', '# x', 'a', 'a =', 'a = [1,', 'f(', 'def f(a) {', 'def f(a) { return a;', 'd = {1: 2}', 'set example', 'for i in [1]', 'select(a,']) assert.ok(isUnfinished(text), text);
    for (const text of ['a;', 'a = 1;', 'def f(a) { return a; }', '{};', ')', 'f(;', 'in 4', 'a = "x', 'set example "a"', 'exit', 'if;', 'show example', '(]']) assert.ok(!isUnfinished(text), text);
  });

  it('goes on after statements without end', () => {
    const session = new ReplSession('<console>', () => undefined);
    session.line('def f(n) { return f(n+1); }');
    assert.match(session.line('f(0);').text, /!!ignoring input:\n\t functions call each other/u);
    assert.match(session.line('x = indices; for i in range(40000) { x = x + 1; }').text, /!!ignoring input:\n\t the program has more than/u);
    assert.match(session.line('x;').text, /\[0, 1, 2, 3, 4\]/u);
    assert.match(session.line('indices+1;').text, /\[1, 2, 3, 4, 5\]/u);
  });

  it('refuses an example that is too long to select over', () => {
    const session = new ReplSession('<console>', () => undefined);
    assert.match(session.line('set example range(3000)').text, /at most 2000 tokens/u);
  });

  it('writes floats and strings as Python does', () => {
    assert.deepEqual([0, -2, 0.5, 1e16, 1e-5, 1.5e-7, 1e22, 123456.75].map(floatText), ['0.0', '-2.0', '0.5', '1e+16', '1e-05', '1.5e-07', '1e+22', '123456.75']);
    assert.deepEqual(['a', "it's", '"', '\'"', '\\'].map(quoted), ["'a'", '"it\'s"', '\'"\'', '\'\\\'"\'', "'\\\\'"]);
  });
});
