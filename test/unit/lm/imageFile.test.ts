// Image files: pixels of PNG, JPEG and PPM as their standards have them, and files that are no images, cut off, too large or hostile.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { encode as encodeJpeg } from 'jpeg-js';
import { describe, it } from 'mocha';
import { decodeImage, readImage } from '../../../src/lm/imageFile.ts';
import type { RgbImage } from '../../../src/lm/imagePreparation.ts';
import { Random } from '../../../src/shared/random.ts';
import type { JpegKind, PngKind, Sample } from '../../support/imageFiles.ts';
import { exifData, jpegSegment, madeJpeg, madePng, pngChunk } from '../../support/imageFiles.ts';

function read(bytes: Uint8Array): RgbImage {
  const result = decodeImage(bytes, 'image');
  return result.ok ? result.image : assert.fail(result.message);
}

const message = (bytes: Uint8Array): string => {
  const result = decodeImage(bytes, 'image');
  return result.ok ? assert.fail('it was read') : result.message;
};

const pixel = ({ width, data }: RgbImage, x: number, y: number): readonly number[] => [...data.subarray(3 * (y * width + x), 3 * (y * width + x + 1))];

/** [red, green, blue, opacity] of 0 to 1 each. */
type Colour = readonly [number, number, number, number];
const overWhite = ([red, green, blue, alpha]: Colour): readonly number[] => [red, green, blue].map((value) => Math.round(255 * (alpha * value + 1 - alpha)));

const kinds = [[0, 1], [0, 2], [0, 4], [0, 8], [0, 16], [2, 8], [2, 16], [3, 1], [3, 2], [3, 4], [3, 8], [4, 8], [4, 16], [6, 8], [6, 16]] as const;

/** A PNG file of random pixels, and what each pixel is by the standard's own words. */
const anyPng = fc.record({ kind: fc.constantFrom(...kinds), width: fc.integer({ min: 1, max: 20 }), height: fc.integer({ min: 1, max: 20 }), interlaced: fc.boolean(), seed: fc.nat(), transparent: fc.boolean() }).map(({ kind: [colourType, depth], width, height, interlaced, seed, transparent }) => {
  const random = new Random(seed);
  const most = 2 ** depth - 1;
  const values = Array.from({ length: width * height * 4 }, () => random.integer(0, most));
  const sample: Sample = (x, y, channel) => values[4 * (y * width + x) + channel] ?? 0;
  const filters = Array.from({ length: 4 * height }, () => random.integer(0, 4));
  const palette = Array.from({ length: 2 ** Math.min(8, depth) }, () => [random.integer(0, 255), random.integer(0, 255), random.integer(0, 255), random.integer(0, 255)] as const);
  const opacities = palette.slice(0, random.integer(1, palette.length)).map(([, , , alpha]) => alpha);
  const clear = [0, 1, 2].map((channel) => sample(width - 1, height - 1, channel));
  const chunks: (readonly [string, Uint8Array])[] = [['tEXt', Buffer.from('Title\0made in a test')]];
  if (colourType === 3) chunks.push(['PLTE', Uint8Array.from(palette.flatMap(([red, green, blue]) => [red, green, blue]))]);
  if (colourType === 3 && transparent) chunks.push(['tRNS', Uint8Array.from(opacities)]);
  if (colourType < 3 && transparent) chunks.push(['tRNS', Uint8Array.from(clear.slice(0, colourType === 0 ? 1 : 3).flatMap((value) => [value >> 8, value & 255]))]);
  const colour = (x: number, y: number): Colour => {
    const [a = 0, b = 0, c = 0, d = 0] = [0, 1, 2, 3].map((channel) => sample(x, y, channel) / most);
    const isClear = (channels: number): boolean => transparent && clear.slice(0, channels).every((value, channel) => sample(x, y, channel) === value);
    switch (colourType) {
      case 0: return [a, a, a, isClear(1) ? 0 : 1];
      case 2: return [a, b, c, isClear(3) ? 0 : 1];
      case 4: return [a, a, a, b];
      case 6: return [a, b, c, d];
      case 3: {
        const index = sample(x, y, 0);
        const [red = 0, green = 0, blue = 0] = palette[index] ?? [];
        return [red / 255, green / 255, blue / 255, transparent ? (opacities[index] ?? 255) / 255 : 1];
      }
    }
  };
  const kind: PngKind = { width, height, colourType, depth, interlaced: interlaced && depth >= 8, filter: (row) => filters[row] ?? 0, chunks };
  return { kind, file: madePng(kind, sample), expected: Array.from({ length: width * height }, (_, i) => overWhite(colour(i % width, Math.floor(i / width)))).flat() };
});

