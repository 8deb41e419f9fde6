// The language features in a real extension host, asked through VS Code's own commands.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Ran } from '../../src/editor/exampleTests.ts';
import type { GradLens } from '../../src/extension.ts';

async function open(content: string, language = 'rasp'): Promise<vscode.TextDocument> {
  await vscode.extensions.getExtension<GradLens>('gradlens.gradlens')?.activate();
  const document = await vscode.workspace.openTextDocument({ content, language });
  await vscode.window.showTextDocument(document);
  return document;
}

function at(document: vscode.TextDocument, text: string, inside = 1): vscode.Position {
  const offset = document.getText().indexOf(text);
  assert.ok(offset >= 0, `${text} is there`);
  return document.positionAt(offset + inside);
}

const ask = <T>(command: string, ...args: unknown[]): Thenable<T> => vscode.commands.executeCommand<T>(`vscode.${command}`, ...args);

const hoverText = async (document: vscode.TextDocument, position: vscode.Position): Promise<string> => {
  const hovers = await ask<vscode.Hover[]>('executeHoverProvider', document.uri, position);
  return hovers.flatMap(({ contents }) => contents.map((part) => (typeof part === 'string' ? part : part.value))).join('\n');
};

const workspace = (): string => vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '';

const program = `# Doubles each value.
def double(x) {
  return x * 2;
}
smaller = select(indices, indices, <);
place = selector_width(smaller);
twice = double(place);
#: "hey" -> [0, 2, 4]
`;

