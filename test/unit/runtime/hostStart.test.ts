// A model host that cannot start, or ends at once: the error is clear, it comes at once, and nothing waits for ever.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { HostDiedError, HostStartError, ModelHost, survivingDeaths } from '../../../src/runtime/client.ts';
import { builtHost } from '../../support/host.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

describe('model host that cannot start', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-start-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const script = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  const failure = async (hostPath: string): Promise<HostDiedError> => {
    const host = ModelHost.start({ hostPath });
    try {
      const error: unknown = await host.backends().catch((reason: unknown) => reason);
      assert(error instanceof HostDiedError, String(error));
      return error;
    } finally {
      host.dispose();
    }
  };
  const startFailure = async (hostPath: string): Promise<string> => {
    const error = await failure(hostPath);
    assert(error instanceof HostStartError, error.name);
    return error.message;
  };

  it('says that its script is missing', async () => {
    assert.match(await startFailure(path.join(folder, 'nowhere.cjs')), /cannot start: its script .*nowhere\.cjs is missing\. Install GradLens again/);
  });

  it('says how a script that exits at once has ended', async () => {
    assert.match(await startFailure(script('exits.cjs', 'process.exit(3)')), /it ended with code 3 before it was ready/);
  });

  it('says so of a script that ends at its first message as well', async () => {
    assert.match(await startFailure(script('first.cjs', 'process.on("message", () => process.exit(7))')), /it ended with code 7 before it was ready/);
  });

  it('tells a death at the first message from a failure to start where the host was ready', async () => {
    const error = await failure(script('dies.cjs', 'process.send({ type: "ready", id: 0 }); process.on("message", () => { console.error("Error: the end"); process.exit(7); })'));
    assert(!(error instanceof HostStartError));
    assert.match(error.message, /ended with code 7 while it was working; try again\. Error: the end/);
  });

  it('names the shared library that is missing, from what the loader wrote', async () => {
    const said = 'Error: libonnxruntime.so.1: cannot open shared object file: No such file or directory';
    const message = await startFailure(script('library.cjs', `process.stderr.write("node:internal/modules/cjs/loader:1586\\n\\n${said}\\n    at Module._extensions..node\\n  code: 'ERR_DLOPEN_FAILED'\\n}\\n\\nNode.js v20\\n"); process.exitCode = 1; process.disconnect();`));
    assert.match(message, /a library that the ONNX runtime needs is missing or too old\. .*It said: Error: libonnxruntime\.so\.1: cannot open shared object file/);
    assert.doesNotMatch(message, /_extensions|Node\.js v20/);
  });

  it('names a native library that cannot be loaded, from the loader itself', async () => {
    const broken = script('broken.node', 'no library');
    assert.match(await startFailure(script('dlopen.cjs', `require(${JSON.stringify(broken)})`)), /It said: Error: .*broken\.node/);
  });

  it('says that the ONNX runtime is not installed', async () => {
    assert.match(await startFailure(script('bare.cjs', 'require("onnxruntime-node")')), /the ONNX runtime is not installed\..*ONNXRUNTIME_NODE_INSTALL=skip/);
  });

  it('says that the ONNX runtime has no binary for this platform', async () => {
    const said = 'Error: Cannot find module \'../bin/napi-v6/darwin/x64/onnxruntime_binding.node\'';
    assert.match(await startFailure(script('platform.cjs', `throw new Error(${JSON.stringify(said.slice(7))})`)), new RegExp(`no binary for ${process.platform} on ${process.arch}`));
  });

  it('says so where not even a process comes to be', async () => {
    const { execPath } = process;
    process.execPath = path.join(folder, 'no-node');
    try {
      assert.match(await startFailure(builtHost()), /it ended at once \(spawn .*ENOENT\)/);
    } finally {
      process.execPath = execPath;
    }
  });

  it('is not tried again and again by work that survives deaths', async () => {
    const host = ModelHost.start({ hostPath: path.join(folder, 'nowhere.cjs') });
    let attempts = 0;
    await assert.rejects(survivingDeaths(() => {
      attempts++;
      return host.backends();
    }), HostStartError);
    assert.equal(attempts, 1);
    host.dispose();
  });

  it('says why after it has been started too often, too', async () => {
    const host = ModelHost.start({ hostPath: path.join(folder, 'nowhere.cjs') });
    for (let i = 0; i < 4; i++) await assert.rejects(host.backends(), HostStartError);
    await assert.rejects(host.backends(), /ended 4 times within a minute and is not started again\. .*nowhere\.cjs is missing/);
    host.dispose();
  });

  /** A program of its own: this process has other work that keeps it alive. */
  const ending = (body: string, hostPath: string): { status: number | null; stdout: string } => {
    const client = path.join(root, 'src/runtime/client.ts');
    const file = script('program.mts', `import { ModelHost } from ${JSON.stringify(client)};\nconst host = ModelHost.start({ hostPath: ${JSON.stringify(hostPath)} });\n${body}\n`);
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8', timeout: 30_000 });
    return { status, stdout };
  };

  it('fails the work of a program that waits for nothing else', () => {
    assert.deepEqual(ending('await host.backends().catch((error) => console.log(error.name));', script('ends.cjs', 'process.exit(3)')), { status: 0, stdout: 'HostStartError\n' });
  });

  it('keeps no program alive that has no more work for it', () => {
    assert.deepEqual(ending('console.log((await host.backends()).backends.some(({ name }) => name === "cpu"));', builtHost()), { status: 0, stdout: 'true\n' });
  });
});
