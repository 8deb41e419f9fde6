// What a user does with language models: picks one, lets it write, stops it, looks at what it supports, downloads another, deletes it.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { Locator } from 'playwright-core';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { HubServer } from '../support/hubServer.ts';
import { keepFailures, root, themes, Workbench } from './workbench.ts';

const tinyCode = path.join(root, 'models', 'tiny-code');
const repo = 'someone/another-model';
const graph = 'onnx/model.onnx';

/** The same model, told that nothing ends a text and that there is room for a long one. */
function writeEndlessModel(folder: string): void {
  cpSync(tinyCode, folder, { recursive: true });
  const change = (name: string, more: object): void => {
    const file = path.join(folder, name);
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...more }));
  };
  change('config.json', { eos_token_id: 0, max_position_embeddings: 20_000 });
  change('generation_config.json', { eos_token_id: 0 });
}

/** The same model, whose logits pass an operator that has no derivative here. */
function writeModelWithoutGradients(folder: string): void {
  cpSync(tinyCode, folder, { recursive: true });
  const decoded = decodeModel(readFileSync(path.join(tinyCode, graph)), graph);
  assert.ok(decoded.ok);
  const nodes = decoded.graph.nodes.map((node) => ({ ...node, outputs: node.outputs.map((name) => (name === 'logits' ? 'long' : name)) }));
  const builder = new GraphBuilder({ ...decoded.graph, nodes });
  builder.node('Det', ['long'], {}, 'logits');
  writeFileSync(path.join(folder, graph), encodeGraph(builder.build()));
}

function filesOf(folder: string): Record<string, Buffer> {
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(path.join(folder, name)).isFile() && /\.(?:json|onnx)$/u.test(name));
  return Object.fromEntries(names.map((name) => [name.split(path.sep).join('/'), readFileSync(path.join(folder, name))]));
}

