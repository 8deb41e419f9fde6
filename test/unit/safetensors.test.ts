// The safetensors format: a file by hand, files there and back, files that are not right.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { decodeTensors, encodeTensors } from '../../src/shared/safetensors.ts';

/** A file put together byte by byte. */
function fileOf(header: unknown, body: readonly number[]): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

const messageOf = (bytes: Uint8Array): string => {
  const read = decodeTensors(bytes);
  return read.ok ? assert.fail('it was read') : read.message;
};

describe('safetensors files', () => {
  it('are read as the format says, half precision and bfloat16 too', () => {
    const read = decodeTensors(fileOf({
      __metadata__: { made: 'by hand' },
      a: { dtype: 'F32', shape: [2, 1], data_offsets: [0, 8] },
      h: { dtype: 'F16', shape: [2], data_offsets: [8, 12] },
      b: { dtype: 'BF16', shape: [], data_offsets: [12, 14] },
    }, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0x00, 0x3c, 0x00, 0xb8, 0x20, 0x40]));
    assert.ok(read.ok);
    assert.deepEqual(read.file.metadata, { made: 'by hand' });
    assert.deepEqual(read.file.tensors['a'], { shape: [2, 1], data: Float32Array.of(1, -2) });
    assert.deepEqual(read.file.tensors['h'], { shape: [2], data: Float32Array.of(1, -0.5) });
    assert.deepEqual(read.file.tensors['b'], { shape: [], data: Float32Array.of(2.5) });
  });

  it('come back as they were written', () => {
    const tensor = fc.oneof(
      fc.float32Array({ noNaN: true, maxLength: 12 }).map((data) => ({ shape: [data.length], data })),
      fc.float64Array({ noNaN: true, minLength: 6, maxLength: 6 }).map((data) => ({ shape: [2, 3], data })),
    );
    const names = fc.string({ minLength: 1, maxLength: 8 }).filter((name) => name !== '__metadata__' && name !== '__proto__');
    fc.assert(fc.property(fc.array(fc.tuple(names, tensor), { maxLength: 5 }), fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string()), (tensors, metadata) => {
      const file = { tensors: Object.fromEntries(tensors), metadata: { ...metadata } };
      const bytes = encodeTensors(file);
      const read = decodeTensors(bytes);
      assert.ok(read.ok);
      assert.deepEqual({ ...read.file.tensors }, file.tensors);
      assert.deepEqual({ ...read.file.metadata }, file.metadata);
      assert.equal(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8, 0);
    }));
  });

  it('are refused with the reason where something is wrong', () => {
    const f32 = (shape: readonly number[], from: number, to: number, dtype = 'F32') => ({ dtype, shape, data_offsets: [from, to] });
    assert.match(messageOf(Uint8Array.of(1, 2)), /cut off/);
    assert.match(messageOf(fileOf({ a: f32([1], 0, 4) }, [0, 0, 0, 0]).subarray(0, 20)), /cut off/);
    assert.match(messageOf(fileOf('[1]', [])), /no JSON object/);
    assert.match(messageOf(fileOf('{', [])), /no JSON object/);
    assert.match(messageOf(fileOf({ a: f32([2], 0, 4) }, [0, 0, 0, 0])), /“a” of \[2\] would need 8 bytes and has 4/);
    assert.match(messageOf(fileOf({ a: f32([1], 0, 4, 'I32') }, [0, 0, 0, 0])), /type I32/);
    assert.match(messageOf(fileOf({ a: f32([1], 0, 4), b: f32([1], 2, 6) }, [0, 0, 0, 0, 0, 0])), /“b” begins at byte 2, where 4/);
    assert.match(messageOf(fileOf({ a: f32([1], 0, 4) }, [0, 0, 0, 0, 9])), /left over/);
    assert.match(messageOf(fileOf({ a: f32([-1], 0, 4) }, [0, 0, 0, 0])), /“a” as it should/);
    assert.match(messageOf(fileOf({ __metadata__: { a: 1 } }, [])), /__metadata__/);
  });

  it('never break the reader, whatever bytes change', () => {
    const bytes = encodeTensors({ tensors: { w: { shape: [3], data: Float64Array.of(1, 2, 3) } }, metadata: { a: 'b' } });
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(bytes.length), (changes, end) => {
      const changed = bytes.slice(0, end);
      for (const [at, value] of changes) if (at < end) changed[at] = value;
      const read = decodeTensors(changed);
      assert.ok(read.ok || read.message.length > 0);
    }));
  });
});
