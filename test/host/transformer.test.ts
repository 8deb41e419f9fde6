// Open as transformer: the program at the cursor, compiled outside of the extension host.
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { commands } from '../../src/shared/contributions.ts';
import type { TransformerState } from '../../src/shared/transformerMessages.ts';
import { gradlens, openText, within } from './support.ts';

async function openAt(editor: vscode.TextEditor, text: string): Promise<TransformerState> {
  const { transformers } = await gradlens();
  await vscode.window.showTextDocument(editor.document, vscode.ViewColumn.One);
  const at = editor.document.positionAt(editor.document.getText().indexOf(text));
  const active = vscode.window.activeTextEditor;
  assert.ok(active);
  active.selection = new vscode.Selection(at, at);
  await vscode.commands.executeCommand(commands.openTransformer);
  return transformers.state;
}

const program = 'same = select(tokens, tokens, ==);\ncounted = selector_width(same);\nmore = counted + 1;\n#: "abab" -> [3, 3, 3, 3]\n';

describe('Open as transformer', () => {
  it('compiles the program at the cursor for the tokens of the examples, in another process', async () => {
    const { transformers } = await gradlens();
    const { view, program: shown, settings } = await openAt(await openText(program), 'counted =');
    assert.ok(view.status === 'shown', JSON.stringify(view));
    assert.deepEqual([shown?.name, settings?.vocabulary, settings?.maxLength], ['counted', '"ab"', 10]);
    assert.deepEqual(view.picture.output, ['2', '2', '2', '2']);
    assert.ok(transformers.workerPid !== undefined && transformers.workerPid !== process.pid);
  });

  it('runs another input on the same model, and says which token is unknown', async () => {
    const { transformers } = await gradlens();
    await openAt(await openText(program), 'more =');
    const { settings } = transformers.state;
    assert.ok(settings);
    const pid = transformers.workerPid;
    await transformers.run({ ...settings, input: 'aab' });
    const { view } = transformers.state;
    assert.ok(view.status === 'shown');
    assert.deepEqual([view.picture.output, transformers.workerPid], [['3', '3', '2'], pid]);
    await transformers.run({ ...settings, input: 'abz' });
    const after = transformers.state.view;
    assert.ok(after.status === 'failed' && after.problem.field === 'input');
    assert.match(after.problem.message, /z.* is not in the model's vocabulary/u);
  });

  it('names the line of an op that cannot be compiled', async () => {
    const { transformers } = await gradlens();
    await openAt(await openText('n = indices;\nx = n + length;\n'), 'x =');
    const { settings } = transformers.state;
    assert.ok(settings);
    await transformers.run({ ...settings, causal: true });
    const { view } = transformers.state;
    assert.ok(view.status === 'failed');
    assert.equal(view.problem.place?.line, 2);
  });

  it('is stale when the program changes, and compiles the new text', async () => {
    const { transformers } = await gradlens();
    const editor = await openText(program);
    await openAt(editor, 'more =');
    const edit = new vscode.WorkspaceEdit();
    edit.insert(editor.document.uri, editor.document.positionAt(program.indexOf(' + 1;') + 3), '1');
    await vscode.workspace.applyEdit(edit);
    assert.equal(transformers.state.stale, true);
    await transformers.run(transformers.state.settings);
    const { view, stale } = transformers.state;
    assert.ok(view.status === 'shown' && !stale);
    assert.deepEqual(view.picture.output, ['13', '13', '13', '13']);
  });

  it('gives a run up for the next one', async () => {
    const { transformers } = await gradlens();
    await openAt(await openText(program), 'more =');
    const { settings } = transformers.state;
    assert.ok(settings);
    const first = transformers.run({ ...settings, maxLength: 64 });
    await Promise.all([first, transformers.run({ ...settings, input: 'ba' })]);
    const { view } = transformers.state;
    assert.ok(view.status === 'shown');
    assert.deepEqual(view.picture.output, ['2', '2']);
  });

  it('stands above a program as a lens, with or without examples', async () => {
    for (const text of [program, 'x = indices;\n']) {
      const { document } = await openText(text);
      const lens = await within(20_000, 'a lens', async () => {
        const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>('vscode.executeCodeLensProvider', document.uri);
        return lenses.find(({ command }) => command?.command === commands.openTransformer);
      });
      await vscode.commands.executeCommand(commands.openTransformer, ...(lens.command?.arguments ?? []));
      const { transformers } = await gradlens();
      assert.equal(transformers.state.program?.name, text === program ? 'more' : 'x');
    }
  });
});
