// Values on the running example: what the interpreter says, at the place that asks, drawn so that it can be read.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Value } from '../../../src/rasp/program.ts';
import { analyse } from '../../../src/rasp/frontend.ts';
import { inspect } from '../../../src/rasp/inspect.ts';
import { EvaluationError, interpret } from '../../../src/rasp/interpret.ts';
import type { Inspected } from '../../../src/rasp/shownValue.ts';
import { matrixText, oneLine, sequenceText } from '../../../src/rasp/valueText.ts';
import { tangled, written } from './service/programs.ts';

function valueAt(text: string, place: string, example: readonly Value[] = [...'hey'], path = '/main.rasp'): Inspected | null {
  const offset = text.indexOf(place);
  assert.ok(offset >= 0, place);
  return inspect({ path, text }, { runningExample: example }).at(offset);
}

const line = (text: string, place: string, example?: readonly Value[]): string | undefined => {
  const value = valueAt(text, place, example);
  return value ? oneLine(value.shown) : undefined;
};

describe('the values of a RASP file', () => {
  it('are those of the interpreter, for every s-op of every program', () => {
    const check = (text: string): void => {
      const example = [...'hello'];
      const values = inspect({ path: '/main.rasp', text }, { runningExample: example });
      for (const { name, output, nameSpan } of analyse({ path: '/main.rasp', text }, { runningExample: example }).entries) {
        if (name === 'out') continue;
        const shown = values.at(nameSpan.start)?.shown;
        try {
          const expected = interpret({ dialect: 'rasp', name, output }, example);
          assert.ok(shown?.kind === 's-op', `${name} in\n${text}`);
          assert.deepEqual(shown.values, expected);
        } catch (error) {
          if (!(error instanceof EvaluationError)) throw error;
          assert.deepEqual(shown, { kind: 'failure', message: error.message });
        }
      }
    };
    for (const text of written) check(text);
    fc.assert(fc.property(tangled, check), { seed: 31, numRuns: 60 });
  });

  it('belong to the operator, the call or the name that is pointed at', () => {
    const text = 'a = indices * 2 + 1;\nb = aggregate(select(indices, 0, ==), a);\n';
    assert.equal(line(text, '* 2'), '[0, 2, 4]');
    assert.equal(line(text, '+ 1'), '[1, 3, 5]');
    assert.equal(line(text, 'indices'), '[0, 1, 2]');
    assert.equal(line(text, 'aggregate('), '[1]*3');
    assert.equal(line(text, 'select('), '3×3 selector, 3 selected');
    assert.equal(valueAt(text, '), a'), null);
    assert.equal(valueAt(text, '2 +'), null);
  });

  it('inside functions and loops are the last ones, and say how many there were', () => {
    const text = 'def f(x) {\n  y = x + 1;\n  return y;\n}\na = f(indices);\nb = f(indices * 2);\n';
    const value = valueAt(text, 'y = x');
    assert.equal(value && oneLine(value.shown), '[1, 3, 5]');
    assert.equal(value?.times, 2);
    assert.equal(line('n = 0;\nfor i in range(3) {\n  n = n + i;\n}\n', 'n + i'), '1');
  });

  it('follow set example, and fail with a reason', () => {
    assert.equal(line('set example "ab"\na = indices;\n', 'a = '), '[0, 1]');
    assert.match(line('a = tokens_int + 1;\n', 'a = ') ?? '', /fails: the token "h" is not a number/);
  });

  it('stand behind the assignments of the file', () => {
    const text = 'a, b = 1, 2;\nc = [1, 2];\ndef f(x) { y = x; return y; }\nd = f(indices) + 1;\nindices;\n';
    const named = inspect({ path: '/main.rasp', text }).named();
    assert.deepEqual(named.map(({ end, shown }) => [text[end - 1], oneLine(shown)]), [[';', '[1, 2]'], [';', '[1, 2, 3, 4, 5]'], [';', '[0, 1, 2, 3, 4]']]);
    assert.equal(inspect({ path: '/main.rasp', text }).named(0, text.indexOf('def')).length, 1);
  });

  it('never throw, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'ab=;(){}[],<>"1 \nselect'), maxLength: 60 }), (text) => {
      const values = inspect({ path: '/main.rasp', text });
      values.named();
      for (let offset = 0; offset <= text.length; offset += 5) values.at(offset);
    }), { seed: 32, numRuns: 300 });
  });
});

describe('the values of a RASP file that goes deep', () => {
  const deep = (text: string): void => {
    const values = inspect({ path: '/main.rasp', text });
    assert.ok(values.analysis.diagnostics.length > 0 || values.named().length > 0);
  };

  it('stay within the stack', () => {
    const chain = Array.from({ length: 400 }, () => 'n').join(' + ');
    deep(`def f(n) {\n  return ${chain} if n == 0 else f(n - 1) + ${chain};\n}\na = f(140);\n`);
    deep(`a = ${'('.repeat(150)}1${')'.repeat(150)};\n`);
    deep(`a = ${'not '.repeat(190)}1;\n`);
  });
});

describe('the values of a Tracr file', () => {
  const text = readFileSync(new URL('../../../samples/hist.py', import.meta.url), 'utf8');

  it('are told for names, calls and entries', () => {
    const expected = '[1, 0, 2, 2, 4]';
    const shown = (place: string): string | undefined => {
      const value = valueAt(text, place, [...'hello'], '/hist.py');
      return value ? oneLine(value.shown) : undefined;
    };
    assert.equal(shown('SelectorWidth('), expected);
    assert.equal(shown('make_hist'), expected);
    assert.equal(shown('same_token'), '5×5 selector, 9 selected');
    assert.equal(shown('Comparison.LT'), undefined);
  });

  it('never throw, whatever the text', () => {
    fc.assert(fc.property(fc.nat({ max: text.length }), fc.nat({ max: 40 }), (at, cut) => {
      const broken = text.slice(0, at) + text.slice(at + cut);
      const values = inspect({ path: '/hist.py', text: broken });
      values.named();
      values.at(at);
    }), { seed: 33, numRuns: 100 });
  });
});

describe('values as text', () => {
  it('draws a selector with queries as rows and keys as columns', () => {
    const earlier = valueAt('s = select(indices, indices, <);\n', 's =');
    assert.ok(earlier?.shown.kind === 'selector');
    assert.equal(
      matrixText(earlier.shown.matrix, earlier.example),
      ['        key', '        h e y', 'query h · · ·', '      e ● · ·', '      y ● ● ·'].join('\n'),
    );
  });

  it('aligns columns under tokens of any width, and makes blanks visible', () => {
    const matrix = [[true, false, true], [false, true, false], [true, false, false]];
    assert.equal(
      matrixText(matrix, ['the', ' ', 10]),
      ['          key', '          the ␣ 10', 'query the   ● ·  ●', '        ␣   · ●  ·', '       10   ● ·  ·'].join('\n'),
    );
    assert.equal(sequenceText('mean', [0.5, 1, 1 / 3], 'float', ['a', 'b', 'c']), 'input    a   b     c\nmean   0.5 1.0 0.333');
  });

  it('cuts what is too long, and says so', () => {
    const n = 40;
    const text = matrixText(Array.from({ length: n }, () => Array.from({ length: n }, () => false)), Array.from({ length: n }, () => 'x'));
    assert.ok(text.split('\n').length < 30 && text.includes('…') && text.endsWith('⋮'));
    assert.ok(sequenceText('x', Array.from({ length: n }, (_, i) => i), 'int', Array.from({ length: n }, () => 'x')).includes('…'));
  });
});
