// Longer programs of our own run as the language's rows say, and as plain algorithms do, whatever the input.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Analysis } from '../../src/rasp/analyse.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { interpret } from '../../src/rasp/interpret.ts';
import type { Value } from '../../src/rasp/program.ts';
import { analyseRasp } from '../../src/rasp/rasp/analyse.ts';
import { formatRasp } from '../../src/rasp/rasp/print.ts';
import { ReplSession } from '../../src/rasp/repl/session.ts';
import { readExamples, runExamples } from '../../src/repair/examples.ts';

const folder = new URL('../../samples/programs/', import.meta.url);
const names = readdirSync(folder).filter((name) => name.endsWith('.rasp'));
const texts = new Map(names.map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
const textOf = (name: string): string => texts.get(name) ?? assert.fail(`${name} is there`);
const analyses = new Map(names.map((name) => [name, analyseRasp({ path: name, text: textOf(name) })]));

function run(file: string, entry: string, input: string, analysis: Analysis | undefined = analyses.get(file)): readonly Value[] {
  const program = analysis && programOf(analysis, entry);
  assert.ok(program, `${entry} in ${file}`);
  return interpret(program, [...input]);
}

const runs = { numRuns: 60, seed: 17 };
const ptf = (length: number, trueAt: readonly number[], falseFrom: number): string[] =>
  Array.from({ length }, (_, i) => (i >= falseFrom ? 'F' : trueAt.includes(i) ? 'T' : 'P'));

describe('longer RASP programs', () => {
  it('are these', () => assert.deepEqual([...names].sort(), ['counting.rasp', 'dyck_ptf.rasp', 'long_addition.rasp', 'rover.rasp']));

  for (const name of names) {
    it(`${name} has no diagnostics, and its examples are right`, () => {
      const analysis = analyses.get(name);
      assert.deepEqual(analysis?.diagnostics, []);
      const { examples, diagnostics } = readExamples({ source: { path: name, text: textOf(name) }, readSource: () => undefined });
      assert.deepEqual(diagnostics, []);
      const program = analysis && programOf(analysis);
      assert.ok(program);
      for (const result of runExamples(program, examples)) assert.ok(result.ok, JSON.stringify(result));
    });

    it(`${name} means the same when it is printed, and prints the same again`, () => {
      const printed = formatRasp({ path: name, text: textOf(name) });
      assert.ok(printed !== undefined);
      assert.equal(formatRasp({ path: name, text: printed }), printed);
      const again = analyseRasp({ path: name, text: printed });
      const original = analyses.get(name);
      assert.ok(original && again.entries.length > 0);
      assert.deepEqual(again.entries.map(({ name: entry }) => entry), original.entries.map(({ name: entry }) => entry));
      const input = (original.runningExample ?? []).join('');
      for (const { name: entry } of original.entries) assert.deepEqual(run(name, entry, input, again), run(name, entry, input));
    });

    it(`${name} is loaded into the interactive loop, which lists what it defines outside of loops`, () => {
      const session = new ReplSession('<console>', (path) => texts.get(path));
      const { text } = session.line(`load "${name.replace('.rasp', '')}";`);
      assert.ok(!text.includes('!!'), text);
      for (const { name: entry } of analyses.get(name)?.entries ?? []) {
        if (new RegExp(`^${entry} =`, 'mu').test(textOf(name))) assert.ok(text.includes(`     s-op: ${entry}\n`), `${entry} in ${text}`);
      }
    });
  }
});

describe('long addition', () => {
  it('agrees with whole numbers of any length', () => {
    const number = fc.bigInt({ min: 0n, max: 10n ** 12n });
    const nines = fc.integer({ min: 1, max: 12 }).map((n) => 10n ** BigInt(n) - 1n);
    fc.assert(
      fc.property(fc.oneof(number, nines), fc.oneof(number, nines, fc.constant(1n)), (a, b) => {
        const input = `${a}+${b}`;
        assert.equal(run('long_addition.rasp', 'long_addition', input).join(''), (a + b).toString().padStart(input.length, '_'));
      }),
      runs,
    );
  });
});

describe('brackets with partial verdicts', () => {
  /** With a stack. */
  function verdicts(text: string, pairs: readonly string[]): string[] {
    const stack: string[] = [];
    let wrong = false;
    return [...text].map((bracket) => {
      const closed = pairs.find(([, close]) => close === bracket);
      if (closed === undefined) stack.push(bracket);
      else if (stack.pop() !== closed[0]) wrong = true;
      return wrong ? 'F' : stack.length === 0 ? 'T' : 'P';
    });
  }

  it('give the row of one kind', () => {
    const input = '()(()())(((())(()(()))))((())((()()))(()))))(())((';
    assert.deepEqual(run('dyck_ptf.rasp', 'dyck1_ptf', input), ptf(input.length, [1, 7, 23, 41], 42));
  });
  it('give the row of two kinds', () => {
    const input = '{{({(){}()})}({}){}{}}{(({}(){}))}{}(){}({}(){()(){}}){)()}';
    assert.deepEqual(run('dyck_ptf.rasp', 'dyck2_ptf', input), ptf(input.length, [21, 33, 35, 37, 39, 53], 55));
  });

  const kinds: [string, readonly string[]][] = [['dyck1_ptf', ['()']], ['dyck2_ptf', ['()', '{}']], ['dyck3_ptf', ['()', '{}', '[]']]];
  for (const [entry, pairs] of kinds) {
    it(`${entry} agrees with a stack`, () => {
      const balanced = fc.letrec<{ text: string }>((tie) => ({
        text: fc.oneof({ depthSize: 'small' }, fc.constant(''), fc.tuple(fc.constantFrom(...pairs), tie('text'), tie('text')).map(([pair, a, b]) => `${pair[0]}${a}${pair[1]}${b}`)),
      })).text;
      const any = fc.string({ unit: fc.constantFrom(...pairs.join('')), maxLength: 12 });
      fc.assert(
        fc.property(fc.tuple(balanced, any).map((parts) => parts.join('')), (text) => {
          fc.pre(text !== '' && text.length <= 60);
          assert.deepEqual(run('dyck_ptf.rasp', entry, text), verdicts(text, pairs));
        }),
        runs,
      );
    });
  }
});

describe('counting and sorting', () => {
  const text = fc.string({ unit: fc.constantFrom(...'abcXY '), minLength: 1, maxLength: 20 });
  const countOf = (all: string, letter: string): number => [...all].filter((one) => one === letter).length;

  it('gives the rows of the language', () => {
    const hist = [0, 3, 2, 3, 2, 6, 3, 3, 1, 6, 2, 2, 4, 6, 3, 3, 1, 6, 1, 3, 2, 1, 1, 6, 1, 3, 4, 2, 4, 6, 4, 3];
    assert.deepEqual(run('counting.rasp', 'hist_bos', '§hiya how are you doing there ey'), hist);
    assert.deepEqual(run('counting.rasp', 'hist_nobos', 'hiya howdy doodly doo'), [2, 1, 3, 1, 3, 2, 5, 1, 4, 3, 3, 4, 5, 5, 4, 1, 3, 3, 4, 5, 5]);
    assert.deepEqual(run('counting.rasp', 'sort_bos', '§dfgfhfghDVSHRDFHdfsfsfegDGDFHDFG'), [...'§DDDDDFFFGGHHHRSVddeffffffggghhss']);
    assert.deepEqual(run('counting.rasp', 'reverse', 'hello'), [...'olleh']);
  });

  it('agrees with counting and sorting in a loop', () => {
    fc.assert(
      fc.property(text, (letters) => {
        const input = `§${letters}`;
        const counts = [...letters].map((letter) => countOf(letters, letter));
        const distinct = [...new Set(letters)];
        assert.deepEqual(run('counting.rasp', 'hist_bos', input), [0, ...counts]);
        assert.deepEqual(run('counting.rasp', 'hist_nobos', letters), counts);
        assert.deepEqual(run('counting.rasp', 'hist2_bos', input), [0, ...counts.map((count) => distinct.filter((letter) => countOf(letters, letter) === count).length)]);
        assert.deepEqual(run('counting.rasp', 'sort_bos', input), ['§', ...[...letters].sort()]);
        const byFrequency = [...distinct].sort((a, b) => countOf(letters, b) - countOf(letters, a));
        assert.deepEqual(run('counting.rasp', 'sort_by_most_freq', input), ['§', ...byFrequency, ...Array.from({ length: letters.length - distinct.length }, () => '§')]);
      }),
      runs,
    );
  });
});

describe('rover', () => {
  const map = fc.integer({ min: 1, max: 4 }).chain((width) => fc.array(fc.string({ unit: fc.constantFrom('.', '.', '.', '$', '#'), minLength: width, maxLength: width }), { minLength: 1, maxLength: 4 }));
  const commands = fc.string({ unit: fc.constantFrom(...'RRDDLU'), minLength: 1, maxLength: 8 });

  /** Step by step. */
  function drive(rows: readonly string[], path: string): { ground: string[]; gems: number[] } {
    let [x, y, over, gems] = [0, 0, false, 0];
    const seen = new Set(['0,0']);
    const steps = [...path].map((letter) => {
      x += letter === 'R' ? 1 : letter === 'L' ? -1 : 0;
      y += letter === 'D' ? 1 : letter === 'U' ? -1 : 0;
      const ground = over ? 'x' : (rows[y]?.[x] ?? '!');
      if (ground === '$' && !seen.has(`${x},${y}`)) gems += 1;
      seen.add(`${x},${y}`);
      over ||= ground === '#' || ground === '!';
      return { ground, gems };
    });
    return { ground: steps.map(({ ground }) => ground), gems: steps.map((step) => step.gems) };
  }

  it('drives as a rover does that takes one command after the other', () => {
    fc.assert(
      fc.property(map, commands, (rows, path) => {
        const input = `${rows.join('/')}>${path}`;
        const { ground, gems } = drive(rows, path);
        assert.deepEqual(run('rover.rasp', 'rover', input).slice(-path.length), ground, input);
        assert.deepEqual(run('rover.rasp', 'gems', input).slice(-path.length), gems, input);
      }),
      runs,
    );
  });
});