describe('the language features', () => {
  it('complete names, with their calls', async () => {
    const document = await open(`${program}z = \n`);
    const position = document.positionAt(document.getText().indexOf('z = ') + 4);
    const { items } = await ask<vscode.CompletionList>('executeCompletionItemProvider', document.uri, position);
    const own = items.find(({ label }) => label === 'double');
    assert.equal(own?.kind, vscode.CompletionItemKind.Function);
    assert.ok(own.insertText instanceof vscode.SnippetString && own.insertText.value === 'double(${1:x})');
    assert.ok(items.some(({ label }) => label === 'smaller'));
  });

  it('complete the operators of select and the files of load', async () => {
    const document = await open('x = select(indices, tokens, );\n');
    const { items } = await ask<vscode.CompletionList>('executeCompletionItemProvider', document.uri, at(document, ', )', 2));
    assert.deepEqual(items.filter(({ kind }) => kind === vscode.CompletionItemKind.Operator).map(({ label }) => label), ['==', '!=', '<', '<=', '>', '>=']);
    const triggered = await ask<vscode.CompletionList>('executeCompletionItemProvider', document.uri, at(document, ', )', 2), ' ');
    assert.ok(triggered.items.some(({ label }) => label === '=='), 'operators pop up behind the space');
    const space = await ask<vscode.CompletionList>('executeCompletionItemProvider', document.uri, at(document, '= select', 2), ' ');
    // VS Code itself may offer the words of the text.
    assert.ok(space.items.every(({ kind }) => kind === undefined || kind === vscode.CompletionItemKind.Text || kind === vscode.CompletionItemKind.Snippet), 'names do not');
    const file = vscode.Uri.file(path.join(workspace(), 'loads.rasp'));
    writeFileSync(file.fsPath, 'load "";\n');
    const loading = await vscode.workspace.openTextDocument(file);
    const list = await ask<vscode.CompletionList>('executeCompletionItemProvider', file, at(loading, '""', 1));
    const labels = list.items.map(({ label }) => label);
    assert.ok(labels.includes('sort') && labels.includes('reference/') && !labels.includes('loads'), labels.join());
  });

  it('help with signatures', async () => {
    const document = await open('x = shift(tokens, 1);\n');
    const help = await ask<vscode.SignatureHelp>('executeSignatureHelpProvider', document.uri, at(document, ', 1', 2));
    assert.equal(help.signatures[0]?.label, 'shift(seq, n, filler)');
    assert.equal(help.activeParameter, 1);
  });

  it('go to definitions in the file, in a loaded file and in the library', async () => {
    const document = await open(`${program}s = sort(tokens, indices);\n`);
    const [own] = await ask<vscode.LocationLink[]>('executeDefinitionProvider', document.uri, at(document, 'double(place'));
    assert.equal(own?.targetUri.toString(), document.uri.toString());
    assert.equal(own.targetSelectionRange?.start.line, 1);
    const [library] = await ask<vscode.LocationLink[]>('executeDefinitionProvider', document.uri, at(document, 'sort('));
    assert.ok(library);
    const text = await vscode.workspace.openTextDocument(library.targetUri);
    assert.equal(text.getText(library.targetSelectionRange), 'sort');
    assert.equal(text.languageId, 'rasp');
    assert.deepEqual(vscode.languages.getDiagnostics(text.uri), []);
  });

  it('find references and rename through files that load each other', async () => {
    const [base, user] = ['base.rasp', 'user.rasp'].map((name) => vscode.Uri.file(path.join(workspace(), name)));
    assert.ok(base && user);
    writeFileSync(base.fsPath, 'two = 2;\ndef double(x) {\n  return x * two;\n}\n');
    writeFileSync(user.fsPath, 'load "base";\nfour = two + 2;\n');
    const document = await vscode.workspace.openTextDocument(base);
    const references = await ask<vscode.Location[]>('executeReferenceProvider', base, new vscode.Position(0, 1));
    assert.deepEqual(references.map(({ uri, range }) => `${path.basename(uri.fsPath)} ${range.start.line}`).sort(), ['base.rasp 0', 'base.rasp 2', 'user.rasp 1']);
    const edit = await ask<vscode.WorkspaceEdit>('executeDocumentRenameProvider', base, new vscode.Position(0, 1), 'pair');
    assert.ok(await vscode.workspace.applyEdit(edit));
    assert.equal(document.getText(), 'pair = 2;\ndef double(x) {\n  return x * pair;\n}\n');
    assert.equal((await vscode.workspace.openTextDocument(user)).getText(), 'load "base";\nfour = pair + 2;\n');
  });

  it('refuse to rename what is built in or taken, with the reason', async () => {
    const document = await open(program);
    await assert.rejects(async () => ask('prepareRename', document.uri, at(document, 'indices')), /built into the language/);
    await assert.rejects(async () => ask('executeDocumentRenameProvider', document.uri, at(document, 'place ='), 'smaller'), /another “smaller”/);
  });

  it('outline, fold and highlight', async () => {
    const document = await open(program);
    const symbols = await ask<vscode.DocumentSymbol[]>('executeDocumentSymbolProvider', document.uri);
    assert.deepEqual(symbols.map(({ name }) => name), ['double', 'smaller', 'place', 'twice']);
    const folds = await ask<vscode.FoldingRange[]>('executeFoldingRangeProvider', document.uri);
    assert.deepEqual(folds.map(({ start, end }) => [start, end]), [[1, 2]]);
    const highlights = await ask<vscode.DocumentHighlight[]>('executeDocumentHighlights', document.uri, at(document, 'place ='));
    assert.deepEqual(highlights.map(({ kind }) => kind), [vscode.DocumentHighlightKind.Write, vscode.DocumentHighlightKind.Read]);
  });

  it('format the whole and a part, with the editor\'s indentation', async () => {
    const document = await open('def f(a){\nreturn a+1;}\nx=f( indices );\n');
    const apply = async (edits: vscode.TextEdit[]): Promise<string> => {
      const edit = new vscode.WorkspaceEdit();
      edit.set(document.uri, edits);
      await vscode.workspace.applyEdit(edit);
      return document.getText();
    };
    const part = await ask<vscode.TextEdit[]>('executeFormatRangeProvider', document.uri, document.lineAt(2).range, { tabSize: 4, insertSpaces: true });
    assert.equal(await apply(part), 'def f(a){\nreturn a+1;}\nx = f(indices);\n');
    const whole = await ask<vscode.TextEdit[]>('executeFormatDocumentProvider', document.uri, { tabSize: 4, insertSpaces: true });
    assert.equal(await apply(whole), 'def f(a) {\n    return a + 1;\n}\nx = f(indices);\n');
  });

  it('colour by meaning', async () => {
    const document = await open('s = select(indices, indices, <);\n');
    const legend = await ask<vscode.SemanticTokensLegend>('provideDocumentSemanticTokensLegend', document.uri);
    const { data } = await ask<vscode.SemanticTokens>('provideDocumentSemanticTokens', document.uri);
    assert.equal(legend.tokenTypes[data[3] ?? -1], 'selector');
    assert.equal(data.length, 5 * 5);
  });

  it('tell a selector as a matrix, a value under its token, and the comment above a function', async () => {
    const document = await open(program);
    const matrix = await hoverText(document, at(document, 'smaller ='));
    assert.ok(matrix.includes('selector smaller'), matrix);
    assert.ok(matrix.includes('query h · · ·\n      e ● · ·\n      y ● ● ·'), matrix);
    const values = await hoverText(document, at(document, 'place ='));
    assert.ok(values.includes('input  h e y\nplace  0 1 2'), values);
    assert.ok((await hoverText(document, at(document, 'double(place'))).includes('Doubles each value.'));
    assert.ok((await hoverText(document, at(document, 'selector_width'))).includes('How many positions each position selects.'));
  });

  it('tell the values of Tracr programs', async () => {
    const text = 'from tracr.rasp import rasp\n\ndef hist():\n    same = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)\n    return rasp.SelectorWidth(same)\n#: "aab" -> [2, 2, 1]\n';
    const document = await open(text, 'python');
    assert.ok((await hoverText(document, at(document, 'same ='))).includes('a ● ● ·'));
    assert.ok((await hoverText(document, at(document, 'SelectorWidth'))).includes('2 2 1'));
  });

  it('show values behind assignments only where the setting says so', async () => {
    const document = await open(program);
    const range = new vscode.Range(0, 0, document.lineCount, 0);
    const hints = (): Thenable<vscode.InlayHint[]> => ask<vscode.InlayHint[]>('executeInlayHintProvider', document.uri, range);
    assert.deepEqual(await hints(), []);
    const configuration = vscode.workspace.getConfiguration('gradlens');
    await configuration.update('inlayHints.values', true, vscode.ConfigurationTarget.Global);
    try {
      assert.deepEqual((await hints()).map(({ label }) => label), ['3×3 selector, 3 selected', '[0, 1, 2]', '[0, 2, 4]']);
    } finally {
      await configuration.update('inlayHints.values', undefined, vscode.ConfigurationTarget.Global);
    }
  });
});

