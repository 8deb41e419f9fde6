// The door through which VS Code runs the host suite: mocha, with the results in a file.
import { readdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { createRequire } from 'node:module';
import type MochaClass from 'mocha';

interface Row {
  readonly title: string;
  readonly millis: number;
  readonly error?: string;
}

export async function run(): Promise<void> {
  // mocha's own bundle has changed its shape between versions; require gives the class in all of them.
  const loaded = createRequire(__filename)('mocha') as typeof MochaClass & { default?: typeof MochaClass };
  const mocha = new (loaded.default ?? loaded)({ ui: 'bdd', timeout: 90_000 });
  // Names a part of the suite while one works on it.
  const only = process.env['GRADLENS_HOST_ONLY'] ?? '';
  for (const file of readdirSync(__dirname)) if (file.endsWith('.test.cjs') && file.includes(only)) mocha.addFile(path.join(__dirname, file));
  const tests: Row[] = [];
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    runner.on('pass', (test) => tests.push({ title: test.fullTitle(), millis: test.duration ?? 0 }));
    runner.on('fail', (test, error: Error) => tests.push({ title: test.fullTitle(), millis: test.duration ?? 0, error: error.stack ?? error.message }));
    runner.on('end', () => {
      const { passes = 0, failures: failed = 0, pending = 0 } = runner.stats ?? {};
      const file = process.env['GRADLENS_HOST_RESULTS'];
      if (file) writeFileSync(file, JSON.stringify({ stats: { passes, failures: failed, pending }, tests }));
    });
  });
  if (failures > 0) throw new Error(`${failures} tests failed`);
  if (tests.length === 0) throw new Error('no test ran');
}
