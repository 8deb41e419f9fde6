// Attribution in a real editor: what is marked, what hovers say, when marks go, and what is refused in words.
import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { GradLens } from '../../src/extension.ts';
import { largeError, natsText } from '../../src/shared/attributionMessages.ts';
import { commands } from '../../src/shared/contributions.ts';
import { gradlens, openText } from './support.ts';

const context = 'Context: In Brisstad they make the knife of clay and the coin was built of glass.\n';
const question = 'Question: What is the coin made of?\nAnswer:';

async function withTinyCode(): Promise<GradLens> {
  const extension = await gradlens();
  const root = vscode.extensions.getExtension('gradlens.gradlens')?.extensionUri.fsPath ?? '';
  await vscode.commands.executeCommand(commands.selectModel, { path: path.join(root, 'models', 'tiny-code'), variant: null });
  return extension;
}

async function openSelected(text: string, from: number, to: number, eol = vscode.EndOfLine.LF): Promise<vscode.TextEditor> {
  const editor = await openText(text, 'plaintext');
  await editor.edit((builder) => builder.setEndOfLine(eol));
  const { document } = editor;
  const place = (offset: number): vscode.Position => {
    const before = text.slice(0, offset).split('\n');
    return new vscode.Position(before.length - 1, before.at(-1)?.length ?? 0);
  };
  editor.selection = new vscode.Selection(document.validatePosition(place(from)), document.validatePosition(place(to)));
  return editor;
}

const textOf = (hover: vscode.Hover | undefined): string => (hover?.contents ?? []).map((content) => (content instanceof vscode.MarkdownString ? content.value : '')).join('\n').replaceAll(/&nbsp;|\\/gu, (found) => (found === '&nbsp;' ? ' ' : ''));

describe('attribution', () => {
  afterEach(() => vscode.commands.executeCommand('notifications.clearAll'));

  for (const [name, eol] of [['line feeds', vscode.EndOfLine.LF], ['carriage returns too', vscode.EndOfLine.CRLF]] as const) {
    it(`marks the tokens of a selection, and each says its number where it stands, with ${name}`, async () => {
      const { attributions } = await withTinyCode();
      const before = 'First line\nsecond ';
      const editor = await openSelected(`${before}${context}${question}\nafter`, before.length, before.length + context.length + question.length, eol);
      const outcome = await vscode.commands.executeCommand<Awaited<ReturnType<typeof attributions.attributeActive>>>(commands.attribute);
      assert.ok(outcome?.status === 'shown', JSON.stringify(outcome));
      const { attribution } = outcome;
      assert.match(`${attribution.preferred} ${attribution.dispreferred}`, /glass/u);
      assert.equal(attribution.error > largeError, attribution.warning !== null);
      assert.deepEqual(attribution.layers.map(({ layer }) => layer), [0, 1, 2, 3, 4]);
      for (const { values } of attribution.layers) assert.equal(values.length, attribution.tokens.length);
      const best = attribution.tokens.find(({ rank }) => rank === 1);
      assert.equal(best?.text.trim(), attribution.preferred.trim(), 'the answer stands in the text');
      assert.equal(best?.set, 'positive');
      const words = attribution.tokens.flatMap(({ text }, i) => (text.trim() === 'coin' ? [i] : []));
      assert.equal(words.length, 2);
      const [first = -1] = words;
      const token = attribution.tokens[first];
      const at = editor.document.getText().indexOf('coin');
      const hover = attributions.hover(editor.document, editor.document.positionAt(at + 1));
      const told = textOf(hover);
      assert.ok(told.includes(natsText(token?.value ?? Number.NaN)), told);
      assert.match(told, /rank \d+ of \d+.*word [+−]\d/su);
      assert.equal(editor.document.getText(hover?.range).trim(), 'coin');
      const [legend] = await vscode.commands.executeCommand<vscode.CodeLens[]>('vscode.executeCodeLensProvider', editor.document.uri);
      assert.match(legend?.command?.title ?? '', /solid: pushes towards/u);
    });
  }

  it('takes the marks away when the text is changed, and the page says so', async () => {
    const { attributions } = await withTinyCode();
    const editor = await openSelected(context + question, 0, context.length + question.length);
    await attributions.attributeActive(false);
    assert.ok(attributions.shown);
    await editor.edit((builder) => builder.insert(new vscode.Position(0, 0), 'x'));
    assert.equal(attributions.shown, null);
    assert.ok(attributions.state.status === 'shown' && attributions.state.stale);
    assert.equal(attributions.hover(editor.document, new vscode.Position(0, 12)), undefined);
  });

  it('takes the marks away when it is told to', async () => {
    const { attributions } = await withTinyCode();
    await openSelected(context + question, 0, context.length + question.length);
    await attributions.attributeActive(false);
    await vscode.commands.executeCommand(commands.clearAttribution);
    assert.equal(attributions.shown, null);
  });

  it('says what to do where nothing is selected, or only white space', async () => {
    const { attributions } = await withTinyCode();
    await openSelected(context, 0, 0);
    const nothing = await attributions.attributeActive(false);
    assert.match(nothing?.status === 'failed' ? nothing.message : '', /Nothing is selected\. Select the text/u);
    await openSelected('  \n\n', 0, 3);
    const blank = await attributions.attributeActive(false);
    assert.match(blank?.status === 'failed' ? blank.message : '', /white space/u);
  });

  it('says how long a text is that the model cannot hold', async () => {
    const { attributions } = await withTinyCode();
    const long = context.repeat(30);
    await openSelected(long, 0, long.length);
    const outcome = await attributions.attributeActive(false);
    assert.match(outcome?.status === 'failed' ? outcome.message : '', /has \d+ tokens and the model holds 192/u);
    assert.equal(attributions.state.status, 'failed');
  });

  it('stops when it is told to, and leaves nothing marked', async () => {
    const { attributions, models } = await withTinyCode();
    await openSelected(context.repeat(3) + question, 0, 3 * context.length + question.length);
    const watch = models.onDidChange(() => models.activity === 'attributing' && void vscode.commands.executeCommand(commands.stopAttribution));
    const outcome = await attributions.attributeActive(false);
    watch.dispose();
    assert.equal(outcome?.status, 'stopped', JSON.stringify(outcome));
    assert.equal(attributions.shown, null);
    assert.equal(models.activity, 'idle');
    assert.equal((await attributions.attributeActive(false))?.status, 'shown');
  });
});

