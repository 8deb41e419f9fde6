// The packaged extension in code-server under a headless Chromium, and the few things that every user does there.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'mocha';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import { installVsix, openBrowser, serve } from '../../scripts/vscode-web.mjs';
import type { Server } from '../../scripts/vscode-web.mjs';

export const root = fileURLToPath(new URL('../../', import.meta.url));

const shots = path.join(root, 'artifacts', 'screenshots');

/** VS Code's themes, the short names of their screenshots, and the classes that the workbench and pages have under each. */
export const themes = [
  { name: 'Default Light Modern', short: 'light', kind: 'vs', page: 'vscode-light' },
  { name: 'Default Dark Modern', short: 'dark', kind: 'vs-dark', page: 'vscode-dark' },
  { name: 'Default High Contrast', short: 'hc', kind: 'hc-black', page: 'vscode-high-contrast' },
] as const;

export type Theme = (typeof themes)[number];

export interface WorkbenchOptions {
  /** Of the server, and so of the extension host, beside this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The user's, beside those that every test has. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Is a folder trusted only when the user says so? */
  readonly asksForTrust?: boolean;
}

export interface Looking {
  /** Of the page, in pixels. */
  readonly widths?: readonly number[];
  /** Of the window. */
  readonly height?: number;
  /** Columns of editors that share the window's width. */
  readonly columns?: number;
  /** Waits for what is to be seen. */
  readonly ready?: (page: FrameLocator) => Promise<void>;
}

/** A folder with the packaged extension installed: one for all suites of a run. */
let extensions: string | null = null;

function installedExtensions(): string {
  if (extensions !== null) return extensions;
  const vsix = process.env['GRADLENS_VSIX'];
  assert.ok(vsix, 'the packaged extension');
  const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-extensions-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  installVsix(vsix, folder);
  extensions = folder;
  return folder;
}

/** Keeps a picture of the window of every test that fails. */
export function keepFailures(workbench: () => Workbench | undefined): void {
  afterEach(async function () {
    const { currentTest } = this;
    if (currentTest?.state === 'failed') await workbench()?.screenshot(`failed-${currentTest.fullTitle().replaceAll(/\W+/gu, '-')}`);
  });
}

export class Workbench {
  private constructor(
    readonly page: Page,
    /** A folder with a copy of the samples. */
    readonly folder: string,
    private readonly scratch: string,
    private readonly server: Server,
    private readonly browser: Browser,
  ) {}

