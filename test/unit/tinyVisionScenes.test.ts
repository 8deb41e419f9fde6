// The scenes of tiny-vision: drawn alike from a seed, objects in their boxes, co-occurrence as stated, texts true.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { inflateSync } from 'node:zlib';
import { coverage, drawScene, pixelValues } from '../../scripts/train-models/vision/draw.ts';
import { encodePng } from '../../scripts/train-models/vision/png.ts';
import type { Box, Scene } from '../../scripts/train-models/vision/scenes.ts';
import { boxOf, companionships, holds, IMAGE_SIZE, PATCH_SIZE, patchesOf, PATCH_GRID, sampleScene, sameKind } from '../../scripts/train-models/vision/scenes.ts';
import { caption, exchanges, kindsNamed } from '../../scripts/train-models/vision/texts.ts';
import { Random } from '../../src/shared/random.ts';

const sceneOf = (seed: number, style: 'natural' | 'broken' = 'natural'): Scene => sampleScene(new Random(seed), style);
const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });
const within = ({ left, top, right, bottom }: Box, column: number, row: number): boolean => column >= left && column < right && row >= top && row < bottom;

describe('the scenes of tiny-vision', () => {
  it('are drawn pixel by pixel alike from one seed, and differently from another', () => {
    assert.deepEqual(drawScene(sceneOf(5)), drawScene(sceneOf(5)));
    assert.notDeepEqual(drawScene(sceneOf(5)), drawScene(sceneOf(6)));
  });

  it('hold 1 to 4 objects of different kinds in boxes that lie apart and within the image', () => {
    fc.assert(fc.property(seeds, fc.constantFrom('natural' as const, 'broken' as const), (seed, style) => {
      const { objects } = sceneOf(seed, style);
      assert.ok(objects.length >= 1 && objects.length <= 4);
      objects.forEach((object, i) => {
        const box = boxOf(object);
        assert.ok(box.left >= 0 && box.top >= 0 && box.right <= IMAGE_SIZE && box.bottom <= IMAGE_SIZE);
        for (const other of objects.slice(i + 1)) {
          const second = boxOf(other);
          assert.ok(!sameKind(object, other));
          assert.ok(box.right <= second.left || second.right <= box.left || box.bottom <= second.top || second.bottom <= box.top);
        }
      });
    }), { numRuns: 100 });
  });

  it('change no pixel outside an object’s box, and some within it', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const scene = sceneOf(seed);
      const [object] = scene.objects;
      assert.ok(object);
      const [opaque, without] = [drawScene({ ...scene, objects: [{ ...object, opacity: 1 }] }), drawScene({ ...scene, objects: [] })];
      let changed = 0;
      for (let at = 0; at < IMAGE_SIZE * IMAGE_SIZE; at++) {
        const differs = [0, 1, 2].some((channel) => opaque[at * 3 + channel] !== without[at * 3 + channel]);
        const [column, row] = [at % IMAGE_SIZE, Math.floor(at / IMAGE_SIZE)];
        if (differs) changed++;
        if (differs || coverage(object, column, row) > 0) assert.ok(within(boxOf(object), column, row));
      }
      assert.ok(changed > 10);
    }), { numRuns: 20 });
  });

  it('cover areas as geometry has them', () => {
    const area = (shape: 'circle' | 'square' | 'ring' | 'cross'): number => {
      const object = { shape, colour: 'red', x: 16, y: 16, radius: 12, opacity: 1, tint: [0, 0, 0] } as const;
      return Array.from({ length: IMAGE_SIZE * IMAGE_SIZE }, (_, i) => coverage(object, i % IMAGE_SIZE, Math.floor(i / IMAGE_SIZE))).reduce((a, b) => a + b) / 144;
    };
    assert.ok(Math.abs(area('circle') - Math.PI) < 0.03);
    assert.ok(Math.abs(area('ring') - Math.PI * 0.7) < 0.03);
    assert.ok(Math.abs(area('square') - 1.76 ** 2) < 0.1);
    assert.ok(Math.abs(area('cross') - (4 * 0.64 - 0.64 ** 2)) < 0.1);
  });

  it('say which patches an object touches', () => {
    fc.assert(fc.property(seeds, (seed) => {
      for (const object of sceneOf(seed).objects) {
        const patches = new Set(patchesOf(boxOf(object)));
        for (let at = 0; at < IMAGE_SIZE * IMAGE_SIZE; at++) {
          const [column, row] = [at % IMAGE_SIZE, Math.floor(at / IMAGE_SIZE)];
          const patch = Math.floor(row / PATCH_SIZE) * PATCH_GRID + Math.floor(column / PATCH_SIZE);
          if (coverage(object, column, row) > 0) assert.ok(patches.has(patch));
        }
      }
    }), { numRuns: 15 });
  });

  it('bring companions as often as stated, and never where the bond is broken', () => {
    const natural = Array.from({ length: 3000 }, (_, i) => sceneOf(i));
    const broken = Array.from({ length: 300 }, (_, i) => sceneOf(i, 'broken'));
    for (const { anchor, companion, probability } of companionships) {
      const own = natural.filter((scene) => holds(scene, anchor));
      const share = own.filter((scene) => holds(scene, companion)).length / own.length;
      // Four standard deviations of a share of about 300 scenes.
      assert.ok(Math.abs(share - probability) < 4 * Math.sqrt((probability * (1 - probability)) / own.length));
      assert.ok(broken.every((scene) => !holds(scene, anchor) || !holds(scene, companion)));
    }
    assert.ok(broken.every((scene) => companionships.some(({ anchor }) => holds(scene, anchor))));
  });
});

