// Signature help for calls in RASP files.
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { raspSelector } from './raspFiles.ts';
import { signatureAt } from '../../rasp/service/signatureHelp.ts';

export function registerSignatureHelp(files: RaspFiles): vscode.Disposable {
  const provider: vscode.SignatureHelpProvider = {
    provideSignatureHelp(document, position) {
      const signature = signatureAt(files.of(document), document.offsetAt(position));
      if (!signature) return null;
      const information = new vscode.SignatureInformation(signature.label, new vscode.MarkdownString(signature.documentation));
      information.parameters = signature.parameters.map(({ range, documentation }) => new vscode.ParameterInformation([...range], documentation));
      const help = new vscode.SignatureHelp();
      help.signatures = [information];
      help.activeParameter = signature.active;
      return help;
    },
  };
  return vscode.languages.registerSignatureHelpProvider(raspSelector, provider, '(', ',');
}
