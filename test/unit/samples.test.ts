// The sample workspace keeps its promises: its buggy programs are wrong, and repair makes them right in general.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { examplesPathOf, readExamples, runExamples } from '../../src/repair/examples.ts';
import { repair } from '../../src/repair/repair.ts';
import type { Example } from '../../src/repair/types.ts';
import { isExact } from '../../src/repair/verify.ts';
import { programOf } from '../../src/rasp/analyse.ts';
import { analyse } from '../../src/rasp/frontend.ts';
import { basePrograms } from '../../bench/raspbugs/programs.ts';
import { Random } from '../../src/shared/random.ts';
import { sharedHost } from '../support/host.ts';

const folder = new URL('../../samples/', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, folder), 'utf8');
const readSource = (path: string): string | undefined => (existsSync(new URL(path, folder)) ? read(path) : undefined);

/** What each buggy sample is meant to compute, as one of the base programs. */
const meant: Readonly<Record<string, string>> = { 'sort.rasp': 'sort', 'reverse.rasp': 'reverse', 'hist.py': 'hist', 'dyck.rasp': 'shuffle_dyck', 'most_freq.py': 'most_freq' };

function examplesOf(name: string): readonly Example[] {
  const beside = readSource(examplesPathOf(name));
  const source = { path: name, text: read(name) };
  const set = readExamples({ source, readSource, ...(beside === undefined ? {} : { beside: { path: examplesPathOf(name), text: beside } }) });
  assert.deepEqual(set.diagnostics, []);
  return set.examples;
}

describe('sample workspace', () => {
  const programs = readdirSync(folder).filter((name) => /\.(rasp|py)$/.test(name));
  const right = 'palindrome.rasp';

  it('has buggy programs and a right one, all with examples', () => {
    assert.deepEqual([...programs].sort(), [...Object.keys(meant), right, 'shift.rasp'].sort());
    const program = programOf(analyse({ path: right, text: read(right) }));
    assert.ok(program);
    assert.ok(runExamples(program, examplesOf(right)).every(({ ok }) => ok));
  });

  for (const name of [...Object.keys(meant), 'shift.rasp']) {
    it(`${name} is repaired, and right on inputs that it has no example of`, async () => {
      const examples = examplesOf(name);
      const result = await repair({ source: { path: name, text: read(name) }, examples }, { host: sharedHost() });
      assert.ok(result.status === 'repaired' && result.patch, result.status);
      const program = programOf(analyse({ path: name, text: result.patch.source }, { runningExample: examples[0]?.input ?? [] }));
      assert.ok(program);
      const random = new Random(99);
      const base = basePrograms.find((one) => one.name === meant[name]);
      for (let i = 0; i < 300; i++) {
        const input = base?.sample(random) ?? Array.from({ length: random.integer(1, 9) }, () => random.pick([...'xyz']));
        const output = base?.reference(input) ?? ['-', ...input.slice(0, -1)];
        assert.ok(isExact(program, { input, output }), `${JSON.stringify(input)} after ${result.patch.summary}`);
      }
    });
  }
});