describe('PNG files', () => {
  it('of every colour type, depth, filter, interlacing and transparency give the pixels that were written, over white', () => {
    fc.assert(fc.property(anyPng, ({ kind, file, expected }) => {
      const { width, height, data } = read(file);
      assert.deepEqual([width, height], [kind.width, kind.height]);
      const off = [...data].findIndex((value, i) => Math.abs(value - (expected[i] ?? Number.NaN)) > (kind.depth === 16 ? 1 : 0));
      assert.equal(off, -1, `${JSON.stringify(kind)}: ${data[off]} instead of ${expected[off]} at ${off}`);
    }), { numRuns: 200 });
  });

  it('are turned upright as their EXIF data say', () => {
    const image = read(madePng({ width: 2, height: 1, colourType: 0, depth: 8, chunks: [['eXIf', exifData(6, true)]] }, (x) => 10 + x));
    assert.deepEqual([image.width, image.height, ...image.data], [1, 2, 10, 10, 10, 11, 11, 11]);
  });

  const grey = (chunks: PngKind['chunks'] = []): Buffer => madePng({ width: 5, height: 4, colourType: 0, depth: 8, chunks }, (x, y) => 10 * x + y);

  it('are read whatever their profiles and texts hold', () => {
    const plain = read(grey());
    const bomb = deflateSync(Buffer.alloc(2 ** 24));
    assert.deepEqual(read(grey([['iCCP', Buffer.concat([Buffer.from('name\0\0'), bomb])], ['tEXt', Buffer.from('no end')], ['pHYs', Buffer.of(1)], ['eXIf', Buffer.of(1, 2, 3)]])), plain);
  });

  it('are refused where pixels are damaged, missing or more than the header says', () => {
    const flipped = grey();
    flipped[flipped.length - 16] = 255 - (flipped[flipped.length - 16] ?? 0);
    assert.match(message(flipped), /^The image image is a damaged PNG file \(.*\)\. Copy or save it again\.$/);
    const badSum = grey([['tEXt', Buffer.from('x\0y')]]);
    badSum[29] = 255 - (badSum[29] ?? 0);
    assert.match(message(badSum), /damaged PNG file \(CRC mismatch for chunk IHDR/);
    const header = (width: number, height: number, ...rest: readonly number[]): Buffer => {
      const data = Buffer.alloc(13);
      data.writeUInt32BE(width, 0);
      data.writeUInt32BE(height, 4);
      data.set(rest, 8);
      return pngChunk('IHDR', data);
    };
    const file = (head: Buffer, raw: Uint8Array): Buffer => Buffer.concat([grey().subarray(0, 8), head, pngChunk('IDAT', deflateSync(raw)), pngChunk('IEND', Buffer.alloc(0))]);
    assert.match(message(file(header(2, 2, 8, 0, 0, 0, 0), Buffer.alloc(5))), /has 5 bytes of pixels and should have 6/);
    assert.match(message(file(header(2, 2, 8, 0, 0, 0, 0), Buffer.alloc(2 ** 26))), /more than the 6 bytes of pixels that its header tells of/);
    assert.match(message(file(header(2, 2, 3, 0, 0, 0, 0), Buffer.alloc(6))), /there is no colour type 0 of 3 bits/);
    assert.match(message(file(header(2, 2, 8, 3, 0, 0, 0), Buffer.alloc(6))), /damaged PNG file/);
    assert.match(message(file(header(2, 2, 1, 0, 0, 0, 1), Buffer.alloc(6))), /interlaced PNG file with 1 bit a pixel, which is not read here\. Save it without interlacing\./);
    assert.match(message(file(header(0, 2, 8, 0, 0, 0, 0), Buffer.alloc(6))), /has 0 × 2 pixels, which is no image/);
    assert.match(message(file(header(50_000, 40_000, 8, 0, 0, 0, 0), Buffer.alloc(6))), /has 50000 × 40000 pixels, more than 25 million\. Make it smaller first/);
    assert.match(message(Buffer.concat([grey().subarray(0, 8), pngChunk('IEND', Buffer.alloc(0))])), /it has no header/);
  });
});

/** Red, green and blue of luminance and chrominance (JFIF 1.02). */
const ofLuminance = (y: number, cb: number, cr: number): readonly number[] =>
  [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128)].map((value) => Math.min(255, Math.max(0, value)));

const assertNear = (found: readonly number[], expected: readonly number[], what: string): void =>
  expected.forEach((value, i) => assert.ok(Math.abs((found[i] ?? Number.NaN) - value) <= 1.5, `${what}: ${found.join()} and not ${expected.join()}`));

