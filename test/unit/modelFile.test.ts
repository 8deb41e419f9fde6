// Opening model files without their weights: what is read is what lies there, at any size, and every fault is an answer.
import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { openModelFile } from '../../src/onnx/file.ts';
import type { ExternalTensor, Graph, Initializer } from '../../src/onnx/graph.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { openedFile, runEdit, smallDecoder } from '../support/decoders.ts';
import { integers } from '../../src/lm/interface.ts';

const GIB = 2 ** 30;

/** y = table[row] · w, with the two constants as given. */
function lookup(table: Initializer, w: Initializer): Graph {
  const b = new GraphBuilder();
  b.input('row', 'int64', ['rows']);
  b.initializer('table', table);
  b.initializer('w', w);
  b.node('MatMul', [b.node('Gather', ['table', 'row']), 'w'], {}, 'y');
  b.output('y', 'float32', ['rows', w.dims[1] ?? 0]);
  return b.build();
}

const floats = (dims: readonly number[], value: (i: number) => number): Initializer =>
  ({ type: 'float32', dims, data: Float32Array.from({ length: dims.reduce((size, dim) => size * dim, 1) }, (_, i) => value(i)) });

const small = lookup(floats([40, 32], (i) => Math.sin(i)), floats([32, 24], (i) => Math.cos(i)));

const external = (dims: readonly number[], fields: Readonly<Record<string, string>>): ExternalTensor => ({ type: 'float32', dims, external: fields });

