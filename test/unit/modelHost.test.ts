// A model host that cannot start: the process that asks it for something gets an error, and does not end or wait in silence.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { after, describe, it } from 'mocha';
import { builtHostUser } from '../support/host.ts';

describe('a model host that cannot start', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-host-'));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  /** What the process that uses it prints. */
  async function told(script: string | null): Promise<string> {
    const host = path.join(folder, 'host.cjs');
    if (script === null) rmSync(host, { force: true });
    else writeFileSync(host, script);
    const { stdout } = await promisify(execFile)(process.execPath, [builtHostUser(), host]);
    return stdout;
  }

  it('is named where its script is missing', async () => {
    assert.match(await told(null), /^HostDiedError: The model host ended with code 1 .*Cannot find module '.*host\.cjs'/);
  });

  it('is told with its exit code where it ends at once, without a word', async () => {
    assert.match(await told('process.exit(3)'), /^HostDiedError: The model host ended with code 3/);
  });

  it('is told with the system\'s words where a native library is missing', async () => {
    const words = 'node: error while loading shared libraries: libonnxruntime.so.1: cannot open shared object file: No such file or directory';
    assert.match(await told(`console.error(${JSON.stringify(`first\n${words}\nlast\nlast\nlast`)}); process.exit(127)`), /libonnxruntime\.so\.1: cannot open shared object file/);
  });

  it('is told with its error where it dies of the first message', async () => {
    assert.match(await told('process.on("message", () => { throw new RangeError("no such thing"); })'), /RangeError: no such thing/);
  });
});
