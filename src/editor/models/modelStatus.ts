// The status bar's item: which language model, on which provider, and what it is doing.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { activityText } from './completion.ts';
import type { LanguageModels } from './languageModels.ts';
import { memoryBudget } from './modelSettings.ts';
import { dialectOfDocument } from '../documents.ts';
import type { ModelFacts } from '../../shared/modelMessages.ts';
import { commands, modelStatus } from '../../shared/contributions.ts';
import { sizeText } from '../../shared/sizeText.ts';

export class ModelStatus implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem(modelStatus, vscode.StatusBarAlignment.Right, 90);
  /** Of the model whose path and variant the key says. */
  private known: { readonly key: string; readonly facts: ModelFacts | null } | null = null;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(private readonly models: LanguageModels) {
    this.item.name = vscode.l10n.t('GradLens Language Model');
    this.subscriptions = [
      this.item,
      models.onDidChange(() => this.update()),
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
      vscode.workspace.onDidOpenTextDocument(() => this.update()),
    ];
    this.update();
  }

  /** For tests. */
  get text(): string {
    return this.item.text;
  }

  private update(): void {
    const { models, item } = this;
    const chosen = models.choice.current;
    const document = vscode.window.activeTextEditor?.document;
    if (!chosen && !(document && dialectOfDocument(document))) return item.hide();
    const busy = models.activity !== 'idle';
    const name = chosen ? path.basename(chosen.path) : vscode.l10n.t('No model');
    const provider = chosen && models.provider.last ? ` · ${models.provider.last.provider}` : '';
    item.text = `$(${busy ? 'sync~spin' : 'sparkle'}) ${name}${provider}${busy ? ` · ${activityText(models)}` : ''}`;
    item.command = busy ? models.stopCommand : commands.selectModel;
    item.tooltip = this.tooltip();
    item.accessibilityInformation = { label: vscode.l10n.t('Language model: {0}, {1}', name, activityText(models)), role: 'button' };
    item.show();
    // Nothing is started for a tooltip's sake.
    if (chosen && models.calls.pid !== undefined) void this.learn();
  }

  private tooltip(): vscode.MarkdownString {
    const { models } = this;
    const chosen = models.choice.current;
    const text = new vscode.MarkdownString('', true);
    if (!chosen) {
      return text.appendText(vscode.l10n.t('No language model is chosen. RASP programs need none. Click to choose one.'));
    }
    const rows = [
      [vscode.l10n.t('Model'), chosen.variant === null || chosen.variant === 'default' ? path.basename(chosen.path) : `${path.basename(chosen.path)} (${chosen.variant})`],
      [vscode.l10n.t('Device'), models.provider.last ? `${models.provider.last.provider}. ${models.provider.last.why}` : vscode.l10n.t('found out when the model is first used')],
      [vscode.l10n.t('Memory'), this.memoryText()],
      [vscode.l10n.t('State'), this.stateText()],
      [vscode.l10n.t('Folder'), chosen.path],
    ];
    for (const [name = '', value = ''] of rows) text.appendMarkdown(`**${name}:** ${escaped(value)}  \n`);
    const click = models.activity === 'idle' ? vscode.l10n.t('Click to choose another model.') : vscode.l10n.t('Click to stop.');
    return text.appendMarkdown('\n').appendText(click);
  }

  private memoryText(): string {
    const facts = this.known?.facts;
    if (!facts) return '–';
    const { weights, cache, budget } = facts.memory;
    return vscode.l10n.t('{0} of weights, {1} for a full context; budget {2}', sizeText(weights), cache === null ? '–' : sizeText(cache), sizeText(budget));
  }

  private stateText(): string {
    const { models } = this;
    const chosen = models.choice.current;
    if (models.activity !== 'idle') return activityText(models);
    if (!chosen || !models.isOpen(chosen)) return vscode.l10n.t('not open yet: it is opened when it is first used');
    return models.hostPid === null ? vscode.l10n.t('open') : vscode.l10n.t('open, in process {0}', models.hostPid);
  }

  /** Reads what the tooltip says of the model, once a model. */
  private async learn(): Promise<void> {
    const { current } = this.models.choice;
    const key = JSON.stringify(current);
    if (!current || this.known?.key === key || !vscode.workspace.isTrusted) return;
    this.known = { key, facts: null };
    const answer = await this.models.calls.call('facts', { ...current, memoryBudgetBytes: memoryBudget() }).catch(() => null);
    if (this.known.key !== key || !answer?.ok) return;
    this.known = { key, facts: answer.facts };
    this.item.tooltip = this.tooltip();
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

/** As Markdown that shows the text as it is, and breaks its lines between words. */
const escaped = (text: string): string => text.replaceAll(/[\\`*_{}[\]()#+\-!~<>|$&]/gu, (mark) => `\\${mark}`);
