// Where benches put what they found: bench/results/NAME.json and NAME.md.
import { mkdirSync, writeFileSync } from 'node:fs';

/** Gives the text back. */
export function writeReport(report: unknown, text: string, name: string): string {
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(new URL(`${name}.md`, folder), text);
  return text;
}
