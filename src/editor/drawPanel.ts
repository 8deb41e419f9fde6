// Draw: the attention and the flow of values of the s-op or selector at the cursor, in a panel; the loop's draw comes here too.
import * as vscode from 'vscode';
import { dialectOfDocument, rangeOf } from './documents.ts';
import { saveFile } from './saveFile.ts';
import type { Services } from './services.ts';
import { pageHtml, pageOptions } from './webviewPage.ts';
import type { Span } from '../rasp/diagnostic.ts';
import { commands, drawPanel } from '../shared/contributions.ts';
import type { Drawing } from '../shared/drawing.ts';
import type { DrawState, FromDrawPage } from '../shared/drawMessages.ts';
import { isFromDrawPage } from '../shared/drawMessages.ts';

interface Shown {
  readonly drawing: Drawing;
  readonly caption: string;
  readonly source: { readonly uri: vscode.Uri; readonly span: Span } | null;
}

export class DrawPanel implements vscode.Disposable {
  private panel: vscode.WebviewPanel | null = null;
  private shown: Shown | null = null;
  private problem = vscode.l10n.t('Nothing is drawn yet. Put the cursor on an s-op or a selector and run “GradLens: Draw”.');
  private readonly subscription: vscode.Disposable;

  constructor(private readonly services: Services) {
    this.subscription = vscode.commands.registerCommand(commands.draw, () => this.drawAtCursor());
  }

  /** What the page shows; for tests too. */
  get state(): DrawState {
    const { shown } = this;
    return shown ? { drawing: shown.drawing, caption: shown.caption, hasSource: shown.source !== null } : { drawing: null, caption: this.problem, hasSource: false };
  }

  show(shown: Shown): void {
    this.shown = shown;
    this.reveal();
  }

  private async drawAtCursor(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const dialect = editor && dialectOfDocument(editor.document);
    if (!editor || !dialect) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Open a RASP program (.rasp, or a Python file that imports tracr) first.'));
      return;
    }
    if (!vscode.workspace.isTrusted) {
      void vscode.window.showInformationMessage(vscode.l10n.t('A drawing runs the program, so it needs a trusted workspace.'));
      return;
    }
    const { document, selection } = editor;
    const file = { path: document.uri.fsPath, text: document.getText(), dialect };
    try {
      const reply = await this.services.checker.call({ type: 'draw', file, offset: document.offsetAt(selection.active) });
      if (reply.type !== 'drawn') return;
      this.take(document, reply.result);
    } catch (error) {
      this.services.log.error(error instanceof Error ? error : String(error));
      void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
    }
  }

  private take(document: vscode.TextDocument, result: { readonly drawing: Drawing; readonly span: Span } | { readonly problem: string }): void {
    if ('problem' in result) {
      this.shown = null;
      this.problem = result.problem;
      return this.reveal();
    }
    const { drawing, span } = result;
    const name = vscode.workspace.asRelativePath(document.uri);
    this.show({ drawing, caption: name, source: span.file === document.uri.fsPath ? { uri: document.uri, span } : null });
  }

  private reveal(): void {
    if (this.panel) this.panel.reveal(undefined, true);
    else this.open();
    this.post();
  }

  private open(): void {
    const { extensionUri } = this.services;
    const title = vscode.l10n.t('GradLens Drawing');
    const panel = vscode.window.createWebviewPanel(drawPanel, title, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true }, pageOptions(extensionUri));
    panel.iconPath = vscode.Uri.joinPath(extensionUri, 'media', 'icon.svg');
    panel.webview.html = pageHtml(panel.webview, extensionUri, 'draw', title);
    panel.webview.onDidReceiveMessage((message: unknown) => {
      if (isFromDrawPage(message)) void this.onMessage(message);
    });
    panel.onDidChangeViewState(() => {
      if (panel.visible) this.post();
    });
    panel.onDidDispose(() => (this.panel = null));
    this.panel = panel;
  }

  private post(): void {
    void this.panel?.webview.postMessage({ type: 'snapshot', state: this.state });
  }

  private onMessage(message: FromDrawPage): unknown {
    switch (message.type) {
      case 'ready':
        return this.post();
      case 'export':
        return saveFile(`${this.shown?.drawing.name ?? 'drawing'}.svg`, { SVG: ['svg'] }, new TextEncoder().encode(message.svg));
      case 'source':
        return this.showSource();
    }
  }

  private async showSource(): Promise<void> {
    const source = this.shown?.source;
    if (!source) return;
    const document = await vscode.workspace.openTextDocument(source.uri);
    await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.One, selection: rangeOf(document, source.span) });
  }

  dispose(): void {
    this.subscription.dispose();
    this.panel?.dispose();
  }
}
