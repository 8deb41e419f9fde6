// `gradlens models download` as a user meets it: the built script in a process of its own, against a Hub on this machine.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { modelsDownload } from '../../../src/cli/modelsDownload.ts';
import type { ParsedArguments } from '../../../src/cli/usage.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { builtCli } from '../../support/host.ts';
import { HubServer } from '../../support/hubServer.ts';

describe('gradlens models download', () => {
  let server: HubServer;
  let folder = '';
  before(async () => {
    server = await HubServer.start();
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-models-'));
    server.put('someone/tiny', { 'config.json': '{}', 'tokenizer.json': '{"a": 1}', 'onnx/model_q4.onnx': Buffer.alloc(400_000, 7) });
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Ended {
    readonly code: number | null;
    readonly out: string;
    readonly err: string;
  }

  const gradlens = (args: readonly string[], { signal, when }: { signal?: NodeJS.Signals; when?: RegExp } = {}): Promise<Ended> => {
    const env = { ...process.env, HF_ENDPOINT: server.endpoint, HF_TOKEN: 'secret-word', GRADLENS_MODELS: path.join(folder, 'models') };
    const child = spawn(process.execPath, [builtCli(), 'models', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (signal && !child.killed && when?.test(err)) child.kill(signal);
    });
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
  };

  it('says the size first and the folder last, and puts the model where all models go', async () => {
    const { code, out, err } = await gradlens(['download', 'someone/tiny']);
    const target = path.join(folder, 'models', 'someone', 'tiny');
    assert.equal(code, 0, err);
    assert.match(err, /^someone\/tiny at main \([0-9a-f]{7}\), variant q4: 3 files, 390\.6 KiB, into .*\n/);
    assert.equal(out, `${target}: someone/tiny at main, variant q4, 3 files, 390.6 KiB; 390.6 KiB received\n`);
    assert.equal(readFileSync(path.join(target, 'onnx/model_q4.onnx')).byteLength, 400_000);
    assert(!`${out}${err}`.includes('secret-word'));
  });

  it('gives one JSON document on standard output, and finds what is there without the network', async () => {
    const to = path.join(folder, 'elsewhere');
    const [first, second] = [await gradlens(['download', 'someone/tiny', '--to', to, '--json']), await gradlens(['download', 'someone/tiny', '--to', to, '--json'])];
    const read = ({ out }: Ended): Record<string, unknown> => JSON.parse(out) as Record<string, unknown>;
    assert.deepEqual([first.code, read(first)['status'], read(first)['folder'], read(first)['received']], [0, 'complete', to, 400_010]);
    assert.deepEqual([second.code, read(second)['received'], second.err], [0, 0, '']);
  });

  it('rewrites one line with bytes, files and rate on a terminal, and takes it away at the end', async () => {
    let err = '';
    const terminal = { out: () => undefined, err: (text: string) => void (err += text), live: true, colours: true, columns: 100 };
    const args: ParsedArguments = { positionals: ['someone/tiny'], lists: {}, values: { to: path.join(folder, 'live') }, flags: new Set(), help: false, json: false };
    server.misbehave('onnx/model_q4.onnx', { kind: 'slow', block: 100_000, pause: 120 });
    process.env['HF_ENDPOINT'] = server.endpoint;
    try {
      const { exitCode } = await modelsDownload(args, { terminal, token: neverCancelled, now: () => performance.now(), hostPath: '', workerPath: undefined });
      assert.equal(exitCode, 0);
    } finally {
      delete process.env['HF_ENDPOINT'];
    }
    const shown = err.split('\r\u001b[K').slice(1);
    assert(shown.some((line) => /^\d\d % {2}\d+\.\d KiB of 390\.6 KiB, 2 of 3 files, \d+\.\d KiB\/s, \d+ s left {2}onnx\/model_q4\.onnx$/.test(line)), err);
    assert.equal(shown.at(-1), '');
    assert(shown.every((line) => line.length < 100));
  });

  it('is ended by Ctrl-C, keeps what has arrived, and goes on', async () => {
    const to = path.join(folder, 'interrupted');
    server.misbehave('onnx/model_q4.onnx', { kind: 'slow', block: 10_000, pause: 100 });
    const { code, err } = await gradlens(['download', 'someone/tiny', '--to', to], { signal: 'SIGINT', when: /into/ });
    assert.deepEqual([code, err.includes('Cancelled.')], [130, true], err);
    server.misbehave('onnx/model_q4.onnx');
    assert.equal((await gradlens(['download', 'someone/tiny', '--to', to])).code, 0);
    assert(existsSync(path.join(to, 'onnx/model_q4.onnx')));
  });

  it('exits with 2 for what cannot be, and with 3 where the network fails', async () => {
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [[], 2, /Use: gradlens models .*download <owner\/name>/],
      [['fetch'], 2, /cannot “fetch”/],
      [['download'], 2, /Which model\?/],
      [['download', 'someone/nothing'], 2, /There is no model someone\/nothing/],
      [['download', '../..'], 2, /is not the name of a repository/],
      [['download', 'someone/tiny', '--variant', 'fp16'], 2, /no variant “fp16”\. Its variants: q4/],
    ];
    for (const [args, exit, message] of cases) {
      const { code, out, err } = await gradlens(args);
      assert.equal(code, exit, `${args.join(' ')}: ${err}`);
      assert.match(`${out}${err}`, message);
    }
    server.misbehave('onnx/model_q4.onnx', { kind: 'corrupt' });
    const { code, out } = await gradlens(['download', 'someone/tiny', '--to', path.join(folder, 'bad'), '--json']);
    assert.deepEqual([code, (JSON.parse(out) as { code: string }).code], [3, 'checksum']);
  });
});
