// The benchmark's base programs against their oracles, and what their generated bugs promise.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { stratifiedSample } from '../../bench/raspbugs/generate.ts';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { interpret } from '../../src/rasp/interpret.ts';
import type { Dialect, Value } from '../../src/rasp/program.ts';
import { equals } from '../../src/rasp/scalar.ts';
import { isExact } from '../../src/repair/verify.ts';
import { Random } from '../../src/shared/random.ts';

const dialects: readonly Dialect[] = ['rasp', 'tracr'];

describe('base programs', () => {
  for (const base of basePrograms) {
    for (const dialect of dialects) {
      it(`${fileNameOf(base.name, dialect)} gives what its oracle gives on 1,000 inputs of every length`, () => {
        const random = new Random(7);
        const analysis = analyse({ path: fileNameOf(base.name, dialect), text: sourceOf(base.name, dialect) }, { runningExample: base.sample(random) });
        assert.deepEqual(analysis.diagnostics, []);
        const program = programOf(analysis);
        assert.ok(program);
        for (let length = 1; length <= base.maxLength; length++) {
          for (let i = 0; i < 1000; i++) {
            const input = base.sample(random, length);
            const actual: readonly Value[] = interpret(program, input);
            const wanted = base.reference(input);
            if (actual.length !== wanted.length || !actual.every((value, k) => equals(value, wanted[k] ?? null))) assert.deepEqual(actual, wanted, `on ${JSON.stringify(input)}`);
          }
        }
      });
    }
  }

  it('half of the inputs for the bracket programs are balanced at even lengths', () => {
    for (const base of basePrograms.filter(({ name }) => name.startsWith('shuffle'))) {
      const random = new Random(3);
      const share = Array.from({ length: 2000 }, () => base.sample(random, 10)).filter((input) => base.reference(input)[0] === 1).length / 2000;
      assert.ok(share > 0.45 && share < 0.62, `${base.name}: ${share}`);
    }
  });
});

describe('generated bugs', () => {
  const { bugs, short } = stratifiedSample(11, 4);

  it('are 120 in one sample, half in each syntax, and a cell that has too few is named', () => {
    assert.equal(bugs.length, 120);
    assert.ok(Math.abs(bugs.filter(({ dialect }) => dialect === 'rasp').length - 60) <= 4);
    assert.deepEqual(short.map(({ program, order }) => `${program} ${order}`), ['hist 5']);
  });

  it('are the same for the same seed and others for another', () => {
    assert.deepEqual(stratifiedSample(11, 4).bugs, bugs);
    assert.notDeepEqual(stratifiedSample(12, 4).bugs.map(({ source }) => source), bugs.map(({ source }) => source));
  });

  it('are all different, and their ids too', () => {
    assert.equal(new Set(bugs.map(({ id }) => id)).size, bugs.length);
    assert.equal(new Set(bugs.map(({ path, source }) => `${path}\n${source}`)).size, bugs.length);
  });

  it('differ from the correct text at their spans and nowhere else', () => {
    for (const { program, dialect, source, spans, originals, order, mutations } of bugs) {
      const correct = sourceOf(program, dialect);
      assert.equal(spans.length, order);
      assert.equal(mutations.length, order);
      const outside = (text: string, holes: typeof spans): string[] =>
        [...holes, { start: text.length, end: text.length }].map(({ start }, i) => text.slice(holes[i - 1]?.end ?? 0, start));
      assert.deepEqual(outside(source, spans), outside(correct, originals));
      spans.forEach((span, i) => {
        const original = originals[i];
        assert.ok(original);
        assert.notEqual(source.slice(span.start, span.end), correct.slice(original.start, original.end));
      });
    }
  });

  it('are programs that the interpreter proves wrong on some input', () => {
    for (const bug of bugs) {
      const base = basePrograms.find(({ name }) => name === bug.program);
      assert.ok(base);
      const random = new Random(5);
      const inputs = Array.from({ length: 400 }, () => base.sample(random));
      const program = programOf(analyse({ path: bug.path, text: bug.source }, { runningExample: inputs[0] ?? [] }));
      assert.ok(program, bug.id);
      assert.ok(inputs.some((input) => !isExact(program, { input, output: base.reference(input) })), `${bug.id} is right`);
    }
  });
});
