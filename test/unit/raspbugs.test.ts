// The benchmark's base programs against their oracles, and what their generated bugs promise.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, it } from 'mocha';
import { publishedCounts, stratifiedSample, wholeCells } from '../../bench/raspbugs/generate.ts';
import type { Bug } from '../../bench/raspbugs/generate.ts';
import { cachedSample } from '../../bench/raspbugs/cachedBugs.ts';
import { located } from '../../bench/raspbugs/located.ts';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import { quantile, wilson } from '../../bench/raspbugs/statistics.ts';
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

describe('the whole benchmark', () => {
  const cells = wholeCells();
  const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

  it('has the published numbers of bugs of every program and of every order', () => {
    for (const [program, count] of Object.entries(publishedCounts.programs)) assert.equal(sum(cells.filter((cell) => cell.program === program).map((cell) => cell.count)), count, program);
    publishedCounts.orders.forEach((count, k) => assert.equal(sum(cells.filter(({ order }) => order === k + 1).map((cell) => cell.count)), count, `order ${k + 1}`));
    assert.equal(sum(cells.map(({ count }) => count)), 1466);
  });

  it('has the orders of every program in the same proportions, to one bug', () => {
    for (const { program, order, count } of cells) {
      const share = (publishedCounts.programs[program as keyof typeof publishedCounts.programs] * (publishedCounts.orders[order - 1] ?? 0)) / 1466;
      assert.ok(Math.abs(count - share) < 1, `${program} ${order}: ${count} for ${share}`);
    }
  });

  it('is kept on disk by seed and extent, and read back as it was made', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'bugs-'));
    try {
      const made = cachedSample(2, { perCell: 1 }, pathToFileURL(`${folder}/`));
      const [file = ''] = readdirSync(folder);
      assert.deepEqual(cachedSample(2, { perCell: 1 }, pathToFileURL(`${folder}/`)), made);
      assert.deepEqual(readdirSync(folder), [file]);
      assert.deepEqual(stratifiedSample(2, 1), made);
      // What lies there is what is read: the bugs are not made again.
      writeFileSync(path.join(folder, file), JSON.stringify({ ...made, bugs: [] }));
      assert.deepEqual(cachedSample(2, { perCell: 1 }, pathToFileURL(`${folder}/`)).bugs, []);
      writeFileSync(path.join(folder, file), '{"bugs": [');
      assert.deepEqual(cachedSample(2, { perCell: 1 }, pathToFileURL(`${folder}/`)), made);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('benchmark report', () => {
  it('takes the published counts from bugs that add up alike by program and by order', () => {
    const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    assert.deepEqual([sum(Object.values(publishedCounts.programs)), sum(publishedCounts.orders)], [1466, 1466]);
  });

  it("gives Wilson's interval", () => {
    // Wilson (1927) for 8 of 10, and the exact limits z²/(n+z²) and n/(n+z²) for none and all.
    const near = (actual: number, wanted: number): void => assert.ok(Math.abs(actual - wanted) < 1e-4, `${actual}`);
    const [low, high] = wilson(8, 10);
    near(low, 0.4902);
    near(high, 0.9433);
    near(wilson(0, 10)[1], 3.8415 / 13.8415);
    near(wilson(10, 10)[0], 10 / 13.8415);
  });

  it('takes quantiles by nearest rank', () => {
    const values = [5, 1, 4, 2, 3];
    assert.deepEqual([0.5, 0.95, 0.2].map((share) => quantile(values, share)), [3, 5, 1]);
  });

  it('counts a bug as located only when the smallest op around it is suspected', () => {
    const source = 'opposite = length - (indices + 1) - 1;\nflip = select(indices, opposite, ==);\nreverse = aggregate(flip, tokens);\n';
    const place = (text: string) => ({ file: 'reverse.rasp', start: source.indexOf(text), end: source.indexOf(text) + text.length });
    const bug: Bug = { id: 'b', program: 'reverse', dialect: 'rasp', order: 1, path: 'reverse.rasp', source, mutations: ['indices'], originals: [], spans: [place('(indices + 1)')], exact: 0 };
    const hit = (...texts: string[]) => located(bug, texts.map((text) => ({ span: place(text), label: text, score: 0.1 })));
    assert.equal(hit('indices + 1'), true);
    assert.equal(hit('aggregate(flip, tokens)', 'select(indices, opposite, ==)', 'indices + 1'), true);
    assert.equal(hit('length - (indices + 1) - 1', 'select(indices, opposite, ==)', 'aggregate(flip, tokens)', 'indices + 1'), false);
    assert.equal(hit('length - (indices + 1)'), false);
    assert.equal(located({ ...bug, order: 2 }, [{ span: place('indices + 1'), label: '', score: 1 }]), null);
  });
});
