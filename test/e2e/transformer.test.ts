// The transformer page as a user sees it: opened from the lens, run on another input, in three themes, wide and narrow; the model saved.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { FrameLocator } from 'playwright-core';
import { readDescription } from '../../src/numeric/compiledModel.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { themes, Workbench } from './workbench.ts';

async function run(frame: FrameLocator, field: string, text: string, status: string): Promise<void> {
  await frame.locator(`#${field}`).fill(text);
  await frame.locator(`#${field}`).press('Enter');
  await frame.locator('body[data-status="compiling"]').waitFor({ timeout: 1000 }).catch(() => undefined);
  await frame.locator(`body[data-status="${status}"]`).waitFor({ timeout: 30_000 });
}

describe('the transformer page', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1400, height: 1000 });
    const letters = 'a'.repeat(40);
    const lines = ['mean = aggregate(select(indices, indices, <=), indices * indices * indices);', 'wide = aggregate(select(indices, indices, >=), mean * mean);', `#: "${letters}" -> "${letters}"`, ''];
    writeFileSync(path.join(workbench.folder, 'wide.rasp'), lines.join('\n'));
  });

  after(() => workbench.close());

  it('opens from the lens, says what the interpreter says, and runs another input', async () => {
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.codelens-decoration a', { hasText: 'Open as transformer' }).first().click({ timeout: 30_000 });
    const frame = workbench.webview();
    await frame.locator('body[data-status="shown"] svg').first().waitFor({ timeout: 30_000 });
    assert.match(await frame.locator('main').innerText(), /The model gives what the interpreter gives/);
    await run(frame, 'input', 'levl', 'shown');
    await frame.locator('section td', { hasText: /^0$/u }).first().waitFor();
    assert.equal(await frame.locator('section tr', { hasText: 'Model' }).innerText(), 'Model\t0\t0\t0\t0');
  });

  it('is walked by keyboard, and Enter shows the source of a head', async () => {
    const frame = workbench.webview();
    await frame.locator('.op').first().focus();
    await frame.locator('.op').first().press('ArrowDown');
    await frame.locator('.op:focus').waitFor();
    const head = frame.locator('.op', { hasText: 'through mirror' }).first();
    await head.focus();
    assert.match(await frame.locator('.details').innerText(), /through mirror, line 2\. .*l at 1 attends to l at 4 \(1\)/u);
    await head.press('Enter');
    await workbench.page.locator('.monaco-editor.focused').waitFor();
    await workbench.page.locator('.statusbar-item', { hasText: /Ln 2, Col/u }).first().waitFor();
    await frame.locator('summary').click();
    assert.match(await frame.locator('details table').nth(1).innerText(), /Query/);
    await frame.locator('summary').click();
  });

  it('says in words what is wrong, and marks the field', async () => {
    const frame = workbench.webview();
    await run(frame, 'input', 'xyz', 'failed');
    assert.match(await frame.locator('.problem').innerText(), /x.* is not in the model's vocabulary/u);
    await frame.locator('#input[aria-invalid="true"]').waitFor();
    await run(frame, 'input', 'level', 'shown');
  });

  it('saves the model where the user says, with what it is for', async () => {
    await workbench.command('View: Close All Editors');
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.codelens-decoration').first().waitFor({ timeout: 30_000 });
    await workbench.command('GradLens: Export as ONNX Model');
    const file = path.join(workbench.folder, 'saved.onnx');
    const box = workbench.page.locator('.quick-input-widget input[type="text"]');
    const dialog = workbench.page.locator('.quick-input-title', { hasText: 'Save palindrome.onnx' });
    await dialog.waitFor({ timeout: 30_000 });
    await box.fill(file);
    // The dialog takes no Enter while it looks at the folder.
    await workbench.until('the dialog closes', async () => {
      await workbench.page.keyboard.press('Enter');
      await dialog.waitFor({ state: 'hidden', timeout: 2000 });
    });
    await workbench.page.locator('.notification-list-item', { hasText: 'saved.onnx' }).first().waitFor({ timeout: 20_000 });
    assert.ok(existsSync(file));
    const decoded = decodeModel(readFileSync(file), 'saved.onnx');
    assert.ok(decoded.ok);
    const description = readDescription(decoded.graph.metadata);
    assert.ok(typeof description !== 'string');
    assert.deepEqual([description.vocab.slice(1).join(''), description.source?.entry], ['abelnsv', 'palindrome']);
    await workbench.command('Notifications: Clear All Notifications');
    await workbench.command('View: Close All Editors');
  });

  for (const { name: theme, short, kind } of themes) {
    it(`is readable in ${theme}, wide and narrow, with content and failed`, async () => {
      await workbench.restart({ 'workbench.colorTheme': theme, 'workbench.activityBar.location': 'hidden', 'workbench.statusBar.visible': false }, kind);
      await workbench.command('View: Close All Editors');
      for (const [name, status] of [['palindrome', 'shown'], ['wide', 'failed']] as const) {
        await workbench.openFile(`${name}.rasp`);
        await workbench.command('GradLens: Open as Transformer');
        await workbench.webview().locator(`body[data-status="${status}"]`).waitFor({ timeout: 60_000 });
        await lookAt(`transformer-${status}`, short);
        await workbench.command('View: Close All Editors');
      }
    });
  }

  /** It stands beside its source, so that it has half of the window. */
  async function lookAt(name: string, theme: string): Promise<void> {
    await workbench.command('View: Close Primary Side Bar');
    for (const width of [900, 300]) {
      await workbench.page.setViewportSize({ width: 2 * width, height: 1100 });
      await workbench.page.waitForTimeout(500);
      await workbench.screenshot(`${name}-${theme}-${width}`);
      await workbench.assertReadable(workbench.webview().locator('body'), `${name} at ${width} px`);
    }
    await workbench.page.setViewportSize({ width: 1400, height: 1000 });
    await workbench.command('View: Show Explorer');
  }
});