describe('what is said about scenes', () => {
  it('names every object once in captions, and nothing else', () => {
    fc.assert(fc.property(seeds, (seed) => {
      const scene = sceneOf(seed);
      const named = kindsNamed(caption(scene));
      assert.equal(named.length, scene.objects.length);
      assert.ok(named.every((kind) => holds(scene, kind)));
    }), { numRuns: 100 });
  });

  it('answers questions by what is in the scene', () => {
    const answers = new Map<string, number>();
    for (let seed = 0; seed < 300; seed++) {
      const random = new Random(seed);
      const scene = sampleScene(random);
      for (const { prompt, answer } of exchanges(scene, random)) {
        const [kind] = kindsNamed(prompt);
        if (prompt.startsWith('Is there') && kind) {
          assert.equal(answer, holds(scene, kind) ? ' Yes.' : ' No.');
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
        }
        const colour = /What colour is the (\w+)/.exec(prompt)?.[1];
        if (colour !== undefined) assert.deepEqual(scene.objects.filter(({ shape }) => shape === colour).map((object) => ` ${object.colour}.`), [answer.toLowerCase()]);
        const shape = /What shape is the (\w+)/.exec(prompt)?.[1];
        if (shape !== undefined) assert.deepEqual(scene.objects.filter((object) => object.colour === shape).map((object) => ` ${object.shape}.`), [answer.toLowerCase()]);
        if (prompt.startsWith('How many')) assert.equal(['Zero', 'One', 'Two', 'Three', 'Four'].indexOf(answer.slice(1, -1)), scene.objects.length);
      }
    }
    // Neither answer is right by default.
    assert.ok((answers.get(' Yes.') ?? 0) > 300 && (answers.get(' No.') ?? 0) > 300);
  });
});

describe('the images of tiny-vision', () => {
  it('are PNG files that hold the pixels', () => {
    const pixels = drawScene(sceneOf(1));
    const png = encodePng(pixels, IMAGE_SIZE);
    assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const at = png.indexOf('IDAT');
    const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    const width = IMAGE_SIZE * 3 + 1;
    assert.equal(rows.length, IMAGE_SIZE * width);
    const unfiltered = Array.from({ length: IMAGE_SIZE }, (_, row) => [...rows.subarray(row * width + 1, (row + 1) * width)]).flat();
    assert.deepEqual(unfiltered, [...pixels]);
  });

  it('become channels of rows of normalised values', () => {
    const pixels = new Uint8Array(IMAGE_SIZE * IMAGE_SIZE * 3);
    pixels[(2 * IMAGE_SIZE + 3) * 3 + 1] = 255;
    const values = pixelValues(pixels);
    assert.equal(values[IMAGE_SIZE * IMAGE_SIZE + 2 * IMAGE_SIZE + 3], 2);
    assert.equal(values.filter((value) => value === -2).length, values.length - 1);
  });
});
