// Language models in the editor: picking one, completing with it while the document changes, and what dies meanwhile.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';
import { commands, settings } from '../../src/shared/contributions.ts';
import { modelFolder, withEnvironment } from './models.ts';
import { writeEndlessModel } from '../support/endlessModel.ts';
import { gradlens, openText, watchEventLoop, within } from './support.ts';

const prompt = 'Once upon a time';
const message = 'add the numbers from a to b that are odd';
const task = `Task: ${message}.\nProgram:\n`;

/** The folder of the model that comes with the extension. */
const shipped = (): string => path.join(vscode.extensions.getExtension('gradlens.gradlens')?.extensionUri.fsPath ?? '', 'models', 'tiny-code');

async function withShipped(context: Mocha.Context): Promise<GradLens> {
  // models/tiny-code is not there.
  if (!existsSync(shipped())) return context.skip();
  await vscode.commands.executeCommand(commands.selectModel, { path: shipped(), variant: null });
  for (const [key, value] of [[settings.maxTokens, 100], [settings.temperature, 0]] as const) await set(key, value);
  return gradlens();
}

async function withModel(context: Mocha.Context): Promise<GradLens> {
  const folder = modelFolder();
  // Neither models/tiny-code nor ../shared/models/stories260k.
  if (folder === null) return context.skip();
  await vscode.commands.executeCommand(commands.selectModel, { path: folder, variant: 'default' });
  return gradlens();
}

/** A model that does not end by itself. */
async function withEndless(context: Mocha.Context): Promise<GradLens> {
  await withShipped(context);
  const folder = path.join(tmpdir(), `gradlens-endless-${process.pid}`);
  if (!existsSync(folder)) writeEndlessModel(shipped(), folder);
  await vscode.commands.executeCommand(commands.selectModel, { path: folder, variant: null });
  await set(settings.maxTokens, 8000);
  return gradlens();
}

async function openAtEnd(text: string): Promise<vscode.TextEditor> {
  // Markdown would wake the editor's own Markdown extension, which blocks the host while it loads.
  return atEnd(await openText(text, 'plaintext'));
}

