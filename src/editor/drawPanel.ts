// Draw: the attention and the flow of values of the s-op or selector at the cursor, in a panel; the loop's draw comes here too.
import * as vscode from 'vscode';
import { rangeOf } from './documents.ts';
import { PagePanel } from './pagePanel.ts';
import { programAt, showSource } from './programAt.ts';
import { saveFile } from './saveFile.ts';
import type { Services } from './services.ts';
import type { Span } from '../rasp/diagnostic.ts';
import { commands, drawPanel } from '../shared/contributions.ts';
import type { Drawing } from '../shared/drawing.ts';
import type { DrawState, FromDrawPage, ToDrawPage } from '../shared/drawMessages.ts';
import { isFromDrawPage } from '../shared/drawMessages.ts';

interface Shown {
  readonly drawing: Drawing;
  readonly caption: string;
  readonly source: { readonly uri: vscode.Uri; readonly span: Span } | null;
}

export class DrawPanel implements vscode.Disposable {
  private readonly panel: PagePanel<FromDrawPage>;
  private shown: Shown | null = null;
  private problem = vscode.l10n.t('Nothing is drawn yet. Put the cursor on an s-op or a selector and run “GradLens: Draw”.');
  private readonly subscription: vscode.Disposable;

  constructor(private readonly services: Services) {
    this.panel = new PagePanel(services.extensionUri, {
      viewType: drawPanel,
      page: 'draw',
      title: vscode.l10n.t('GradLens Drawing'),
      isMessage: isFromDrawPage,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.post(),
    });
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
    const program = await programAt(vscode.l10n.t('A drawing runs the program, so it needs a trusted workspace.'));
    if (!program) return;
    const { document, dialect, offset } = program;
    const file = { path: document.uri.fsPath, text: document.getText(), dialect };
    try {
      const reply = await this.services.checker.call({ type: 'draw', file, offset });
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
    this.panel.reveal();
    this.post();
  }

  private post(): void {
    const message: ToDrawPage = { type: 'snapshot', state: this.state };
    void this.panel.post(message);
  }

  private onMessage(message: FromDrawPage): unknown {
    switch (message.type) {
      case 'ready':
        return this.post();
      case 'export':
        return saveFile(`${this.shown?.drawing.name ?? 'drawing'}.svg`, { SVG: ['svg'] }, new TextEncoder().encode(message.svg));
      case 'source':
        return this.shown?.source && this.showSource(this.shown.source);
    }
  }

  private async showSource({ uri, span }: NonNullable<Shown['source']>): Promise<void> {
    const document = await vscode.workspace.openTextDocument(uri);
    await showSource(document, rangeOf(document, span));
  }

  dispose(): void {
    this.subscription.dispose();
    this.panel.dispose();
  }
}
