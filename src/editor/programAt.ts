// The program that a command is about, and the way back from a panel to its source.
import * as vscode from 'vscode';
import { dialectOfDocument } from './documents.ts';
import type { Dialect } from '../rasp/program.ts';

export interface ProgramAt {
  readonly document: vscode.TextDocument;
  readonly dialect: Dialect;
  /** Where in the document the program is. */
  readonly offset: number;
}

/**
 * The program that a lens names, else the one at the cursor; the user is told if there is none.
 * @param untrusted what to say where the workspace is not trusted
 */
export async function programAt(untrusted: string, uri?: unknown, offset?: unknown): Promise<ProgramAt | undefined> {
  const editor = vscode.window.activeTextEditor;
  const document = uri instanceof vscode.Uri ? await vscode.workspace.openTextDocument(uri) : editor?.document;
  const dialect = document && dialectOfDocument(document);
  if (!document || !dialect) {
    void vscode.window.showInformationMessage(vscode.l10n.t('Open a RASP program (.rasp, or a Python file that imports tracr) first.'));
    return undefined;
  }
  if (!vscode.workspace.isTrusted) {
    void vscode.window.showInformationMessage(untrusted);
    return undefined;
  }
  const cursor = editor?.document === document ? document.offsetAt(editor.selection.active) : document.getText().length;
  return { document, dialect, offset: typeof offset === 'number' ? offset : cursor };
}

/** Opens the source in the first column, with the range selected. */
export async function showSource(document: vscode.TextDocument, selection: vscode.Range): Promise<void> {
  await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.One, selection });
}
