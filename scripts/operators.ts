// npm run docs:operators: runs the ONNX standard's operator cases, where they are, and writes docs/operators.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { hasOperatorCases, operatorCases } from '../test/support/operatorCases.ts';
import { checkAllCases } from '../test/support/operatorConformance.ts';
import type { ConformanceRecord } from '../test/support/operatorConformance.ts';
import { operatorsPage } from './operatorsTable.ts';

const recordFile = new URL('../test/conformance/onnx-operators.json', import.meta.url);
const pageFile = new URL('../docs/operators.md', import.meta.url);

/** The record of a run, or the one that is there where the cases are not. */
async function recorded(): Promise<ConformanceRecord> {
  if (!hasOperatorCases()) {
    console.error(`The cases are not in ${operatorCases.pathname}; the page is made from the record of the last run.`);
    return JSON.parse(readFileSync(recordFile, 'utf8')) as ConformanceRecord;
  }
  const { record, disagreements, worst } = await checkAllCases();
  for (const line of disagreements) console.error(line);
  if (disagreements.length > 0) throw new Error(`${disagreements.length} cases disagree; nothing is written.`);
  for (const [kind, [error, name]] of Object.entries(worst)) console.log(`worst ${kind}: ${error.toExponential(1)} (${name})`);
  writeFileSync(recordFile, `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

writeFileSync(pageFile, operatorsPage(await recorded()));
console.log('docs/operators.md is written.');
process.exit(0);