describe('a user of language models', () => {
  let workbench: Workbench;
  let hub: HubServer;
  const models = mkdtempSync(path.join(tmpdir(), 'gradlens-models-'));

  before(async () => {
    writeEndlessModel(path.join(models, 'someone', 'endless'));
    writeModelWithoutGradients(path.join(models, 'someone', 'without-gradients'));
    cpSync(tinyCode, path.join(models, 'someone', 'without-tokenizer'), { recursive: true, filter: (file) => path.basename(file) !== 'tokenizer.json' });
    hub = await HubServer.start();
    hub.put(repo, { ...filesOf(tinyCode), 'onnx/model_q4.onnx': Buffer.alloc(400_000, 'q4') });
    const environment = { GRADLENS_MODELS: models, HF_ENDPOINT: hub.endpoint };
    workbench = await Workbench.open({ width: 1200, height: 800 }, { environment, settings: { 'gradlens.completion.maxTokens': 8000 } });
  });

  keepFailures(() => workbench);
  after(async () => {
    await workbench.close();
    hub.close();
    rmSync(models, { recursive: true, force: true });
  });

  const row = (text: string): Locator => workbench.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first();
  const statusBar = (text: string | RegExp): Locator => workbench.page.locator('.statusbar-item', { hasText: text }).first();
  const notification = (text: string | RegExp): Locator => workbench.page.locator('.notifications-toasts .notification-list-item', { hasText: text }).first();

  /** The text of the editor that is in view, its lines as they stand below each other. */
  async function editorText(): Promise<string> {
    const lines = await workbench.page.locator('.editor-group-container.active .view-line').evaluateAll((all) =>
      all.map((line) => ({ top: parseFloat((line as HTMLElement).style.top), text: line.textContent ?? '' })).sort((a, b) => a.top - b.top).map(({ text }) => text));
    return lines.join('\n').replaceAll('\u00a0', ' ');
  }

  /** Chooses the row that holds this text in the list that is open. */
  async function choose(text: string): Promise<void> {
    await row(text).waitFor({ timeout: 30_000 });
    await workbench.page.keyboard.type(text);
    await workbench.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: text }).waitFor();
    await workbench.page.keyboard.press('Enter');
  }

  async function cursorAtEnd(): Promise<void> {
    await workbench.page.locator('.editor-group-container.active .view-line').first().click();
    await workbench.page.keyboard.press('Control+End');
  }

  it('is told on the page what to do where no model is chosen', async () => {
    await workbench.command('GradLens: Show What the Language Model Supports');
    await workbench.webview().locator('body[data-status="empty"]').waitFor({ timeout: 30_000 });
    await workbench.lookAt('model-empty', { height: 500 });
    await workbench.webview().locator('vscode-button', { hasText: 'Select a model' }).click();
    await row('tiny-code').waitFor({ timeout: 30_000 });
    await workbench.page.keyboard.press('Escape');
    await workbench.closeEditors();
  });

  it('is led to a model by the walkthrough, whose step is then done', async () => {
    await workbench.command('Welcome: Open Walkthrough');
    await choose('Get started with GradLens');
    const { page } = workbench;
    const step = page.locator('.getting-started-step', { hasText: 'Choose a language model' });
    await step.click();
    await page.locator('.getting-started-step.expanded', { hasText: 'Choose a language model' }).waitFor();
    await page.frameLocator('iframe.webview.ready >> visible=true').frameLocator('iframe#active-frame').locator('body', { hasText: 'A language model is a folder' }).waitFor();
    for (const theme of themes) {
      await workbench.settings({}, theme);
      await workbench.screenshot(`model-walkthrough-${theme.short}`);
    }
    await step.locator('.monaco-button', { hasText: 'Select a model' }).click();
    await choose('tiny-code');
    await statusBar(/tiny-code/u).waitFor({ timeout: 20_000 });
    await step.locator('.codicon-getting-started-step-checked').first().waitFor();
    await workbench.closeEditors();
  });

  it('picks a model in a list that says what each is; it stands in the status bar', async () => {
    await workbench.openFile('task.md');
    await workbench.command('GradLens: Select Language Model');
    await row('without-tokenizer').waitFor({ timeout: 30_000 });
    assert.match(await row('tiny-code').innerText(), /tiny-code[\s\S]*MiB[\s\S]*llama · 5 layers of 128 · context 192 · demonstration/u);
    assert.match(await row('without-tokenizer').innerText(), /cannot be used[\s\S]*has no tokenizer\.json/u);
    for (const theme of themes) {
      await workbench.settings({}, theme);
      await workbench.screenshot(`model-picker-${theme.short}`);
    }
    await choose('tiny-code');
    await statusBar(/^\s*tiny-code/u).waitFor({ timeout: 20_000 });
  });

  it('lets it go on with a text, and takes it back with one undo', async () => {
    await cursorAtEnd();
    const before = await editorText();
    await workbench.command('GradLens: Complete with Language Model');
    await statusBar(/\d+ tokens, \d+ a second; the model ended the text/u).waitFor({ timeout: 60_000 });
    await statusBar('tiny-code · cpu').waitFor();
    await workbench.screenshot('model-completed');
    await statusBar('tiny-code · cpu').hover();
    const tooltip = workbench.page.locator('.monaco-hover:not(.hidden)', { hasText: 'Device' });
    await tooltip.waitFor();
    await workbench.screenshot('model-status-tooltip');
    assert.match(await tooltip.innerText(), /Model: tiny-code[\s\S]*Device: cpu\. [\s\S]*State: open, in process \d+[\s\S]*Folder: /u);
    await workbench.page.mouse.move(600, 400);
    const written = await editorText();
    assert.ok(written.startsWith(before) && written.length > before.length + 10, written);
    await workbench.page.keyboard.press('Control+Z');
    await workbench.until('one undo takes it back', async () => assert.equal(await editorText(), before));
  });

  it('stops it with Escape while it writes; what is there stays, in one undo step', async () => {
    await workbench.command('GradLens: Select Language Model');
    await choose('endless');
    await cursorAtEnd();
    const before = await editorText();
    await workbench.command('GradLens: Complete with Language Model');
    await statusBar(/endless · cpu · \d{2,} tokens/u).waitFor({ timeout: 60_000 });
    await workbench.moving('model-writing');
    assert.match(await statusBar('endless').getAttribute('aria-label') ?? '', /endless, \d+ tokens/u);
    await workbench.page.keyboard.press('Escape');
    await statusBar(/Stopped after \d+ tokens/u).waitFor();
    await workbench.page.locator('.view-lines', { hasText: 'Esc stops' }).waitFor({ state: 'detached' });
    const stopped = await editorText();
    assert.notEqual(stopped, before);
    await workbench.screenshot('model-stopped');
    assert.equal(await editorText(), stopped, 'nothing is written any more');
    await workbench.page.keyboard.press('Control+Z');
    await workbench.page.keyboard.press('Control+Home');
    await workbench.until('one undo takes it back', async () => assert.equal(await editorText(), before));
  });

  it('sees what a model supports, finds a site, and saves the table', async () => {
    await workbench.command('GradLens: Select Language Model');
    await choose('tiny-code');
    await workbench.closeEditors();
    const page = workbench.webview();
    const [reader] = workbench.processes('lm.cjs');
    assert.ok(reader !== undefined, 'the process that reads models');
    process.kill(reader, 'SIGSTOP');
    try {
      await workbench.command('GradLens: Show What the Language Model Supports');
      await page.locator('body[data-status="loading"]').waitFor({ timeout: 30_000 });
      await workbench.lookAt('model-loading', { height: 500 });
    } finally {
      process.kill(reader, 'SIGCONT');
    }
    await page.locator('body[data-status="shown"]').waitFor({ timeout: 30_000 });
    await page.locator('tr', { hasText: 'cpu' }).first().waitFor({ timeout: 30_000 });
    await workbench.lookAt('model', { height: 1900 });
    assert.match(await page.locator('.abilities').innerText(), /yes\s*Gradients\s*Every operator between the embedding and the logits has a derivative/u);
    await page.locator('input[type="search"]').fill('mlp_act');
    const found = await page.locator('.sites tbody tr').allInnerTexts();
    assert.deepEqual(found.map((text) => text.split(/\s/u)[0]), [0, 1, 2, 3, 4].map((layer) => `layers.${layer}.mlp_act`));
    await page.locator('vscode-button', { hasText: 'Export as CSV' }).click();
    const file = path.join(workbench.folder, 'sites.csv');
    await workbench.saveAs('tiny-code-sites.csv', file);
    await workbench.until('the table is saved', () => assert.ok(existsSync(file)));
    const saved = readFileSync(file, 'utf8').trimEnd().split('\n');
    assert.equal(saved[0], 'site,shape,type,operator,node');
    assert.deepEqual(saved.slice(1).map((line) => line.split(',')[0]), found.map((text) => text.split(/\s/u)[0]));
    assert.match(saved[1] ?? '', /^layers\.0\.mlp_act,"\[batch, sequence, 352\]",float32,Mul,/u);
  });

  it('is told which operator a model cannot be differentiated for', async () => {
    await workbench.command('GradLens: Select Language Model');
    await choose('without-gradients');
    await workbench.command('GradLens: Show What the Language Model Supports');
    const page = workbench.webview();
    await page.locator('h1', { hasText: 'without-gradients' }).waitFor({ timeout: 30_000 });
    assert.match(await page.locator('.abilities').innerText(), /no\s*Gradients\s*This operator has no derivative here: Det/u);
    await workbench.screenshot('model-without-gradients');
  });

  it('is told on the page why a folder cannot be used', async () => {
    await workbench.command('GradLens: Select Language Model');
    await choose('without-tokenizer');
    const page = workbench.webview();
    await page.locator('body[data-status="failed"]').waitFor({ timeout: 30_000 });
    assert.match(await page.locator('.problem').innerText(), /has no tokenizer\.json/u);
    await workbench.lookAt('model-failed', { height: 500 });
    await workbench.closeEditors();
  });

  it('downloads another in the variant that is chosen, stops and goes on, and uses it', async () => {
    hub.misbehave(graph, { kind: 'slow', block: 30_000, pause: 100 });
    await workbench.command('GradLens: Download Language Model');
    await row('SmolLM2').waitFor();
    await workbench.screenshot('model-download');
    await workbench.page.keyboard.type(repo);
    await workbench.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: repo }).waitFor();
    await workbench.page.keyboard.press('Enter');
    await row('fp32').waitFor({ timeout: 30_000 });
    await workbench.screenshot('model-variants');
    await choose('fp32');
    const progress = notification(/[1-9]\d? % · [\d.]+ [KM]iB of [\d.]+ MiB/u);
    await progress.waitFor({ timeout: 30_000 });
    await workbench.screenshot('model-downloading');
    await progress.locator('.monaco-button', { hasText: 'Cancel' }).click();
    const stopped = notification(/Stopped; .* are kept/u);
    await stopped.waitFor({ timeout: 30_000 });
    await workbench.screenshot('model-download-stopped');
    assert.ok(!existsSync(path.join(models, repo, graph)));
    await stopped.locator('.monaco-button', { hasText: 'Resume' }).click();
    const told = notification('works offline from now on');
    await told.waitFor({ timeout: 30_000 });
    await workbench.screenshot('model-downloaded');
    assert.match(hub.rangesOf(graph).at(-1) ?? '', /^bytes=[1-9]\d*-/u, 'it goes on where it was stopped');
    assert.ok(readFileSync(path.join(models, repo, graph)).equals(readFileSync(path.join(tinyCode, graph))));
    await told.locator('.monaco-button', { hasText: 'Use It' }).click();
    await statusBar('another-model').waitFor({ timeout: 20_000 });
  });

  it('deletes a downloaded model after a question, and is asked for another', async () => {
    await workbench.command('GradLens: Show What the Language Model Supports');
    const page = workbench.webview();
    await page.locator('body[data-status="shown"]').waitFor({ timeout: 30_000 });
    const dialog = workbench.page.locator('.monaco-dialog-box');
    await page.locator('vscode-button', { hasText: 'Delete' }).click();
    await dialog.waitFor();
    await workbench.screenshot('model-delete');
    await dialog.locator('.monaco-button', { hasText: 'Cancel' }).click();
    assert.ok(existsSync(path.join(models, repo, graph)), 'nothing is deleted before the answer');
    await page.locator('vscode-button', { hasText: 'Delete' }).click();
    await dialog.locator('.monaco-button', { hasText: 'Move to Trash' }).click();
    // There is no trash on a server.
    await dialog.locator('.monaco-button', { hasText: 'Delete for Good' }).waitFor();
    await workbench.screenshot('model-delete-for-good');
    await dialog.locator('.monaco-button', { hasText: 'Delete for Good' }).click();
    await page.locator('body[data-status="empty"]').waitFor({ timeout: 30_000 });
    assert.ok(!existsSync(path.join(models, repo)));
    await statusBar('another-model').waitFor({ state: 'detached' });
  });
});