  /** @param size of the window, in pixels */
  static async open(size: { readonly width: number; readonly height: number }, { environment = {}, settings = {}, asksForTrust = false }: WorkbenchOptions = {}): Promise<Workbench> {
    const extensionsDir = installedExtensions();
    const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-e2e-'));
    const folder = path.join(scratch, 'workspace');
    cpSync(path.join(root, 'samples'), folder, { recursive: true });
    const server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir, env: environment, extraSettings: settings, trust: asksForTrust });
    const browser = await openBrowser();
    const page = await (await browser.newContext({ viewport: size, reducedMotion: 'reduce' })).newPage();
    const workbench = new Workbench(page, folder, scratch, server, browser);
    await page.goto(server.url(folder));
    if (!asksForTrust) await workbench.showFiles();
    return workbench;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.stop();
    rmSync(this.scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** Loads the window anew. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.showFiles();
  }

  /**
   * Changes the folder's settings to these while the window stays as it is: pages that are open follow. (The server
   * does not watch the user's settings.) What changes is seen when it has changed; a theme is waited for here, in the
   * page of a visible webview too.
   */
  async settings(settings: Readonly<Record<string, unknown>>, theme?: Theme): Promise<void> {
    mkdirSync(path.join(this.folder, '.vscode'), { recursive: true });
    const all = { ...settings, ...(theme ? { 'workbench.colorTheme': theme.name } : {}) };
    writeFileSync(path.join(this.folder, '.vscode', 'settings.json'), JSON.stringify(all));
    if (!theme) return;
    await this.page.locator(`.monaco-workbench.${theme.kind}`).waitFor({ timeout: 30_000 });
    if ((await this.page.locator('iframe.webview.ready >> visible=true').count()) > 0) await this.webview().locator(`body.${theme.page}`).waitFor({ timeout: 30_000 });
  }

  /**
   * Runs the command with that title. What the palette lists is what held when it was opened: a command of a file that
   * is being opened is looked for again, and what is listed before the list follows the typed text is not run.
   */
  async command(title: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input[type="text"]');
    await this.until(`the palette lists “${title}”`, async () => {
      await this.page.keyboard.press('Escape');
      await this.page.keyboard.press('F1');
      await input.waitFor({ timeout: 2000 });
      await input.fill(`>${title}`);
      await this.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: title }).waitFor({ timeout: 3000 });
    });
    await this.page.keyboard.press('Enter');
  }

  async openFile(name: string): Promise<void> {
    // A command that comes before the editor is there finds none.
    const text = this.page.locator(`.editor-group-container.active .monaco-editor[data-uri$="/${name}"] .view-line`).first();
    await this.until(`${name} opens`, async () => {
      await this.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first().dblclick();
      await text.waitFor({ timeout: 10_000 });
    });
  }

  async closeEditors(): Promise<void> {
    await this.command('View: Close All Editors');
    await this.page.locator('.tabs-container .tab').first().waitFor({ state: 'detached' });
  }

  /** Saves in another file where a dialog asks to save one of that name. */
  async saveAs(name: string, file: string): Promise<void> {
    const dialog = this.page.locator('.quick-input-title', { hasText: `Save ${name}` });
    await dialog.waitFor({ timeout: 30_000 });
    const box = this.page.locator('.quick-input-widget input[type="text"]');
    // It writes its own proposal before it listens, and takes no Enter while it looks at the folder.
    await this.until('the dialog proposes a name', async () => assert.ok((await box.inputValue()).endsWith(name)));
    await box.fill(file);
    await this.until('the dialog closes', async () => {
      await this.page.keyboard.press('Enter');
      await dialog.waitFor({ state: 'hidden', timeout: 2000 });
    });
  }

  /** Opens a file where a dialog of that title asks for one. */
  async giveFile(title: string, file: string): Promise<void> {
    const dialog = this.page.locator('.quick-input-title', { hasText: title });
    await dialog.waitFor({ timeout: 30_000 });
    const box = this.page.locator('.quick-input-widget input[type="text"]');
    // What is typed while it looks at the folder is overwritten, and no Enter is taken then.
    await this.until('the dialog closes', async () => {
      await box.fill(file);
      await this.page.waitForTimeout(200);
      assert.equal(await box.inputValue(), file);
      await this.page.keyboard.press('Enter');
      await dialog.waitFor({ state: 'hidden', timeout: 2000 });
    });
  }

  /** The document of a visible webview: the first one, or the last. */
  webview(which: 'first' | 'last' = 'first'): FrameLocator {
    const frames = 'iframe.webview.ready >> visible=true';
    return this.page.frameLocator(which === 'first' ? `${frames} >> nth=0` : `${frames} >> nth=-1`).frameLocator('iframe#active-frame');
  }

  /** Processes that the extension has started and that run that script. */
  processes(script: string): number[] {
    const file = path.join('dist', script);
    return readdirSync('/proc').filter((name) => /^\d+$/u.test(name)).map(Number).filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes(installedExtensions()) && command.includes(file);
      } catch {
        // It has ended meanwhile.
        return false;
      }
    });
  }

  /** A picture of a window that does not hold still. */
  async moving(name: string): Promise<void> {
    await this.page.screenshot({ path: path.join(shots, `${name}.png`) });
  }

  /** A picture of the window, as soon as it holds still; one that never does is taken as it is. */
  async screenshot(name: string): Promise<void> {
    mkdirSync(shots, { recursive: true });
    let picture = await this.page.screenshot();
    for (let attempt = 0; attempt < 8; attempt++) {
      const next = await this.page.screenshot();
      const still = next.equals(picture);
      picture = next;
      if (still) break;
    }
    writeFileSync(path.join(shots, `${name}.png`), picture);
  }

  /**
   * Pictures of the first visible page in every theme, so wide as said, beside nothing else of the workbench; each
   * must be readable.
   */
  async lookAt(name: string, { widths = [900, 300], height = 1100, columns = 1, ready }: Looking = {}): Promise<void> {
    const before = this.page.viewportSize();
    await this.command('View: Close Primary Side Bar');
    for (const theme of themes) {
      await this.settings({ 'workbench.activityBar.location': 'hidden', 'workbench.statusBar.visible': false }, theme);
      for (const part of ['activitybar', 'statusbar']) await this.page.locator(`.part.${part}`).waitFor({ state: 'hidden' });
      for (const width of widths) {
        await this.page.setViewportSize({ width: columns * width, height });
        await ready?.(this.webview());
        await this.screenshot(`${name}-${theme.short}-${width}`);
        await this.assertReadable(this.webview().locator('body'), `${name} in ${theme.name} at ${width} px`);
      }
    }
    await this.settings({});
    await this.page.locator('.part.statusbar').waitFor();
    if (before) await this.page.setViewportSize(before);
    await this.command('View: Show Explorer');
  }

  /** Fails where text cannot be told from its ground or does not fit in the width. */
  async assertReadable(body: Locator, what: string): Promise<void> {
    const { colour, background, overflow } = await body.evaluate((element) => {
      const { color, backgroundColor } = getComputedStyle(element);
      return { colour: color, background: backgroundColor, overflow: element.scrollWidth - element.clientWidth };
    });
    assert.notEqual(colour, background, `${what}: text has the colour of its ground`);
    assert.ok(overflow <= 1, `${what} overflows by ${overflow} px`);
  }

  /** The files of the folder in the side bar: the workbench takes commands from then on. */
  private async showFiles(): Promise<void> {
    const file = this.page.locator('.explorer-folders-view .monaco-list-row').first();
    const shown = await file.waitFor({ timeout: 10_000 }).then(() => true, () => false);
    if (!shown) await this.command('View: Show Explorer');
    await file.waitFor({ timeout: 60_000 });
  }

  /** Keys that come before the workbench listens are lost: the step is done again until it holds, for a minute. */
  async until(what: string, step: () => Promise<void> | void): Promise<void> {
    const last = Date.now() + 60_000;
    for (;;) {
      const error = await Promise.resolve().then(step).then(() => null, (reason: unknown) => reason);
      if (error === null) return;
      if (Date.now() > last) throw new Error(`${what}: not within a minute`, { cause: error });
      await this.page.waitForTimeout(50);
    }
  }
}
