// Questions about images on the command line: scenes as files, asked of tiny-vision through generate and --score.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode as encodeJpeg } from 'jpeg-js';
import { after, before, describe, it } from 'mocha';
import { drawScene } from '../../../scripts/train-models/vision/draw.ts';
import type { HeldOutFigures, Question, QuestionKind } from '../../../scripts/train-models/vision/evaluate.ts';
import { heldOutQuestions, heldOutScenes } from '../../../scripts/train-models/vision/evaluate.ts';
import { encodePng } from '../../../scripts/train-models/vision/png.ts';
import type { Scene } from '../../../scripts/train-models/vision/scenes.ts';
import { holds, IMAGE_SIZE } from '../../../scripts/train-models/vision/scenes.ts';
import { CAPTION_PROMPT, presencePrompt } from '../../../scripts/train-models/vision/texts.ts';
import { generateText } from '../../../src/cli/generate.ts';
import { parseCommand } from '../../../src/cli/usage.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { madeJpeg } from '../../support/imageFiles.ts';
import { builtCli, builtHost } from '../../support/host.ts';

const models = fileURLToPath(new URL('../../../models/', import.meta.url));
const model = path.join(models, 'tiny-vision');

interface Written {
  readonly text: string;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly { readonly text: string; readonly logProbability: number }[];
  readonly score: { readonly logProbability: number; readonly perToken: readonly { readonly logProbability: number }[] };
}

/** What `gradlens generate … --json` writes to standard output. */
async function generated(...args: readonly string[]): Promise<Written> {
  const terminal = { out: () => undefined, err: () => undefined, live: false, colours: false, columns: 80 };
  const parsed = parseCommand('generate', ['--model', model, '--provider', 'cpu', '--json', ...args]);
  const { json } = await generateText(parsed, { terminal, hostPath: builtHost(), workerPath: undefined, token: neverCancelled, now: () => 0 });
  return json as Written;
}

const refusal = (...args: readonly string[]): Promise<string> => generated(...args).then(() => assert.fail('it was not refused'), (error: unknown) => (error as Error).message);