describe('JPEG files', () => {
  it('give the pixels that were written: grey and colour, subsampled, progressive, with restarts of any length', () => {
    const anyJpeg = fc.record({ columns: fc.integer({ min: 1, max: 5 }), rows: fc.integer({ min: 1, max: 5 }), components: fc.constantFrom(1 as const, 3 as const), subsampled: fc.boolean(), progressive: fc.boolean(), restart: fc.integer({ min: 0, max: 7 }), seed: fc.nat() });
    fc.assert(fc.property(anyJpeg, ({ seed, ...drawn }) => {
      const kind: JpegKind = { ...drawn, subsampled: drawn.subsampled && drawn.components === 3 };
      const random = new Random(seed);
      const values = Array.from({ length: 3 * 200 }, () => random.integer(0, 255));
      const sample: Sample = (x, y, channel) => values[3 * (y * 10 + x) + channel] ?? 0;
      const image = read(madeJpeg(kind, sample));
      const size = kind.subsampled ? 16 : 8;
      assert.deepEqual([image.width, image.height], [size * kind.columns, size * kind.rows]);
      for (let y = 3; y < image.height; y += 8) {
        for (let x = 4; x < image.width; x += 8) {
          const [luminance, cb, cr] = [sample(Math.floor(x / 8), Math.floor(y / 8), 0), ...[1, 2].map((channel) => sample(Math.floor(x / size), Math.floor(y / size), channel))];
          const expected = kind.components === 1 ? [luminance, luminance, luminance] : ofLuminance(luminance, cb ?? 0, cr ?? 0);
          assertNear(pixel(image, x, y), expected, JSON.stringify(kind));
        }
      }
    }), { numRuns: 100 });
  });

  it('keep red, green and blue that were stored as such', () => {
    const adobe = Buffer.concat([Buffer.from('Adobe'), Buffer.of(0, 100, 0, 0, 0, 0, 0)]);
    const image = read(madeJpeg({ columns: 1, rows: 1, components: 3, segments: [[0xee, adobe]] }, (_x, _y, channel) => [200, 30, 90][channel] ?? 0));
    assertNear(pixel(image, 3, 3), [200, 30, 90], 'Adobe RGB');
  });

  it('of a photograph are what was encoded, but for the loss', () => {
    const [width, height] = [37, 29];
    const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => {
      const [x, y] = [Math.floor(i / 4) % width, Math.floor(i / 4 / width)];
      return [128 + 100 * Math.sin(x / 9), 128 + 100 * Math.cos(y / 8), 128 + 60 * Math.sin((x + y) / 11), 255][i % 4] ?? 0;
    });
    const image = read(encodeJpeg({ width, height, data }, 95).data);
    assert.deepEqual([image.width, image.height], [width, height]);
    const errors = Array.from(image.data, (value, i) => Math.abs(value - (data[4 * Math.floor(i / 3) + (i % 3)] ?? 0)));
    assert.ok(Math.max(...errors) < 12 && errors.reduce((sum, value) => sum + value, 0) / errors.length < 2);
  });

  it('are turned upright as their EXIF data say, in either byte order', () => {
    // Where the first row and the first column of the stored image belong (EXIF 2.3, table of the tag Orientation).
    const sides = [['top', 'left'], ['top', 'right'], ['bottom', 'right'], ['bottom', 'left'], ['left', 'top'], ['right', 'top'], ['right', 'bottom'], ['left', 'bottom']] as const;
    const [columns, rows] = [3, 2];
    const level: Sample = (x, y) => 20 + 60 * x + 25 * y;
    sides.forEach(([firstRow, firstColumn], i) => {
      const exif = Buffer.concat([Buffer.from('Exif\0\0'), exifData(i + 1, i % 2 === 0)]);
      const image = read(madeJpeg({ columns, rows, components: 1, segments: [[0xe1, exif]] }, level));
      const blocks = [image.width / 8, image.height / 8] as const;
      assert.deepEqual(blocks, i < 4 ? [columns, rows] : [rows, columns]);
      const along = (side: string, at: number, along: number): number => (side === 'left' || side === 'top' ? at : along - 1 - at);
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const [shownX, shownY] = i < 4 ? [along(firstColumn, x, blocks[0]), along(firstRow, y, blocks[1])] : [along(firstRow, y, blocks[0]), along(firstColumn, x, blocks[1])];
          assertNear(pixel(image, 8 * shownX + 2, 8 * shownY + 5), [level(x, y, 0)], `orientation ${i + 1}`);
        }
      }
    });
    for (const broken of [exifData(9, true), exifData(6, false).subarray(0, 30), Buffer.from('II*\0\xff\xff\xff\xff', 'latin1'), Buffer.alloc(0)]) {
      const image = read(madeJpeg({ columns, rows, components: 1, segments: [[0xe1, Buffer.concat([Buffer.from('Exif\0\0'), broken])]] }, level));
      assert.deepEqual([image.width, image.height], [8 * columns, 8 * rows], 'what is not understood is passed over');
    }
  });

  it('are refused where they are too large, of a kind that is not read, or without pixels', () => {
    const file = madeJpeg({ columns: 2, rows: 2, components: 1 }, () => 100);
    const frame = file.indexOf(Buffer.of(0xff, 0xc0));
    const changed = (at: number, ...values: readonly number[]): Buffer => {
      const other = Buffer.from(file);
      other.set(values, frame + at);
      return other;
    };
    assert.match(message(changed(5, 0xff, 0xff, 0xff, 0xff)), /has 65535 × 65535 pixels, more than 25 million/);
    assert.match(message(changed(5, 0x10, 0, 0x10, 0)), /damaged JPEG file \(\d+ bytes cannot hold 4096 × 4096 pixels\)/);
    assert.match(message(changed(5, 0, 0)), /has 16 × 0 pixels, which is no image/);
    assert.match(message(changed(1, 0xc3)), /of a rare kind \(lossless/);
    assert.match(message(changed(4, 12)), /of 12 bits a sample, and 8 are read here/);
    assert.match(message(changed(9, 2)), /it has 2 colour components/);
    assert.match(message(Buffer.concat([Buffer.of(0xff, 0xd8), jpegSegment(0xfe, Buffer.from('x')), Buffer.of(0xff, 0xd9)])), /damaged JPEG file \(it has no pixels\)/);
    const scan = file.subarray(file.indexOf(Buffer.of(0xff, 0xda)), -2);
    assert.match(message(Buffer.concat([file.subarray(0, -2), ...new Array<Buffer>(200).fill(scan), Buffer.of(0xff, 0xd9)])), /more than 100 scans/);
  });
});

