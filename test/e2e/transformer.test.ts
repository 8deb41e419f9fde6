// The transformer page as a user sees it: opened from the lens, run on another input, in three themes, wide and narrow; the model saved.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { FrameLocator } from 'playwright-core';
import { readDescription } from '../../src/numeric/compiledModel.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { keepFailures, Workbench } from './workbench.ts';

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

  keepFailures(() => workbench);
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
    await workbench.closeEditors();
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.codelens-decoration').first().waitFor({ timeout: 30_000 });
    await workbench.command('GradLens: Export as ONNX Model');
    const file = path.join(workbench.folder, 'saved.onnx');
    await workbench.saveAs('palindrome.onnx', file);
    await workbench.page.locator('.notification-list-item', { hasText: 'saved.onnx' }).first().waitFor({ timeout: 20_000 });
    assert.ok(existsSync(file));
    const decoded = decodeModel(readFileSync(file), 'saved.onnx');
    assert.ok(decoded.ok);
    const description = readDescription(decoded.graph.metadata);
    assert.ok(typeof description !== 'string');
    assert.deepEqual([description.vocab.slice(1).join(''), description.source?.entry], ['abelnsv', 'palindrome']);
    await workbench.command('Notifications: Clear All Notifications');
    await workbench.closeEditors();
  });

  for (const [name, status] of [['palindrome', 'shown'], ['wide', 'failed']] as const) {
    it(`is readable in every theme, wide and narrow, when ${status}`, async () => {
      await workbench.openFile(`${name}.rasp`);
      await workbench.command('GradLens: Open as Transformer');
      const ready = (page: FrameLocator): Promise<void> => page.locator(`body[data-status="${status}"]`).waitFor({ timeout: 60_000 });
      await ready(workbench.webview());
      // It stands beside its source, so that it has half of the window.
      await workbench.lookAt(`transformer-${status}`, { columns: 2, ready });
      await workbench.closeEditors();
    });
  }
});
