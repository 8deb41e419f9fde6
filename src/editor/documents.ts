// Which documents are programs of ours, and how their offsets meet the editor's positions.
import * as vscode from 'vscode';
import type { Span, TextEdit } from '../rasp/diagnostic.ts';
import type { Dialect } from '../rasp/program.ts';
import { libraryScheme, raspLanguage } from '../shared/contributions.ts';

/** Python files are ours when they import tracr's rasp. */
const tracrImport = /^\s*(from\s+tracr\b.*\bimport\b|import\s+tracr\b)/m;

export function dialectOfDocument(document: vscode.TextDocument): Dialect | null {
  if (document.uri.scheme === libraryScheme) return null;
  if (document.languageId === raspLanguage) return 'rasp';
  return document.languageId === 'python' && tracrImport.test(document.getText()) ? 'tracr' : null;
}

export const rangeOf = (document: vscode.TextDocument, { start, end }: Span): vscode.Range =>
  new vscode.Range(document.positionAt(start), document.positionAt(end));

/** All edits of one patch, so that one undo takes them back. */
export function workspaceEdit(document: vscode.TextDocument, edits: readonly TextEdit[]): vscode.WorkspaceEdit {
  const edit = new vscode.WorkspaceEdit();
  for (const { span, newText } of edits) edit.replace(document.uri, rangeOf(document, span), newText);
  return edit;
}
