// Asks where something is to be saved, and saves it; what goes wrong is told.
import * as vscode from 'vscode';

/** @returns where it was saved; undefined if the user thought better of it or it could not be written */
export async function saveFile(name: string, filters: Readonly<Record<string, string[]>>, content: Uint8Array): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const safe = name.replaceAll(/[^\w.-]+/gu, '_');
  const target = await vscode.window.showSaveDialog({ title: vscode.l10n.t('Save {0}', safe), filters: { ...filters }, ...(folder ? { defaultUri: vscode.Uri.joinPath(folder, safe) } : {}) });
  return target && writeFile(target, content);
}

/** @returns where it was saved; undefined if it could not be written, which the user is told */
export async function writeFile(target: vscode.Uri, content: Uint8Array): Promise<vscode.Uri | undefined> {
  try {
    await vscode.workspace.fs.writeFile(target, content);
    return target;
  } catch (error) {
    void vscode.window.showErrorMessage(vscode.l10n.t('“{0}” could not be saved: {1}', target.fsPath, error instanceof Error ? error.message : String(error)));
    return undefined;
  }
}