describe('images on the command line', () => {
  let folder = '';
  before(() => void (folder = mkdtempSync(path.join(tmpdir(), 'gradlens-scenes-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name: string, bytes: Uint8Array): string => {
    const whole = path.join(folder, name);
    writeFileSync(whole, bytes);
    return whole;
  };
  const png = (scene: Scene): string => file('scene.png', encodePng(drawScene(scene), IMAGE_SIZE));
  const ask = (question: Question, ...more: readonly string[]): Promise<Written> => generated('--prompt', `<image>${presencePrompt(question.asked)}`, '--image', png(question.scene), ...more);

  const scenes = { natural: heldOutScenes('natural', 6), broken: heldOutScenes('broken', 4) };
  const questions = heldOutQuestions(scenes);
  const ofKind = (kind: QuestionKind): readonly Question[] => questions.filter((question) => question.kind === kind);

  it('are answered as the model card says: what is in plain sight and what is not rightly, absent companions mostly not', async () => {
    const card = JSON.parse(readFileSync(path.join(model, 'held-out.json'), 'utf8')) as HeldOutFigures;
    for (const kinds of [['present', 'absent'], ['companion']] as const) {
      const asked = kinds.flatMap(ofKind);
      let right = 0;
      for (const question of asked) {
        const { text, tokens } = await ask(question);
        assert.match(text, /^ (Yes|No)\.$/);
        assert.equal(tokens.length, 3, 'the answer ends');
        if ((text === ' Yes.') === holds(question.scene, question.asked)) right++;
      }
      const rate = kinds.reduce((sum, kind) => sum + card.seen.questions[kind].count / card.seen.questions[kind].of, 0) / kinds.length;
      // Four standard deviations of so few, and one case more.
      const slack = 4 * Math.sqrt(rate * (1 - rate) * asked.length) + 1;
      assert.ok(asked.length >= 4 && Math.abs(right - rate * asked.length) <= slack, `${kinds.join()}: ${right} of ${asked.length} right, and ${rate} on the card`);
    }
  });

  it('are scored as they are answered', async () => {
    for (const question of [ofKind('present')[0], ofKind('absent')[1]]) {
      assert.ok(question);
      const written = await ask(question);
      const [yes, no] = [await ask(question, '--score', ' Yes.'), await ask(question, '--score', ' No.')].map(({ score }) => score);
      assert.ok(yes && no);
      const [likelier, other] = written.text === ' Yes.' ? [yes, no] : [no, yes];
      assert.ok(likelier.logProbability > other.logProbability);
      likelier.perToken.forEach(({ logProbability }, i) => assert.ok(Math.abs(logProbability - (written.tokens[i]?.logProbability ?? Number.NaN)) < 1e-4));
    }
  });

  it('are the same image whatever the kind of file, with the token in its place or without one, and in a chat', async () => {
    const [scene] = scenes.natural;
    assert.ok(scene);
    const pixels = drawScene(scene);
    const rgba = Uint8Array.from({ length: (pixels.length / 3) * 4 }, (_, i) => (i % 4 === 3 ? 255 : (pixels[3 * Math.floor(i / 4) + (i % 4)] ?? 0)));
    const expected = await generated('--prompt', `<image>${CAPTION_PROMPT}`, '--image', png(scene));
    assert.deepEqual([expected.promptTokens.filter((id) => id === 383).length, expected.promptTokens[0]], [64, 1]);
    const others = [
      await generated('--prompt', `<image>${CAPTION_PROMPT}`, '--image', file('scene.image', Buffer.concat([Buffer.from(`P6 ${IMAGE_SIZE} ${IMAGE_SIZE} 255\n`), pixels]))),
      await generated('--prompt', CAPTION_PROMPT, '--image', png(scene)),
      await generated('--prompt', CAPTION_PROMPT, '--chat', '--image', png(scene)),
    ];
    for (const other of others) assert.deepEqual(other.tokens, expected.tokens);
    const lossy = await generated('--prompt', CAPTION_PROMPT, '--image', file('scene.jpg', encodeJpeg({ width: IMAGE_SIZE, height: IMAGE_SIZE, data: rgba }, 98).data));
    assert.equal(lossy.text, expected.text);
  });

  it('are brought to the size that the model takes', async () => {
    const [question] = ofKind('present');
    assert.ok(question);
    const [pixels, factor] = [drawScene(question.scene), 5];
    const side = factor * IMAGE_SIZE;
    const large = Uint8Array.from({ length: 3 * side * side }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)].map((place) => Math.floor(place / factor)) as [number, number];
      return pixels[3 * (y * IMAGE_SIZE + x) + (i % 3)] ?? 0;
    });
    const { text } = await generated('--prompt', `<image>${presencePrompt(question.asked)}`, '--image', file('large.png', encodePng(large, side)));
    assert.equal(text, (await ask(question)).text);
  });

  it('are asked for, or refused, where prompt, images and model do not belong together', async () => {
    const [scene] = scenes.natural;
    assert.ok(scene);
    const image = png(scene);
    for (const [args, message] of [
      [['--prompt', `<image>${CAPTION_PROMPT}`], /^The prompt has a token for an image, and no image is given\. Give the image too, or leave the token out of the prompt\.$/],
      [['--prompt', `<image>${CAPTION_PROMPT}`, '--score', ' a red circle.'], /and no image is given/],
      [['--prompt', '<image><image>What?', '--image', image], /^The prompt has tokens for 2 images, and one image is given\. Give as many images as the prompt has tokens for them/],
      [['--prompt', '<image>What?', '--image', image, '--image', image], /^The prompt has a token for an image, and 2 images are given/],
      [['--prompt', 'What?', '--image', image, '--image', image], /^The prompt has 13\d tokens, 128 of them for images, and the model holds 96.*Give fewer images or a shorter prompt\.$/],
      [['--prompt', 'What?', '--image', image, '--image', image, '--score', ' No.'], /128 of them for images, and the model holds 96/],
      [['--prompt', 'x', '--image', path.join(folder, 'none.png')], /none\.png cannot be read: ENOENT/],
      [['--prompt', 'x', '--image', file('cut.jpg', madeJpeg({ columns: 4, rows: 4, components: 3 }, () => 90).subarray(0, -3))], /cut\.jpg is a JPEG file that is cut off/],
    ] as const) {
      assert.match(await refusal(...args), message);
    }
  });

  it('are no prompt for a model of text, as the built command says with exit code 2', () => {
    const [scene] = scenes.natural;
    assert.ok(scene);
    const run = spawnSync(process.execPath, [builtCli(), 'generate', '--model', path.join(models, 'tiny-code'), '--provider', 'cpu', '--prompt', 'x', '--image', png(scene)], { encoding: 'utf8' });
    assert.equal(run.status, 2);
    assert.match(run.stderr, /tiny-code is no vision-language model: it has no vision_encoder and embed_tokens\. Leave the image out, or use a model that takes images\./);
  });
});
