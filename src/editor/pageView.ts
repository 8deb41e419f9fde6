// A view of the side bar that shows one of our pages: given a whole snapshot whenever it becomes visible.
import * as vscode from 'vscode';
import type { PageContent } from './pagePanel.ts';
import { pageHtml, pageOptions } from './webviewPage.ts';

export class PageView<Message> implements vscode.Disposable {
  private view: vscode.WebviewView | null = null;
  private readonly registration: vscode.Disposable;

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly content: Omit<PageContent<Message>, 'column'>,
  ) {
    this.registration = vscode.window.registerWebviewViewProvider(content.viewType, { resolveWebviewView: (view) => this.open(view) });
  }

  get isVisible(): boolean {
    return this.view?.visible === true;
  }

  /** Sends to the page where it can be seen; what is hidden gets a snapshot when it is shown. */
  async post(message: { readonly type: string }): Promise<void> {
    if (this.isVisible) await this.view?.webview.postMessage(message);
  }

  private open(view: vscode.WebviewView): void {
    const { extensionUri, content } = this;
    this.view = view;
    view.webview.options = pageOptions(extensionUri);
    view.webview.html = pageHtml(view.webview, extensionUri, content);
    view.webview.onDidReceiveMessage((message: unknown) => {
      if (content.isMessage(message)) content.onMessage(message);
    });
    view.onDidChangeVisibility(() => {
      if (view.visible) content.onVisible();
    });
    view.onDidDispose(() => (this.view = null));
  }

  dispose(): void {
    this.registration.dispose();
  }
}
