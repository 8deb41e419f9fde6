// A panel that shows one of our pages: opened once, brought to the front, given a whole snapshot whenever it becomes visible.
import * as vscode from 'vscode';
import { pageHtml, pageOptions } from './webviewPage.ts';

export interface PageContent<Message> {
  /** The panel's id, of the contributions. */
  readonly viewType: string;
  /** The folder under webview/. */
  readonly page: string;
  readonly title: string;
  /** By default beside the editor, which then keeps the focus. */
  readonly column?: vscode.ViewColumn;
  /** The page makes pictures out of its own data. */
  readonly images?: boolean;
  readonly isMessage: (message: unknown) => message is Message;
  readonly onMessage: (message: Message) => unknown;
  /** The page is visible again, and has forgotten everything. */
  readonly onVisible: () => unknown;
}

export class PagePanel<Message> implements vscode.Disposable {
  private panel: vscode.WebviewPanel | null = null;

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly content: PageContent<Message>,
  ) {}

  get isOpen(): boolean {
    return this.panel !== null;
  }

  reveal(): void {
    if (this.panel) this.panel.reveal(undefined, this.content.column === undefined);
    else this.panel = this.open();
  }

  /** Sends to the page, while there is one. */
  async post(message: { readonly type: string }): Promise<void> {
    await this.panel?.webview.postMessage(message);
  }

  private open(): vscode.WebviewPanel {
    const { extensionUri, content } = this;
    const place = content.column ?? { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const panel = vscode.window.createWebviewPanel(content.viewType, content.title, place, pageOptions(extensionUri));
    panel.iconPath = vscode.Uri.joinPath(extensionUri, 'media', 'icon.svg');
    panel.webview.html = pageHtml(panel.webview, extensionUri, content);
    panel.webview.onDidReceiveMessage((message: unknown) => {
      if (content.isMessage(message)) content.onMessage(message);
    });
    panel.onDidChangeViewState(() => {
      if (panel.visible) content.onVisible();
    });
    panel.onDidDispose(() => (this.panel = null));
    return panel;
  }

  dispose(): void {
    this.panel?.dispose();
  }
}
