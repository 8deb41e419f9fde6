// Reading examples: what rows mean, what is wrong with them, what running them says.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { describeFailure, examplesPathOf, readExamples, runExamples } from '../../src/repair/examples.ts';
import type { ExampleSet } from '../../src/repair/examples.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import type { Program, Value } from '../../src/rasp/program.ts';

const inSource = (text: string, files: Readonly<Record<string, string>> = {}): ExampleSet =>
  readExamples({ source: { path: 'dir/p.rasp', text }, readSource: (path) => files[path] });
const inFile = (text: string): ExampleSet => readExamples({ beside: { path: 'dir/p.examples.jsonl', text } });
const pairs = ({ examples }: ExampleSet): unknown => examples.map(({ input, output }) => [input, output]);
const codes = ({ diagnostics }: ExampleSet): string[] => diagnostics.map(({ code }) => code);

function program(text: string, example: readonly Value[]): Program {
  const found = programOf(analyse({ path: 'p.rasp', text }, { runningExample: example }));
  assert.ok(found);
  return found;
}

describe('examples in comments', () => {
  it('are lists or strings on either side', () => {
    const set = inSource('x = 1;\n#: [3,1,2] -> [1,2,3]\n  #:"hello" -> "olleh"\n#: "ab" -> [2, -1.5]\n');
    assert.deepEqual(set.diagnostics, []);
    assert.deepEqual(pairs(set), [
      [[3, 1, 2], [1, 2, 3]],
      [[...'hello'], [...'olleh']],
      [['a', 'b'], [2, -1.5]],
    ]);
  });

  it('may be written as Python writes values', () => {
    const set = inSource("#: ['a', \"b\\n\", True,] -> [None, False, 1e3]\r\n");
    assert.deepEqual(pairs(set), [[['a', 'b\n', true], [null, false, 1000]]]);
  });

  it('know their place in the text', () => {
    const text = 'x = tokens;\n  #: "ab" -> "ba"  \n';
    const [example] = inSource(text).examples;
    assert.ok(example?.span);
    assert.equal(text.slice(example.span.start, example.span.end), '#: "ab" -> "ba"');
  });

  it('treat a character outside the basic plane as one token', () => {
    assert.deepEqual(pairs(inSource('#: "a😀" -> "😀a"')), [[['a', '😀'], ['😀', 'a']]]);
  });

  it('lose a leading BOS', () => {
    assert.deepEqual(pairs(inSource('#: ["BOS", 1, 2] -> ["BOS", 2, 1]')), [[[1, 2], [2, 1]]]);
  });

  for (const [row, code] of [
    ['#: [1, 2 -> [1]', 'example-syntax'],
    ['#: [1, x] -> [1, 2]', 'example-syntax'],
    ['#: [1] => [1]', 'example-syntax'],
    ['#: [1] -> [1] and more', 'example-syntax'],
    ['#: hello -> olleh', 'example-syntax'],
    ['#: [1, 2] -> [1]', 'example-length'],
    ['#: [] -> []', 'example-length'],
    ['#: [1, 2]', 'example-output'],
    ['#: reference', 'example-reference'],
    ['#: reference absent.rasp', 'example-reference'],
    ['#: reference p.rasp', 'example-reference'],
    ['#: vocabulary 1, 2', 'example-vocabulary'],
  ] as const) {
    it(`report ${row} as ${code}, at its place`, () => {
      const { examples, diagnostics } = inSource(`x = tokens;\n${row}\n`);
      assert.deepEqual(examples, []);
      assert.deepEqual(diagnostics.map((d) => [d.code, d.severity, d.span.start, d.span.end]), [[code, 'error', 12, 12 + row.length]]);
    });
  }

  it('only warn about a #: comment that is no row', () => {
    const set = inSource('#: what follows is sorted\n#: [1] -> [1]');
    assert.deepEqual(set.diagnostics.map(({ severity }) => severity), ['warning']);
    assert.equal(set.examples.length, 1);
  });

  it('name both rows that contradict each other', () => {
    const set = inSource('#: [1, 2] -> [2, 1]\n#: [1, 2] -> [2, 1]\n#: [1, 2] -> [1, 2]\n');
    assert.equal(set.examples.length, 1);
    assert.deepEqual(codes(set), ['contradictory-examples']);
    assert.match(set.diagnostics[0]?.message ?? '', /^Line 3 contradicts line 1:/);
  });

  it('warn about a token outside the declared vocabulary', () => {
    const set = inSource('#: vocabulary [1, 2]\n#: [1, 3] -> [3, 1]\n#: [1, 2] -> [2, 1]');
    assert.deepEqual(codes(set), ['outside-vocabulary']);
    assert.match(set.diagnostics[0]?.message ?? '', /token 3 /);
  });
});

describe('a reference program', () => {
  const files = { 'dir/right.rasp': 'reverse = aggregate(select(indices, length - 1 - indices, ==), tokens);' };

  it('gives the outputs that rows leave out', () => {
    const set = inSource('#: reference right.rasp\n#: "abc"\n#: "xy" -> "yx"', files);
    assert.deepEqual(set.diagnostics, []);
    assert.deepEqual(pairs(set), [[[...'abc'], [...'cba']], [[...'xy'], [...'yx']]]);
  });

  it('may be a Tracr file', () => {
    const tracr = 'from tracr.rasp import rasp\n\ndef make():\n  return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ))\n';
    assert.deepEqual(pairs(inSource('#: reference h.py\n#: "aab"', { 'dir/h.py': tracr })), [[['a', 'a', 'b'], [2, 2, 1]]]);
  });

  it('and a row that disagree are an error', () => {
    assert.deepEqual(codes(inSource('#: reference right.rasp\n#: "ab" -> "ab"', files)), ['example-reference']);
  });

  it('that fails on an input, or has errors, is named', () => {
    const failing = inSource('#: reference f.rasp\n#: "ab"\n#: "b"', { 'dir/f.rasp': 'f = aggregate(full_s, tokens);' });
    assert.deepEqual(codes(failing), ['example-reference']);
    assert.equal(failing.examples.length, 1);
    assert.deepEqual(codes(inSource('#: reference f.rasp\n#: "ab"', { 'dir/f.rasp': 'f = (;' })), ['example-reference']);
  });
});

