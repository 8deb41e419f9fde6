// Make a vector from contrast pairs: asks for the file and the method, runs it, and puts the vector on the list.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { methodText } from './methodText.ts';
import type { VectorList } from './vectorList.ts';
import { stoppable } from '../models/completion.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import { isAllowed } from '../models/languageModels.ts';
import { attributionSettings, memoryBudget } from '../models/modelSettings.ts';
import type { Services } from '../services.ts';
import type { ModelAt } from '../../lm/workerCalls.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { commands, steeringView } from '../../shared/contributions.ts';
import type { Making } from '../../shared/steeringMessages.ts';
import type { MakingEvent, MakingMethod, MakingResult } from '../../steering/workerCalls.ts';

export type MakingOutcome = { readonly status: 'made'; readonly id: string } | { readonly status: 'failed'; readonly message: string } | { readonly status: 'stopped' };

export class VectorMaking implements vscode.Disposable {
  /** What is being made. */
  making: Making | null = null;
  private cancellation: vscode.CancellationTokenSource | null = null;
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
    private readonly vectors: VectorList,
  ) {}

  cancel(): void {
    this.cancellation?.cancel();
  }

  /** Asks for what is not given. */
  async make(given?: vscode.Uri, wanted?: MakingMethod): Promise<MakingOutcome | undefined> {
    if (!isAllowed()) return undefined;
    if (this.cancellation) {
      void vscode.window.showInformationMessage(vscode.l10n.t('A vector is being made already. Wait for it, or cancel it in the Steering view.'));
      return undefined;
    }
    const model = this.models.choice.current ?? (await vscode.commands.executeCommand<ModelAt | undefined>(commands.selectModel));
    const pairs = model && (given ?? (await askPairs()));
    const method = pairs && (wanted ?? (await askMethod()));
    if (!method) return undefined;
    this.cancellation = new vscode.CancellationTokenSource();
    try {
      return await this.run(model, pairs, method, this.cancellation.token);
    } finally {
      this.cancellation.dispose();
      this.cancellation = null;
      this.show(null);
      this.models.show('idle');
    }
  }

  private async run(model: ModelAt, pairs: vscode.Uri, method: MakingMethod, token: vscode.CancellationToken): Promise<MakingOutcome> {
    const target = await this.vectors.freeName(`${path.basename(pairs.fsPath).replace(/(?:\.pairs)?\.jsonl?$/iu, '')} ${methodText(method)}`);
    this.show({ label: vscode.l10n.t('Checking providers'), done: 0, total: 0 });
    void vscode.commands.executeCommand(`${steeringView}.focus`);
    const { provider } = await this.models.provider.choose();
    const request = { model, provider, memoryBudgetBytes: memoryBudget(), pairs: pairs.fsPath, target, method, attribution: attributionSettings() };
    const calling = this.models.calls.call('makeVector', request, { token, whenCancelled: 'ask', onEvent: (event) => this.onEvent(event, model, token) });
    try {
      const result = await vscode.window.withProgress({ location: { viewId: steeringView } }, () => stoppable(calling, token));
      return await this.told(result, target);
    } catch (error) {
      return error instanceof CancelledError ? { status: 'stopped' } : this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  private onEvent(event: MakingEvent, model: ModelAt, token: vscode.CancellationToken): void {
    if (event.type === 'note') return this.models.note(event.message);
    if (event.type === 'host') return this.models.holds(model, event.pid);
    if (event.type === 'provider') return this.models.runsOn(event);
    if (token.isCancellationRequested) return;
    if (event.type === 'opening') {
      this.models.holds(null, null);
      return this.show({ label: vscode.l10n.t('Opening the model'), done: 0, total: 0 });
    }
    this.models.show('attributing', 0, commands.cancelVector);
    const label = event.stage === 'attribution' ? vscode.l10n.t('Attributing pairs') : vscode.l10n.t('Reading the model’s states');
    return this.show({ label, done: event.done, total: event.total });
  }

  private async told(result: MakingResult | null, target: string): Promise<MakingOutcome> {
    if (result === null) return { status: 'stopped' };
    if (!result.ok) return this.fail(result.message);
    const { incomplete, pairs, without } = result;
    const id = path.basename(target);
    if (incomplete !== null && incomplete > 0) this.services.log.warn(vscode.l10n.t('{0}: the attribution of {1} of {2} pairs leaves more than 5 % unexplained.', id, incomplete, pairs));
    if (without.length > 0) this.services.log.warn(vscode.l10n.t('{0}: no direction at the layers {1}.', id, without.join(', ')));
    await this.vectors.turnOn(id);
    return { status: 'made', id };
  }

  private fail(message: string): MakingOutcome {
    this.services.log.error(message);
    void vscode.window.showErrorMessage(message);
    return { status: 'failed', message };
  }

  private show(making: Making | null): void {
    this.making = making;
    this.changed.fire();
  }

  dispose(): void {
    this.cancel();
    this.changed.dispose();
  }
}

async function askPairs(): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const [file] = (await vscode.window.showOpenDialog({
    title: vscode.l10n.t('Contrast pairs: one {"prompt", "preferred", "dispreferred"} a line'),
    filters: { [vscode.l10n.t('Contrast pairs')]: ['jsonl', 'json'] },
    openLabel: vscode.l10n.t('Make a Vector'),
    ...(folder ? { defaultUri: folder } : {}),
  })) ?? [];
  return file;
}

async function askMethod(): Promise<MakingMethod | undefined> {
  const items: (vscode.QuickPickItem & { readonly method: MakingMethod })[] = [
    { label: methodText('grains'), description: vscode.l10n.t('attribution first'), detail: vscode.l10n.t('Hides the tokens that push the answers most, and takes the direction of what the model loses'), method: 'grains' },
    { label: methodText('caa'), description: vscode.l10n.t('fast'), detail: vscode.l10n.t('The mean difference between the model’s states after the two answers'), method: 'caa' },
  ];
  return (await vscode.window.showQuickPick(items, { title: vscode.l10n.t('How is the vector made?'), matchOnDetail: true }))?.method;
}