describe('attribution of a prompt with an image', () => {
  it('attributes to the image’s patches beside the words, and to the words where they stand', async () => {
    const { attributions } = await gradlens();
    const root = vscode.extensions.getExtension('gradlens.gradlens')?.extensionUri ?? vscode.Uri.file('/');
    await vscode.commands.executeCommand(commands.selectModel, { path: vscode.Uri.joinPath(root, 'models', 'tiny-vision').fsPath, variant: null });
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? root;
    const editor = await vscode.window.showTextDocument(vscode.Uri.joinPath(folder, 'scene.prompt.md'));
    const outcome = await attributions.attributeActive(false);
    assert.ok(outcome?.status === 'shown', JSON.stringify(outcome));
    const { attribution } = outcome;
    assert.deepEqual([attribution.preferred, attribution.dispreferred].map((text) => text.trim()).sort(), ['No', 'Yes']);
    const { image, tokens } = attribution;
    assert.deepEqual([image?.rows, image?.columns, image?.tokens.length, image?.width, image?.height], [8, 8, 64, 32, 32]);
    assert.equal(Buffer.from(image?.pixels ?? '', 'base64').length, 3 * 32 * 32);
    const colour = tokens.find(({ text }) => text.trim() === 'blue');
    assert.ok(colour, JSON.stringify(tokens.map(({ text }) => text)));
    const at = editor.document.getText().indexOf('blue');
    const hover = attributions.hover(editor.document, editor.document.positionAt(at + 1));
    assert.ok(textOf(hover).includes(natsText(colour.value)), textOf(hover));
    await withTinyCode();
    const other = await attributions.attributeActive(false);
    assert.match(other?.status === 'failed' ? other.message : '', /is no vision-language model.*Leave the image out/u);
  });
});
