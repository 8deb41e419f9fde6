// The language models as the features share them: the process that runs them, the one that is chosen, and what it is doing.
import * as vscode from 'vscode';
import { ModelChoice } from './modelChoice.ts';
import { downloadsFolder } from './modelSettings.ts';
import { ProviderChoice } from './providerChoice.ts';
import type { ModelProcessCalls, Services } from '../services.ts';
import type { ListedModel, ModelAt, ModelProvider, ModelRoot } from '../../lm/workerCalls.ts';
import type { RemoteCalls } from '../../runtime/calls.ts';
import { commands } from '../../shared/contributions.ts';
import type { ModelOrigin } from '../../shared/modelMessages.ts';

export type Activity = 'idle' | 'checking' | 'opening' | 'reading' | 'writing' | 'attributing';

export class LanguageModels implements vscode.Disposable {
  readonly choice: ModelChoice;
  readonly provider: ProviderChoice;
  /** Answers everything about models. Downloads have processes of their own. */
  readonly calls: RemoteCalls<ModelProcessCalls>;
  /** The process that holds the open model, while there is one. */
  hostPid: number | null = null;
  /** Tokens written so far. */
  tokens = 0;
  /** What went wrong and was mended, latest last. */
  readonly notes: string[] = [];
  /** The command that stops what it is doing. */
  stopCommand: string = commands.stopCompletion;
  private doing: Activity = 'idle';
  private opened: ModelAt | null = null;
  private readonly changed = new vscode.EventEmitter<void>();
  /** Another model, or another activity. */
  readonly onDidChange = this.changed.event;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(private readonly services: Services) {
    this.choice = new ModelChoice(services.state);
    this.provider = new ProviderChoice(services);
    this.calls = services.startLanguageModels('language models');
    this.subscriptions = [this.changed, this.choice, this.choice.onDidChange(() => this.onOtherModel())];
  }

  private onOtherModel(): void {
    this.provider.forget();
    this.changed.fire();
  }

  get activity(): Activity {
    return this.doing;
  }

  /** Is this model open, so that its next use begins at once? */
  isOpen(model: ModelAt): boolean {
    return this.opened !== null && this.opened.path === model.path && this.opened.variant === model.variant;
  }

  show(activity: Activity, tokens = 0, stopCommand: string = commands.stopCompletion): void {
    this.stopCommand = stopCommand;
    if (this.doing === activity && this.tokens === tokens) return;
    this.doing = activity;
    this.tokens = tokens;
    this.changed.fire();
  }

  holds(model: ModelAt | null, hostPid: number | null): void {
    this.opened = model;
    this.hostPid = hostPid;
    this.changed.fire();
  }

  /** The model has been opened on that provider. */
  runsOn(chosen: ModelProvider): void {
    this.provider.opened(chosen);
    for (const line of chosen.passedOver) this.services.log.info(line);
    this.changed.fire();
  }

  note(message: string): void {
    this.services.log.info(message);
    this.notes.push(message);
    if (this.notes.length > 100) this.notes.shift();
  }

  /** Where models are looked for, with what that says about them. */
  roots(): readonly ModelRoot[] {
    const shipped = vscode.Uri.joinPath(this.services.extensionUri, 'models').fsPath;
    const current = this.choice.current;
    const opened = [...this.choice.opened, ...(current ? [current.path] : [])];
    return [{ folder: shipped, origin: 'shipped' }, { folder: downloadsFolder(), origin: 'downloaded' }, ...opened.map((folder) => ({ folder, origin: 'opened' as const }))];
  }

  list(): Promise<readonly ListedModel[]> {
    return this.calls.call('list', this.roots());
  }

  /** Where a model came from, by where it lies. */
  originOf(path: string): ModelOrigin {
    const root = this.roots().find(({ folder, origin }) => origin !== 'opened' && isBelow(path, folder));
    return root?.origin ?? 'opened';
  }

  dispose(): void {
    this.calls.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(folder.endsWith('/') || folder.endsWith('\\') ? folder : `${folder}${process.platform === 'win32' ? '\\' : '/'}`);

/** Model files are input to native code: where the workspace is not trusted, says so and how that is changed. */
export function isAllowed(): boolean {
  if (vscode.workspace.isTrusted) return true;
  void sayUntrusted();
  return false;
}

async function sayUntrusted(): Promise<void> {
  const manage = vscode.l10n.t('Manage Workspace Trust');
  const chosen = await vscode.window.showWarningMessage(vscode.l10n.t('No language model runs in a workspace that you have not trusted: native code reads the model’s files, and the folder’s settings may name any file.'), manage);
  if (chosen === manage) await vscode.commands.executeCommand('workbench.trust.manage');
}
