// The operator cases of the ONNX standard (../shared/data/onnx/operators): operators, expansions and gradients against them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { hasOperatorCases } from '../support/operatorCases.ts';
import { checkAllCases } from '../support/operatorConformance.ts';
import type { ConformanceRecord, ConformanceRun } from '../support/operatorConformance.ts';

/** `npm run docs:operators` writes it. */
const recordFile = new URL('onnx-operators.json', import.meta.url);

describe('the operator cases of the ONNX standard', () => {
  let run: Promise<ConformanceRun> | undefined;
  const all = (): Promise<ConformanceRun> => (run ??= checkAllCases());

  it('agree with the operators, their expansions and their gradients', async function () {
    if (!hasOperatorCases()) this.skip();
    this.timeout(600_000);
    const { disagreements, worst } = await all();
    console.log(Object.entries(worst).map(([kind, [error, name]]) => `      worst ${kind}: ${error.toExponential(1)} (${name})`).join('\n'));
    assert.deepEqual(disagreements, []);
  });

  it('pass and are left out, by the reason, as recorded', async function () {
    if (!hasOperatorCases()) this.skip();
    this.timeout(600_000);
    const { record } = await all();
    assert.deepEqual(record, JSON.parse(readFileSync(recordFile, 'utf8')) as ConformanceRecord);
  });
});
