// Downloads whose process is killed, whose disk is full, or that meet another of the same model: nothing wrong is left, and the next goes on.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'mocha';
import { builtDownloader } from '../support/host.ts';
import { graph, hubModel, repo, weights } from '../support/hubModel.ts';
import type { HubServer } from '../support/hubServer.ts';

const files = { 'config.json': '{"model_type": "llama"}', 'tokenizer.json': '{}', 'tokenizer_config.json': '{}', [graph]: weights };

describe('download under faults', () => {
  let server: HubServer;
  let folder = '';
  const hub = hubModel(files, (test) => void ({ server, folder } = test));

  const partial = (): string => path.join(folder, `${graph}.partial`);
  const size = (): number => statSync(partial(), { throwIfNoEntry: false })?.size ?? 0;

  async function arrives(): Promise<void> {
    await hub.arrives();
    assert(readFileSync(path.join(folder, graph)).equals(weights), 'the graph has another content');
  }

  interface Ended {
    readonly status: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly stdout: string;
  }

  /** A process of its own that downloads the model. */
  function downloading(...wrapper: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    const [command = '', ...args] = [...wrapper, process.execPath, builtDownloader(), server.endpoint, repo, folder];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    return { child, ended: new Promise((resolve) => child.on('close', (status, signal) => resolve({ status, signal, stdout }))) };
  }

  async function killedWhen(reached: () => boolean): Promise<void> {
    const { child, ended } = downloading();
    while (!reached() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill('SIGKILL');
    assert.equal((await ended).signal, 'SIGKILL');
  }

  it('loses no block when its process is killed in the middle', async () => {
    server.misbehave(graph, { kind: 'slow', block: 16_384, pause: 2 }, { kind: 'hang', after: 200_000 });
    await killedWhen(() => size() > 100_000);
    const first = size();
    assert(readFileSync(partial()).equals(weights.subarray(0, first)), 'what is there is the beginning of the file');
    await killedWhen(() => size() === first + 200_000);
    await arrives();
    assert.deepEqual(server.rangesOf(graph), [null, `bytes=${first}-`, `bytes=${first + 200_000}-`]);
  });

  it('says that the disk takes no more while it writes, and goes on when it does', async function () {
    if (spawnSync('prlimit', ['--version']).status !== 0) this.skip();
    // The process may write no file above 400 KiB.
    const { stdout, status } = await downloading('prlimit', '--fsize=409600').ended;
    assert.deepEqual([status, stdout.includes('no-space')], [1, true], stdout);
    assert.equal(size(), 409_600);
    await arrives();
  });

  it('by a second process into the same folder is refused while the first is running, and takes over when it is gone', async () => {
    server.misbehave(graph, { kind: 'hang', after: 200_000 });
    const first = downloading();
    while (size() < 200_000 && first.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
    const { status, stdout } = await downloading().ended;
    assert.equal(status, 1);
    assert.match(stdout, /^busy: Another download into .* is running/);
    first.child.kill('SIGKILL');
    await first.ended;
    assert.deepEqual(await downloading().ended, { status: 0, signal: null, stdout: 'ok\n' });
    assert.deepEqual(server.rangesOf(graph), [null, 'bytes=200000-']);
    await arrives();
  });

  it('of one model by processes that begin at the same moment leaves one whole model', async () => {
    server.misbehave(graph, { kind: 'slow', block: 65_536, pause: 10 });
    const ended = await Promise.all([downloading().ended, downloading().ended, downloading().ended]);
    assert(ended.some(({ status }) => status === 0), JSON.stringify(ended));
    // One that comes when the others have ended finds the model complete.
    for (const { status, stdout } of ended) assert.match(stdout, status === 0 ? /^ok\n$/ : /^busy: /);
    await arrives();
    assert.deepEqual((readdirSync(folder, { recursive: true }) as string[]).filter((name) => /partial|lock/.test(name)), []);
  });
});
