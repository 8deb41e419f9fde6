// What a user does: opens a buggy sample, sees what fails, repairs it, watches the chart, applies the fix.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { keepFailures, root, themes, Workbench } from './workbench.ts';

describe('a user', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1400, height: 900 });
  });

  keepFailures(() => workbench);
  after(() => workbench.close());

  it('sees the failing examples of a buggy sample', async () => {
    await workbench.openFile('dyck.rasp');
    await workbench.page.locator('.codelens-decoration a', { hasText: 'examples pass' }).first().waitFor();
    await workbench.page.locator('.squiggly-warning').first().waitFor();
    await workbench.screenshot('failing-examples');
    const lens = await workbench.page.locator('.codelens-decoration').first().innerText();
    assert.match(lens, /\d+ of \d+ examples pass/);
  });

  it('repairs it from the palette and watches the chart move', async () => {
    await workbench.command('GradLens: Repair Program');
    const body = workbench.webview().locator('body');
    await workbench.webview().locator('.chart canvas').waitFor({ timeout: 30_000 });
    const early = Number(await body.getAttribute('data-points'));
    await workbench.webview().locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
    const late = Number(await body.getAttribute('data-points'));
    assert.ok(late > early || early > 3, `points: ${early}, then ${late}`);
    await workbench.screenshot('repaired');
    const text = await workbench.webview().locator('main').innerText();
    assert.match(text, /Repaired in/);
    assert.match(text, /Where the gradient points/);
  });

  it('applies the quick fix; the diagnostics go and the examples pass', async () => {
    await workbench.page.locator('.tab[data-resource-name="dyck.rasp"]').click();
    await workbench.page.locator('.squiggly-warning').first().waitFor();
    await workbench.command('Go to Next Problem (Error, Warning, Info)');
    await workbench.page.keyboard.press('Escape');
    await workbench.page.keyboard.press('Control+.');
    const row = workbench.page.locator('.action-widget .monaco-list-row', { hasText: 'Apply verified repair' });
    await row.waitFor();
    await workbench.screenshot('quick-fix');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.locator('.codelens-decoration a', { hasText: /^\s*\d+ examples pass/ }).first().waitFor({ timeout: 20_000 });
    await workbench.page.waitForFunction(() => document.querySelectorAll('.squiggly-warning, .squiggly-error').length === 0);
    await workbench.screenshot('applied');
    await workbench.page.keyboard.press('Control+S');
    const original = readFileSync(path.join(root, 'samples', 'dyck.rasp'), 'utf8').split('\n');
    await workbench.until('the file is saved', async () => {
      const changed = readFileSync(path.join(workbench.folder, 'dyck.rasp'), 'utf8').split('\n').filter((line, i) => line !== original[i]);
      assert.ok(changed.length >= 1 && changed.length <= 3, `changed lines: ${changed.join(' | ')}`);
    });
  });

  for (const [theme, width, sample] of [[themes[2], 1400, 'reverse.rasp'], [themes[1], 760, 'sort.rasp']] as const) {
    it(`repairs another sample in the theme ${theme.name}, ${width} px wide`, async () => {
      await workbench.closeEditors();
      await workbench.page.setViewportSize({ width, height: 900 });
      await workbench.settings({}, theme);
      await workbench.openFile(sample);
      await workbench.page.locator('.codelens-decoration a', { hasText: 'Repair' }).first().click();
      await workbench.webview().locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
      await workbench.screenshot(`panel-${theme.kind}`);
      await workbench.assertReadable(workbench.webview().locator('body'), 'the panel');
    });
  }
});
