// The transformer page as a user sees it: opened from the lens, run on another input, in three themes, wide and narrow; the model saved.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import type { Browser, FrameLocator, Page } from 'playwright-core';
import { installVsix, openBrowser, serve } from '../../scripts/vscode-web.mjs';
import type { Server } from '../../scripts/vscode-web.mjs';
import { readDescription } from '../../src/numeric/compiledModel.ts';
import { decodeModel } from '../../src/onnx/decode.ts';

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

const pageOf = (page: Page): FrameLocator => page.frameLocator('iframe.webview.ready >> visible=true').frameLocator('iframe#active-frame');

async function run(frame: FrameLocator, field: string, text: string, status: string): Promise<void> {
  await frame.locator(`#${field}`).fill(text);
  await frame.locator(`#${field}`).press('Enter');
  await frame.locator('body[data-status="compiling"]').waitFor({ timeout: 1000 }).catch(() => undefined);
  await frame.locator(`body[data-status="${status}"]`).waitFor({ timeout: 30_000 });
}

describe('the transformer page', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  let workspace: string;

  before(async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-transformer-'));
    mkdirSync(shots, { recursive: true });
    workspace = path.join(scratch, 'workspace');
    cpSync(path.join(root, 'samples'), workspace, { recursive: true });
    writeFileSync(path.join(workspace, 'wide.rasp'), 'mean = aggregate(select(indices, indices, <=), indices * indices * indices);\nwide = aggregate(select(indices, indices, >=), mean * mean);\n#: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" -> "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"\n');
    const extensionsDir = path.join(scratch, 'extensions');
    mkdirSync(extensionsDir, { recursive: true });
    const vsix = process.env['GRADLENS_VSIX'];
    assert.ok(vsix, 'the packaged extension');
    installVsix(vsix, extensionsDir);
    server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir });
    browser = await openBrowser();
    page = await (await browser.newContext({ viewport: { width: 1400, height: 1000 }, reducedMotion: 'reduce' })).newPage();
    await page.goto(server.url(workspace));
    await page.locator('.monaco-workbench .explorer-folders-view').waitFor({ timeout: 60_000 });
  });

  after(async () => {
    await browser.close();
    server.stop();
  });

  it('opens from the lens, says what the interpreter says, and runs another input', async () => {
    await openFile(page, 'palindrome.rasp');
    await page.locator('.codelens-decoration a', { hasText: 'Open as transformer' }).first().click({ timeout: 30_000 });
    const frame = pageOf(page);
    await frame.locator('body[data-status="shown"] svg').first().waitFor({ timeout: 30_000 });
    assert.match(await frame.locator('main').innerText(), /The model gives what the interpreter gives/);
    await run(frame, 'input', 'levl', 'shown');
    await frame.locator('section td', { hasText: /^0$/u }).first().waitFor();
    assert.equal(await frame.locator('section tr', { hasText: 'Model' }).innerText(), 'Model\t0\t0\t0\t0');
  });

  it('is walked by keyboard, and Enter shows the source of a head', async () => {
    const frame = pageOf(page);
    await frame.locator('.op').first().focus();
    await frame.locator('.op').first().press('ArrowDown');
    await frame.locator('.op:focus').waitFor();
    const head = frame.locator('.op', { hasText: 'through mirror' }).first();
    await head.focus();
    assert.match(await frame.locator('.details').innerText(), /through mirror, line 2\. .*l at 1 attends to l at 4 \(1\)/u);
    await head.press('Enter');
    await page.locator('.monaco-editor.focused').waitFor();
    await page.locator('.statusbar-item', { hasText: /Ln 2, Col/u }).first().waitFor();
    await frame.locator('summary').click();
    assert.match(await frame.locator('details table').nth(1).innerText(), /Query/);
    await frame.locator('summary').click();
  });

  it('says in words what is wrong, and marks the field', async () => {
    const frame = pageOf(page);
    await run(frame, 'input', 'xyz', 'failed');
    assert.match(await frame.locator('.problem').innerText(), /x.* is not in the model's vocabulary/u);
    await frame.locator('#input[aria-invalid="true"]').waitFor();
    await run(frame, 'input', 'level', 'shown');
  });

  it('saves the model where the user says, with what it is for', async () => {
    await palette(page, 'View: Close All Editors');
    await openFile(page, 'palindrome.rasp');
    await page.locator('.codelens-decoration').first().waitFor({ timeout: 30_000 });
    await palette(page, 'GradLens: Export as ONNX Model');
    const file = path.join(workspace, 'saved.onnx');
    const box = page.locator('.quick-input-widget input[type="text"]');
    await page.locator('.quick-input-title', { hasText: 'Save palindrome.onnx' }).waitFor({ timeout: 30_000 });
    await box.fill(file);
    await page.waitForTimeout(500);
    await page.keyboard.press('Enter');
    await page.locator('.notification-list-item', { hasText: 'saved.onnx' }).first().waitFor({ timeout: 20_000 });
    assert.ok(existsSync(file));
    const decoded = decodeModel(readFileSync(file), 'saved.onnx');
    assert.ok(decoded.ok);
    const description = readDescription(decoded.graph.metadata);
    assert.ok(typeof description !== 'string');
    assert.deepEqual([description.vocab.slice(1).join(''), description.source?.entry], ['abelnsv', 'palindrome']);
    await palette(page, 'Notifications: Clear All Notifications');
    await palette(page, 'View: Close All Editors');
  });

  for (const [theme, short, selector] of themes) {
    it(`is readable in ${theme}, wide and narrow, with content and failed`, async () => {
      server.setSettings({ 'workbench.colorTheme': theme, 'workbench.activityBar.location': 'hidden', 'workbench.statusBar.visible': false });
      await page.reload();
      await page.locator(`.monaco-workbench${selector}`).waitFor({ timeout: 60_000 });
      await palette(page, 'View: Show Explorer');
      await palette(page, 'View: Close All Editors');
      for (const [name, status] of [['palindrome', 'shown'], ['wide', 'failed']] as const) {
        await openFile(page, `${name}.rasp`);
        await palette(page, 'GradLens: Open as Transformer');
        await pageOf(page).locator(`body[data-status="${status}"]`).waitFor({ timeout: 60_000 });
        await lookAt(`transformer-${status}`, short);
        await palette(page, 'View: Close All Editors');
      }
    });
  }

  /** It stands beside its source, so that it has half of the window. */
  async function lookAt(name: string, theme: string): Promise<void> {
    await palette(page, 'View: Close Primary Side Bar');
    for (const width of [900, 300]) {
      await page.setViewportSize({ width: 2 * width, height: 1100 });
      await page.waitForTimeout(500);
      await page.screenshot({ path: path.join(shots, `${name}-${theme}-${width}.png`) });
      const { colour, background, overflow } = await pageOf(page).locator('body').evaluate((body) => {
        const { color, backgroundColor } = getComputedStyle(body);
        return { colour: color, background: backgroundColor, overflow: body.scrollWidth - body.clientWidth };
      });
      assert.notEqual(colour, background);
      assert.ok(overflow <= 1, `${name} overflows by ${overflow} px at ${width} px`);
    }
    await page.setViewportSize({ width: 1400, height: 1000 });
    await palette(page, 'View: Show Explorer');
  }
});
