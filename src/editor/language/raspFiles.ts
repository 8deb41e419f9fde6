// The RASP files that the editor works on, parsed and resolved once for each version.
import { readFileSync, statSync } from 'node:fs';
import * as vscode from 'vscode';
import type { Span } from '../../rasp/diagnostic.ts';
import type { LanguageFile } from '../../rasp/service/languageFile.ts';
import { openLanguageFile } from '../../rasp/service/languageFile.ts';
import { raspLanguage } from '../../shared/contributions.ts';

export const raspSelector: vscode.DocumentSelector = [{ language: raspLanguage }];

/** Files of the workspace that are searched for uses of a name. */
const mostFiles = 1000;

interface Known {
  readonly version: number;
  readonly epoch: number;
  readonly file: LanguageFile;
}

export class RaspFiles implements vscode.Disposable {
  private readonly known = new Map<string, Known>();
  private readonly texts = new Map<string, { readonly modified: number; readonly text: string }>();
  /** Goes up whenever a file that others may load changes. */
  private epoch = 0;
  private readonly subscriptions: vscode.Disposable[];

  constructor() {
    const watcher = vscode.workspace.createFileSystemWatcher('**/*.rasp');
    const changed = (): void => void (this.epoch += 1);
    this.subscriptions = [
      watcher,
      watcher.onDidChange(changed),
      watcher.onDidCreate(changed),
      watcher.onDidDelete(changed),
      vscode.workspace.onDidChangeTextDocument(({ document }) => document.languageId === raspLanguage && changed()),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.known.delete(uri.toString())),
    ];
  }

  of(document: vscode.TextDocument): LanguageFile {
    const key = document.uri.toString();
    const known = this.known.get(key);
    const { version } = document;
    if (known?.version === version && (known.file.loads.length === 0 || known.epoch === this.epoch)) return known.file;
    const file = openLanguageFile({ path: document.uri.fsPath, text: document.getText() }, this.read);
    this.known.set(key, { version, epoch: this.epoch, file });
    return file;
  }

  /** The text of a file as the editor has it, else as it lies on the disk. */
  readonly read = (path: string): string | undefined => {
    const open = openDocument(path);
    if (open) return open.getText();
    try {
      const modified = statSync(path).mtimeMs;
      const known = this.texts.get(path);
      if (known?.modified === modified) return known.text;
      const text = readFileSync(path, 'utf8');
      this.texts.set(path, { modified, text });
      return text;
    } catch {
      return undefined;
    }
  };

  /** The other RASP files of the workspace that load something. */
  async loaders(document: vscode.TextDocument, token: vscode.CancellationToken): Promise<LanguageFile[]> {
    const uris = await vscode.workspace.findFiles('**/*.rasp', '**/node_modules/**', mostFiles, token);
    const files: LanguageFile[] = [];
    for (const { fsPath } of uris) {
      if (token.isCancellationRequested) break;
      const text = fsPath === document.uri.fsPath ? undefined : this.read(fsPath);
      if (text === undefined || !/\bload\b/u.test(text)) continue;
      const open = openDocument(fsPath);
      files.push(open ? this.of(open) : openLanguageFile({ path: fsPath, text }, this.read));
      // Each file takes milliseconds; the editor gets its turn between them.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return files;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

function openDocument(path: string): vscode.TextDocument | undefined {
  return vscode.workspace.textDocuments.find(({ uri, languageId }) => languageId === raspLanguage && uri.fsPath === path);
}

/** Ranges in a text that need not be open, as the editor counts. */
export function rangesIn(text: string): (span: Pick<Span, 'start' | 'end'>) => vscode.Range {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const position = (offset: number): vscode.Position => {
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return new vscode.Position(low - 1, offset - (starts[low - 1] ?? 0));
  };
  return ({ start, end }) => new vscode.Range(position(start), position(end));
}
