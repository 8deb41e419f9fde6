// Files of steering vectors: read as they were written, hostile ones refused, and what fits which model.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import type { SteeringVector } from '../../../src/steering/steeringVector.ts';
import { fitOf, identityOf } from '../../../src/steering/steeringVector.ts';
import { decodeVector, encodeVector, readVectorFile, writeVectorFile } from '../../../src/steering/vectorFile.ts';
import { openedFolder } from './steered.ts';
import { encodeTensors } from '../../../src/shared/safetensors.ts';

const model = { name: 'tiny', family: 'llama', variant: 'default', layers: 3, hidden: 4, fingerprint: 'abc' };
const vector: SteeringVector = {
  layers: [{ layer: 1, direction: Float32Array.of(0.5, -0.5, 0.5, 0.5), norm: 3.25 }, { layer: 2, direction: Float32Array.of(0, 0, 0, -1), norm: 7 }],
  provenance: { method: 'grains', settings: { k: 10, mode: 'both', centred: true }, data: { name: 'pairs.jsonl', items: 2, hash: 'ff' }, model, tokens: 'last', strength: 'norms', seed: 1 },
};

describe('vector files', () => {
  it('are read as they were written', () => {
    assert.deepEqual(decodeVector(encodeVector(vector), 'v'), { ok: true, vector });
  });

  it('keep their layout: the header’s length, JSON, tensors at multiples of 8 bytes', () => {
    const bytes = encodeVector(vector);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<string, { dtype?: string; shape?: number[]; data_offsets?: number[] }>;
    assert.equal(length % 8, 0);
    assert.deepEqual(header['layers.1.resid_post.direction'], { dtype: 'F32', shape: [4], data_offsets: [0, 16] });
    assert.equal(new DataView(bytes.buffer).getFloat32(8 + length + 4, true), -0.5);
  });

  it('are read from any place in memory', () => {
    const bytes = encodeVector(vector);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    assert.ok(decodeVector(shifted.subarray(3), 'v').ok);
  });

  it('are refused where their numbers or their origin cannot be', () => {
    const wrong = (layers: SteeringVector['layers']): string => {
      const read = decodeVector(encodeVector({ ...vector, layers }), 'v.safetensors');
      assert.ok(!read.ok);
      return read.message;
    };
    const direction = Float32Array.of(0.5, 0.5, 0.5, 0.5);
    assert.match(wrong([{ layer: 0, direction: Float32Array.of(1, Number.NaN, 0, 0), norm: 1 }]), /v\.safetensors .*no unit vector: its norm is NaN/);
    assert.match(wrong([{ layer: 0, direction: Float32Array.of(1, 1, 0, 0), norm: 1 }]), /no unit vector/);
    assert.match(wrong([{ layer: 0, direction, norm: Number.POSITIVE_INFINITY }]), /no norm above 0/);
    assert.match(wrong([{ layer: 0, direction, norm: 0 }]), /no norm above 0/);
    assert.match(wrong([]), /no direction of any layer/);
    const foreign = decodeVector(encodeTensors({ tensors: { 'layers.0.resid_post.direction': { shape: [4], data: direction } }, metadata: {} }), 'v');
    assert.match(foreign.ok ? '' : foreign.message, /not made by gradlens/);
    const garbled = decodeVector(encodeTensors({ tensors: {}, metadata: { 'gradlens.vector': '{"version":1,"provenance":{}}' } }), 'v');
    assert.match(garbled.ok ? '' : garbled.message, /origin cannot be read/);
  });

  it('never do worse than be refused when bytes are cut off or changed', () => {
    const bytes = encodeVector(vector);
    fc.assert(fc.property(fc.nat(bytes.length - 1), (length) => {
      assert.ok(!decodeVector(bytes.subarray(0, length), 'v').ok);
    }));
    fc.assert(fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
      const changed = Uint8Array.from(bytes);
      changed[at] = byte;
      const read = decodeVector(changed, 'v');
      assert.ok(read.ok ? read.vector.layers.every(({ direction, norm }) => direction.every(Number.isFinite) && norm > 0) : read.message.length > 0);
    }));
  });

  describe('on disk', () => {
    let folder = '';
    before(() => void (folder = mkdtempSync(path.join(tmpdir(), 'vectors-'))));
    after(() => rmSync(folder, { recursive: true, force: true }));

    it('are written whole and read back, and leave nothing beside them', () => {
      const file = path.join(folder, 'v.safetensors');
      writeVectorFile(file, vector);
      assert.deepEqual(readVectorFile(file), { ok: true, vector });
      assert.throws(() => writeVectorFile(path.join(folder, 'missing', 'v.safetensors'), vector), /ENOENT/);
      assert.deepEqual(readdirSync(folder), ['v.safetensors']);
    });

    it('say where they are missing', () => {
      const read = readVectorFile(path.join(folder, 'none.safetensors'));
      assert.match(read.ok ? '' : read.message, /There is no file .*none\.safetensors/);
    });
  });
});

describe('the fit of a vector', () => {
  it('asks for the model’s layers and width', () => {
    assert.deepEqual(fitOf(vector, model, 'v'), { ok: true, warnings: [] });
    const message = (other: Partial<typeof model>): string => {
      const fit = fitOf(vector, { ...model, name: 'other', ...other }, 'v.safetensors');
      assert.ok(!fit.ok);
      return fit.message;
    };
    assert.match(message({ layers: 4 }), /v\.safetensors does not fit other, which has 4 layers\. It was made for tiny \(llama, 3 layers, 4 wide\)/);
    assert.match(message({ hidden: 8 }), /4 numbers wide, the model's residual stream 8/);
    const beyond = fitOf({ ...vector, layers: [{ layer: 3, direction: Float32Array.of(1, 0, 0, 0), norm: 1 }] }, model, 'v');
    assert.match(beyond.ok ? '' : beyond.message, /steers layer 3, and tiny has the layers 0 to 2/);
  });

  it('warns of other weights', () => {
    const fit = fitOf(vector, { ...model, fingerprint: 'other' }, 'v');
    assert.ok(fit.ok);
    assert.match(fit.warnings.join(), /made from other weights/);
  });

  it('is told by the weights of a model’s folder', () => {
    const [code, vision] = [openedFolder('tiny-code'), openedFolder('tiny-vision')].map(({ folder }) => identityOf(folder, { layers: 5, hidden: 128 }));
    assert.match(code?.fingerprint ?? '', /^[0-9a-f]{64}$/);
    assert.notEqual(code?.fingerprint, vision?.fingerprint);
  });
});