describe('the test explorer', () => {
  it('has an item for each example, runs them, and follows the text', async () => {
    const extension = vscode.extensions.getExtension<GradLens>('gradlens.gradlens');
    assert.ok(extension);
    const { tests } = await extension.activate();
    const uri = vscode.Uri.file(path.join(workspace(), 'tested.rasp'));
    writeFileSync(uri.fsPath, 'x = indices;\n#: "ab" -> [0, 1]\n#: "abc" -> [0, 1, 3]\n');
    await vscode.workspace.openTextDocument(uri);
    const item = await tests.refresh(uri);
    assert.equal(item?.children.size, 2);
    const ran = new Promise<readonly Ran[]>((resolve) => {
      const listening = tests.onDidRun((rows) => {
        listening.dispose();
        resolve(rows);
      });
    });
    await vscode.commands.executeCommand('testing.runAll');
    const own = (await ran).filter(({ item: { uri: place } }) => place?.toString() === uri.toString());
    assert.deepEqual(own.map(({ item: { range }, report: { outcome } }) => [outcome?.ok, range?.start.line]), [[true, 1], [false, 2]]);
    const failed = own[1]?.report.outcome;
    assert.ok(failed && !failed.ok);
    assert.match(failed.message, /position 2 is 2, not 3/);
    assert.deepEqual([failed.expected, failed.actual], ['[0, 1, 3]', '[0, 1, 2]']);
    const edit = new vscode.WorkspaceEdit();
    edit.delete(uri, new vscode.Range(2, 0, 3, 0));
    await vscode.workspace.applyEdit(edit);
    assert.equal((await tests.refresh(uri))?.children.size, 1);
  });
});
