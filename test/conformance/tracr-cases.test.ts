// Tracr's own cases: what it computes is what the interpreter computes; what it refuses is refused with the reason.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { exportWeights } from '../../src/numeric/exportModel.ts';
import { exportTables } from '../../src/numeric/tableModel.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { interpret } from '../../src/rasp/interpret.ts';
import type { Program, Value } from '../../src/rasp/program.ts';
import { sameValue } from '../../src/repair/batch.ts';
import { compileProblems } from '../../src/rasp/tracr/compileProblems.ts';
import { Random } from '../../src/shared/random.ts';
import { compareWithInterpreter } from '../support/compiled.ts';

interface Case {
  readonly name: string;
  readonly causal: boolean;
  readonly program: string;
  readonly vocab: readonly Value[];
  readonly max_seq_len: number;
  readonly input: readonly Value[] | null;
  readonly expected: readonly Value[] | null;
  readonly error?: string;
}

const file = new URL('../../../shared/data/tracr/cases.json', import.meta.url);
const library = readFileSync(new URL('../fixtures/tracr-library.py', import.meta.url), 'utf8');

function load(expression: string): Program {
  const text = `${library}\n\ndef case():\n    return ${expression.replaceAll(/\blib\./g, '').replaceAll('\n', ' ')}\n`;
  const analysis = analyse({ path: 'case.py', text });
  assert.deepEqual(analysis.diagnostics, []);
  const program = programOf(analysis, 'case');
  assert.ok(program);
  return program;
}

/** The words of Tracr's message that ours must share. */
const reasons: readonly (readonly [RegExp, RegExp])[] = [
  [/output encoding must match its input encoding/, /output is encoded like its input/],
  [/only average binary variables/, /binary values only/],
  [/Select keys must be categorical/, /keys must be categorical/],
  [/\(Non-linear\) SequenceMap only supports categorical/, /SequenceMap that is not linear takes and gives categorical/],
  [/LinearSequenceMap only supports numerical/, /LinearSequenceMap takes and gives numerical/],
  [/tokens should always be categorical/, /always categorical/],
];

describe("Tracr's cases", () => {
  if (!existsSync(file)) {
    it('need the data beside the project', function () {
      this.skip();
    });
    return;
  }
  const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[];
  for (const test of cases) {
    const title = `${test.name}${test.causal ? ', causal' : ''}`;
    if (test.error !== undefined) {
      it(`are refused with the reason: ${title}`, () => {
        const reason = reasons.find(([theirs]) => theirs.test(test.error ?? ''));
        assert.ok(reason, test.error);
        const problems = compileProblems(load(test.program), { vocabulary: test.vocab, maxLength: test.max_seq_len });
        assert.match(problems.map(({ message }) => message).join('\n'), reason[1]);
      });
    } else {
      it(`are computed: ${title}`, () => {
        const program = load(test.program);
        assert.deepEqual(compileProblems(program, { vocabulary: test.vocab, maxLength: test.max_seq_len }), []);
        const actual = interpret(program, test.input ?? [], { causal: test.causal });
        assert.equal(actual.length, test.expected?.length);
        actual.forEach((value, i) => assert.ok(sameValue(value, test.expected?.[i] ?? null), `${i}: ${String(value)}`));
      });
    }
  }
  for (const test of cases.filter(({ error }) => error === undefined)) {
    const { vocab: vocabulary, max_seq_len: maxLength, causal } = test;
    it(`are what the models compute, as weights and as tables: ${test.name}${causal ? ', causal' : ''}`, async () => {
      const program = load(test.program);
      const random = new Random(31);
      const others = Array.from({ length: 60 }, (_, i) => Array.from({ length: 1 + (i % maxLength) }, () => random.pick(vocabulary)));
      for (const form of [exportWeights, exportTables]) {
        const model = form(program, { vocabulary, maxLength, causal });
        assert.ok(model.ok, model.ok ? '' : model.problem.message);
        const { compared, wrong } = await compareWithInterpreter(program, model, [test.input ?? [], ...others], causal);
        assert.deepEqual([compared, wrong], [61, []], form.name);
      }
    });
  }
  it('are many', () => assert.ok(cases.length > 30));
});