describe('model files', () => {
  let folder = '';
  let count = 0;
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'gradlens-model-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const place = (bytes: Uint8Array, name = `model${count++}.onnx`): string => {
    const whole = path.join(folder, name);
    writeFileSync(whole, bytes);
    return whole;
  };
  const faultOf = (file: string): string => {
    const opened = openModelFile(file);
    assert.ok(!opened.ok, 'it opened');
    assert.equal(opened.fault.file, file);
    assert.ok(opened.fault.message.includes(path.basename(file)), opened.fault.message);
    return opened.fault.message;
  };

  it('leave every large constant in the file, where its bytes are, and give what the whole file gives', async () => {
    const bytes = encodeGraph(smallDecoder({ form: 'llama', layers: 2 }));
    const file = place(bytes);
    const opened = openModelFile(file, { inlineLimit: 100 });
    assert.ok(opened.ok);
    const whole = smallDecoder({ form: 'llama', layers: 2 });
    let left = 0;
    for (const [name, tensor] of opened.file.graph.initializers) {
      const original = whole.initializers.get(name);
      assert.ok(original && 'data' in original);
      if ('data' in tensor) {
        assert.deepEqual(tensor, original);
        continue;
      }
      left += Number(tensor.external['length']);
      const { offset, length, location } = tensor.external;
      assert.equal(location, path.basename(file));
      const there = bytes.subarray(Number(offset), Number(offset) + Number(length));
      assert.ok(Buffer.from(original.data.buffer, original.data.byteOffset, original.data.byteLength).equals(there), name);
    }
    assert.equal(opened.file.dataBytes, left);
    assert.ok(left > 1500 && encodeGraph(opened.file.graph).length < bytes.length - left + 80 * opened.file.graph.initializers.size);
    const feeds = { input_ids: integers('int64', [1, 3], [1, 2, 3]) };
    const [ours, theirs] = [await runEdit(opened.file.graph, opened.file, feeds), await runEdit(whole, { dataFolder: folder, dataBytes: 0 }, feeds)];
    assert.deepEqual(ours, theirs);
  });

  it('are read through the links of a download cache: the graph and its data elsewhere', async () => {
    const blobs = path.join(folder, 'blobs');
    mkdirSync(path.join(folder, 'snapshots/main/onnx'), { recursive: true });
    mkdirSync(blobs);
    const [table, w] = ['table', 'w'].map((name) => small.initializers.get(name));
    assert.ok(table && w && 'data' in table && 'data' in w);
    writeFileSync(path.join(blobs, 'd4'), Buffer.concat([Buffer.alloc(64), new Uint8Array(table.data.buffer), new Uint8Array(w.data.buffer)]));
    const graph = { ...small, initializers: new Map<string, Initializer>([
      ['table', external([40, 32], { location: 'model.onnx_data', offset: '64', length: '5120' })],
      ['w', external([32, 24], { location: './model.onnx_data', offset: '5184' })],
    ]) };
    writeFileSync(path.join(blobs, 'a1'), encodeGraph(graph));
    symlinkSync('../../../blobs/a1', path.join(folder, 'snapshots/main/onnx/model.onnx'));
    symlinkSync('../../../blobs/d4', path.join(folder, 'snapshots/main/onnx/model.onnx_data'));
    const file = openedFile(path.join(folder, 'snapshots/main/onnx/model.onnx'));
    const feeds = { row: integers('int64', [2], [3, 39]) };
    assert.deepEqual(await runEdit(file.graph, file, feeds), await runEdit(small, file, feeds));
  });

  it('need relative locations below the data folder, links followed: the runtime refuses the others', async () => {
    const data = place(Buffer.alloc(5120));
    mkdirSync(path.join(folder, 'linked'));
    symlinkSync(data, path.join(folder, 'linked/data'));
    const run = (location: string, dataFolder: string): ReturnType<typeof runEdit> =>
      runEdit(lookup(external([40, 32], { location }), floats([32, 24], () => 1)), { dataFolder, dataBytes: 0 }, { row: integers('int64', [1], [3]) });
    assert.equal((await run(path.basename(data), folder))['y']?.data.length, 24);
    assert.equal((await run(path.relative('/', data), '/'))['y']?.data.length, 24);
    await assert.rejects(run(data, folder), /Absolute path not allowed/);
    await assert.rejects(run(`../${path.basename(data)}`, path.join(folder, 'linked')), /escapes/);
    await assert.rejects(run('data', path.join(folder, 'linked')), /escapes/);
  });

  it('over 2 GB with the weights inside open and run, a few rows of them touched', async () => {
    const rows = (2.5 * GIB) / 128;
    const file = path.join(folder, 'large.onnx');
    const skeleton = encodeGraph(lookup(external([rows, 32], { location: 'x' }), floats([32, 4], () => 1)));
    // The table's message is put together by hand: its raw data are a hole in the file.
    const last = writeLargeModel(file, skeleton, rows);
    assert.ok(statSync(file).size > 2.5 * GIB && statSync(file).blocks * 512 < 4 * 2 ** 20);
    const opened = openedFile(file);
    assert.deepEqual(opened.graph.initializers.get('table')?.dims, [rows, 32]);
    const { y } = await runEdit(opened.graph, opened, { row: integers('int64', [3], [0, rows - 1, 5]) }, { optimization: 'disabled' });
    assert.deepEqual([...(y?.data as Float32Array)], [0, 0, 0, 0, ...Array.from({ length: 4 }, () => last), 0, 0, 0, 0]);
  });

  it('over 2 GB with the weights beside open and run', async () => {
    const rows = (2.5 * GIB) / 128;
    const data = path.join(folder, 'beside.onnx_data');
    const descriptor = openSync(data, 'w');
    ftruncateSync(descriptor, 2.5 * GIB);
    writeSync(descriptor, Buffer.from(Float32Array.of(7).buffer), 0, 4, 128 * (rows - 2));
    closeSync(descriptor);
    const graph = lookup(external([rows, 32], { location: 'beside.onnx_data', offset: '0' }), floats([32, 4], () => 1));
    const opened = openedFile(place(encodeGraph(graph), 'beside.onnx'));
    assert.equal(opened.dataBytes, 2.5 * GIB);
    const { y } = await runEdit(opened.graph, opened, { row: integers('int64', [2], [rows - 2, 0]) }, { optimization: 'disabled' });
    assert.deepEqual([...(y as HostTensor).data], [7, 7, 7, 7, 0, 0, 0, 0]);
    truncateSync(data, 2.5 * GIB - 1);
    assert.match(faultOf(path.join(folder, 'beside.onnx')), /table has its data at bytes 0 to 2684354560 of beside\.onnx_data, which has only 2684354559; it is cut off\.$/);
  });

  it('cut off anywhere are refused with the reason', () => {
    const bytes = encodeGraph(small);
    const file = place(bytes);
    let refused = 0;
    for (let length = 0; length < bytes.length; length += 1 + Math.floor(length / 200)) {
      writeFileSync(file, bytes.subarray(0, length));
      const opened = openModelFile(file);
      if (opened.ok) continue;
      refused++;
      assert.ok(opened.fault.message.startsWith(`${file} is not a usable ONNX model: `), opened.fault.message);
    }
    assert.ok(refused > 400, `${refused}`);
    writeFileSync(file, bytes.subarray(0, bytes.length >> 1));
    assert.match(faultOf(file), /it is cut off: the part at byte \d+ goes on to byte \d+, and ends at \d+/);
  });

  it('with flipped bits are answers, never exceptions, and never point outside the file', () => {
    const bytes = encodeGraph(lookup(floats([20, 16], (i) => i), external([16, 4], { location: 'flipped.bin', offset: '0', length: '256' })));
    writeFileSync(path.join(folder, 'flipped.bin'), Buffer.alloc(256));
    const file = place(bytes);
    // Weights are most of the bytes, and any bits are good weights: the flips are drawn from the rest.
    const data = Buffer.from(bytes).indexOf(Buffer.from(Float32Array.of(1, 2, 3, 4).buffer)) - 4;
    const positions = Array.from(bytes.keys()).filter((at) => at < data || at >= data + 1280);
    let faults = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(positions.length - 1), fc.nat(7)), { minLength: 1, maxLength: 3 }), (flips) => {
        const broken = bytes.slice();
        for (const [i, bit] of flips) broken[positions[i] ?? 0] = (broken[positions[i] ?? 0] ?? 0) ^ (1 << bit);
        writeFileSync(file, broken);
        const opened = openModelFile(file, { inlineLimit: 64 });
        if (!opened.ok) {
          faults++;
          assert.ok(opened.fault.message.includes(file));
          return;
        }
        for (const tensor of opened.file.graph.initializers.values()) {
          if (!('external' in tensor)) continue;
          const { location = '', offset, length } = tensor.external;
          assert.ok(Number(offset) + Number(length) <= statSync(path.join(opened.file.dataFolder, location)).size);
        }
      }),
      { seed: 5, numRuns: 1500 },
    );
    assert.ok(faults > 500, `only ${faults} of 1500 broken files were noticed`);
  });

  for (const [what, bytes, reason] of [
    ['nothing', '', /it is empty/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n', /it is a Git LFS pointer.*git lfs pull/],
    ['a web page', '<!DOCTYPE html><html><body>404</body></html>', /it is a web page/],
    ['a GGUF file', 'GGUF\u0003\u0000\u0000\u0000aaaaaaaaaa', /it is a GGUF file/],
    ['a zip archive', 'PK\u0003\u0004aaaaaaaaaaaaaaaaaa', /it is a zip archive/],
    ['a safetensors file', '\u0040\u0000\u0000\u0000\u0000\u0000\u0000\u0000{"a": {}}', /it is a safetensors file/],
    ['JSON', '{"model": 1}', /it is a JSON file/],
    ['text', 'hello world, this is no model', /is not a usable ONNX model/],
  ] as const) {
    it(`that are no models are refused: ${what}`, () => assert.match(faultOf(place(Buffer.from(bytes, 'latin1'))), reason));
  }

  for (const [what, fields, reason] of [
    ['that is not there', { location: 'absent.bin' }, /keeps data in absent\.bin, and there is no such file beside it; download it too/],
    ['that is too short', { location: 'short.bin', offset: '10' }, /table has its data at bytes 10 to 5130 of short\.bin, which has only 5120/],
    ['with a length that is not that of its shape', { location: 'short.bin', length: '4' }, /table should have 5120 bytes of data and has 4/],
    ['with an offset that is no number', { location: 'short.bin', offset: '-8' }, /table does not say where its data lie \("-8"\)/],
    ['above the folder', { location: '../short.bin' }, /keeps data in "\.\.\/short\.bin", which is outside its folder/],
    ['above the folder in a roundabout way', { location: 'a/../../short.bin' }, /outside its folder/],
    ['above the folder with backslashes', { location: '..\\short.bin' }, /outside its folder/],
    ['at an absolute place', { location: '/etc/passwd' }, /keeps data in "\/etc\/passwd", which is outside its folder/],
    ['on a drive', { location: 'C:\\short.bin' }, /outside its folder/],
    ['behind a link that leads away', { location: 'away.bin' }, /keeps data in away\.bin, a link to .*, which is outside its folder/],
    ['in a folder', { location: 'sub' }, /keeps data in sub, which is not a file/],
    ['without a location', { offset: '0' }, /keeps data in "", which is outside its folder/],
  ] as const) {
    it(`with data ${what} are refused`, () => {
      const inner = path.join(folder, `inner${count++}`);
      mkdirSync(path.join(inner, 'sub'), { recursive: true });
      writeFileSync(path.join(inner, 'short.bin'), Buffer.alloc(5120));
      writeFileSync(path.join(folder, 'short.bin'), Buffer.alloc(5120));
      symlinkSync('../short.bin', path.join(inner, 'away.bin'));
      const graph = lookup(external([40, 32], fields), floats([32, 24], () => 1));
      assert.match(faultOf(place(encodeGraph(graph), `${path.basename(inner)}/model.onnx`)), reason);
    });
  }

  it('that are not there, or folders, are refused', () => {
    assert.match(faultOf(path.join(folder, 'absent.onnx')), /^There is no file .*absent\.onnx\.$/);
    mkdirSync(path.join(folder, 'folder.onnx'));
    assert.match(faultOf(path.join(folder, 'folder.onnx')), /cannot be read/);
  });

  it('are not changed by being opened', () => {
    const file = place(encodeGraph(small));
    const [bytes, { mtimeMs }] = [readFileSync(file), statSync(file)];
    openedFile(file);
    assert.ok(readFileSync(file).equals(bytes) && statSync(file).mtimeMs === mtimeMs);
  });
});

