// Open sample: a sample that ships with the extension, as a new document.
import * as vscode from 'vscode';
import type { Services } from './services.ts';
import { commands } from '../shared/contributions.ts';

/** Names of files under samples/ that may be asked for, and what they are. */
const samples: Readonly<Record<string, string>> = { 'reverse.rasp': 'rasp', 'sort.rasp': 'rasp', 'task.md': 'markdown' };

export function registerSamples({ extensionUri }: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.openSample, async (asked?: unknown) => {
    const name = typeof asked === 'string' ? asked : await vscode.window.showQuickPick(Object.keys(samples), { title: vscode.l10n.t('Which sample?') });
    const language = name === undefined ? undefined : samples[name];
    if (name === undefined || language === undefined) return;
    const content = new TextDecoder().decode(await vscode.workspace.fs.readFile(vscode.Uri.joinPath(extensionUri, 'samples', name)));
    const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content, language }));
    const end = editor.document.lineAt(editor.document.lineCount - 1).range.end;
    editor.selection = new vscode.Selection(end, end);
  });
}
