// Inlay hints: the value on the running example behind every assignment; off until the setting turns them on.
import * as vscode from 'vscode';
import { dialectOfDocument } from '../documents.ts';
import type { Services } from '../services.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { raspLanguage, settings } from '../../shared/contributions.ts';

export function registerInlayHints({ checker, log }: Services): vscode.Disposable {
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.InlayHintsProvider = {
    onDidChangeInlayHints: changed.event,
    async provideInlayHints(document, range, token) {
      const dialect = dialectOfDocument(document);
      const isOn = vscode.workspace.getConfiguration(settings.section, document).get<boolean>(settings.inlayValues, false);
      if (!dialect || !isOn || !vscode.workspace.isTrusted) return [];
      const file = { path: document.uri.fsPath, text: document.getText(), dialect };
      try {
        const reply = await checker.call({ type: 'values', file, start: document.offsetAt(range.start), end: document.offsetAt(range.end) });
        if (reply.type !== 'values' || token.isCancellationRequested) return [];
        return reply.hints.map(({ offset, text }) => hintAt(document.positionAt(offset), text));
      } catch (error) {
        if (!(error instanceof CancelledError)) log.error(error instanceof Error ? error : String(error));
        return [];
      }
    },
  };
  return vscode.Disposable.from(
    changed,
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration(`${settings.section}.${settings.inlayValues}`) && changed.fire()),
    vscode.workspace.onDidGrantWorkspaceTrust(() => changed.fire()),
    vscode.languages.registerInlayHintsProvider([{ language: raspLanguage }, { language: 'python' }], provider),
  );
}

function hintAt(position: vscode.Position, text: string): vscode.InlayHint {
  const hint = new vscode.InlayHint(position, text);
  hint.paddingLeft = true;
  return hint;
}
