// Open RASP REPL: RASP's interactive loop in a terminal of the editor; evaluates in a process of its own.
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { DrawPanel } from './drawPanel.ts';
import { LineEditor } from './lineEditor.ts';
import type { Services } from './services.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { ReplReply } from '../rasp/repl/session.ts';
import type { RemoteWorker } from '../repair/remote.ts';
import type { ReplRequest } from '../repair/workerProtocol.ts';
import { CancelledError } from '../shared/cancellation.ts';
import { commands, raspLanguage } from '../shared/contributions.ts';

const historyKey = 'repl.history';
const defaultColumns = 80;

export class ReplTerminal implements vscode.Pseudoterminal {
  private readonly written = new vscode.EventEmitter<string>();
  private readonly closed = new vscode.EventEmitter<void>();
  readonly onDidWrite = this.written.event;
  readonly onDidClose = this.closed.event;
  private readonly worker: RemoteWorker;
  private readonly editor: LineEditor;
  private readonly opening: Extract<ReplRequest['step'], { kind: 'open' }>;
  /** What the session has taken, to make it anew when its process had to be ended. */
  private readonly taken: ReplRequest['step'][] = [];
  private running: vscode.CancellationTokenSource | null = null;
  private columns = defaultColumns;
  private isClosed = false;

  constructor(
    private readonly services: Services,
    private readonly drawings: DrawPanel,
    consolePath: string,
    file: SourceFile | null,
  ) {
    this.opening = { kind: 'open', consolePath, file };
    this.worker = services.startWorker('repl');
    const history = [...services.state.get<readonly string[]>(historyKey, [])];
    const listener = { onLine: (text: string) => void this.line(text), onCancel: () => void this.cancel(), onEnd: () => this.end() };
    this.editor = new LineEditor((text) => this.written.fire(text), () => this.columns, listener, history);
  }

  /** The process that evaluates, while there is one. */
  get workerPid(): number | undefined {
    return this.worker.pid;
  }

  get isRunning(): boolean {
    return this.running !== null;
  }

  open(dimensions: vscode.TerminalDimensions | undefined): void {
    this.columns = dimensions?.columns ?? defaultColumns;
    void this.step(this.opening);
  }

  setDimensions({ columns }: vscode.TerminalDimensions): void {
    this.columns = columns;
  }

  handleInput(data: string): void {
    this.editor.input(data);
  }

  private async line(text: string): Promise<void> {
    void this.services.state.update(historyKey, this.editor.history.slice(-200));
    await this.step({ kind: 'line', text });
  }

  /** One step of the session, its text and the next prompt. */
  private async step(step: ReplRequest['step']): Promise<void> {
    const running = new vscode.CancellationTokenSource();
    this.running = running;
    try {
      const reply = await this.call(step, running.token);
      if (step.kind !== 'open') this.taken.push(step);
      this.show(reply);
    } catch (error) {
      if (!this.isClosed) await this.recover(error);
    } finally {
      if (this.running === running) this.running = null;
      running.dispose();
    }
  }

  private async call(step: ReplRequest['step'], token?: vscode.CancellationToken): Promise<ReplReply> {
    const answer = await this.worker.call({ type: 'repl', step }, token ? { token } : {});
    if (answer.type !== 'repl') throw new Error(`an answer of another kind: ${answer.type}`);
    return answer.reply;
  }

  private show({ text, prompt, ended, drawings }: ReplReply): void {
    this.print(text);
    const drawing = drawings.at(-1);
    if (drawing) this.drawings.show({ drawing, caption: vscode.l10n.t('from the interactive loop'), source: null });
    if (ended) this.end();
    else this.editor.prompt(prompt);
  }

  private print(text: string): void {
    const coloured = text.replaceAll(/^\t+!!.*$/gmu, '\u001b[31m$&\u001b[0m');
    this.written.fire(coloured.replaceAll('\n', '\r\n'));
  }

  private async cancel(): Promise<void> {
    if (this.running) this.running.cancel();
    else await this.step({ kind: 'cancel' });
  }

  /** The process has ended, with the session: what was taken so far makes the same session again. */
  private async recover(error: unknown): Promise<void> {
    if (!(error instanceof CancelledError)) this.print(`\t\t!!${error instanceof Error ? error.message : String(error)}\n`);
    try {
      await this.call(this.opening);
      for (const step of this.taken) await this.call(step);
      this.show(await this.call({ kind: 'cancel' }));
    } catch (failure) {
      if (this.isClosed) return;
      this.services.log.error(failure instanceof Error ? failure : String(failure));
      this.print(`${vscode.l10n.t('The interactive loop cannot be continued; open another one.')}\n`);
    }
  }

  private end(): void {
    this.closed.fire();
    this.close();
  }

  close(): void {
    this.isClosed = true;
    this.worker.dispose();
  }
}

export function registerRepl(services: Services, drawings: DrawPanel): vscode.Disposable {
  return vscode.commands.registerCommand(commands.repl, () => {
    if (!vscode.workspace.isTrusted) {
      void vscode.window.showInformationMessage(vscode.l10n.t('The interactive loop runs programs, so it needs a trusted workspace.'));
      return undefined;
    }
    const document = vscode.window.activeTextEditor?.document;
    const file = document?.languageId === raspLanguage ? { path: fileName(document), text: document.getText() } : null;
    const pty = new ReplTerminal(services, drawings, path.join(folderOf(document), '<console>'), file);
    const name = file ? vscode.l10n.t('RASP: {0}', path.basename(file.path)) : 'RASP';
    const terminal = vscode.window.createTerminal({ name, pty, iconPath: new vscode.ThemeIcon('symbol-operator') });
    terminal.show();
    return pty;
  });
}

/** What `load` would call it; an unsaved document has no ending. */
function fileName({ fileName: name }: vscode.TextDocument): string {
  return name.endsWith('.rasp') ? name : `${name}.rasp`;
}

/** Where `load` looks first: beside the file at hand, or in the workspace. */
function folderOf(document: vscode.TextDocument | undefined): string {
  if (document?.uri.scheme === 'file') return path.dirname(document.uri.fsPath);
  return vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '';
}
