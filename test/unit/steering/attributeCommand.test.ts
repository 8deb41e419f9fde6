// gradlens attribute as a user meets it: the built script in a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { builtCli, builtHost } from '../../support/host.ts';
import { plantedFolder, plantedGraph } from '../../support/plantedModel.ts';

const models = fileURLToPath(new URL('../../../models/', import.meta.url));
const [tinyCode, tinyVision] = [`${models}tiny-code`, `${models}tiny-vision`];

function attribute(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  builtHost();
  const child = spawn(process.execPath, [builtCli(), 'attribute', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

interface Document {
  readonly tokens: readonly { readonly text: string; readonly start: number; readonly end: number; readonly value: number; readonly rank: number | null; readonly set: string | null; readonly special: boolean; readonly image: { readonly patch: number } | null }[];
  readonly words: readonly { readonly text: string; readonly value: number }[];
  readonly lines: readonly { readonly value: number }[];
  readonly preferred: { readonly text: string };
  readonly dispreferred: { readonly text: string } | null;
  readonly value: number;
  readonly baselineValue: number;
  readonly completeness: { readonly relative: number };
  readonly layers: Record<string, { readonly tokens: readonly number[]; readonly response: number }>;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('gradlens attribute', () => {
  let folder = '';
  let image = '';
  const text = 'A dog in Oslo.\nThe dog is in';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-attribute-'));
    image = path.join(folder, 'image.ppm');
    // A white square on black.
    const pixels = Uint8Array.from({ length: 3 * 32 * 32 }, (_, i) => (Math.floor(i / 96) < 16 && Math.floor(i / 3) % 32 < 16 ? 255 : 0));
    writeFileSync(image, Buffer.concat([Buffer.from('P6\n32 32\n255\n'), pixels]));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('shows each token with its number, rank, set and a bar whose side tells the sign', async () => {
    const { code, out, err } = await attribute('--model', tinyCode, '--prompt', text, '--preferred', ' Oslo', '--dispreferred', ' Paris');
    assert.equal(code, 0, err);
    assert.match(err, /^\d+ to 400 gradients of (two rows of )?\d+ tokens, \d+ at once; about [\d.]+ MiB beside the model\.\n$/);
    assert.match(out, /^log p\(" Oslo"\) − log p\(" Paris"\) = [+−][\d.]+ nats after the prompt/);
    const lines = out.split('\n');
    assert.match(lines[2] ?? '', /^token +nats +rank +set +against\|for$/);
    const rows = lines.slice(3, lines.indexOf('', 3));
    assert.match(rows[0] ?? '', /^"<s>" +\+0\.000 +special/);
    for (const row of rows.slice(1)) {
      assert.match(row, /^".*" +[+−]\d+\.\d{3} +\d+ +(S[+−])? +(-+\||\|\+*)/);
      if (/-\|/.test(row)) assert.match(row, /" +−/);
      if (/\|\+/.test(row)) assert.match(row, /" +\+/);
    }
    assert.match(out, /\nSum [+−][\d.]+, change to explain [+−][\d.]+: off by [\d.e-]+ nats \(0?\.?[\d.]+ %\); ig, \d+ gradients\.\n$/);
  });

  it('gives one document with places in the text, words, and layers that add up', async () => {
    const { code, out } = await attribute('--model', tinyCode, '--prompt', text, '--baseline', 'mean', '--layers', '--json');
    assert.equal(code, 0);
    const found = JSON.parse(out) as Document;
    assert.ok(found.dispreferred && found.preferred.text !== found.dispreferred.text, 'the two likeliest, where none are given');
    for (const { start, end, text: token, special } of found.tokens) if (!special) assert.equal(text.slice(start, end), token);
    assert.deepEqual(found.words.map((word) => word.text), ['A', 'dog', 'in', 'Oslo', '.', 'The', 'dog', 'is', 'in']);
    const total = sum(found.tokens.map(({ value }) => value));
    assert.ok(Math.abs(sum(found.lines.map(({ value }) => value)) - total) < 1e-9);
    const change = found.value - found.baselineValue;
    assert.ok(Math.abs(total - change) < 0.01 * Math.abs(change));
    assert.deepEqual(Object.keys(found.layers), [0, 1, 2, 3, 4].map((layer) => `layers.${layer}.resid_post`));
    for (const { tokens, response } of Object.values(found.layers)) assert.ok(Math.abs(sum(tokens) + response - change) < 0.02 * Math.abs(change));
  });

  it('shows an image\'s patches as they lie', async () => {
    const args = ['--model', tinyVision, '--image', image, '--prompt', '<image>Is there a red circle?', '--preferred', ' Yes', '--dispreferred', ' No', '--baseline', 'mean'];
    const { code, out, err } = await attribute(...args);
    assert.equal(code, 0, err);
    const at = out.split('\n').findIndex((line) => /^Image, 64 patches from the top left, together [+−][\d.]+ nats/.test(line));
    const grid = out.split('\n').slice(at + 1, at + 9);
    for (const line of grid) assert.match(line, /^( *[+−]\d+\.\d{3}[▲▼ ]?){8}$/);
    const { tokens } = JSON.parse((await attribute(...args, '--json')).out) as Document;
    assert.deepEqual(tokens.flatMap((token) => token.image ? [token.image.patch] : []), Array.from({ length: 64 }, (_, i) => i));
    const shown = grid.join(' ').match(/[+−]\d+\.\d{3}/g)?.map((number) => Number(number.replace('−', '-'))) ?? [];
    tokens.filter((token) => token.image).forEach(({ value }, i) => assert.ok(Math.abs(value - (shown[i] ?? Number.NaN)) < 6e-4));
  });

  it('says what is wrong with what it is given, and what to do', async () => {
    const planted = plantedFolder();
    const broken = plantedFolder({ ...plantedGraph(), nodes: plantedGraph().nodes.map((node) => (node.op === 'Softmax' ? { ...node, op: 'Hardmax' } : node)) });
    writeFileSync(path.join(folder, 'no.ppm'), 'not an image');
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--prompt', 'x'], /Which model\?/],
      [['--model', tinyCode], /Which prompt\?/],
      [['--model', folder, '--prompt', 'x'], /has no decoder graph/],
      [['--model', tinyCode, '--prompt', '<s>'], /The prompt is empty: there is nothing to attribute to/],
      [['--model', tinyCode, '--prompt', 'word '.repeat(300)], /tokens, and tiny-code holds 192\. Shorten the prompt by \d+ tokens/],
      [['--model', tinyCode, '--prompt', 'x', '--preferred', ' a', '--dispreferred', ' a'], /are the same.*Give two responses that differ/],
      [['--model', tinyCode, '--prompt', 'x', '--dispreferred', ' a'], /give that one with --preferred/],
      [['--model', tinyCode, '--prompt', 'x', '--method', 'magic'], /--method takes one of ig, idgi, smoothgrad, gradxact, not “magic”/],
      [['--model', tinyCode, '--prompt', 'x', '--steps', '0'], /--steps takes a whole number from 1 to 10000/],
      [['--model', tinyCode, '--prompt', 'x', '--image', image], /no vision-language model.*Leave the image out/],
      [['--model', tinyVision, '--prompt', 'x', '--image', path.join(folder, 'no.ppm')], /no\.ppm/],
      [['--model', tinyVision, '--prompt', '<image>x'], /a token for an image, and no image is given\. Give the image too/],
      [['--model', tinyVision, '--prompt', 'x', '--image', path.join(folder, 'absent.ppm')], /absent\.ppm/],
      [['--model', broken, '--prompt', 'x'], /tokenizer\.json|cannot be differentiated/],
      [['--model', planted, '--prompt', 'x', 'more'], /“more” is too many/],
    ];
    try {
      for (const [args, message] of cases) {
        const { code, out, err } = await attribute(...args);
        assert.equal(code, 2, `${args.join(' ')}: ${err}`);
        assert.equal(out, '');
        assert.match(err, message);
        assert.ok(!/\n\s+at /.test(err), 'no stack');
      }
    } finally {
      for (const each of [planted, broken]) rmSync(each, { recursive: true, force: true });
    }
  });
});
