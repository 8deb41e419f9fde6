// What this model supports: the page about one language model, and what can be done with it there.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { activityText } from './completion.ts';
import type { LanguageModels } from './languageModels.ts';
import { isAllowed } from './languageModels.ts';
import { memoryBudget } from './modelSettings.ts';
import { PagePanel } from '../pagePanel.ts';
import { saveFile } from '../saveFile.ts';
import type { Services } from '../services.ts';
import type { ModelAt } from '../../lm/workerCalls.ts';
import { commands, modelPanel } from '../../shared/contributions.ts';
import type { FromModelPage, ModelFacts, ModelPageAction, ModelPageState, ToModelPage } from '../../shared/modelMessages.ts';
import { isFromModelPage } from '../../shared/modelMessages.ts';

type View = { readonly status: 'loading' } | { readonly status: 'failed'; readonly message: string } | { readonly status: 'shown'; readonly facts: ModelFacts };

export class ModelPanel implements vscode.Disposable {
  private readonly panel: PagePanel<FromModelPage>;
  private at: ModelAt | null = null;
  private view: View = { status: 'loading' };
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
  ) {
    this.panel = new PagePanel(services.extensionUri, {
      viewType: modelPanel,
      page: 'model',
      title: vscode.l10n.t('GradLens Language Model'),
      column: vscode.ViewColumn.Active,
      isMessage: isFromModelPage,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.post(),
    });
    this.subscriptions = [
      vscode.commands.registerCommand(commands.showModel, (at?: ModelAt) => this.open(at)),
      models.onDidChange(() => this.post()),
      vscode.workspace.onDidChangeConfiguration(() => void this.chooseProvider()),
    ];
  }

  /** What the page shows; for tests too. */
  get state(): ModelPageState {
    const { at, view, models } = this;
    if (!at) return { status: 'empty' };
    const origin = models.originOf(at.path);
    if (view.status === 'loading') return { status: 'loading', path: at.path };
    if (view.status === 'failed') return { status: 'failed', path: at.path, message: view.message, origin };
    const { facts } = view;
    const current = models.choice.current;
    const inUse = current?.path === facts.path && (current.variant === facts.variant || (current.variant === null && at.variant === null));
    const activity = models.isOpen({ path: facts.path, variant: current?.variant ?? null }) && models.activity === 'idle' ? vscode.l10n.t('open') : activityText(models);
    return { status: 'shown', facts, origin, inUse, activity: inUse ? activity : '', provider: models.provider.last };
  }

  private async open(at?: ModelAt): Promise<void> {
    if (!isAllowed()) return;
    const shown = at ?? this.models.choice.current;
    if (!shown) {
      this.at = null;
      return this.reveal();
    }
    await this.load(shown);
  }

  private async load(at: ModelAt): Promise<void> {
    this.at = at;
    this.view = { status: 'loading' };
    this.reveal();
    const view = await this.read(at);
    if (this.at !== at) return;
    this.view = view;
    this.post();
    if (view.status === 'shown') await this.chooseProvider();
  }

  private async read(at: ModelAt): Promise<View> {
    try {
      const answer = await this.models.calls.call('facts', { ...at, memoryBudgetBytes: memoryBudget() });
      return answer.ok ? { status: 'shown', facts: answer.facts } : { status: 'failed', message: answer.problem.message };
    } catch (error) {
      return { status: 'failed', message: error instanceof Error ? error.message : String(error) };
    }
  }

  private async chooseProvider(): Promise<void> {
    if (!this.panel.isOpen || this.view.status !== 'shown') return;
    await this.models.provider.examine();
    this.post();
  }

  private reveal(): void {
    this.panel.reveal();
    this.post();
  }

  private post(): void {
    const message: ToModelPage = { type: 'snapshot', state: this.state };
    void this.panel.post(message);
  }

  async onMessage(message: FromModelPage): Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.post();
      case 'variant':
        return this.at ? this.load({ path: this.at.path, variant: message.variant }) : undefined;
      case 'export':
        await saveFile(`${path.basename(this.at?.path ?? 'model')}-sites.csv`, { CSV: ['csv'] }, new TextEncoder().encode(message.csv));
        return;
      case 'action':
        return this.act(message.action);
    }
  }

  private async act(action: ModelPageAction): Promise<void> {
    const { at, view } = this;
    switch (action) {
      case 'select':
      case 'download': {
        const picked = await vscode.commands.executeCommand<ModelAt | undefined>(action === 'select' ? commands.selectModel : commands.downloadModel);
        return picked ? this.load(picked) : undefined;
      }
      case 'retry':
        return at ? this.load(at) : undefined;
      case 'use':
        return view.status === 'shown' ? this.models.choice.pick({ path: view.facts.path, variant: view.facts.variant }) : undefined;
      case 'open':
        return at ? openFolder(at.path) : undefined;
      case 'delete':
        return at ? this.askToDelete(at.path) : undefined;
    }
  }

  private async askToDelete(folder: string): Promise<void> {
    if (this.models.originOf(folder) !== 'downloaded') return;
    const move = vscode.l10n.t('Move to Trash');
    const detail = vscode.l10n.t('{0}\n\nAll of its variants go. It can be downloaded again.', folder);
    const chosen = await vscode.window.showWarningMessage(vscode.l10n.t('Delete the model “{0}”?', path.basename(folder)), { modal: true, detail }, move);
    if (chosen === move) await this.delete(folder);
  }

  /** To the trash; where there is none, for good after another question. */
  async delete(folder: string): Promise<void> {
    const uri = vscode.Uri.file(folder);
    // A file that is open cannot be deleted everywhere.
    await this.models.calls.call('close', null);
    this.models.holds(null, null);
    try {
      await vscode.workspace.fs.delete(uri, { recursive: true, useTrash: true });
    } catch (error) {
      this.services.log.info(error instanceof Error ? error.message : String(error));
      const good = vscode.l10n.t('Delete for Good');
      const detail = vscode.l10n.t('There is no trash where it lies, or none that takes it:\n{0}\n\nIt can be downloaded again.', folder);
      const chosen = await vscode.window.showWarningMessage(vscode.l10n.t('Delete the model “{0}” for good?', path.basename(folder)), { modal: true, detail }, good);
      if (chosen !== good || !(await deleted(uri))) return;
    }
    await this.models.choice.forget(folder);
    if (this.at?.path === folder) await this.open();
  }

  dispose(): void {
    this.panel.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

async function deleted(uri: vscode.Uri): Promise<boolean> {
  try {
    await vscode.workspace.fs.delete(uri, { recursive: true });
    return true;
  } catch (error) {
    void vscode.window.showErrorMessage(vscode.l10n.t('“{0}” could not be deleted: {1}', uri.fsPath, error instanceof Error ? error.message : String(error)));
    return false;
  }
}

/** Where VS Code runs beside the files the system's file manager shows them, else another window. */
async function openFolder(folder: string): Promise<void> {
  const uri = vscode.Uri.file(folder);
  const isLocal = vscode.env.uiKind === vscode.UIKind.Desktop && vscode.env.remoteName === undefined;
  await vscode.commands.executeCommand(isLocal ? 'revealFileInOS' : 'vscode.openFolder', uri, ...(isLocal ? [] : [{ forceNewWindow: true }]));
}
