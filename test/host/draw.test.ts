// Draw: the op at the cursor on the running example.
import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { commands } from '../../src/shared/contributions.ts';
import type { Drawing } from '../../src/shared/drawing.ts';
import { gradlens, openText } from './support.ts';

async function drawAt(editor: vscode.TextEditor, text: string): Promise<Drawing | null> {
  const { drawings } = await gradlens();
  await vscode.window.showTextDocument(editor.document, vscode.ViewColumn.One);
  const at = editor.document.positionAt(editor.document.getText().indexOf(text));
  const active = vscode.window.activeTextEditor;
  assert.ok(active);
  active.selection = new vscode.Selection(at, at);
  await vscode.commands.executeCommand(commands.draw);
  return drawings.state.drawing;
}

const program = 'set example "cab"\nbefore = select(tokens, tokens, <);\nplace = selector_width(before);\nsorted = aggregate(select(place, indices, ==), tokens);\n# words\n';

describe('Draw', () => {
  it('draws the s-op at the cursor, on what set example says', async () => {
    const drawing = await drawAt(await openText(program), 'place =');
    const last = drawing?.ops.at(-1);
    assert.ok(last?.kind === 'sequence');
    assert.deepEqual([drawing?.name, drawing?.input, last.values], ['place', ['c', 'a', 'b'], ['2', '0', '1']]);
  });

  it('draws the selector at the cursor', async () => {
    const last = (await drawAt(await openText(program), 'before)'))?.ops.at(-1);
    assert.ok(last?.kind === 'matrix');
    assert.deepEqual(last.rows, [[false, true, true], [false, false, false], [false, true, false]]);
  });

  it('draws the program where the cursor is on no op, and the first example of the file where none is set', async () => {
    const drawing = await drawAt(await openText(`${program.replace('set example "cab"\n', '')}#: "ba" -> "ab"\n`), '# words');
    assert.deepEqual([drawing?.name, drawing?.input], ['sorted', ['b', 'a']]);
  });

  it('says why where a program fails on the example', async () => {
    const { drawings } = await gradlens();
    assert.equal(await drawAt(await openText('a = tokens_int + 1;\n'), 'a ='), null);
    assert.match(drawings.state.caption, /fails on the running example: .*not a number.*set example/u);
  });
});
