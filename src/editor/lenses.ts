// Code lenses above the entry: run the examples, repair, open as a transformer.
import * as vscode from 'vscode';
import type { Checks } from './diagnostics.ts';
import { dialectOfDocument, rangeOf } from './documents.ts';
import { commands, raspLanguage } from '../shared/contributions.ts';

export function registerLenses(checks: Checks): vscode.Disposable {
  const changed = new vscode.EventEmitter<void>();
  const provider: vscode.CodeLensProvider = {
    onDidChangeCodeLenses: changed.event,
    async provideCodeLenses(document) {
      if (!dialectOfDocument(document)) return [];
      const result = checks.current(document) ?? (await checks.check(document));
      if (!result?.entry) return [];
      const range = rangeOf(document, result.entry.span);
      const open = { command: commands.openTransformer, title: vscode.l10n.t('$(layers) Open as transformer'), arguments: [document.uri, result.entry.span.start] };
      if (result.examples === 0) return [new vscode.CodeLens(range, open)];
      const passing = result.examples - result.failing.length;
      const title = result.failing.length === 0 ? vscode.l10n.t('$(pass) {0} examples pass', result.examples) : vscode.l10n.t('$(error) {0} of {1} examples pass', passing, result.examples);
      const lenses = [new vscode.CodeLens(range, { command: commands.runExamples, title })];
      if (result.failing.length > 0) lenses.push(new vscode.CodeLens(range, { command: commands.repair, title: vscode.l10n.t('$(wrench) Repair') }));
      return [...lenses, new vscode.CodeLens(range, open)];
    },
  };
  return vscode.Disposable.from(
    changed,
    checks.onDidCheck(() => changed.fire()),
    vscode.languages.registerCodeLensProvider([{ language: raspLanguage }, { language: 'python' }], provider),
  );
}