describe('a user who does not trust a folder', () => {
  let workbench: Workbench;

  before(async () => {
    workbench = await Workbench.open({ width: 1200, height: 800 }, { asksForTrust: true });
  });

  keepFailures(() => workbench);
  after(() => workbench.close());

  it('is told why no language model runs there, and how to change that', async () => {
    const { page } = workbench;
    await page.locator('.monaco-dialog-box .monaco-button', { hasText: 'No, I don' }).click({ timeout: 60_000 });
    await workbench.openFile('task.md');
    for (const command of ['Complete with Language Model', 'Select Language Model', 'Download Language Model', 'Show What the Language Model Supports']) {
      await workbench.command(`GradLens: ${command}`);
      const told = page.locator('.notifications-toasts .notification-list-item', { hasText: 'No language model runs in a workspace that you have not trusted' }).first();
      await told.waitFor({ timeout: 30_000 });
      await workbench.screenshot('model-untrusted');
      await told.hover();
      await told.locator('.codicon-notifications-clear').click();
      await told.waitFor({ state: 'detached' });
      assert.equal(await page.locator('.quick-input-widget >> visible=true').count(), 0, 'nothing is asked');
    }
    assert.deepEqual(workbench.processes('lm.cjs'), [], 'no process of the language models runs');
  });
});
