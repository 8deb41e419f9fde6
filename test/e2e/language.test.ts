// What a user sees of the language: the hover of a selector in three themes, completion, values behind assignments, the Test Explorer.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Browser, Locator, Page } from 'playwright-core';
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

/** The hover over the first place of a word. */
async function hoverOver(page: Page, word: string): Promise<Locator> {
  await page.locator('.view-line span span', { hasText: new RegExp(`^${word}$`, 'u') }).first().hover();
  const hover = page.locator('.monaco-hover:not(.hidden) .monaco-hover-content').first();
  await hover.waitFor();
  return hover;
}

describe('a user who reads a program', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  before(async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-e2e-language-'));
    mkdirSync(shots, { recursive: true });
    const workspace = path.join(scratch, 'workspace');
    cpSync(path.join(root, 'samples'), workspace, { recursive: true });
    const extensionsDir = path.join(scratch, 'extensions');
    mkdirSync(extensionsDir, { recursive: true });
    const vsix = process.env['GRADLENS_VSIX'];
    assert.ok(vsix, 'the packaged extension');
    installVsix(vsix, extensionsDir);
    server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir });
    browser = await openBrowser();
    page = await (await browser.newContext({ viewport: { width: 1100, height: 720 }, reducedMotion: 'reduce' })).newPage();
    await page.goto(server.url(workspace));
    await page.locator('.monaco-workbench .explorer-folders-view').waitFor({ timeout: 60_000 });
  });

  after(async () => {
    await browser.close();
    server.stop();
  });

  for (const [theme, kind] of [['Default Light Modern', 'vs'], ['Default Dark Modern', 'vs-dark'], ['Default High Contrast', 'hc-black']] as const) {
    it(`sees a selector as a matrix in the theme ${theme}`, async () => {
      server.setSettings({ 'workbench.colorTheme': theme, 'gradlens.inlayHints.values': kind === 'vs-dark' });
      await page.reload();
      await page.locator(`.monaco-workbench.${kind}`).waitFor({ timeout: 60_000 });
      await openFile(page, 'reverse.rasp');
      await page.locator('.codelens-decoration a', { hasText: 'Repair' }).first().waitFor();
      const hover = await hoverOver(page, 'flip');
      await page.locator('.monaco-hover-content', { hasText: 'query' }).first().waitFor();
      const text = await hover.innerText();
      assert.match(text.replaceAll(' ', ' '), /key\n\s+h e l l o\nquery h · · · · ·\n\s+e · · · · ●/u);
      await page.waitForTimeout(300);
      await page.screenshot({ path: path.join(shots, `selector-hover-${kind}.png`) });
      const overflow = await hover.evaluate((element) => element.scrollWidth - element.clientWidth);
      assert.ok(overflow <= 1, `the hover is wider than its box by ${overflow} px`);
      await page.mouse.move(5, 5);
      const hints = await page.locator('.view-line', { hasText: '5×5' }).count();
      assert.equal(hints > 0, kind === 'vs-dark', 'values stand behind assignments where the setting is on');
    });
  }

  it('completes a call and is helped with its parameters', async () => {
    await page.locator('.view-line').last().click();
    await page.keyboard.press('Control+End');
    await page.keyboard.press('Enter');
    // At a person's pace: what a space asks for has been answered before the next letter.
    await page.keyboard.type('again = shi', { delay: 80 });
    await page.locator('.suggest-widget .monaco-list-row', { hasText: 'shift' }).first().waitFor();
    await page.screenshot({ path: path.join(shots, 'completion.png') });
    await page.keyboard.press('Enter');
    await page.locator('.parameter-hints-widget.visible', { hasText: 'filler' }).waitFor();
    await page.screenshot({ path: path.join(shots, 'signature.png') });
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
  });

  it('runs the examples as tests', async () => {
    await palette(page, 'Test: Run Tests in Current File');
    await palette(page, 'Testing: Focus on Test Explorer View');
    await page.locator('.test-explorer .monaco-list-row', { hasText: 'reverse.rasp' }).first().waitFor({ timeout: 20_000 });
    await page.locator('.test-explorer', { hasText: '0/14' }).waitFor();
    await page.waitForTimeout(500);
    await page.screenshot({ path: path.join(shots, 'test-explorer.png') });
    const rows = await page.locator('.test-explorer .monaco-list-row').allInnerTexts();
    assert.ok(rows.some((row) => row.includes('reverse.rasp')), rows.join(' | '));
  });
});
