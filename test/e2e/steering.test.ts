// What a user does to see what pushes an answer and to steer it: select, attribute, hover, look at the layers, make a vector, move its slider.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { FrameLocator, Locator } from 'playwright-core';
import { keepFailures, themes, Workbench } from './workbench.ts';

const prompt = 'Task: add the numbers from a to b that are odd.\nProgram:\n';

describe('a user who steers', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1400, height: 900 });
  });

  keepFailures(() => workbench);
  after(() => workbench.close());

  const row = (text: string): Locator => workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first();
  const lens = (text: string | RegExp): Locator => workbench.page.locator('.codelens-decoration', { hasText: text }).first();
  const steering = (): FrameLocator => workbench.webview('last');
  const answer = (which: 'Unsteered' | 'Steered'): Locator => steering().locator(`pre[aria-label="${which} answer"]`);
  const answered = (): Promise<void> => steering().locator('body[data-answers="done"]').waitFor({ timeout: 60_000 });

  async function choose(text: string): Promise<void> {
    await row(text).waitFor({ timeout: 30_000 });
    await workbench.page.keyboard.type(text);
    await workbench.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: text }).waitFor();
    await workbench.page.keyboard.press('Enter');
  }

  /** Puts the cursor on a place of the active editor and asks for the hover there. */
  async function hoverAt(line: number, column: number): Promise<string> {
    const tip = workbench.page.locator('.monaco-hover:visible', { hasText: 'nats' }).first();
    await workbench.until('the hover says a number', async () => {
      await workbench.page.locator('.editor-group-container.active .view-line').first().click();
      await workbench.page.keyboard.press('Control+G');
      await workbench.page.keyboard.type(`${line}:${column}`);
      await workbench.page.keyboard.press('Enter');
      // A command of the palette would begin with Escape, which clears the marks.
      await workbench.page.keyboard.press('Control+K');
      await workbench.page.keyboard.press('Control+I');
      await tip.waitFor({ timeout: 5000 });
    });
    return (await tip.innerText()).replaceAll('\u00a0', ' ');
  }

  it('sees in the text which tokens push the answer, with a legend', async () => {
    await workbench.command('GradLens: Select Language Model');
    await choose('tiny-code');
    await workbench.openFile('coin.prompt.md');
    await workbench.command('GradLens: Show What Pushes the Answer');
    await lens('solid: pushes towards “ glass”').waitFor({ timeout: 90_000 });
    assert.match(await lens('completeness error').innerText(), /completeness error \d+(?:\.\d)? %/u);
  });

  it('reads the number, the rank and the set of a token in its hover', async () => {
    const column = 2 + readFileSync(path.join(workbench.folder, 'coin.prompt.md'), 'utf8').indexOf('glass');
    assert.match(await hoverAt(1, column), /\+\d+\.\d{3} nats towards “ glass”[\s\S]*rank 1 of \d+ · in S⁺/u);
    for (const theme of themes) {
      await workbench.settings({}, theme);
      await hoverAt(1, column);
      await workbench.screenshot(`attribution-text-${theme.short}`);
    }
    await workbench.settings({});
  });

  it('sees tokens by layers on a page, walks it by keyboard, and saves the table', async () => {
    await workbench.command('GradLens: Open Attribution Panel');
    const page = workbench.webview();
    await page.locator('body[data-status="shown"] svg').first().waitFor({ timeout: 30_000 });
    await workbench.until('the last token is in focus', async () => {
      await page.locator('.op').first().focus();
      await page.locator('.op').first().press('End');
      assert.match(await page.locator('.details').innerText(), /“:”: [+−]\d+\.\d{3} nats towards .*; layer 0 [+−].*layer 4/u);
    });
    await page.locator('summary').click();
    assert.match(await page.locator('table').innerText(), /Layer 4[\s\S]*glass/u);
    await page.locator('summary').click();
    await page.locator('vscode-button', { hasText: 'Export CSV' }).click();
    const file = path.join(workbench.folder, 'attribution.csv');
    await workbench.saveAs('attribution.csv', file);
    await workbench.until('the table is saved', async () => Promise.resolve(assert.match(readFileSync(file, 'utf8'), /^index,token,start,end,nats,rank,set,layers\.0\.resid_post/u)));
    await page.locator('vscode-button', { hasText: 'Export PNG' }).click();
    const picture = path.join(workbench.folder, 'attribution.png');
    await workbench.saveAs('attribution.png', picture);
    await workbench.until('the picture is saved', async () => Promise.resolve(assert.equal(readFileSync(picture).subarray(1, 4).toString('latin1'), 'PNG')));
  });

  it('reads the page in three themes, wide and narrow', async () => {
    await workbench.lookAt('attribution', { columns: 2, ready: (page) => page.locator('body[data-status="shown"] svg').first().waitFor() });
  });

  it('asks for the two answers, of which one can be typed', async () => {
    await workbench.webview().locator('vscode-button', { hasText: 'Other answers' }).click();
    await row('“ glass”').waitFor({ timeout: 60_000 });
    await workbench.screenshot('attribution-answers');
    await workbench.page.keyboard.type(' clay');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.locator('.quick-input-title', { hasText: 'Instead of which answer than “ clay”?' }).waitFor();
    await row('“ glass”').waitFor();
    await workbench.page.keyboard.press('Enter');
    await workbench.webview().locator('h1', { hasText: '“ clay” over “ glass”' }).waitFor({ timeout: 60_000 });
    assert.match(await workbench.webview().locator('.caption').first().innerText(), /answers as given/u);
  });

  it('takes the marks away with Escape', async () => {
    await workbench.webview().locator('vscode-button', { hasText: 'Show text' }).click();
    await workbench.command('GradLens: Show What Pushes the Answer');
    await lens('solid').waitFor({ timeout: 60_000 });
    await workbench.until('the legend goes', async () => {
      await workbench.page.locator('.editor-group-container.active .view-line').first().click();
      await workbench.page.keyboard.press('Escape');
      await lens('solid').waitFor({ state: 'detached', timeout: 2000 });
    });
    await workbench.closeEditors();
  });

  it('sees which patches of an image push the answer', async () => {
    await workbench.command('GradLens: Select Language Model');
    await choose('tiny-vision');
    await workbench.openFile('scene.prompt.md');
    await workbench.command('GradLens: Show What Pushes the Answer');
    await lens('solid: pushes towards').waitFor({ timeout: 90_000 });
    await workbench.command('GradLens: Open Attribution Panel');
    const page = workbench.webview();
    await page.locator('body[data-status="shown"] svg image').waitFor({ timeout: 30_000 });
    await workbench.until('the first patch is in focus', async () => {
      await page.locator('.op').first().focus();
      assert.match(await page.locator('.details').innerText(), /^Image, patch in row 1, column 1: [+−]\d+\.\d{3} nats towards “ (?:Yes|No)/u);
    });
    await workbench.lookAt('attribution-image', { columns: 2, ready: (shown) => shown.locator('svg image').waitFor() });
    await workbench.command('GradLens: Select Language Model');
    await choose('tiny-code');
    await workbench.closeEditors();
  });

  it('is told in the view what to do where there are no vectors', async () => {
    await workbench.command('GradLens: Open Steering View');
    await steering().locator('body[data-state="ready"][data-vectors="0"]').waitFor({ timeout: 30_000 });
    assert.match(await steering().locator('main').innerText(), /No vectors yet/u);
    await workbench.screenshot('steering-empty');
  });

  it('runs a prompt in the playground', async () => {
    await steering().locator('textarea').fill(prompt);
    await steering().locator('textarea').press('Control+Enter');
    await answered();
    assert.match(await answer('Unsteered').innerText(), /^def /u);
    assert.equal(await answer('Steered').innerText(), await answer('Unsteered').innerText());
    assert.match(await steering().locator('.comparison').innerText(), /No vector is on/u);
  });

  it('makes a vector from the sample pairs, which steers the answer while the unsteered one stays', async () => {
    const own = await answer('Unsteered').innerText();
    await workbench.command('GradLens: Make a Vector from Contrast Pairs');
    await workbench.giveFile('Contrast pairs', path.join(workbench.folder, 'cpp-over-python.pairs.jsonl'));
    await row('GrAInS').waitFor({ timeout: 30_000 });
    await workbench.page.keyboard.press('Enter');
    await steering().locator('.making progress').waitFor({ timeout: 30_000 });
    await workbench.screenshot('steering-making');
    await steering().locator('body[data-vectors="1"]').waitFor({ timeout: 120_000 });
    await workbench.until('the answer is steered', async () => assert.match(await answer('Steered').innerText(), /^int [\s\S]*return/u));
    await answered();
    assert.equal(await answer('Unsteered').innerText(), own);
    assert.match(await steering().locator('.vectors li').innerText(), /cpp-over-python GrAInS[\s\S]*GrAInS · 24 pairs of cpp-over-python\.pairs\.jsonl · tiny-code · layers 0 to 4/u);
  });

  it('moves its slider: the steered answer changes, the unsteered one stays', async () => {
    const [own, first] = [await answer('Unsteered').innerText(), await answer('Steered').innerText()];
    const slider = steering().locator('input[type="range"]');
    await slider.focus();
    for (let i = 0; i < 15; i++) await slider.press('ArrowRight');
    assert.equal(await steering().locator('.strength output').innerText(), '0.25');
    await workbench.until('another answer', async () => assert.notEqual(await answer('Steered').innerText(), first));
    await answered();
    assert.equal(await answer('Unsteered').innerText(), own);
    assert.match(await steering().locator('.comparison').innerText(), /KL \d+\.\d{3} nats on average/u);
    for (let i = 0; i < 15; i++) await slider.press('ArrowLeft');
    await workbench.until('the first answer again', async () => assert.equal(await answer('Steered').innerText(), first));
    await answered();
  });

  it('finds vectors, strengths and prompt again after the window was reloaded', async () => {
    const first = await answer('Steered').innerText();
    // The browser's storage writes after a moment, and a reload does not wait for it.
    await workbench.page.waitForTimeout(1000);
    await workbench.reload();
    await workbench.command('GradLens: Open Steering View');
    await steering().locator('body[data-vectors="1"]').waitFor({ timeout: 60_000 });
    assert.equal(await steering().locator('textarea').inputValue(), prompt);
    assert.equal(await steering().locator('.strength output').innerText(), '0.10');
    assert.equal(await answer('Steered').innerText(), first);
  });

  it('reads the view in three themes, narrow and wide', async () => {
    for (const [width, by] of [[300, 0], [900, 600]] as const) {
      if (by > 0) await widen(by);
      for (const theme of themes) {
        await workbench.settings({}, theme);
        await workbench.screenshot(`steering-${theme.short}-${width}`);
        await workbench.assertReadable(steering().locator('body'), `the view in ${theme.name} at ${width} px`);
      }
    }
    await workbench.settings({});
  });

  /** Drags the edge of the side bar. */
  async function widen(by: number): Promise<void> {
    const box = await workbench.page.locator('.part.sidebar').boundingBox();
    assert.ok(box);
    const [x, y] = [box.x + box.width, box.y + box.height / 2];
    await workbench.page.mouse.move(x, y);
    await workbench.page.mouse.down();
    await workbench.page.mouse.move(x + by, y, { steps: 4 });
    await workbench.page.mouse.up();
  }

  it('deletes a vector, and the answer is the model’s own again', async () => {
    await steering().locator('.vectors vscode-button', { hasText: 'Delete' }).click();
    await workbench.page.locator('.monaco-dialog-box .monaco-button', { hasText: 'Delete' }).click();
    await steering().locator('body[data-vectors="0"]').waitFor({ timeout: 30_000 });
    await workbench.until('the answers are the same', async () => assert.equal(await answer('Steered').innerText(), await answer('Unsteered').innerText()));
  });
});
