// What a user sees of the language: the hover of a selector in three themes, completion, values behind assignments, the Test Explorer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { Locator, Page } from 'playwright-core';
import { keepFailures, themes, Workbench } from './workbench.ts';

/** The hover over the first place of a word. */
async function hoverOver(page: Page, word: string): Promise<Locator> {
  await page.locator('.view-line span span', { hasText: new RegExp(`^${word}$`, 'u') }).first().hover();
  const hover = page.locator('.monaco-hover:not(.hidden) .monaco-hover-content').first();
  await hover.waitFor();
  return hover;
}

describe('a user who reads a program', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1100, height: 720 });
  });

  keepFailures(() => workbench);
  after(() => workbench.close());

  for (const theme of themes) {
    it(`sees a selector as a matrix in the theme ${theme.name}`, async () => {
      const withValues = theme.short === 'dark';
      await workbench.settings({ 'gradlens.inlayHints.values': withValues }, theme);
      await workbench.openFile('reverse.rasp');
      await workbench.page.locator('.codelens-decoration a', { hasText: 'Repair' }).first().waitFor();
      const hover = await hoverOver(workbench.page, 'flip');
      await workbench.page.locator('.monaco-hover-content', { hasText: 'query' }).first().waitFor();
      const text = await hover.innerText();
      assert.match(text.replaceAll(' ', ' '), /key\n\s+h e l l o\nquery h · · · · ·\n\s+e · · · · ●/u);
      await workbench.screenshot(`selector-hover-${theme.kind}`);
      const overflow = await hover.evaluate((element) => element.scrollWidth - element.clientWidth);
      assert.ok(overflow <= 1, `the hover is wider than its box by ${overflow} px`);
      await workbench.page.mouse.move(5, 5);
      // Values stand behind assignments where the setting is on.
      await workbench.page.locator('.view-line', { hasText: '5×5' }).first().waitFor({ state: withValues ? 'visible' : 'detached' });
    });
  }

  it('completes a call and is helped with its parameters', async () => {
    await workbench.page.locator('.view-line').last().click();
    await workbench.page.keyboard.press('Control+End');
    await workbench.page.keyboard.press('Enter');
    // At a person's pace: what a space asks for has been answered before the next letter.
    await workbench.page.keyboard.type('again = shi', { delay: 80 });
    await workbench.page.locator('.suggest-widget .monaco-list-row', { hasText: 'shift' }).first().waitFor();
    await workbench.screenshot('completion');
    await workbench.page.keyboard.press('Enter');
    await workbench.page.locator('.parameter-hints-widget.visible', { hasText: 'filler' }).waitFor();
    await workbench.screenshot('signature');
    await workbench.page.keyboard.press('Escape');
    await workbench.page.keyboard.press('Escape');
  });

  it('runs the examples as tests', async () => {
    await workbench.command('Test: Run Tests in Current File');
    await workbench.command('Testing: Focus on Test Explorer View');
    await workbench.page.locator('.test-explorer .monaco-list-row', { hasText: 'reverse.rasp' }).first().waitFor({ timeout: 20_000 });
    await workbench.page.locator('.test-explorer', { hasText: '0/14' }).waitFor();
    await workbench.screenshot('test-explorer');
    const rows = await workbench.page.locator('.test-explorer .monaco-list-row').allInnerTexts();
    assert.ok(rows.some((row) => row.includes('reverse.rasp')), rows.join(' | '));
  });
});
