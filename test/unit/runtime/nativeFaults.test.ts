// What the native runtime cannot do is refused with a clear message, and the host lives on; models are measured before they are opened.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph, ValueInfo } from '../../../src/onnx/graph.ts';
import { typeCode } from '../../../src/onnx/graph.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { RuntimeError } from '../../../src/runtime/client.ts';
import { modelBytes } from '../../../src/runtime/modelSize.ts';
import { startHost } from '../../support/host.ts';

/** The reader takes values of stored types; the type of graphs that are built here does not know them. */
const value = (name: string, type: string): ValueInfo => ({ name, type: type as 'float32', dims: [2] });

function castModel(from: string, to: string): Uint8Array {
  const nodes = [{ op: 'Cast', domain: '', inputs: ['x'], outputs: ['y'], attributes: { to: typeCode(to as 'float32') } }];
  return encodeGraph({ opset: 21, nodes, inputs: [value('x', from)], outputs: [value('y', to)], initializers: new Map(), metadata: {} });
}

/** x plus a constant whose two numbers lie in another file. */
function externalModel(...locations: readonly string[]): Uint8Array {
  const external = (location: string) => ({ type: 'float32' as const, dims: [2], external: { location, offset: '0', length: '8' } });
  const graph: Graph = {
    opset: 21,
    nodes: locations.map((_, i) => ({ op: 'Add', domain: '', inputs: [i === 0 ? 'x' : `s${i - 1}`, `w${i}`], outputs: [i === locations.length - 1 ? 'y' : `s${i}`], attributes: {} })),
    inputs: [value('x', 'float32')],
    outputs: [value('y', 'float32')],
    initializers: new Map(locations.map((location, i) => [`w${i}`, external(location)])),
    metadata: {},
  };
  return encodeGraph(graph);
}

describe('native runtime', () => {
  let host: ModelHost;
  let folder = '';
  before(() => {
    host = startHost();
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-native-'));
    mkdirSync(path.join(folder, 'model'));
    writeFileSync(path.join(folder, 'outside.bin'), new Uint8Array(8));
  });
  after(() => {
    host.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  const saved = (name: string, model: Uint8Array): { readonly path: string } => {
    const file = path.join(folder, 'model', name);
    writeFileSync(file, model);
    return { path: file };
  };
  const refused = async (model: Uint8Array | { readonly path: string }, message: RegExp): Promise<void> => {
    const { pid } = host;
    await assert.rejects(host.createSession(model), (error) => error instanceof RuntimeError && message.test(error.message));
    assert.equal(host.pid, pid, 'the host lives on');
  };

  for (const type of ['int4', 'uint4']) {
    it(`is never asked for an output of type ${type}, which would end it`, async () => {
      await refused(castModel('float32', type), new RegExp(`output y is of type ${type}, which the runtime cannot give back\\. End the graph with a Cast`));
    });
  }

  for (const [from, to] of [['bfloat16', 'float32'], ['float32', 'bfloat16']] as const) {
    it(`refuses ${from} to ${to} at a graph's ends with what to do`, async () => {
      await refused(castModel(from, to), /input or output of type bfloat16, which the runtime cannot pass\. Use a variant whose inputs and outputs are float32 or float16/);
    });
  }

  it('refuses weights by an absolute path, outside the folder, or missing, each by name', async () => {
    await refused(saved('absolute.onnx', externalModel(path.join(folder, 'outside.bin'))), /by an absolute path, which is refused\. Put that file beside the model/);
    await refused(saved('outside.onnx', externalModel('../outside.bin')), /outside its own folder \(\.\.\/outside\.bin\), which is refused/);
    await refused(saved('missing.onnx', externalModel('nothere.bin')), /The file of weights .*nothere\.bin is missing\. Put it beside the model/);
  });

  it('says that a file is no model', async () => {
    await refused(saved('text.onnx', Buffer.from('no model at all')), /no ONNX model, or is damaged/);
  });

  it('counts the files of external data that a graph names, each once', () => {
    writeFileSync(path.join(folder, 'model', 'a.bin'), new Uint8Array(1000));
    writeFileSync(path.join(folder, 'model', 'weights of b.onnx_data_1'), new Uint8Array(500));
    writeFileSync(path.join(folder, 'model', 'unused.bin'), new Uint8Array(7));
    const model = externalModel('a.bin', 'weights of b.onnx_data_1', 'a.bin', 'nothere.bin');
    assert.equal(modelBytes(saved('counted.onnx', model)), model.byteLength + 1500);
    assert.equal(modelBytes({ path: path.join(folder, 'none.onnx') }), 0);
  });

  it('finds a name of external data wherever in a large graph it lies', () => {
    const model = externalModel('a.bin');
    writeFileSync(path.join(folder, 'model', 'a.bin'), new Uint8Array(1000));
    for (const shift of [-40, -20, -3, 0, 5]) {
      // The name lies about where the blocks that are read meet.
      const padded = Buffer.concat([Buffer.alloc(4 * 2 ** 20 + shift - Buffer.from(model).indexOf('location')), model]);
      assert.equal(modelBytes(saved('padded.onnx', padded)), padded.byteLength + 1000, String(shift));
    }
  });
});
