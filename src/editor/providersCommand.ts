// Show Execution Providers: what runs here, with the self-check's figures, in a plain document.
import * as vscode from 'vscode';
import type { Services } from './services.ts';
import { commands } from '../shared/contributions.ts';

export function registerProviders({ checker, hostPath, log }: Services): vscode.Disposable {
  return vscode.commands.registerCommand(commands.providers, async () => {
    if (!vscode.workspace.isTrusted) {
      void vscode.window.showInformationMessage(vscode.l10n.t('The self-check runs native code, so it needs a trusted workspace.'));
      return;
    }
    try {
      const reply = await vscode.window.withProgress(
        { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('GradLens: checking providers') },
        () => checker.call({ type: 'providers', hostPath }),
      );
      if (reply.type !== 'providers') return;
      const document = await vscode.workspace.openTextDocument({ content: reply.text, language: 'plaintext' });
      await vscode.window.showTextDocument(document);
    } catch (error) {
      log.error(error instanceof Error ? error : String(error));
      void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  });
}