describe('examples in JSON lines', () => {
  it('lie beside their program', () => {
    assert.equal(examplesPathOf('a/sort.rasp'), 'a/sort.examples.jsonl');
    assert.equal(examplesPathOf('hist.py'), 'hist.examples.jsonl');
  });

  it('are read row by row, bad ones reported with their place', () => {
    const good = '{"input": ["BOS", "a", 1, true], "output": ["BOS", 1, 2.5, null]}';
    const bad = ['{"input": [1]', '[1]', '{"output": [1]}', '{"input": [[1]], "output": [1]}', '{"input": [1], "output": [1, 2]}', '{"input": [1], "output": 1}'];
    const text = [good, '', ...bad].join('\n');
    const set = inFile(text);
    assert.deepEqual(pairs(set), [[['a', 1, true], [1, 2.5, null]]]);
    assert.deepEqual(set.diagnostics.map(({ span }) => text.slice(span.start, span.end)), bad);
  });

  it('contradict rows of the source by file and line', () => {
    const set = readExamples({
      source: { path: 'p.rasp', text: '\n#: [1] -> [1]' },
      beside: { path: 'p.examples.jsonl', text: '{"input": [1], "output": [2]}' },
    });
    assert.match(set.diagnostics[0]?.message ?? '', /^Line 1 contradicts line 2 of p\.rasp:/);
    assert.equal(set.diagnostics[0]?.span.file, 'p.examples.jsonl');
  });

  it('of 100,000 rows are all read, and as many bad rows give a hundred diagnostics', () => {
    const rows = Array.from({ length: 100_000 }, (_, i) => `{"input": [${i}, 2], "output": [2, ${i}]}`);
    assert.equal(inFile(rows.join('\n')).examples.length, 100_000);
    assert.equal(inFile('x\n'.repeat(100_000)).diagnostics.length, 101);
  });
});

describe('reading examples', () => {
  const value = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string(), fc.boolean());
  const row = fc.integer({ min: 1, max: 6 }).chain((n) =>
    fc.tuple(fc.array(value, { minLength: n, maxLength: n }), fc.array(value, { minLength: n, maxLength: n })),
  );

  it('gives back any row that JSON can write, in both places', () => {
    fc.assert(
      fc.property(row, ([input, output]) => {
        fc.pre(input[0] !== 'BOS' && output[0] !== 'BOS');
        const wanted = JSON.stringify([[input, output]]);
        assert.equal(JSON.stringify(pairs(inSource(`#: ${JSON.stringify(input)} -> ${JSON.stringify(output)}`))), wanted);
        assert.equal(JSON.stringify(pairs(inFile(JSON.stringify({ input, output })))), wanted);
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('never throws, whatever the text, and every place lies in it', () => {
    const piece = fc.constantFrom('#: ', '[', ']', '"', "'", '->', ',', '1', 'True', 'reference ', 'vocabulary ', '\n', '\\u12', '{"input":', 'x', '\r', '-', '😀');
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 25 }).map((parts) => parts.join('')), (text) => {
        for (const { diagnostics, examples } of [inSource(`#: ${text}`), inFile(text)]) {
          for (const { span } of diagnostics) assert.ok(0 <= span.start && span.start <= span.end && span.end <= text.length + 3);
          for (const { input, output } of examples) assert.equal(input.length, output.length);
        }
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});

describe('running examples', () => {
  const example = (input: readonly Value[], output: readonly Value[]) => ({ input, output });

  it('compares numbers within 1e-9 and bools as numbers', () => {
    const third = program('x = aggregate(select(1, 1, ==), indicator(indices == 0));', [1, 2, 3]);
    assert.equal(runExamples(third, [example([7, 8, 9], [1 / 3, 0.33333333333, 1 / 3])])[0]?.ok, true);
    assert.equal(runExamples(third, [example([7, 8, 9], [1 / 3, 0.333333, 1 / 3])])[0]?.ok, false);
    const flags = program('x = indices == 0;', [1, 2]);
    assert.equal(runExamples(flags, [example([5, 6], [1, 0])])[0]?.ok, true);
    assert.equal(runExamples(flags, [example([5, 6], ['True', 'False'])])[0]?.ok, false);
  });

  it('says where the first difference is', () => {
    const [result] = runExamples(program('x = indices;', [1, 2, 3]), [example([4, 4, 4], [0, 9, 9])]);
    assert.ok(result && !('error' in result));
    assert.equal(result.firstDifference, 1);
    assert.equal(describeFailure(result), '[4, 4, 4] gives [0, 1, 2] and should give [0, 9, 9]: position 1 is 1, not 9');
  });

  it('says why a program fails and at which op', () => {
    const text = 'x = 1 / indices;';
    const [result] = runExamples(program(text, [1]), [example([4], [0])]);
    assert.ok(result && 'error' in result);
    assert.match(result.error, /division by zero/);
    assert.equal(text.slice(result.errorSpan.start, result.errorSpan.end), '1 / indices');
  });
});
