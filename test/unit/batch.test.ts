// Batches: the same results as the interpreter, on every input, for programs as written and as changed.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { programOfText, stratifiedSample } from '../../bench/raspbugs/generate.ts';
import { basePrograms } from '../../bench/raspbugs/programs.ts';
import { Batch, sameValue } from '../../src/repair/batch.ts';
import type { BatchState } from '../../src/repair/batch.ts';
import { opGroups } from '../../src/repair/forms.ts';
import { overridesOf } from '../../src/repair/search.ts';
import type { Example } from '../../src/repair/types.ts';
import { EvaluationError, interpret } from '../../src/rasp/interpret.ts';
import type { Program, SOp, Value } from '../../src/rasp/program.ts';
import { Random } from '../../src/shared/random.ts';

interface Case {
  readonly id: string;
  readonly text: string;
  readonly path: string;
  readonly program: Program;
  readonly examples: readonly Example[];
}

const random = new Random(11);

const cases = stratifiedSample(1, 1).bugs.map(({ id, program: name, path, source, dialect }): Case => {
  const base = basePrograms.find((known) => known.name === name);
  assert.ok(base);
  const examples = Array.from({ length: 30 }, () => {
    const input = base.sample(random);
    return { input, output: base.reference(input) };
  });
  const program = programOfText(path, source, dialect, examples[0]?.input as string[]);
  assert.ok(program);
  return { id, text: source, path, program, examples };
});

function interpreted(program: Program, input: readonly Value[]): readonly Value[] | null {
  try {
    return interpret(program, input);
  } catch (error) {
    if (error instanceof EvaluationError) return null;
    throw error;
  }
}

/** Some random choices of forms, each with the state it gives. */
function* variants({ program, path, text }: Case, batch: Batch, count: number): Generator<BatchState> {
  const start = batch.evaluate();
  const observed = (node: SOp): readonly Value[] => start.columns.get(node)?.values ?? [];
  const groups = opGroups(program.output, program.dialect, path, text, { observed, possible: observed });
  for (let i = 0; i < count; i++) {
    const choice = groups.map(({ forms }) => (random.next() < 0.2 ? random.integer(0, forms.length - 1) : 0));
    const overrides = overridesOf(groups, choice);
    if (overrides) yield batch.evaluate(overrides, start);
  }
}

describe('batches', () => {
  it('give what the interpreter gives', () => {
    let compared = 0;
    for (const { id, program, examples } of cases) {
      const batch = new Batch(program.output, program.dialect, examples);
      const state = batch.evaluate();
      examples.forEach(({ input }, i) => {
        const expected = interpreted(program, input);
        const actual = batch.outputOf(state, i);
        // The interpreter alone refuses sequences of mixed types.
        if (!expected) return;
        compared++;
        assert.ok(actual?.every((value, k) => sameValue(value, expected[k] ?? null)), `${id} on ${JSON.stringify(input)}`);
      });
    }
    assert.ok(compared > 500, `${compared} compared`);
  });

  it('give the same whether they redo all or only what a change touches', () => {
    for (const known of cases) {
      const batch = new Batch(known.program.output, known.program.dialect, known.examples);
      for (const state of variants(known, batch, 4)) {
        const whole = new Batch(known.program.output, known.program.dialect, known.examples);
        assert.deepEqual(batch.score(state), whole.score(whole.evaluate(state.overrides)), known.id);
      }
    }
  });

  it('give the same when what they remember is thrown away on the way', () => {
    for (const known of cases.slice(0, 5)) {
      const forgetful = new Batch(known.program.output, known.program.dialect, known.examples, 0);
      const pools = new Set<unknown>();
      for (const state of variants(known, forgetful, 80)) {
        pools.add(state.pool);
        const whole = new Batch(known.program.output, known.program.dialect, known.examples);
        assert.deepEqual(forgetful.score(state), whole.score(whole.evaluate(state.overrides)), known.id);
      }
      assert.ok(pools.size > 1);
    }
  });
});