const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]);
const field = (number: number, payload: Uint8Array | number[]): Buffer => Buffer.from([...varint(number * 8 + 2), ...varint(payload.length), ...payload]);

/** Writes a model whose float table [rows, 32] is a hole, but for its last number; gives that number. */
function writeLargeModel(file: string, skeleton: Uint8Array, rows: number): number {
  const bytes = rows * 128;
  const head = Buffer.concat([Buffer.from([0x10, 1]), field(1, [...varint(rows), 32]), field(8, Buffer.from('table')), Buffer.from([...varint(9 * 8 + 2), ...varint(bytes)])]);
  const placeholder = locate(skeleton);
  const graphLength = placeholder.graphLength - placeholder.tensor.length + varint(head.length + bytes).length + 1 + head.length + bytes;
  const start = Buffer.concat([placeholder.beforeGraph, Buffer.from([...varint(7 * 8 + 2), ...varint(graphLength)]), placeholder.beforeTensor, Buffer.from([...varint(5 * 8 + 2), ...varint(head.length + bytes)]), head]);
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, start);
  writeSync(descriptor, Buffer.from(Float32Array.of(0.5).buffer), 0, 4, start.length + bytes - 4);
  writeSync(descriptor, placeholder.after, 0, placeholder.after.length, start.length + bytes);
  closeSync(descriptor);
  return 0.5;
}