describe('PPM files', () => {
  it('are read grey and in colour, of 8 and 16 bits and of any number of levels', () => {
    const file = (header: string, ...bytes: readonly number[]) => [...read(Buffer.concat([Buffer.from(header), Buffer.from(bytes)])).data];
    assert.deepEqual(file('P6 # by hand\n2 1\n255\n', 1, 2, 3, 10, 13, 32), [1, 2, 3, 10, 13, 32]);
    assert.deepEqual(file('P5\n2 1\n255\n', 7, 9), [7, 7, 7, 9, 9, 9]);
    assert.deepEqual(file('P5 2 1 3\n', 1, 2), [85, 85, 85, 170, 170, 170]);
    assert.deepEqual(file('P6 1 1 65535\n', 0xff, 0xff, 0x80, 0x80, 0, 127), [255, 128, 0]);
  });

  it('are refused with a reason', () => {
    for (const [text, reason] of [['P6\n2 1\n255\nxx', /is cut off: it should have 6 bytes of pixels and has 2/], ['P6 2 1 70000\n', /70000 as its brightest level/], ['P6 0 1 255\n', /0 × 1 pixels/], ['P6 99999 99999 255\n', /more than 25 million/], ['P6 wide', /no PPM header/]] as const) assert.match(message(Buffer.from(text)), reason);
  });
});

