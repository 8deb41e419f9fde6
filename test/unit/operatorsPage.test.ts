// docs/operators.md says what the registries and the record of the operator cases say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'mocha';
import { operatorsPage } from '../../scripts/operatorsTable.ts';
import type { ConformanceRecord } from '../support/operatorConformance.ts';

it('the table of operators is up to date (npm run docs:operators)', () => {
  const record = JSON.parse(readFileSync(new URL('../conformance/onnx-operators.json', import.meta.url), 'utf8')) as ConformanceRecord;
  assert.equal(readFileSync(new URL('../../docs/operators.md', import.meta.url), 'utf8'), operatorsPage(record));
});
