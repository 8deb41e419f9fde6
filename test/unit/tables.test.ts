// The op-table form: equal to the interpreter when discrete, with gradients that finite differences confirm.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { basePrograms, fileNameOf, sourceOf } from '../../bench/raspbugs/programs.ts';
import { mutationsOf } from '../../bench/raspbugs/mutate.ts';
import { encodeExamples } from '../../src/numeric/encode.ts';
import { decodeOutputs, exactTables } from '../../src/numeric/exactTables.ts';
import { TableRunner } from '../../src/numeric/run.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { EvaluationError, interpret } from '../../src/rasp/interpret.ts';
import type { Dialect, Program, Value } from '../../src/rasp/program.ts';
import { sameValue } from '../../src/repair/batch.ts';
import { applyEdits } from '../../src/repair/rewrite.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost } from '../support/host.ts';

function programOfText(name: string, dialect: Dialect, text: string): Program | undefined {
  const analysis = analyse({ path: fileNameOf(name, dialect), text }, { dialect });
  if (analysis.diagnostics.some(({ severity, code }) => severity === 'error' && code !== 'evaluation')) return undefined;
  return programOf(analysis);
}

/** Inputs on which tables and interpreter differ, out of those that the interpreter accepts. */
async function differences(program: Program, vocabulary: readonly Value[], inputs: readonly (readonly Value[])[]): Promise<{ wrong: number; compared: number }> {
  const tables = exactTables(program, { vocabulary, maxLength: 10 });
  assert.ok('graph' in tables, 'the value sets fit');
  const runner = await TableRunner.start(tables, sharedHost(), { gradients: false });
  const output = await runner.outputs(encodeExamples(tables, inputs.map((input) => ({ input }))));
  await runner.dispose();
  const decoded = decodeOutputs(tables, output, inputs.map(({ length }) => length));
  let wrong = 0;
  let compared = 0;
  inputs.forEach((input, e) => {
    const expected = outcome(program, input);
    if (!expected) return;
    compared++;
    if (!expected.every((value, i) => decoded[e]?.[i] !== undefined && sameValue(decoded[e][i] ?? null, value))) wrong++;
  });
  return { wrong, compared };
}

function outcome(program: Program, input: readonly Value[]): readonly Value[] | null {
  try {
    return interpret(program, input);
  } catch (error) {
    if (error instanceof EvaluationError) return null;
    throw error;
  }
}

describe('discrete tables', () => {
  for (const base of basePrograms) {
    for (const dialect of ['rasp', 'tracr'] as const) {
      it(`equal the interpreter on 1,000 inputs of lengths 1 to 10: ${base.name}, ${dialect}`, async () => {
        const program = programOfText(base.name, dialect, sourceOf(base.name, dialect));
        assert.ok(program);
        const random = new Random(11);
        const inputs = Array.from({ length: 1000 }, (_, i) => base.sample(random, 1 + (i % 10)));
        assert.deepEqual(await differences(program, base.vocabulary, inputs), { wrong: 0, compared: 1000 });
      });
    }
  }

  it('equal the interpreter on mutants of every program, where the interpreter gives a value', async () => {
    const random = new Random(12);
    let mutants = 0;
    for (const base of basePrograms) {
      for (const dialect of ['rasp', 'tracr'] as const) {
        const source = { path: fileNameOf(base.name, dialect), text: sourceOf(base.name, dialect) };
        for (const { span, newText } of random.shuffle(mutationsOf(source, dialect)).slice(0, 5)) {
          const text = applyEdits(source.text, [{ span, newText }]);
          const program = programOfText(base.name, dialect, text);
          if (!program) continue;
          const inputs = Array.from({ length: 100 }, (_, i) => base.sample(random, 1 + (i % 10)));
          const { wrong } = await differences(program, base.vocabulary, inputs);
          assert.equal(wrong, 0, `${base.name}, ${dialect}: ${newText} at ${span.start}`);
          mutants++;
        }
      }
    }
    assert.ok(mutants > 40, `${mutants} mutants`);
  });
});
