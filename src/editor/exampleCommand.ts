// Run Examples: checks the active program now and says how it does.
import * as vscode from 'vscode';
import type { Checks } from './diagnostics.ts';
import { commands } from '../shared/contributions.ts';

export function registerRunExamples(checks: Checks): vscode.Disposable {
  return vscode.commands.registerCommand(commands.runExamples, async () => {
    const document = vscode.window.activeTextEditor?.document;
    const result = document && (await checks.check(document));
    if (!result) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Open a RASP program (.rasp, or a Python file that imports tracr) first.'));
      return;
    }
    if (result.examples === 0) void vscode.window.showInformationMessage(vscode.l10n.t('There are no examples. Add lines such as “#: [3,1,2] -> [1,2,3]”.'));
    else if (result.failing.length === 0) vscode.window.setStatusBarMessage(vscode.l10n.t('$(pass) All {0} examples pass', result.examples), 5000);
    else await vscode.commands.executeCommand('workbench.actions.view.problems');
  });
}
