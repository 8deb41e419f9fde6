// The drawing page, the loop's terminal and the page of repair runs as a user sees them, in three themes and narrow.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { installVsix, openBrowser, serve } from '../../scripts/vscode-web.mjs';
import type { Server } from '../../scripts/vscode-web.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const shots = path.join(root, 'artifacts', 'screenshots');
const themes = [['Default Light Modern', 'light', '.vs'], ['Default Dark Modern', 'dark', '.vs-dark'], ['Default High Contrast', 'hc', '.hc-black']] as const;

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

/** The visible page of that title. */
const pageOf = (page: Page): FrameLocator => page.frameLocator('iframe.webview.ready >> visible=true').frameLocator('iframe#active-frame');

async function overflow(frame: FrameLocator): Promise<number> {
  return frame.locator('body').evaluate((body) => body.scrollWidth - body.clientWidth);
}

describe('pages', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let workspace: string;

  before(async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-pages-'));
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

  it('say what to do where there are no runs yet', async () => {
    await openFile(page, 'palindrome.rasp');
    await page.locator('.codelens-decoration').first().waitFor({ timeout: 30_000 });
    await palette(page, 'GradLens: Show Repair Runs');
    const runs = pageOf(page);
    await runs.locator('body[data-rows="0"]').waitFor({ timeout: 30_000 });
    assert.match(await runs.locator('main').innerText(), /No program has been repaired/);
    await page.screenshot({ path: path.join(shots, 'runs-empty.png') });
    await palette(page, 'View: Close All Editors');
  });

  it('draw the op at the cursor, with a path for the keyboard and tables', async () => {
    await openFile(page, 'palindrome.rasp');
    await page.locator('.view-line', { hasText: 'differs' }).first().click();
    await palette(page, 'GradLens: Draw');
    const drawing = pageOf(page);
    await drawing.locator('body[data-state="drawn"] svg').waitFor({ timeout: 30_000 });
    await drawing.locator('.op').first().focus();
    await drawing.locator('.op').first().press('End');
    assert.match(await drawing.locator('.details').innerText(), /^differs = not .*: F, F, F, F$/);
    await drawing.locator('summary').click();
    assert.match(await drawing.locator('table').first().innerText(), /differs/);
    await drawing.locator('summary').click();
  });

  it('keep runs, and compare two of them', async () => {
    await palette(page, 'View: Close All Editors');
    for (const name of ['reverse.rasp', 'sort.rasp']) {
      await openFile(page, name);
      await palette(page, 'GradLens: Repair Program');
      await pageOf(page).locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
      await palette(page, 'View: Close All Editors');
    }
    const runs = await chooseTwo();
    assert.match(await runs.locator('.comparison').innerText(), /Side by side[\s\S]*Suspects[\s\S]*Patch/);
  });

  it('open a kept run again after the window was reloaded', async () => {
    await reload('.monaco-workbench');
    await palette(page, 'GradLens: Show Repair Runs');
    const runs = pageOf(page);
    await runs.locator('body[data-rows="2"]').waitFor({ timeout: 30_000 });
    await runs.locator('vscode-button', { hasText: 'Open' }).first().click();
    await page.locator('.tab', { hasText: 'GradLens Repair' }).last().waitFor();
    await page.frameLocator('iframe.webview.ready >> visible=true >> nth=-1').frameLocator('iframe#active-frame').locator('body[data-status="repaired"]').waitFor({ timeout: 30_000 });
    await palette(page, 'View: Close All Editors');
  });

  for (const [theme, short, selector] of themes) {
    it(`are readable in ${theme}, wide and narrow`, async () => {
      server.setSettings({ 'workbench.colorTheme': theme, 'workbench.activityBar.location': 'hidden', 'workbench.statusBar.visible': false });
      await reload(`.monaco-workbench${selector}`);
      await chooseTwo();
      await lookAt('runs', short, [1200, 300], () => pageOf(page).locator('.chart canvas').waitFor());
      await palette(page, 'View: Close All Editors');
      await openFile(page, 'palindrome.rasp');
      await page.locator('.view-line', { hasText: 'palindrome =' }).first().click();
      await palette(page, 'GradLens: Draw');
      await pageOf(page).locator('body[data-state="drawn"] svg').waitFor({ timeout: 30_000 });
      // It stands beside its source, so that it has half of the window.
      await lookAt('draw', short, [1400, 600], () => pageOf(page).locator('svg').waitFor());
      await palette(page, 'View: Close All Editors');
    });
  }

  async function reload(selector: string): Promise<void> {
    await page.reload();
    await page.locator(selector).waitFor({ timeout: 60_000 });
    await palette(page, 'View: Show Explorer');
    await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor({ timeout: 60_000 });
    await palette(page, 'View: Close All Editors');
  }

  async function chooseTwo(): Promise<FrameLocator> {
    await palette(page, 'GradLens: Show Repair Runs');
    const runs = pageOf(page);
    await runs.locator('body[data-rows="2"]').waitFor({ timeout: 30_000 });
    for (const n of [0, 1]) {
      await runs.locator('input[type="checkbox"]').nth(n).press('Space');
      await runs.locator(`body[data-chosen="${n + 1}"]`).waitFor();
    }
    await runs.locator('.chart canvas').waitFor();
    return runs;
  }

  async function lookAt(name: string, theme: string, widths: readonly number[], ready: () => Promise<void>): Promise<void> {
    await palette(page, 'View: Close Primary Side Bar');
    for (const width of widths) {
      await page.setViewportSize({ width, height: 1000 });
      await ready();
      await page.waitForTimeout(400);
      await page.screenshot({ path: path.join(shots, `${name}-${theme}-${width}.png`) });
      const { colour, background } = await pageOf(page).locator('body').evaluate((body) => ({ colour: getComputedStyle(body).color, background: getComputedStyle(body).backgroundColor }));
      assert.notEqual(colour, background);
      assert.ok((await overflow(pageOf(page))) <= 1, `${name} does not overflow at ${width} px`);
    }
    await page.setViewportSize({ width: 1400, height: 1000 });
    await palette(page, 'View: Show Explorer');
  }

  it('show the interactive loop in a terminal', async () => {
    await palette(page, 'View: Close All Editors');
    await openFile(page, 'palindrome.rasp');
    await palette(page, 'GradLens: Open RASP REPL');
    await page.locator('.terminal-wrapper.active .xterm').waitFor({ timeout: 30_000 });
    await page.waitForTimeout(1500);
    await page.keyboard.type('set example "noon"\npalindrome;\nmirror;\n');
    await page.waitForTimeout(1500);
    await page.screenshot({ path: path.join(shots, 'repl.png') });
  });
});
