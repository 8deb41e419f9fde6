// The drawing page, the loop's terminal and the page of repair runs as a user sees them, in three themes and narrow.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { FrameLocator } from 'playwright-core';
import { keepFailures, Workbench } from './workbench.ts';

describe('pages', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1400, height: 900 });
  });

  keepFailures(() => workbench);
  after(() => workbench.close());

  it('say what to do where there are no runs yet', async () => {
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.codelens-decoration').first().waitFor({ timeout: 30_000 });
    await workbench.command('GradLens: Show Repair Runs');
    const runs = workbench.webview();
    await runs.locator('body[data-rows="0"]').waitFor({ timeout: 30_000 });
    assert.match(await runs.locator('main').innerText(), /No program has been repaired/);
    await workbench.screenshot('runs-empty');
    await workbench.closeEditors();
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
    await workbench.closeEditors();
    for (const name of ['reverse.rasp', 'sort.rasp']) {
      await workbench.openFile(name);
      await workbench.command('GradLens: Repair Program');
      await workbench.webview().locator('body[data-status="repaired"]').waitFor({ timeout: 90_000 });
      await workbench.closeEditors();
    }
    const runs = await chooseTwo();
    assert.match(await runs.locator('.comparison').innerText(), /Side by side[\s\S]*Suspects[\s\S]*Patch/);
  });

  it('open a kept run again after the window was reloaded', async () => {
    await workbench.reload();
    await workbench.closeEditors();
    await workbench.command('GradLens: Show Repair Runs');
    const runs = workbench.webview();
    await runs.locator('body[data-rows="2"]').waitFor({ timeout: 30_000 });
    await runs.locator('vscode-button', { hasText: 'Open' }).first().click();
    await workbench.page.locator('.tab', { hasText: 'GradLens Repair' }).last().waitFor();
    await workbench.webview('last').locator('body[data-status="repaired"]').waitFor({ timeout: 30_000 });
    await workbench.closeEditors();
  });

  it('are readable in every theme, wide and narrow', async () => {
    await chooseTwo();
    await workbench.lookAt('runs', { ready: (page) => page.locator('.chart canvas').waitFor() });
    await workbench.closeEditors();
    await workbench.openFile('palindrome.rasp');
    await workbench.page.locator('.view-line', { hasText: 'palindrome =' }).first().click();
    await workbench.command('GradLens: Draw');
    await workbench.webview().locator('body[data-state="drawn"] svg').waitFor({ timeout: 30_000 });
    // It stands beside its source, so that it has half of the window.
    await workbench.lookAt('draw', { columns: 2, ready: (page) => page.locator('svg').waitFor() });
  });

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

  it('show the interactive loop in a terminal', async () => {
    await workbench.closeEditors();
    await workbench.openFile('palindrome.rasp');
    await workbench.command('GradLens: Open RASP REPL');
    const terminal = workbench.page.locator('.terminal-wrapper.active .xterm-rows');
    await terminal.filter({ hasText: '>>' }).waitFor({ timeout: 30_000 });
    await workbench.page.keyboard.type('set example "noon"\npalindrome;\nmirror;\n');
    await terminal.filter({ hasText: /n\s+o\s+o\s+n/u }).waitFor();
    await workbench.screenshot('repl');
  });
});
