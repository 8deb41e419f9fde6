// The benchmark's base programs against their oracles, and what their generated bugs promise.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { interpret } from '../../src/rasp/interpret.ts';
import type { Dialect } from '../../src/rasp/program.ts';
import { equals } from '../../src/rasp/scalar.ts';
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
            const [actual, wanted] = [interpret(program, input), base.reference(input)];
            const agree = actual.length === wanted.length && actual.every((value, k) => equals(value, wanted[k] ?? null));
            if (!agree) assert.deepEqual(actual, wanted, `on ${JSON.stringify(input)}`);
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