function atEnd(editor: vscode.TextEditor): vscode.TextEditor {
  const end = editor.document.lineAt(editor.document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  return editor;
}

/** What is written at the end of that text. */
async function written({ completions }: GradLens, editor: vscode.TextEditor): Promise<string> {
  const before = editor.document.getText().length;
  const outcome = await completions.complete();
  assert.equal(outcome?.status, 'done', JSON.stringify(outcome));
  return editor.document.getText().slice(before);
}

const set = (key: string, value: unknown): Thenable<void> => vscode.workspace.getConfiguration(settings.section).update(key, value, vscode.ConfigurationTarget.Global);

/** Does something once, as soon as the models are in that state. */
function once({ models }: GradLens, state: () => boolean, act: () => void): void {
  const watch = models.onDidChange(() => {
    if (!state()) return;
    watch.dispose();
    act();
  });
}

describe('language models', () => {
  let scratch = '';
  let restore = (): void => undefined;

  before(() => {
    scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-models-'));
    restore = withEnvironment({ GRADLENS_MODELS: path.join(scratch, 'downloads') });
  });
  after(async () => {
    for (const key of [settings.maxTokens, settings.temperature, settings.seed]) await set(key, undefined);
    restore();
    for (const folder of [scratch, path.join(tmpdir(), `gradlens-endless-${process.pid}`)]) rmSync(folder, { recursive: true, force: true });
  });

  it('are listed with family, size and variants, and the one that is picked stands in the status bar', async function () {
    const { models, modelStatus } = await withModel(this);
    const { current } = models.choice;
    const found = (await models.list()).find((model) => model.path === current?.path);
    assert.equal(found?.problem, null);
    assert.ok(found.family !== '' && (found.variants[0]?.bytes ?? 0) > 1000, JSON.stringify(found));
    assert.match(modelStatus.text, new RegExp(`\\) ${path.basename(found.path)}`, 'u'));
  });

  it('continue the text at the cursor in one undo step, the same each time, and never block the host', async function () {
    const { models } = await withModel(this);
    await set(settings.maxTokens, 60);
    const editor = await openAtEnd(prompt);
    const watch = watchEventLoop();
    const outcome = await vscode.commands.executeCommand<{ status: string; text: string; tokens: number }>(commands.complete);
    const worst = watch.stop();
    console.log(`longest blocking of the event loop during a completion: ${worst.toFixed(1)} ms`);
    assert.equal(outcome.status, 'done', JSON.stringify(outcome));
    assert.ok(outcome.tokens > 1 && outcome.text.length > 20, JSON.stringify(outcome));
    const whole = editor.document.getText();
    assert.equal(whole, prompt + outcome.text);
    await vscode.commands.executeCommand('undo');
    assert.equal(editor.document.getText(), prompt);
    await vscode.commands.executeCommand(commands.complete);
    assert.equal(editor.document.getText(), whole);
    assert.equal(models.activity, 'idle');
    assert.ok(worst < 50, `the event loop was blocked for ${worst.toFixed(1)} ms`);
  });

  it('write where their place has moved to while the text around it is edited', async function () {
    const extension = await withModel(this);
    await set(settings.maxTokens, 300);
    const editor = await openAtEnd(`${prompt}\nlast line\n`);
    const end = editor.document.positionAt(prompt.length);
    editor.selection = new vscode.Selection(end, end);
    const insert = async (at: () => vscode.Position, text: string): Promise<boolean> => {
      // An edit of a version of the document that is no longer the latest is refused.
      while (!(await editor.edit((edit) => edit.insert(at(), text))));
      return extension.models.activity === 'writing';
    };
    let edited: Promise<boolean[]> = Promise.resolve([]);
    once(extension, () => extension.models.tokens > 3, () => {
      edited = insert(() => new vscode.Position(0, 0), '# A story\n\n').then(async (first) => [first, await insert(() => editor.document.lineAt(editor.document.lineCount - 1).range.end, 'more\n')]);
    });
    const outcome = await extension.completions.complete();
    assert.ok(outcome?.status === 'done', JSON.stringify(outcome));
    assert.equal((await edited)[0], true, 'the text was edited while it grew');
    assert.equal(editor.document.getText(), `# A story\n\n${prompt}${outcome.text}\nlast line\nmore\n`);
  });

  it('are one undo step though the document is saved meanwhile', async function () {
    const extension = await withEndless(this);
    const file = path.join(scratch, 'saved.txt');
    writeFileSync(file, prompt);
    const editor = atEnd(await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file)));
    const running = extension.completions.complete();
    await within(20_000, 'some of the text', () => editor.document.getText() !== prompt || undefined);
    // A save is given up where the text has grown meanwhile; it ends an undo step all the same.
    await editor.document.save();
    const saved = editor.document.getText().length;
    await within(20_000, 'it goes on', () => editor.document.getText().length > saved + 100 || undefined);
    extension.completions.stop();
    assert.equal((await running)?.status, 'stopped');
    const whole = editor.document.getText();
    await vscode.commands.executeCommand('undo');
    assert.equal(editor.document.getText(), prompt);
    await vscode.commands.executeCommand('redo');
    assert.equal(editor.document.getText(), whole);
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });

  it('write line ends as the document has them, and the same text', async function () {
    const extension = await withShipped(this);
    const expected = await written(extension, await openAtEnd(task));
    assert.match(expected, /\n/u, 'a program of several lines');
    const editor = await openText(task.replaceAll('\n', '\r\n'), 'plaintext');
    await editor.edit((builder) => builder.setEndOfLine(vscode.EndOfLine.CRLF));
    const before = editor.document.getText();
    assert.equal(await written(extension, atEnd(editor)), expected.replaceAll('\n', '\r\n'));
    await vscode.commands.executeCommand('undo');
    assert.equal(editor.document.getText(), before);
  });

  it('answer a prompt document as a message, through the chat template and without the front matter', async function () {
    const extension = await withShipped(this);
    const expected = await written(extension, await openAtEnd(task));
    const chatty = path.join(scratch, 'chatty');
    cpSync(shipped(), chatty, { recursive: true });
    const file = path.join(chatty, 'tokenizer_config.json');
    const template = "{{ bos_token }}Task: {{ messages[0]['content'] }}.\nProgram:{{ '\n' }}";
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), chat_template: template }));
    await vscode.commands.executeCommand(commands.selectModel, { path: chatty, variant: null });
    for (const eol of ['\n', '\r\n']) {
      const prompt = path.join(scratch, `${eol.length}.prompt.md`);
      writeFileSync(prompt, ['---', 'title: a task', '---', message].join(eol));
      const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(prompt));
      assert.equal(await written(extension, atEnd(editor)), `${eol}${eol}${expected.replaceAll('\n', eol)}`, 'the answer stands apart, and is that to the text the template makes');
      await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
    }
  });

  it('run where the settings ask, else on CPU, and say why', async function () {
    const extension = await withShipped(this);
    const { models, modelPage } = extension;
    await written(extension, await openAtEnd(task));
    assert.equal(models.provider.last?.provider, 'cpu');
    assert.match(models.provider.last.why, /hardware of its own \(gradlens\.provider is “auto”\)|is passed over for this model/u);
    try {
      await set(settings.provider, 'webgpu');
      await written(extension, await openAtEnd(task));
      const { provider, why } = models.provider.last;
      if (provider === 'cpu') assert.match(why, /gradlens\.provider asks for webgpu, which does not run here: .{20}|^webgpu is passed over for this model: .{20}/u);
      else assert.deepEqual([provider, why], ['webgpu', 'gradlens.provider asks for it.']);
      await vscode.commands.executeCommand(commands.showModel);
      const rows = await within(20_000, 'the page', () => (modelPage.state.status === 'shown' && modelPage.state.provider?.rows.length ? modelPage.state.provider.rows : undefined));
      assert.ok(rows.some(({ provider: name, works }) => name === 'cpu' && works));
      await set(settings.provider, 'cpu');
      await written(extension, await openAtEnd(task));
      assert.deepEqual([models.provider.last.provider, models.provider.last.why], ['cpu', 'gradlens.provider asks for it.']);
    } finally {
      await set(settings.provider, undefined);
    }
  });

  it('stop when they are told to, and what is there stays', async function () {
    const extension = await withModel(this);
    await set(settings.maxTokens, 8000);
    await set(settings.temperature, 1.2);
    const editor = await openAtEnd(prompt);
    once(extension, () => extension.models.tokens >= 5, () => void vscode.commands.executeCommand(commands.stopCompletion));
    const outcome = await extension.completions.complete();
    assert.equal(outcome?.status, 'stopped', JSON.stringify(outcome));
    const text = editor.document.getText();
    assert.ok(text.startsWith(prompt) && text.length > prompt.length, text);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(editor.document.getText(), text);
  });

  it('stop when what they write is taken away', async function () {
    const extension = await withEndless(this);
    const editor = await openAtEnd(prompt);
    once(extension, () => extension.models.tokens >= 5 && editor.document.getText().length > prompt.length, () => void vscode.commands.executeCommand('undo'));
    const outcome = await extension.completions.complete();
    assert.equal(outcome?.status, 'stopped', JSON.stringify(outcome));
    assert.ok(editor.document.getText().length < 2000);
  });

  it('say that a process has died, keep the text so far, and go on when asked again', async function () {
    const extension = await withModel(this);
    const editor = await openAtEnd(prompt);
    once(extension, () => extension.models.tokens >= 5 && editor.document.getText().length > prompt.length, () => process.kill(extension.models.calls.pid ?? 0, 'SIGKILL'));
    const outcome = await extension.completions.complete();
    assert.ok(outcome?.status === 'failed', JSON.stringify(outcome));
    assert.match(outcome.message, /SIGKILL.*Nothing is lost; try again/u);
    assert.ok(editor.document.getText().length > prompt.length);
    await vscode.commands.executeCommand('notifications.clearAll');
  });

  it('open again when the model host dies while it opens a model, and say so', async function () {
    const extension = await withModel(this);
    await set(settings.maxTokens, 40);
    await set(settings.temperature, 0);
    const { models } = extension;
    const known = models.notes.length;
    // The process of the test before is gone, and with it the model that was open.
    once(extension, () => models.activity === 'opening' && models.hostPid !== null, () => process.kill(models.hostPid ?? 0, 'SIGKILL'));
    const editor = await openAtEnd(prompt);
    const outcome = await extension.completions.complete();
    assert.ok(outcome?.status === 'done', JSON.stringify(outcome));
    assert.equal(editor.document.getText(), prompt + outcome.text);
    assert.match(models.notes.slice(known).join('\n'), /model host ended by signal SIGKILL/u);
  });

  it('go on from the same token when the model host dies in the middle of a text', async function () {
    const extension = await withModel(this);
    const { models } = extension;
    // Long enough that it is still going on when the host is killed.
    await set(settings.maxTokens, 400);
    const undisturbed = await openAtEnd(prompt);
    await extension.completions.complete();
    const expected = undisturbed.document.getText();
    const editor = await openAtEnd(prompt);
    const [pid, known] = [models.hostPid ?? 0, models.notes.length];
    once(extension, () => models.tokens >= 4, () => process.kill(pid, 'SIGKILL'));
    const outcome = await extension.completions.complete();
    assert.equal(outcome?.status, 'done', JSON.stringify(outcome));
    assert.equal(editor.document.getText(), expected);
    assert.match(models.notes.slice(known).join('\n'), /model host ended by signal SIGKILL/u);
    await extension.completions.complete();
    assert.notEqual(models.hostPid, pid);
  });

  it('have a page with sites, abilities, memory and the provider', async function () {
    const { models, modelPage } = await withModel(this);
    await vscode.commands.executeCommand(commands.showModel);
    const state = await within(20_000, 'the page', () => (modelPage.state.status === 'shown' && modelPage.state.provider ? modelPage.state : undefined));
    const { facts, provider, inUse } = state;
    assert.ok(inUse);
    assert.equal(facts.path, models.choice.current?.path);
    const layers = facts.layers ?? 0;
    assert.ok(layers > 0);
    assert.deepEqual(facts.sites.filter(({ name }) => /^layers\.\d+\.resid_post$/u.test(name)).length, layers);
    assert.ok(facts.gradients.works, facts.gradients.why);
    assert.ok(facts.memory.weights > 0 && facts.memory.weights < facts.memory.budget);
    assert.ok(provider?.rows.some(({ provider: name, works }) => name === 'cpu' && works));
  });

  it('have a page that says why a folder cannot be used', async () => {
    const { modelPage } = await gradlens();
    const folder = path.join(scratch, 'nothing');
    mkdirSync(folder);
    await vscode.commands.executeCommand(commands.showModel, { path: folder, variant: null });
    const { state } = modelPage;
    assert.ok(state.status === 'failed', JSON.stringify(state));
    assert.match(state.message, /has no decoder graph/u);
  });

  it('never block the host while they are listed, read, opened, asked and closed', async function () {
    const extension = await withShipped(this);
    const { models } = extension;
    const editors = [await openAtEnd(task), await openAtEnd(task)];
    await models.calls.call('close', null);
    const watch = watchEventLoop();
    await models.list();
    await models.calls.call('facts', { path: shipped(), variant: null, memoryBudgetBytes: null });
    for (const editor of editors) await written(extension, await vscode.window.showTextDocument(editor.document));
    await models.provider.examine();
    await models.calls.call('close', null);
    const worst = watch.stop();
    console.log(`longest blocking of the event loop by all that is done with a model: ${worst.toFixed(1)} ms`);
    assert.ok(worst < 50, `the event loop was blocked for ${worst.toFixed(1)} ms`);
  });

  it('refuse a model that is not there in words, and stay usable', async function () {
    const extension = await withModel(this);
    const { current } = extension.models.choice;
    await vscode.commands.executeCommand(commands.selectModel, { path: path.join(scratch, 'gone'), variant: null });
    await openAtEnd(prompt);
    const outcome = await extension.completions.complete();
    assert.ok(outcome?.status === 'failed');
    assert.match(outcome.message, /There is no folder/u);
    await vscode.commands.executeCommand('notifications.clearAll');
    await vscode.commands.executeCommand(commands.selectModel, current);
    assert.equal((await extension.completions.complete())?.status, 'done');
  });
});
