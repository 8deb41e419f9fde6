// Random programs give one answer as interpreter, op tables and transformer; `npm run bench -- compile-property` tries more.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { Random } from '../../src/shared/random.ts';
import { agreement, programOfText, randomInputs } from '../support/agreement.ts';
import { randomProgram, vocabulary } from '../support/randomPrograms.ts';

describe('random programs', function () {
  this.timeout(240_000);

  it('are the same function as interpreter, op tables and transformer weights', async () => {
    const random = new Random(41);
    let [weights, tables] = [0, 0];
    await fc.assert(
      fc.asyncProperty(randomProgram, fc.boolean(), async (text, causal) => {
        const program = programOfText(text);
        assert.ok(program, text);
        const found = await agreement(program, { vocabulary, maxLength: 5, causal }, randomInputs(random, vocabulary, 5, 30));
        assert.deepEqual(found.wrong, [], text);
        if (found.weights > 0) weights++;
        if (found.tables > 0) tables++;
      }),
      { seed: 41, numRuns: 60 },
    );
    assert.ok(weights > 20 && tables > 35, `${weights} as weights, ${tables} as tables`);
  });

  it('are the same function at lengths up to 32', async () => {
    const random = new Random(42);
    let compared = 0;
    for (const text of fc.sample(randomProgram, { seed: 42, numRuns: 8 })) {
      const program = programOfText(text);
      assert.ok(program, text);
      const found = await agreement(program, { vocabulary, maxLength: 32 }, randomInputs(random, vocabulary, 32, 32), ['weights']);
      assert.deepEqual(found.wrong, [], text);
      if (found.weights > 0) compared++;
    }
    assert.ok(compared > 2, `${compared} programs`);
  });
});
