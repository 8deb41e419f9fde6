// Rename in RASP files, through the files that load each other.
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { rangesIn, raspSelector } from './raspFiles.ts';
import { rangeOf } from '../documents.ts';
import { libraryScheme } from '../../shared/contributions.ts';
import { prepareRename, renameAt } from '../../rasp/service/rename.ts';

export function registerRename(files: RaspFiles): vscode.Disposable {
  const provider: vscode.RenameProvider = {
    prepareRename(document, position) {
      if (document.uri.scheme === libraryScheme) throw new Error(vscode.l10n.t('The library keeps its names.'));
      const start = prepareRename(files.of(document), document.offsetAt(position));
      if ('refusal' in start) throw new Error(start.refusal);
      return { range: rangeOf(document, { file: '', ...start.range }), placeholder: start.name };
    },
    async provideRenameEdits(document, position, newName, token) {
      const offset = document.offsetAt(position);
      const others = await files.loaders(document, token);
      const rename = renameAt(files.of(document), offset, newName, files.read, others);
      if ('refusal' in rename) throw new Error(rename.refusal);
      const edit = new vscode.WorkspaceEdit();
      for (const { span, newText } of rename.edits) {
        if (span.file === document.uri.fsPath) edit.replace(document.uri, rangeOf(document, span), newText);
        else edit.replace(vscode.Uri.file(span.file), rangesIn(files.read(span.file) ?? '')(span), newText);
      }
      return edit;
    },
  };
  return vscode.languages.registerRenameProvider(raspSelector, provider);
}
