// Downloads from a Hub on this machine that misbehaves in every way a network can.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'mocha';
import type { DownloadOptions, DownloadPlan, DownloadProgress, DownloadResult } from '../../../src/lm/download.ts';
import type { DownloadProblem } from '../../../src/lm/hub/problem.ts';
import { CancellationSource, CancelledError } from '../../../src/shared/cancellation.ts';
import { graph, hubModel, MIB, noise, repo, weights } from '../../support/hubModel.ts';
import { HubServer } from '../../support/hubServer.ts';

const files = {
  'README.md': '# not needed',
  'config.json': '{"model_type": "llama"}',
  'generation_config.json': '{}',
  'model.safetensors': noise(5000, 2),
  'tokenizer.json': JSON.stringify({ vocabulary: 'a'.repeat(500) }),
  'tokenizer_config.json': '{"chat_template": "x"}',
  [graph]: weights,
  'onnx/model.onnx_data': noise(3000, 3),
  'onnx/model_q4.onnx': noise(300_000, 4),
};

describe('download from the Hub', function () {
  let server: HubServer;
  let folder = '';
  let nowhere = '';
  before(async () => void (nowhere = await HubServer.deadEndpoint()));
  const { download, arrives } = hubModel(files, (test) => void ({ server, folder } = test));
  const fails = async (code: string, options: Partial<DownloadOptions> = {}, of = repo): Promise<DownloadProblem> => {
    const result = await download(options, of);
    assert(!result.ok, 'the download should have failed');
    assert.equal(result.problem.code, code, result.problem.message);
    return result.problem;
  };
  const starts = (): number[] => server.rangesOf(graph).map((range) => (range === null ? 0 : Number(/\d+/.exec(range)?.[0])));
  const present = (): string[] => (existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(path.join(folder, name)).isFile()).sort() : []);
  const isWhole = (content: Buffer = weights): void => assert(readFileSync(path.join(folder, graph)).equals(content), 'the graph has another content');

  it('brings what the variant needs and nothing else, says the size first, and tells how far it is', async () => {
    const plans: DownloadPlan[] = [];
    const progress: DownloadProgress[] = [];
    server.misbehave(graph, { kind: 'slow', block: MIB / 8, pause: 40 });
    const result = await arrives({ onPlan: (plan) => { plans.push(plan); assert.deepEqual(server.rangesOf(graph), []); }, onProgress: (step) => progress.push(step) });
    const wanted = ['config.json', 'generation_config.json', graph, 'onnx/model.onnx_data', 'tokenizer.json', 'tokenizer_config.json'];
    assert.deepEqual(present(), ['.gradlens-download.json', ...wanted]);
    for (const name of wanted) assert(readFileSync(path.join(folder, name)).equals(Buffer.from(files[name as keyof typeof files])), name);
    const bytes = wanted.reduce((sum, name) => sum + Buffer.byteLength(files[name as keyof typeof files]), 0);
    assert.deepEqual([result.variant, result.bytes, result.received, plans.length, plans[0]?.bytes, plans[0]?.presentBytes], ['fp32', bytes, bytes, 1, bytes, 0]);
    assert.deepEqual(progress.at(-1)?.filesDone, wanted.length);
    assert.equal(progress.at(-1)?.bytesDone, bytes);
    assert(progress.some(({ file, bytesDone, bytesPerSecond }) => file === graph && bytesDone < bytes && bytesPerSecond > 0), 'progress within the file');
    assert(progress.every(({ bytesDone }, i) => bytesDone >= (progress[i - 1]?.bytesDone ?? 0)), 'progress goes forward');
  });

  it('brings the variant that is asked for, and lists the others where it does not exist', async () => {
    assert.equal((await arrives({ variant: 'q4' })).variant, 'q4');
    assert(present().includes('onnx/model_q4.onnx') && !present().includes(graph));
    const { message } = await fails('no-variant', { variant: 'int8' });
    assert.match(message, /no variant “int8”.*fp32 \(1\.0 MiB\), q4 \(293\.0 KiB\)/);
  });

  it('finds a complete folder without any request, with and without a variant named', async () => {
    await arrives();
    server.requests.length = 0;
    for (const options of [{}, { variant: 'fp32' }]) {
      const again = await arrives({ ...options, endpoint: nowhere });
      assert.deepEqual([again.received, again.variant, again.files.length], [0, 'fp32', 6]);
    }
    assert.equal(server.requests.length, 0);
    writeFileSync(path.join(folder, graph), 'short');
    await fails('unreachable', { endpoint: nowhere });
  });

  it('brings only what is missing or damaged to a folder that is not complete', async () => {
    await arrives();
    rmSync(path.join(folder, 'config.json'));
    writeFileSync(path.join(folder, 'onnx/model.onnx_data'), noise(3000, 9));
    server.requests.length = 0;
    assert.equal((await arrives()).received, 3000 + files['config.json'].length);
    assert.deepEqual(server.requests.filter(({ server: which }) => which === 'cdn').map(({ url }) => url.replace(/\?.*/, '').split('/').pop()), ['config.json', 'model.onnx_data']);
  });

  for (const [how, faults] of [
    ['the connection is cut in the middle', [{ kind: 'drop', after: 300_000 }, { kind: 'drop', after: 200_000 }]],
    ['the answer ends early and says nothing', [{ kind: 'truncate', after: 300_000 }, { kind: 'truncate', after: 200_000 }]],
    ['the server states too short a length in each answer but the last', [{ kind: 'drop', after: 300_000 }, { kind: 'wrong-length', by: -548_576 }]],
  ] as const) {
    it(`goes on where it was when ${how}`, async () => {
      server.misbehave(graph, ...faults);
      const { received } = await arrives();
      isWhole();
      assert.equal(received, (await arrives()).bytes, 'no byte twice');
      const [first, second, third] = starts();
      assert(first === 0 && second !== undefined && third !== undefined && second > 0 && second <= 300_000 && third > second, String(starts()));
    });
  }

  it('goes on asking only if the content is still the same', async () => {
    server.misbehave(graph, { kind: 'drop', after: 300_000 });
    await arrives();
    const etag = `"${createHash('sha256').update(weights).digest('hex').slice(0, 32)}"`;
    assert.deepEqual(server.requests.filter(({ server: which, url }) => which === 'cdn' && url.includes('model.onnx?')).map(({ ifRange }) => ifRange), [undefined, etag]);
  });

  it('takes a whole answer to the request for a range from its beginning', async () => {
    server.misbehave(graph, { kind: 'drop', after: 500_000 }, { kind: 'whole' });
    const { received, bytes } = await arrives();
    isWhole();
    assert.equal(received, bytes + (starts()[1] ?? 0), 'what was there came again');
  });

  for (const kind of ['hang', 'status'] as const) {
    it(`tries again when the server ${kind === 'hang' ? 'falls silent, before and within an answer' : 'has failures of its own'}`, async () => {
      if (kind === 'hang') server.misbehave(graph, { kind, after: -1 }, { kind, after: 400_000 });
      else server.misbehave(graph, { kind, status: 500 }, { kind, status: 503 }, { kind, status: 429 });
      const lines: string[] = [];
      await arrives({ idleTimeout: 150, log: (line) => lines.push(line) });
      isWhole();
      assert.deepEqual(lines.map((line) => /silent|500|503|429/.exec(line)?.[0]), kind === 'hang' ? ['silent', 'silent'] : ['500', '503', '429']);
    });
  }

  it('waits as long as a server asks it to, and says so where that is too long', async () => {
    server.misbehave(graph, { kind: 'status', status: 429, retryAfter: '1' });
    const lines: string[] = [];
    await arrives({ log: (line) => lines.push(line) });
    assert.match(lines[0] ?? '', /too many requests \(429\); trying again in 1\.0 s/);
    rmSync(folder, { recursive: true });
    server.misbehave(graph, { kind: 'status', status: 429, retryAfter: '3600' });
    assert.match((await fails('server')).message, /asks to come back in 60 minutes/);
  });

  it('gives up after so many attempts without progress, keeps what has arrived, and goes on from there later', async () => {
    server.misbehave(graph, { kind: 'drop', after: 600_000 }, ...Array.from({ length: 3 }, () => ({ kind: 'status', status: 502 }) as const));
    const { message } = await fails('server', { attempts: 3 });
    assert.match(message, /onnx\/model\.onnx could not be fetched: the server failed \(502\) \(3 attempts\)\. Try again later; what has arrived is kept/);
    const kept = statSync(path.join(folder, `${graph}.partial`)).size;
    assert(kept > 0 && kept <= 600_000);
    assert(!existsSync(path.join(folder, graph)), 'a file appears only when it is whole');
    server.misbehave(graph);
    await arrives();
    isWhole();
    assert.equal(starts().at(-1), kept);
  });

  it('tries the list of files again as well', async () => {
    server.misbehaveListing({ kind: 'status', status: 500 }, { kind: 'hang', after: -1 }, { kind: 'status', status: 429, retryAfter: '0' });
    await arrives({ idleTimeout: 150 });
  });

  it('deletes a file with a wrong checksum and says so', async () => {
    server.misbehave(graph, { kind: 'corrupt' });
    assert.match((await fails('checksum')).message, /onnx\/model\.onnx of someone\/tiny-model has arrived with another content.*deleted/);
    assert.deepEqual(present().filter((name) => name.startsWith('onnx')), []);
    await arrives();
    isWhole();
  });

  it('checks small files by their git hash', async () => {
    server.misbehave('config.json', { kind: 'corrupt' });
    assert.match((await fails('checksum')).message, /config\.json.*git-sha1/);
    server.claim('generation_config.json', '0'.repeat(40));
    assert.match((await fails('checksum')).message, /generation_config\.json/);
    server.claim('generation_config.json', createHash('sha1').update('blob 2\0{}').digest('hex'));
  });

  it('begins anew once where parts put together have a wrong checksum', async () => {
    server.misbehave(graph, { kind: 'drop', after: 500_000 });
    await fails('unreachable', { attempts: 1 });
    const partial = path.join(folder, `${graph}.partial`);
    const damaged = readFileSync(partial);
    damaged.writeUInt8(damaged.readUInt8(77) ^ 1, 77);
    writeFileSync(partial, damaged);
    await arrives();
    isWhole();
    assert.deepEqual(starts(), [0, damaged.byteLength, 0]);
  });

  for (const [what, fault] of [
    ['more bytes than the repository states', { kind: 'longer' }],
    ['a longer body than it has', { kind: 'wrong-length', by: 5000 }],
    ['a shorter body than it has', { kind: 'wrong-length', by: -5000 }],
  ] as const) {
    it(`leaves nothing wrong behind when the server promises ${what}`, async () => {
      server.misbehave(graph, fault, fault, fault);
      await fails(fault.kind === 'longer' ? 'checksum' : 'server', { attempts: 3 });
      assert(!present().some((name) => name === graph || name.endsWith('.partial')), present().join());
      server.misbehave(graph);
      await arrives();
      isWhole();
    });
  }

  for (const inProcess of [true, false]) {
    it(`begins anew with a file that has changed ${inProcess ? 'within a download' : 'between two'}`, async () => {
      const other = noise(MIB + 100, 5);
      const change = (): void => server.change(repo, graph, other);
      server.misbehave(graph, { kind: 'drop', after: 500_000 });
      if (inProcess) {
        // The list was the old content's, so what comes now cannot be right.
        const { code } = await failed(await download({ log: (line) => { if (line.startsWith(graph)) change(); }, attempts: 3 }));
        assert(code === 'checksum' || code === 'server', code);
        assert(!existsSync(path.join(folder, graph)));
      } else {
        await fails('unreachable', { attempts: 1 });
        change();
      }
      await arrives();
      isWhole(other);
    });
  }
  const failed = (result: DownloadResult): DownloadProblem => {
    assert(!result.ok);
    return result.problem;
  };

  it('does not mix two contents where the server ignores If-Range', async () => {
    const other = noise(MIB, 6);
    server.misbehave(graph, { kind: 'drop', after: 500_000 }, { kind: 'ignore-if-range' });
    await fails('checksum', { log: (line) => { if (line.startsWith(graph)) server.change(repo, graph, other); } });
    const [first, second = 0, third] = starts();
    assert(first === 0 && second > 0 && third === 0, String(starts()));
    await arrives();
    isWhole(other);
  });

  it('is cancelled in the middle of a file, at once, and goes on from there', async () => {
    const source = new CancellationSource();
    server.misbehave(graph, { kind: 'slow', block: 50_000, pause: 50 });
    const cancelled = download({ token: source.token, idleTimeout: 60_000, onProgress: ({ file, bytesDone }) => { if (file === graph && bytesDone > 200_000) source.cancel(); } });
    await assert.rejects(cancelled, CancelledError);
    assert(!existsSync(path.join(folder, '.gradlens-download.lock')));
    const kept = statSync(path.join(folder, `${graph}.partial`)).size;
    assert(kept > 200_000 - MIB / 8 && kept < MIB);
    await arrives();
    isWhole();
    assert.equal(starts().at(-1), kept);
  });

  it('is cancelled while it waits for the next attempt', async () => {
    const source = new CancellationSource();
    server.misbehave(graph, { kind: 'status', status: 503 });
    await assert.rejects(download({ token: source.token, firstPause: 60_000, log: () => source.cancel() }), CancelledError);
  });

  it('lets one process at a time write into a folder', async () => {
    const source = new CancellationSource();
    server.misbehave(graph, { kind: 'hang', after: 1000 });
    const first = download({ token: source.token, idleTimeout: 60_000 });
    while (server.rangesOf(graph).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.match((await fails('busy')).message, /Another download into .* is running/);
    source.cancel();
    await assert.rejects(first, CancelledError);
    await arrives();
  });

  it('says what to do about a gated model, with no token, with a wrong one, and lets the right one in', async () => {
    server.put('someone/gated', files, { token: 'secret-word', errorCode: 'GatedRepo' });
    const none = await fails('no-access', {}, 'someone/gated');
    assert.match(none.message, /someone\/gated is gated: open http:.*\/someone\/gated, accept its conditions.*make a token at .*\/settings\/tokens and set HF_TOKEN/);
    const lines: string[] = [];
    const wrong = await fails('no-access', { environment: { HF_TOKEN: 'wrong-word' }, log: (line) => lines.push(line) }, 'someone/gated');
    assert.match(wrong.message, /see that HF_TOKEN is a token of that account/);
    assert(!`${wrong.message}${lines.join()}`.includes('wrong-word'));
    assert((await download({ environment: { HF_TOKEN: 'secret-word' } }, 'someone/gated')).ok);
  });

  it('sends the token to the endpoint alone, never where it redirects to', async () => {
    server.misbehave(graph, { kind: 'drop', after: 300_000 });
    await arrives({ environment: { HF_TOKEN: 'secret-word' } });
    const to = (which: 'hub' | 'cdn') => new Set(server.requests.filter(({ server: one }) => one === which).map(({ authorization }) => authorization));
    assert.deepEqual([to('hub'), to('cdn')], [new Set(['Bearer secret-word']), new Set([undefined])]);
  });

  it('tells a missing repository from a missing revision, and a name that cannot be from both', async () => {
    assert.match((await fails('not-found', {}, 'someone/nothing')).message, /no model someone\/nothing/);
    assert.match((await fails('not-found', { revision: 'v9' })).message, /no branch, tag or commit “v9”/);
    for (const name of ['../../etc', 'a/b/c', 'a/..', '', 'https://x/y']) await fails('bad-repository', {}, name);
    await fails('bad-repository', { endpoint: 'not an address' });
    assert.equal((await arrives({ revision: 'refs/pr/1' })).revision, 'refs/pr/1');
  });

  it('says that there is no network', async () => {
    assert.match((await fails('unreachable', { endpoint: nowhere, attempts: 2 })).message, /127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\) \(2 attempts\)\. Check the connection/);
  });

  for (const [what, to] of [['in circles', `/${repo}/resolve/main/${graph}`], ['to a file', 'file:///etc/passwd']] as const) {
    it(`follows no redirect ${what}`, async () => {
      server.misbehave(graph, { kind: 'redirect', to });
      await fails('server');
    });
  }

  for (const evil of ['../outside', '/outside', 'nul', 'C:outside']) {
    it(`asks for no file of a repository that keeps its model in ${JSON.stringify(evil)}`, async () => {
      server.put('someone/evil', { ...files, [`${evil}/genai_config.json`]: '{}', [`${evil}/model.onnx`]: 'outside' });
      await fails('unsafe-path', {}, 'someone/evil');
      assert(!server.requests.some(({ server: which }) => which === 'cdn'));
      assert.deepEqual(readdirSync(path.dirname(folder)), []);
    });
  }

  it('writes through no link out of the folder', async () => {
    const outside = path.join(path.dirname(folder), 'outside');
    mkdirSync(folder);
    mkdirSync(outside);
    symlinkSync(outside, path.join(folder, 'onnx'));
    await fails('unsafe-path');
    assert.deepEqual(readdirSync(outside), []);
  });

  it('overwrites no file that is not a download of its own, and mixes no two models', async () => {
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'config.json'), '{"mine": true}');
    assert.match((await fails('other-files')).message, /config\.json is there already/);
    assert.equal(readFileSync(path.join(folder, 'config.json'), 'utf8'), '{"mine": true}');
    rmSync(folder, { recursive: true });
    await arrives();
    server.put('someone/other', { ...files, 'config.json': '{}' });
    assert.match((await fails('other-files', {}, 'someone/other')).message, /holds the model someone\/tiny-model/);
  });

  it('replaces its own files when the revision has moved on', async () => {
    await arrives();
    server.change(repo, 'config.json', Buffer.from('{"new": 1}'));
    rmSync(path.join(folder, 'tokenizer.json'));
    await arrives();
    assert.equal(readFileSync(path.join(folder, 'config.json'), 'utf8'), '{"new": 1}');
  });

  it('says that no space is left, before it begins where the list tells it', async () => {
    server.put('someone/huge', { ...files, [graph]: 'x' });
    const claimed: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).includes('/tree/')) return response;
      return new Response((await response.text()).replace(`"path":"${graph}","size":1`, `"path":"${graph}","size":${2 ** 52}`), response);
    };
    assert.match((await fails('no-space', { fetch: claimed }, 'someone/huge')).message, /needs 4194304\.00 GiB more/);
    assert(!server.requests.some(({ server: which }) => which === 'cdn'));
  });
});
