// Completion of names, calls, operators and files in RASP files.
import { readdirSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { RaspFiles } from './raspFiles.ts';
import { raspSelector } from './raspFiles.ts';
import { rangeOf } from '../documents.ts';
import type { Completion, CompletionKind, FolderEntry } from '../../rasp/service/completion.ts';
import { completionsAt } from '../../rasp/service/completion.ts';

const { CompletionItemKind } = vscode;

const kinds: Readonly<Record<CompletionKind, vscode.CompletionItemKind>> = {
  's-op': CompletionItemKind.Variable,
  selector: CompletionItemKind.Interface,
  function: CompletionItemKind.Function,
  value: CompletionItemKind.Constant,
  list: CompletionItemKind.Value,
  dict: CompletionItemKind.Value,
  unknown: CompletionItemKind.Variable,
  parameter: CompletionItemKind.Variable,
  keyword: CompletionItemKind.Keyword,
  operator: CompletionItemKind.Operator,
  file: CompletionItemKind.File,
  folder: CompletionItemKind.Folder,
  directive: CompletionItemKind.Snippet,
};

/** What may pop up behind a comma, a space or a quote, where names would only be in the way. */
const unasked: ReadonlySet<CompletionKind> = new Set(['operator', 'file', 'folder', 'directive']);

export function registerCompletion(files: RaspFiles): vscode.Disposable {
  const provider: vscode.CompletionItemProvider = {
    provideCompletionItems(document, position, _token, { triggerCharacter }) {
      const list = (folder: string): FolderEntry[] => entriesOf(path.join(path.dirname(document.uri.fsPath), folder), document.uri);
      const completions = completionsAt(files.of(document), document.offsetAt(position), { list });
      return completions.filter(({ kind }) => triggerCharacter === undefined || unasked.has(kind)).map((completion) => itemOf(completion, document));
    },
  };
  return vscode.languages.registerCompletionItemProvider(raspSelector, provider, '"', ',', ' ', '/', ':');
}

function entriesOf(folder: string, { fsPath, scheme }: vscode.Uri): FolderEntry[] {
  if (scheme !== 'file') return [];
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith('.') && name !== 'node_modules' && path.join(folder, name) !== fsPath)
      .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
  } catch {
    return [];
  }
}

function itemOf({ label, kind, detail, documentation, insert, isSnippet, range, rank }: Completion, document: vscode.TextDocument): vscode.CompletionItem {
  const item = new vscode.CompletionItem(label, kinds[kind]);
  item.detail = detail;
  item.documentation = new vscode.MarkdownString(documentation);
  item.insertText = isSnippet ? new vscode.SnippetString(insert) : insert;
  item.range = rangeOf(document, { file: '', ...range });
  item.sortText = String(rank).padStart(3, '0') + label;
  if (kind === 'function' && isSnippet) item.command = { command: 'editor.action.triggerParameterHints', title: '' };
  if (kind === 'folder') item.command = { command: 'editor.action.triggerSuggest', title: '' };
  return item;
}
