// Open as transformer: the program at the cursor, compiled and run in a process of its own, in a panel.
import * as vscode from 'vscode';
import { programToCompile, saveModel } from './modelExport.ts';
import { PagePanel } from './pagePanel.ts';
import type { ProgramAt } from './programAt.ts';
import { showSource } from './programAt.ts';
import { saveFile } from './saveFile.ts';
import type { Services } from './services.ts';
import type { RemoteWorker } from '../repair/remote.ts';
import type { PictureAnswer } from '../repair/transformerRequest.ts';
import { CancelledError } from '../shared/cancellation.ts';
import { commands, transformerPanel } from '../shared/contributions.ts';
import type { FromTransformerPage, ToTransformerPage, TransformerSettings, TransformerState, TransformerView } from '../shared/transformerMessages.ts';
import { isFromTransformerPage } from '../shared/transformerMessages.ts';

export class TransformerPanel implements vscode.Disposable {
  private readonly panel: PagePanel<FromTransformerPage>;
  private program: (ProgramAt & { readonly text: string }) | null = null;
  private name = '';
  private settings: TransformerSettings | null = null;
  private view: TransformerView = { status: 'empty', message: vscode.l10n.t('No program is open here yet. Put the cursor in one and run “GradLens: Open as Transformer”.') };
  private running: vscode.CancellationTokenSource | null = null;
  private readonly compiler: RemoteWorker;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(private readonly services: Services) {
    this.panel = new PagePanel(services.extensionUri, {
      viewType: transformerPanel,
      page: 'transformer',
      title: vscode.l10n.t('GradLens Transformer'),
      isMessage: isFromTransformerPage,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.post(),
    });
    this.compiler = services.startWorker('compiler');
    this.subscriptions = [
      this.compiler,
      vscode.commands.registerCommand(commands.openTransformer, (uri?: unknown, offset?: unknown) => this.openAt(uri, offset)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.toString() === this.program?.document.uri.toString()) this.post();
      }),
    ];
  }

  /** What the page shows; for tests too. */
  get state(): TransformerState {
    const { program, name, settings, view } = this;
    const file = program && vscode.workspace.asRelativePath(program.document.uri);
    return { program: file === null ? null : { name, file }, settings, view, stale: program !== null && program.document.getText() !== program.text };
  }

  /** The process that compiles, while there is one. */
  get workerPid(): number | undefined {
    return this.compiler.pid;
  }

  private async openAt(uri: unknown, offset: unknown): Promise<void> {
    const program = await programToCompile(uri, offset);
    if (!program) return;
    this.program = { ...program, text: program.document.getText() };
    this.name = '';
    this.settings = null;
    this.panel.reveal();
    await this.run(null);
  }

  /** Compiles the text as it is now, and runs it; a run that is still going is given up. */
  async run(settings: TransformerSettings | null): Promise<void> {
    const { program } = this;
    if (!program) return;
    this.running?.cancel();
    const source = new vscode.CancellationTokenSource();
    this.running = source;
    const { document, dialect, offset } = program;
    const text = document.getText();
    this.program = { ...program, text };
    this.settings = settings ?? this.settings;
    this.change({ status: 'compiling' });
    try {
      const file = { path: document.uri.fsPath, text, dialect };
      const reply = await this.compiler.call({ type: 'transformer', file, offset, settings: this.settings, hostPath: this.services.hostPath }, { token: source.token });
      if (reply.type === 'transformer' && this.running === source) this.take(reply.result);
    } catch (error) {
      if (this.running === source) this.fail(error);
    } finally {
      if (this.running === source) this.running = null;
      source.dispose();
    }
  }

  private take(answer: PictureAnswer): void {
    this.name = answer.name;
    this.settings = answer.settings ?? this.settings;
    this.change(answer.ok ? { status: 'shown', picture: answer.picture } : { status: 'failed', problem: answer.problem });
  }

  private fail(error: unknown): void {
    const cancelled = error instanceof CancelledError;
    if (!cancelled) this.services.log.error(error instanceof Error ? error : String(error));
    const message = cancelled ? vscode.l10n.t('Cancelled. Use a smaller vocabulary or a shorter maximal length, and compile again.') : error instanceof Error ? error.message : String(error);
    this.change({ status: 'failed', problem: { message, field: null, place: null } });
  }

  private change(view: TransformerView): void {
    this.view = view;
    this.post();
  }

  private post(): void {
    const message: ToTransformerPage = { type: 'snapshot', state: this.state };
    void this.panel.post(message);
  }

  private onMessage(message: FromTransformerPage): unknown {
    switch (message.type) {
      case 'ready':
        return this.post();
      case 'run':
        return this.run(message.settings);
      case 'cancel':
        return this.running?.cancel();
      case 'exportSvg':
        return saveFile(`${this.name}.svg`, { SVG: ['svg'] }, new TextEncoder().encode(message.svg));
      case 'exportModel':
        return this.program && saveModel(this.services, this.program, this.settings);
      case 'source':
        return this.program && this.showSource(this.program.document, message.start, message.end);
    }
  }

  private showSource(document: vscode.TextDocument, start: number, end: number): Promise<void> {
    return showSource(document, new vscode.Range(document.positionAt(start), document.positionAt(end)));
  }

  dispose(): void {
    this.running?.cancel();
    this.panel.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}
