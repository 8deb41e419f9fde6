// Model files that are cut off, have flipped bits, or ask for what cannot be: the runtime refuses them or runs them, and its process lives on.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { openModelFolder } from '../../src/lm/folder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { openModelFile } from '../../src/onnx/file.ts';
import type { ModelHost } from '../../src/runtime/client.ts';
import { RuntimeError } from '../../src/runtime/client.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { Random } from '../../src/shared/random.ts';
import { smallDecoder } from '../support/decoders.ts';
import { builtCli, builtHost, startHost } from '../support/host.ts';
import { hostileFeeds, hostileModels } from '../support/hostileModels.ts';

const GIB = 2 ** 30;
const tokens: Readonly<Record<string, HostTensor>> = { input_ids: { type: 'int64', dims: [1, 3], data: BigInt64Array.of(1n, 2n, 3n) } };

describe('damaged and hostile model files', () => {
  let host: ModelHost;
  let folder = '';
  let pid: number | undefined;
  before(async () => {
    host = startHost();
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-faults-'));
    writeFileSync(path.join(folder, 'weights.bin'), new Uint8Array(64));
    await host.backends();
    pid = host.pid;
  });
  afterEach(() => assert.equal(host.pid, pid, 'the process of the models lives on'));
  after(() => {
    host.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const file = (bytes: Uint8Array, name = 'model.onnx'): string => {
    writeFileSync(path.join(folder, name), bytes);
    return path.join(folder, name);
  };

  /** Opens and runs a model; the refusal, or null. */
  async function refusal(model: Uint8Array | { readonly path: string }, feeds: Readonly<Record<string, HostTensor>>): Promise<string | null> {
    try {
      const session = await host.createSession(model, { provider: 'cpu', threads: 1 });
      try {
        await session.run(feeds);
      } finally {
        await session.release();
      }
      return null;
    } catch (error) {
      assert.ok(error instanceof RuntimeError, String(error));
      assert.ok(error.message.length > 10, 'the refusal says something');
      return error.message;
    }
  }

  const decoder = encodeGraph(smallDecoder({ form: 'llama', layers: 1 }));

  it('that are cut off at any place are refused', async () => {
    assert.equal(await refusal(decoder, tokens), null);
    // A cut between two fields of the model's message leaves a well-formed one, with less in it.
    for (let length = 0; length < decoder.length - 1; length += 1 + Math.floor(length / 40)) {
      const cut = decoder.subarray(0, length);
      assert.notEqual(await refusal(length % 2 === 0 ? { path: file(cut) } : cut, tokens), null, `cut at byte ${length}`);
    }
  });

  it('with one bit flipped anywhere are refused or run', async () => {
    const random = new Random(17);
    let refused = 0;
    for (let round = 0; round < 300; round++) {
      const broken = decoder.slice();
      const at = random.integer(0, broken.length - 1);
      broken[at] = (broken[at] ?? 0) ^ (1 << random.integer(0, 7));
      if ((await refusal(round % 2 === 0 ? { path: file(broken) } : broken, tokens)) !== null) refused++;
    }
    // Half of the bytes are weights, and any bits are weights.
    assert.ok(refused > 75 && refused < 275, `${refused} of 300 were refused`);
  }).timeout(120_000);

  for (const { name, model, refusal: expected } of hostileModels) {
    it(`with ${name} ${expected === null ? 'run' : 'are refused'}`, async () => {
      const at = file(model);
      // The project's own reader gives a graph or a fault, never an exception.
      const opened = openModelFile(at);
      if (!opened.ok) assert.match(opened.fault.message, /is not a usable ONNX model: .+\.$/);
      const said = await refusal({ path: at }, hostileFeeds);
      if (expected === null) assert.equal(said, null);
      else assert.match(said ?? '', expected);
    });
  }

  it('of 2.5 GB with the weights beside run from their path, and are refused before they are opened where memory is short', async () => {
    const data = openSync(path.join(folder, 'large.onnx_data'), 'w');
    ftruncateSync(data, 2.5 * GIB);
    const rows = (2.5 * GIB) / 128;
    writeSync(data, Buffer.from(Float32Array.of(7).buffer), 0, 4, 128 * (rows - 2));
    closeSync(data);
    const at = file(encodeGraph({
      opset: 18,
      nodes: [{ op: 'Gather', domain: '', inputs: ['table', 'row'], outputs: ['y'], attributes: {} }],
      inputs: [{ name: 'row', type: 'int64', dims: [1] }],
      outputs: [{ name: 'y', type: 'float32', dims: [1, 32] }],
      initializers: new Map([['table', { type: 'float32', dims: [rows, 32], external: { location: 'large.onnx_data', offset: '0' } }]]),
      metadata: {},
    }), 'large.onnx');
    const session = await host.createSession({ path: at }, { provider: 'cpu', optimization: 'disabled' });
    const { y } = await session.run({ row: { type: 'int64', dims: [1], data: BigInt64Array.of(BigInt(rows - 2)) } });
    assert.equal(y?.data[0], 7);
    await session.release();
    const small = startHost({ memoryBudgetBytes: 2 * GIB });
    await assert.rejects(small.createSession({ path: at }), /^RuntimeError: large\.onnx needs at least 2\.50 GiB of memory, and the memory budget is 2\.00 GiB/);
    small.dispose();
  });

  it('are other models than the ones that lay there before', async () => {
    const scaled = (by: number): Uint8Array => encodeGraph({
      opset: 18,
      nodes: [{ op: 'Mul', domain: '', inputs: ['x', 'k'], outputs: ['y'], attributes: {} }],
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32', dims: [2] }],
      initializers: new Map([['k', { type: 'float32', dims: [], data: Float32Array.of(by) }]]),
      metadata: {},
    });
    const at = file(scaled(2), 'replaced.onnx');
    const held = await host.createSession({ path: at });
    rmSync(at);
    file(scaled(3), 'replaced.onnx');
    const session = await host.createSession({ path: at });
    assert.deepEqual([...(await session.run(hostileFeeds))['y']?.data as Float32Array], [3, 6]);
    await session.release();
    await held.release();
  });
});

describe('damaged model folders on the command line', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-faults-cli-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const generate = (model: string): { status: number | null; stderr: string; stdout: string } => {
    builtHost();
    return spawnSync(process.execPath, [builtCli(), 'generate', '--model', model, '--prompt', 'a', '--max-tokens', '2', '--json'], { encoding: 'utf8', timeout: 60_000 });
  };
  const bytes = encodeGraph(smallDecoder({ form: 'llama', layers: 1 }));
  const words = { model: { type: 'WordLevel', vocab: Object.fromEntries([...'abcdefghijk'].map((letter, i) => [letter, i])), unk_token: 'a' }, added_tokens: [] };
  const place = (name: string, files: Readonly<Record<string, string | Uint8Array>>): string => {
    const model = path.join(folder, name);
    const whole = { 'config.json': '{"model_type": "llama"}', 'tokenizer.json': JSON.stringify(words), 'tokenizer_config.json': '{}', 'onnx/model.onnx': bytes, ...files };
    for (const [file, content] of Object.entries(whole)) {
      mkdirSync(path.dirname(path.join(model, file)), { recursive: true });
      writeFileSync(path.join(model, file), content);
    }
    return model;
  };

  it('end with one plain message', () => {
    const whole = generate(place('whole', {}));
    assert.deepEqual([whole.status, whole.stderr], [0, '']);
    const flipped = Uint8Array.from(bytes);
    flipped.set(Buffer.from('Matmul'), Buffer.from(bytes).indexOf('MatMul'));
    for (const [name, files, message] of [
      ['cut', { 'onnx/model.onnx': bytes.subarray(0, bytes.length >> 1) }, /model\.onnx.*(damaged|cut off)/],
      ['flipped', { 'onnx/model.onnx': flipped }, /does not hold together|is not a usable ONNX model/],
      ['empty', { 'onnx/model.onnx': '' }, /model\.onnx/],
      ['page', { 'onnx/model.onnx': '<!DOCTYPE html><html>404</html>' }, /model\.onnx/],
      ['tokenizer', { 'tokenizer.json': '{"model": ' }, /tokenizer\.json/],
      ['array', { 'tokenizer.json': '[1, 2]' }, /tokenizer\.json/],
    ] as const) {
      const { status, stderr, stdout } = generate(place(name, files));
      assert.equal(status, 2, `${name}: ${stderr}`);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at |node:internal/, name);
      assert.equal(typeof (JSON.parse(stdout) as { error: unknown }).error, 'string', name);
    }
  }).timeout(120_000);

  it('of another kind are no model folders, whatever their index says', () => {
    for (const index of ['{', '[]', '{"weight_map": {"__proto__": "../../etc/passwd"}}', JSON.stringify({ weight_map: { a: '/etc/passwd' } })]) {
      const model = place('safetensors', { 'model.safetensors.index.json': index, 'model-00001-of-00002.safetensors': new Uint8Array(100) });
      rmSync(path.join(model, 'onnx'), { recursive: true, force: true });
      const opened = openModelFolder(model);
      assert.ok(!opened.ok);
      assert.equal(opened.problem.code, 'no-model');
      assert.match(opened.problem.message, /safetensors form are exported with/);
    }
    cpSync(path.join(folder, 'whole', 'onnx'), path.join(folder, 'safetensors', 'onnx'), { recursive: true });
    assert.ok(openModelFolder(path.join(folder, 'safetensors')).ok);
    assert.ok(readFileSync(path.join(folder, 'safetensors', 'model.safetensors.index.json')).length > 0);
  });
});
