// The packaged extension in code-server under a headless Chromium, and the few things that every user does there.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import { installVsix, openBrowser, serve } from '../../scripts/vscode-web.mjs';
import type { Server } from '../../scripts/vscode-web.mjs';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** VS Code's themes, the short names of their screenshots, and the class that the workbench has under each. */
export const themes = [
  { name: 'Default Light Modern', short: 'light', kind: 'vs' },
  { name: 'Default Dark Modern', short: 'dark', kind: 'vs-dark' },
  { name: 'Default High Contrast', short: 'hc', kind: 'hc-black' },
] as const;

export class Workbench {
  private constructor(
    readonly page: Page,
    /** A folder with a copy of the samples. */
    readonly folder: string,
    private readonly server: Server,
    private readonly browser: Browser,
  ) {}

  /** @param size of the window, in pixels */
  static async open(size: { readonly width: number; readonly height: number }): Promise<Workbench> {
    const scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-e2e-'));
    const folder = path.join(scratch, 'workspace');
    cpSync(path.join(root, 'samples'), folder, { recursive: true });
    const extensionsDir = path.join(scratch, 'extensions');
    mkdirSync(extensionsDir, { recursive: true });
    const vsix = process.env['GRADLENS_VSIX'];
    assert.ok(vsix, 'the packaged extension');
    installVsix(vsix, extensionsDir);
    const server = await serve({ dataDir: path.join(scratch, 'data'), extensionsDir });
    const browser = await openBrowser();
    const page = await (await browser.newContext({ viewport: size, reducedMotion: 'reduce' })).newPage();
    const workbench = new Workbench(page, folder, server, browser);
    await page.goto(server.url(folder));
    await workbench.showFiles();
    return workbench;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.stop();
  }

  /** With these settings of the user, reloaded; `kind` is the class of the theme that must show. */
  async restart(settings: Record<string, unknown>, kind: string): Promise<void> {
    this.server.setSettings(settings);
    await this.page.reload();
    await this.page.locator(`.monaco-workbench.${kind}`).waitFor({ timeout: 60_000 });
    await this.showFiles();
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
    await this.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first().dblclick();
    await this.page.locator(`.tab[data-resource-name="${name}"]`).waitFor();
  }

  /** The document of a visible webview: the first one, or the last. */
  webview(which: 'first' | 'last' = 'first'): FrameLocator {
    const frames = 'iframe.webview.ready >> visible=true';
    return this.page.frameLocator(which === 'first' ? `${frames} >> nth=0` : `${frames} >> nth=-1`).frameLocator('iframe#active-frame');
  }

  async screenshot(name: string): Promise<void> {
    const shots = path.join(root, 'artifacts', 'screenshots');
    mkdirSync(shots, { recursive: true });
    await this.page.screenshot({ path: path.join(shots, `${name}.png`) });
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
  async until(what: string, step: () => Promise<void>): Promise<void> {
    const last = Date.now() + 60_000;
    for (;;) {
      const error = await step().then(() => null, (reason: unknown) => reason);
      if (error === null) return;
      if (Date.now() > last) throw new Error(`${what}: not within a minute`, { cause: error });
    }
  }
}
