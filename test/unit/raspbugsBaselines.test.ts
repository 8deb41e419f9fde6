// The benchmark's baselines: their budgets, their moves, and that they are as blind as they should be.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { BREADTH_FIRST_BUDGET, breadthFirst, setsOf } from '../../bench/raspbugs/baselines/breadthFirst.ts';
import { Candidates, movesOf, overlap } from '../../bench/raspbugs/baselines/edits.ts';
import type { Move } from '../../bench/raspbugs/baselines/edits.ts';
import { FormProblem } from '../../bench/raspbugs/baselines/formProblem.ts';
import { GENETIC_BUDGET, genetic } from '../../bench/raspbugs/baselines/genetic.ts';
import { randomInit, withRandomFirst } from '../../bench/raspbugs/baselines/randomInit.ts';
import type { RepairTask } from '../../bench/raspbugs/baselines/task.ts';
import { byChance, unguided } from '../../bench/raspbugs/baselines/unguided.ts';
import { BugSource, examplesOf, programOfText } from '../../bench/raspbugs/generate.ts';
import type { Bug } from '../../bench/raspbugs/generate.ts';
import { mutationsOf } from '../../bench/raspbugs/mutate.ts';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import type { BaseProgram } from '../../bench/raspbugs/programs.ts';
import { applyEdits } from '../../src/repair/rewrite.ts';
import { passesAll } from '../../src/repair/verify.ts';
import type { Dialect } from '../../src/rasp/program.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost } from '../support/host.ts';

const dialects: readonly Dialect[] = ['rasp', 'tracr'];

function baseOf(name: string): BaseProgram {
  const base = basePrograms.find((program) => program.name === name);
  assert.ok(base);
  return base;
}

function taskOf(name: string, source: string, dialect: Dialect, more: Partial<RepairTask> = {}): RepairTask {
  return { bug: { path: fileNameOf(name, dialect), source, dialect }, examples: examplesOf(baseOf(name), new Random(5), 150), seed: 8, budgetMillis: 60_000, ...more };
}

function bugOf(name: string, dialect: Dialect, order: number): Bug {
  const bug = new BugSource(baseOf(name), dialect, new Random(9)).next(order);
  assert.ok(bug);
  return bug;
}

/** No edit mends this: the output is a constant. */
const hopeless = 'nothing = 1 + (1 - (1 + (1 - 1)));\nreverse = indicator(nothing == 1);\n';

describe('the moves of the text baselines', () => {
  it('undo every mutation of every base program, by one move', () => {
    // shuffle_dyck2 has the mutations of shuffle_dyck twice over.
    for (const base of basePrograms.filter(({ name }) => name !== 'shuffle_dyck2')) {
      const examples = examplesOf(base, new Random(1), 100);
      for (const dialect of dialects) {
        const file = { path: fileNameOf(base.name, dialect), text: sourceOf(base.name, dialect) };
        const isRight = (text: string): boolean => {
          const program = programOfText(file.path, text, dialect, examples[0]?.input as string[]);
          return program !== undefined && passesAll(program, examples);
        };
        // Parentheses that a mutation wrote may stay behind: they mean nothing.
        const plain = (text: string): string => text.replaceAll(/[()\s]/g, '');
        for (const { span, newText, kind } of mutationsOf(file, dialect)) {
          const text = applyEdits(file.text, [{ span, newText }]);
          if (!programOfText(file.path, text, dialect)) continue;
          const moved = movesOf({ path: file.path, text }, dialect).map(({ edit }) => applyEdits(text, [edit]));
          const undone = moved.some((other) => plain(other) === plain(file.text)) || moved.some(isRight);
          assert.ok(undone, `${kind} in ${file.path}: “${file.text.slice(span.start, span.end)}” became “${newText}”`);
        }
      }
    }
  });

  it('are combined breadth first, each set once, without overlaps', () => {
    const moveAt = (start: number, end: number, newText: string): Move => ({ kind: 'integer', edit: { span: { file: 'f', start, end }, newText } });
    const move = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 4 }), fc.nat(9)).map(([start, length, text]) => moveAt(start, start + length, String(text)));
    fc.assert(
      fc.property(fc.array(move, { maxLength: 7 }), fc.integer({ min: 1, max: 4 }), (moves, size) => {
        const isSet = (chosen: readonly Move[]): boolean => chosen.length === size && chosen.every((a, i) => chosen.slice(i + 1).every((b) => !overlap(a, b)));
        const expected = Array.from({ length: 2 ** moves.length }, (_, bits) => moves.filter((__, i) => (bits >> i) & 1)).filter(isSet);
        const actual = [...setsOf(moves, size)];
        assert.equal(actual.length, expected.length);
        assert.ok(actual.every(isSet));
        assert.equal(new Set(actual.map((chosen) => chosen.map((m) => moves.indexOf(m)).join())).size, actual.length);
      }),
    );
  });
});

