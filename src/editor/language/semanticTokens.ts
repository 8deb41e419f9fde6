// Semantic tokens of RASP files.
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { raspSelector } from './raspFiles.ts';
import { semanticModifiers, semanticTokensOf, semanticTypes } from '../../rasp/service/semanticTokens.ts';

const legend = new vscode.SemanticTokensLegend([...semanticTypes], [...semanticModifiers]);

export function registerSemanticTokens(files: RaspFiles): vscode.Disposable {
  const provider: vscode.DocumentSemanticTokensProvider = {
    provideDocumentSemanticTokens(document) {
      const builder = new vscode.SemanticTokensBuilder(legend);
      for (const { start, length, type, modifiers } of semanticTokensOf(files.of(document))) {
        const at = document.positionAt(start);
        builder.push(new vscode.Range(at, at.translate(0, length)), type, [...modifiers]);
      }
      return builder.build();
    },
  };
  return vscode.languages.registerDocumentSemanticTokensProvider(raspSelector, provider, legend);
}