/** Takes an encoded model apart around the initializer `table`. */
function locate(model: Uint8Array) {
  const fieldsOf = (from: number, to: number) => {
    const found: { number: number; start: number; payload: number; end: number }[] = [];
    for (let at = from; at < to; ) {
      const start = at;
      const read = (): number => {
        for (let value = 0, scale = 1; ; scale *= 128) {
          const byte = model[at++] ?? 0;
          value += (byte & 127) * scale;
          if (byte < 128) return value;
        }
      };
      const tag = read();
      const size = read();
      const payload = tag % 8 === 2 ? at : start;
      at = tag % 8 === 2 ? at + size : at;
      found.push({ number: tag >> 3, start, payload, end: at });
    }
    return found;
  };
  const graph = fieldsOf(0, model.length).find(({ number }) => number === 7);
  assert.ok(graph);
  const tensor = fieldsOf(graph.payload, graph.end).find(({ number, start, end }) => number === 5 && Buffer.from(model.subarray(start, end)).includes('table'));
  assert.ok(tensor);
  return {
    beforeGraph: model.subarray(0, graph.start),
    graphLength: graph.end - graph.payload,
    beforeTensor: model.subarray(graph.payload, tensor.start),
    tensor: model.subarray(tensor.start, tensor.end),
    after: model.subarray(tensor.end),
  };
}