describe('breadth-first search', () => {
  it('looks at 10,000 programs unless told otherwise, and at no more than its budget', async () => {
    assert.equal(BREADTH_FIRST_BUDGET, 10_000);
    for (const budget of [1, 40, 333]) {
      const { evaluations, text, status, foundBy } = await breadthFirst(taskOf('reverse', hopeless, 'rasp'), budget);
      assert.deepEqual({ evaluations, text, status, foundBy }, { evaluations: budget, text: null, status: 'unrepairable', foundBy: null });
    }
  });

  it('repairs every bug of one mistake within its single edits', async () => {
    for (const name of ['hist', 'reverse', 'most_freq', 'shuffle_dyck']) {
      for (const dialect of dialects) {
        const bug = bugOf(name, dialect, 1);
        const task = taskOf(name, bug.source, dialect);
        const { text, evaluations } = await breadthFirst(task);
        assert.ok(text, bug.id);
        const program = programOfText(bug.path, text, dialect);
        assert.ok(program && passesAll(program, task.examples));
        assert.ok(evaluations <= movesOf({ path: bug.path, text: bug.source }, dialect).length);
      }
    }
  });

  it('finds two edits where one does not do', async () => {
    const bug = bugOf('reverse', 'rasp', 2);
    const { text, evaluations } = await breadthFirst(taskOf('reverse', bug.source, 'rasp'));
    assert.ok(text);
    assert.ok(evaluations > 10);
  });

  it('ends with its time', async () => {
    const { evaluations, text } = await breadthFirst(taskOf('reverse', hopeless, 'rasp', { budgetMillis: 0 }));
    assert.ok(evaluations <= 1 && text === null);
  });
});

describe('genetic search', () => {
  it('looks at 500 programs unless told otherwise, and at no more than its budget', async () => {
    assert.equal(GENETIC_BUDGET, 500);
    assert.equal((await genetic(taskOf('reverse', hopeless, 'rasp'))).evaluations, GENETIC_BUDGET);
    assert.equal((await genetic(taskOf('reverse', hopeless, 'rasp'), 77)).evaluations, 77);
  });

  it('repairs a bug of two mistakes, the same way for the same seed', async () => {
    const bug = bugOf('reverse', 'tracr', 2);
    const task = taskOf('reverse', bug.source, 'tracr');
    const [one, two] = [await genetic(task), await genetic(task)];
    assert.ok(one.text);
    const program = programOfText(bug.path, one.text, 'tracr');
    assert.ok(program && passesAll(program, task.examples));
    assert.deepEqual({ ...two, millis: 0, firstMillis: 0 }, { ...one, millis: 0, firstMillis: 0 });
  });

  it('ends where there is nothing new to try', async () => {
    const source = 'hist = selector_width(select(tokens, tokens, ==));\n# 1\n';
    const task = taskOf('hist', source.replace('==', '<'), 'rasp', { examples: [{ input: ['a', 'b'], output: [7, 7] }] });
    const { evaluations, status } = await genetic(task, 100_000);
    assert.ok(evaluations < 100_000 && evaluations > 5, `${evaluations}`);
    assert.equal(status, 'unrepairable');
  });

  it('takes the share of right screening examples for the fitness', () => {
    const task = taskOf('reverse', sourceOf('reverse', 'rasp').replace('- 1', '- 2'), 'rasp');
    const candidates = new Candidates(task, 10);
    const back = candidates.moves.find(({ edit }) => edit.newText === '1');
    assert.ok(back);
    const away = candidates.moves.find(({ edit }) => edit.newText === '3');
    assert.ok(away);
    assert.equal(candidates.fitness([away]), 0);
    assert.equal(candidates.fitness([back]), 1);
    assert.equal(candidates.fitness([back]), null, 'a text that is known is no candidate');
    assert.equal(candidates.outcome('x').text, sourceOf('reverse', 'rasp'));
  });
});

describe('the form search without its gradient', () => {
  it('repairs, the same way for the same seed and otherwise for another', async () => {
    const bug = bugOf('hist', 'rasp', 2);
    const task = taskOf('hist', bug.source, 'rasp');
    const [one, again, other] = [await unguided(task, sharedHost()), await unguided(task, sharedHost()), await unguided({ ...task, seed: 99 }, sharedHost())];
    assert.ok(one.text && other.text);
    const program = programOfText(bug.path, one.text, 'rasp');
    assert.ok(program && passesAll(program, task.examples));
    assert.deepEqual({ ...again, millis: 0, firstMillis: 0 }, { ...one, millis: 0, firstMillis: 0 });
    assert.notEqual(other.evaluations, one.evaluations);
  });

  it('ranks every form of every op by chance', () => {
    const gains = [Float64Array.of(5, 0, 0), Float64Array.of(1, 2)];
    const drawn = byChance(new Random(1))({ loss: 1, gains, gradients: {} }).gains;
    assert.deepEqual(drawn.map(({ length }) => length), [3, 2]);
    const orders = new Set(Array.from({ length: 40 }, (_, seed) => {
      const [first] = byChance(new Random(seed))({ loss: 1, gains, gradients: {} }).gains;
      return [0, 1, 2].sort((a, b) => (first?.[b] ?? 0) - (first?.[a] ?? 0)).join();
    }));
    assert.equal(orders.size, 6, 'every order of three forms is drawn');
  });
});

describe('training from random tables', () => {
  it('starts at any form of an op, and keeps all of them', () => {
    const problem = FormProblem.of(taskOf('reverse', bugOf('reverse', 'rasp', 1).source, 'rasp'));
    assert.ok(problem);
    const [group] = problem.prepare().groups;
    assert.ok(group);
    const firsts = new Set<number>();
    const random = new Random(4);
    for (let i = 0; i < 60; i++) {
      const changed = withRandomFirst(group, random);
      assert.deepEqual(new Set(changed.forms), new Set(group.forms));
      firsts.add(group.forms.findIndex((form) => form === changed.forms[0]));
    }
    assert.ok(firsts.size > 5);
  });

  it('repairs a wrong predicate, and accepts only what is right on every example', async () => {
    const task = taskOf('hist', sourceOf('hist', 'rasp').replace('==', '<'), 'rasp');
    const outcome = await randomInit(task, sharedHost());
    assert.ok(outcome.evaluations > 0);
    assert.ok(outcome.text);
    const program = programOfText(task.bug.path, outcome.text, 'rasp');
    assert.ok(program && passesAll(program, task.examples));
  });
});