describe('files given for images', () => {
  it('are told by what they are, whatever their name says', () => {
    for (const [start, kind] of [['GIF89a', 'a GIF file'], ['RIFF\x10\0\0\0WEBPVP8 ', 'a WebP file'], ['BM..', 'a BMP file'], ['II*\0', 'a TIFF file'], ['\0\0\0\x20ftypheic', 'a HEIC file'], ['\0\0\0\x20ftypavif', 'an AVIF file'], ['%PDF-1.7', 'a PDF file'], ['<svg xmlns', 'an SVG or XML file'], ['P3\n1 1', 'a Netpbm file of another kind than P5 and P6'], ['hello', 'no image that is known here'], ['', 'empty']] as const) {
      const result = decodeImage(Buffer.from(start, 'latin1'), 'photo.png');
      assert.equal(result.ok ? '' : result.message, `The image photo.png is ${kind}, and images are read as PNG, JPEG and PPM files. Convert it first, for example with: magick photo.png image.png`);
    }
    const png = madePng({ width: 1, height: 1, colourType: 0, depth: 8 }, () => 5);
    assert.deepEqual([...read(png).data], [5, 5, 5], 'and a PNG of any name is read');
  });

  it('are refused where there is no file, a folder, or more than memory should hold', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-images-'));
    try {
      const [missing, inside, huge] = ['missing.png', 'folder.png', 'huge.png'].map((name) => path.join(folder, name)) as [string, string, string];
      mkdirSync(inside);
      writeFileSync(huge, '');
      truncateSync(huge, 2 ** 33);
      for (const [file, reason] of [[missing, /cannot be read: ENOENT/], [inside, /is a folder\. Give the file of an image\./], ['/dev/null', /no ordinary file/], [huge, /has 8192 MiB, more than the 256 MiB/]] as const) {
        const result = readImage(file);
        assert.match(result.ok ? '' : result.message, reason);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  const random = new Random(20261125);
  const noise: Sample = (x, y, channel) => (37 * x + 91 * y + 53 * channel + 7 * x * y) % 256;
  const files: Readonly<Record<string, Buffer>> = {
    'PNG, colours': madePng({ width: 19, height: 11, colourType: 6, depth: 8, filter: (row) => row % 5, chunks: [['eXIf', exifData(3, true)]] }, noise),
    'PNG, palette': madePng({ width: 13, height: 9, colourType: 3, depth: 4, chunks: [['PLTE', Uint8Array.from({ length: 48 }, (_, i) => 5 * i)], ['tRNS', Buffer.of(0, 128)]] }, (x, y) => (x + y) % 16),
    'JPEG': encodeJpeg({ width: 24, height: 17, data: Uint8Array.from({ length: 4 * 24 * 17 }, (_, i) => noise(i % 96, Math.floor(i / 96), 0)) }, 70).data,
    'JPEG, progressive': madeJpeg({ columns: 3, rows: 2, components: 3, subsampled: true, progressive: true, restart: 2, segments: [[0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exifData(8, false)])]] }, noise),
    'PPM': Buffer.concat([Buffer.from('P6\n9 7\n255\n'), Buffer.from(Array.from({ length: 189 }, (_, i) => i))]),
  };
  for (const [name, file] of Object.entries(files)) {
    it(`end in a message wherever they are cut off: ${name}`, () => {
      assert.ok(decodeImage(file, 'image').ok);
      const lengths = file.length < 800 ? Array.from(file, (_, i) => i) : Array.from({ length: 800 }, () => random.integer(0, file.length - 1));
      for (const length of lengths) assert.match(message(file.subarray(0, length)), length < 20 ? /^The image image .{10}/s : /is cut off: it .*\. Copy or save it again\.$|has no PPM header/);
    });

    it(`neither crash nor hang where bytes are hostile: ${name}`, () => {
      for (let i = 0; i < 150; i++) {
        const result = decodeImage(mutant(file, random), 'image');
        if (result.ok) assert.equal(result.image.data.length, 3 * result.image.width * result.image.height);
        else assert.match(result.message, /^The image image .{10}/s);
      }
    });
  }
});

/** With one to eight bytes changed, a part taken out, doubled or replaced by another. Half of the PNG files keep their checksums right. */
function mutant(file: Buffer, random: Random): Buffer {
  const [from, to] = [random.integer(0, file.length - 1), random.integer(0, file.length - 1)].sort((a, b) => a - b) as [number, number];
  const part = file.subarray(from, Math.min(to, from + 40));
  const bytes = Buffer.from(file);
  const changes = random.integer(1, 8);
  for (let i = 0; i < changes; i++) bytes[random.integer(0, bytes.length - 1)] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.integer(0, 255)]);
  const made = random.pick([
    () => bytes,
    () => Buffer.concat([file.subarray(0, from), file.subarray(from + part.length)]),
    () => Buffer.concat([file.subarray(0, from), part, part, file.subarray(from + part.length)]),
    () => Buffer.concat([bytes.subarray(0, to), part, file.subarray(to)]),
  ])();
  return random.next() < 0.5 ? made : withChecksums(made);
}

/** Of PNG files: the checksums of all chunks set right, so that what lies behind them is reached. */
function withChecksums(file: Buffer): Buffer {
  if (file[0] !== 0x89) return file;
  const parts = [file.subarray(0, 8)];
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 12 + file.readUInt32BE(at);
    if (end > file.length) return file;
    parts.push(pngChunk(file.toString('latin1', at + 4, at + 8), file.subarray(at + 8, end - 4)));
    at = end;
  }
  return Buffer.concat(parts);
}
