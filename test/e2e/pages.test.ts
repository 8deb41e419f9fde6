// The drawing page, the loop's terminal and the page of repair runs as a user sees them, in three themes and narrow.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { FrameLocator } from 'playwright-core';
import { themes, Workbench } from './workbench.ts';

describe('pages', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1400, height: 900 });
  });

  after(() => workbench.close());

  it('say what to do where there are no runs yet', async () => {
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.codelens-decoration').first().waitFor({ timeout: 30_000 });
    await workbench.command('GradLens: Show Repair Runs');
    const runs = workbench.webview();
    await runs.locator('body[data-rows="0"]').waitFor({ timeout: 30_000 });
    assert.match(await runs.locator('main').innerText(), /No program has been repaired/);
    await workbench.screenshot('runs-empty');
    await workbench.command('View: Close All Editors');
  });

  it('draw the op at the cursor, with a path for the keyboard and tables', async () => {
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.view-line', { hasText: 'differs' }).first().click();
    await workbench.command('GradLens: Draw');
    const drawing = workbench.webview();
    await drawing.locator('body[data-state="drawn"] svg').waitFor({ timeout: 30_000 });
    await workbench.until('the last op is chosen', async () => {
      await drawing.locator('.op').first().focus();
      await drawing.locator('.op').first().press('End');
      assert.match(await drawing.locator('.details').innerText(), /^differs = not .*: F, F, F, F$/);
    });
    await drawing.locator('summary').click();
    assert.match(await drawing.locator('table').first().innerText(), /differs/);
    await drawing.locator('summary').click();
  });

  it('keep runs, and compare two of them', async () => {
    await workbench.command('View: Close All Editors');
    for (const name of ['reverse.rasp', 'sort.rasp']) {
      await workbench.openFile(name);
      await workbench.command('GradLens: Repair Program');
      await workbench.webview().locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
      await workbench.command('View: Close All Editors');
    }
    const runs = await chooseTwo();
    assert.match(await runs.locator('.comparison').innerText(), /Side by side[\s\S]*Suspects[\s\S]*Patch/);
  });

  it('open a kept run again after the window was reloaded', async () => {
    await workbench.restart({}, 'monaco-workbench');
    await workbench.command('View: Close All Editors');
    await workbench.command('GradLens: Show Repair Runs');
    const runs = workbench.webview();
    await runs.locator('body[data-rows="2"]').waitFor({ timeout: 30_000 });
    await runs.locator('vscode-button', { hasText: 'Open' }).first().click();
    await workbench.page.locator('.tab', { hasText: 'GradLens Repair' }).last().waitFor();
    await workbench.webview('last').locator('body[data-status="repaired"]').waitFor({ timeout: 30_000 });
    await workbench.command('View: Close All Editors');
  });

  for (const { name: theme, short, kind } of themes) {
    it(`are readable in ${theme}, wide and narrow`, async () => {
      await workbench.restart({ 'workbench.colorTheme': theme, 'workbench.activityBar.location': 'hidden', 'workbench.statusBar.visible': false }, kind);
      await workbench.command('View: Close All Editors');
      await chooseTwo();
      await lookAt('runs', short, [1200, 300], () => workbench.webview().locator('.chart canvas').waitFor());
      await workbench.command('View: Close All Editors');
      await workbench.openFile('palindrome.rasp');
      await workbench.page.locator('.view-line', { hasText: 'palindrome =' }).first().click();
      await workbench.command('GradLens: Draw');
      await workbench.webview().locator('body[data-state="drawn"] svg').waitFor({ timeout: 30_000 });
      // It stands beside its source, so that it has half of the window.
      await lookAt('draw', short, [1400, 600], () => workbench.webview().locator('svg').waitFor());
      await workbench.command('View: Close All Editors');
    });
  }

  async function chooseTwo(): Promise<FrameLocator> {
    await workbench.command('GradLens: Show Repair Runs');
    const runs = workbench.webview();
    await runs.locator('body[data-rows="2"]').waitFor({ timeout: 30_000 });
    for (const n of [0, 1]) {
      await runs.locator('input[type="checkbox"]').nth(n).press('Space');
      await runs.locator(`body[data-chosen="${n + 1}"]`).waitFor();
    }
    await runs.locator('.chart canvas').waitFor();
    return runs;
  }

  async function lookAt(name: string, theme: string, widths: readonly number[], ready: () => Promise<void>): Promise<void> {
    await workbench.command('View: Close Primary Side Bar');
    for (const width of widths) {
      await workbench.page.setViewportSize({ width, height: 1000 });
      await ready();
      await workbench.page.waitForTimeout(400);
      await workbench.screenshot(`${name}-${theme}-${width}`);
      await workbench.assertReadable(workbench.webview().locator('body'), `${name} at ${width} px`);
    }
    await workbench.page.setViewportSize({ width: 1400, height: 1000 });
    await workbench.command('View: Show Explorer');
  }

  it('show the interactive loop in a terminal', async () => {
    await workbench.command('View: Close All Editors');
    await workbench.openFile('palindrome.rasp');
    await workbench.command('GradLens: Open RASP REPL');
    await workbench.page.locator('.terminal-wrapper.active .xterm').waitFor({ timeout: 30_000 });
    await workbench.page.waitForTimeout(1500);
    await workbench.page.keyboard.type('set example "noon"\npalindrome;\nmirror;\n');
    await workbench.page.waitForTimeout(1500);
    await workbench.screenshot('repl');
  });
});
