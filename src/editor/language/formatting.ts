// Formatting of RASP files, whole or in part.
import * as vscode from 'vscode';
import { raspSelector } from './raspFiles.ts';
import { rangeOf } from '../documents.ts';
import type { Replacement } from '../../rasp/service/formatting.ts';
import { formatDocument, formatRange } from '../../rasp/service/formatting.ts';

const indentationOf = ({ insertSpaces, tabSize }: vscode.FormattingOptions): string => (insertSpaces ? ' '.repeat(tabSize) : '\t');

export function registerFormatting(): vscode.Disposable {
  const edits = (document: vscode.TextDocument, replacement: Replacement | null): vscode.TextEdit[] =>
    replacement ? [vscode.TextEdit.replace(rangeOf(document, { file: '', ...replacement.range }), replacement.newText)] : [];
  const source = (document: vscode.TextDocument): { path: string; text: string } => ({ path: document.uri.fsPath, text: document.getText() });
  return vscode.Disposable.from(
    vscode.languages.registerDocumentFormattingEditProvider(raspSelector, {
      provideDocumentFormattingEdits: (document, options) => edits(document, formatDocument(source(document), indentationOf(options))),
    }),
    vscode.languages.registerDocumentRangeFormattingEditProvider(raspSelector, {
      provideDocumentRangeFormattingEdits: (document, range, options) =>
        edits(document, formatRange(source(document), { start: document.offsetAt(range.start), end: document.offsetAt(range.end) }, indentationOf(options))),
    }),
  );
}
