// What a user does: opens a buggy sample, sees what fails, repairs it, watches the chart, applies the fix.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { installVsix, openBrowser, serve } from '../../scripts/vscode-web.mjs';
import type { Server } from '../../scripts/vscode-web.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const shots = path.join(root, 'artifacts', 'screenshots');

async function palette(page: Page, command: string): Promise<void> {
  await page.keyboard.press('F1');
  const input = page.locator('.quick-input-widget input[type="text"]');
  await input.waitFor();
  await input.fill(`>${command}`);
  await page.locator('.quick-input-list .monaco-list-row').first().waitFor();
  await page.keyboard.press('Enter');
}

async function openFile(page: Page, name: string): Promise<void> {
  await page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first().dblclick();
  await page.locator(`.tab[data-resource-name="${name}"]`).waitFor();
}

const panelOf = (page: Page): FrameLocator => page.frameLocator('iframe.webview.ready').frameLocator('iframe#active-frame');

describe('a user', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let workspace: string;

  before(async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-e2e-'));
    mkdirSync(shots, { recursive: true });
    workspace = path.join(scratch, 'workspace');
    cpSync(path.join(root, 'samples'), workspace, { recursive: true });
    const extensionsDir = path.join(scratch, 'extensions');
    mkdirSync(extensionsDir, { recursive: true });
    const vsix = process.env['GRADLENS_VSIX'];
    assert.ok(vsix, 'the packaged extension');
    installVsix(vsix, extensionsDir);
    server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir });
    browser = await openBrowser();
    page = await (await browser.newContext({ viewport: { width: 1400, height: 900 }, reducedMotion: 'reduce' })).newPage();
    await page.goto(server.url(workspace));
    await page.locator('.monaco-workbench .explorer-folders-view').waitFor({ timeout: 60_000 });
  });

  after(async () => {
    await browser.close();
    server.stop();
  });

  it('sees the failing examples of a buggy sample', async () => {
    await openFile(page, 'dyck.rasp');
    await page.locator('.codelens-decoration a', { hasText: 'examples pass' }).first().waitFor();
    await page.locator('.squiggly-warning').first().waitFor();
    await page.screenshot({ path: path.join(shots, 'failing-examples.png') });
    const lens = await page.locator('.codelens-decoration').first().innerText();
    assert.match(lens, /\d+ of \d+ examples pass/);
  });

  it('repairs it from the palette and watches the chart move', async () => {
    await palette(page, 'GradLens: Repair Program');
    const body = panelOf(page).locator('body');
    await panelOf(page).locator('.chart canvas').waitFor({ timeout: 30_000 });
    const early = Number(await body.getAttribute('data-points'));
    await panelOf(page).locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
    const late = Number(await body.getAttribute('data-points'));
    assert.ok(late > early || early > 3, `points: ${early}, then ${late}`);
    await page.screenshot({ path: path.join(shots, 'repaired.png') });
    const text = await panelOf(page).locator('main').innerText();
    assert.match(text, /Repaired in/);
    assert.match(text, /Where the gradient points/);
  });

  it('applies the quick fix; the diagnostics go and the examples pass', async () => {
    await page.locator('.tab[data-resource-name="dyck.rasp"]').click();
    await page.locator('.squiggly-warning').first().waitFor();
    await palette(page, 'Go to Next Problem (Error, Warning, Info)');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+.');
    const row = page.locator('.action-widget .monaco-list-row', { hasText: 'Apply verified repair' });
    await row.waitFor();
    await page.screenshot({ path: path.join(shots, 'quick-fix.png') });
    await page.keyboard.press('Enter');
    await page.locator('.codelens-decoration a', { hasText: /^\s*\d+ examples pass/ }).first().waitFor({ timeout: 20_000 });
    await page.waitForFunction(() => document.querySelectorAll('.squiggly-warning, .squiggly-error').length === 0);
    await page.screenshot({ path: path.join(shots, 'applied.png') });
    await page.keyboard.press('Control+S');
    await page.waitForTimeout(500);
    const saved = readFileSync(path.join(workspace, 'dyck.rasp'), 'utf8');
    const original = readFileSync(path.join(root, 'samples', 'dyck.rasp'), 'utf8');
    const changed = saved.split('\n').filter((line, i) => line !== original.split('\n')[i]);
    assert.ok(changed.length >= 1 && changed.length <= 3, `changed lines: ${changed.join(' | ')}`);
  });

  for (const [theme, kind, width] of [['Default High Contrast', 'hc-black', 1400], ['Default Dark Modern', 'vs-dark', 760]] as const) {
    it(`repairs another sample in the theme ${theme}, ${width} px wide`, async () => {
      server.setSettings({ 'workbench.colorTheme': theme });
      await page.setViewportSize({ width, height: 900 });
      await page.reload();
      await page.locator(`.monaco-workbench.${kind}`).waitFor({ timeout: 60_000 });
      await openFile(page, 'reverse.rasp');
      await page.locator('.codelens-decoration a', { hasText: 'Repair' }).first().click();
      await panelOf(page).locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
      await page.waitForTimeout(500);
      await page.screenshot({ path: path.join(shots, `panel-${kind}.png`) });
      const colours = await panelOf(page).locator('body').evaluate((body) => {
        const { color, backgroundColor } = getComputedStyle(body);
        return [color, backgroundColor];
      });
      assert.notEqual(colours[0], colours[1]);
      const overflow = await panelOf(page).locator('body').evaluate((body) => body.scrollWidth - body.clientWidth);
      assert.ok(overflow <= 1, `the panel overflows by ${overflow} px`);
    });
  }
});
