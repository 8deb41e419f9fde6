// One attribution under way: its calls to the process of the language models, and how far it is, at the text and in words.
import * as vscode from 'vscode';
import type { AttributedText } from './attributedText.ts';
import type { GivenAnswers } from './attributionRequest.ts';
import { stoppable } from '../models/completion.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import { attributionSettings, memoryBudget } from '../models/modelSettings.ts';
import type { Services } from '../services.ts';
import type { ModelAt } from '../../lm/workerCalls.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { commands } from '../../shared/contributions.ts';
import { sizeText } from '../../shared/sizeText.ts';
import type { AttributionCallResult, AttributionEvent, Failure, LikelyResult, PromptRequest } from '../../steering/workerCalls.ts';

export interface RunParts {
  readonly services: Services;
  readonly models: LanguageModels;
  readonly model: ModelAt;
  readonly document: vscode.TextDocument;
  readonly text: AttributedText;
}

export interface RunProgress {
  readonly step: string;
  readonly done: number;
  readonly total: number;
}

const LIKELY = 8;

export class AttributionRun implements vscode.Disposable {
  progress: RunProgress = { step: '', done: 0, total: 0 };
  private readonly cancellation = new vscode.CancellationTokenSource();
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  private readonly hint = vscode.window.createTextEditorDecorationType({});

  constructor(private readonly parts: RunParts) {}

  get file(): string {
    return vscode.workspace.asRelativePath(this.parts.document.uri);
  }

  cancel(): void {
    this.cancellation.cancel();
  }

  /** Null where it was stopped. */
  async likely(): Promise<LikelyResult | null> {
    return this.calling(async (request, token) => this.parts.models.calls.call('likely', { ...request, count: LIKELY }, { token, whenCancelled: 'ask', onEvent: (event) => this.onEvent(event) }));
  }

  /** Null where it was stopped. */
  async attribute(answers: GivenAnswers | null): Promise<AttributionCallResult | null> {
    return this.calling(async (request, token) => this.parts.models.calls.call('attribute', { ...request, ...attributionSettings(), answers }, { token, whenCancelled: 'ask', onEvent: (event) => this.onEvent(event) }));
  }

  private async calling<T>(call: (request: PromptRequest, token: vscode.CancellationToken) => Promise<T | Failure>): Promise<T | Failure | null> {
    const { models, model, text: { text, asMessage, image } } = this.parts;
    const { token } = this.cancellation;
    this.show(vscode.l10n.t('checking providers'), 'checking');
    try {
      const { provider } = await models.provider.choose();
      this.show(vscode.l10n.t('reading the text'), 'reading');
      return await stoppable(call({ model, provider, memoryBudgetBytes: memoryBudget(), text, asMessage, image }, token), token);
    } catch (error) {
      if (error instanceof CancelledError) return null;
      if (models.calls.pid === undefined) models.holds(null, null);
      return { ok: false, message: error instanceof Error ? error.message : String(error) };
    }
  }

  private onEvent(event: AttributionEvent): void {
    const { models, model } = this.parts;
    if (event.type === 'note') return models.note(event.message);
    if (event.type === 'host') return models.holds(model, event.pid);
    if (event.type === 'provider') return models.runsOn(event);
    if (this.cancellation.token.isCancellationRequested) return;
    switch (event.type) {
      case 'opening':
        models.holds(null, null);
        return this.show(vscode.l10n.t('opening the model'), 'opening');
      case 'plan':
        return this.show(vscode.l10n.t('{0} gradients, about {1} of memory', event.points, sizeText(event.bytes)), 'attributing', { done: 0, total: event.points });
      case 'points':
        return this.show(vscode.l10n.t('{0} of {1} gradients', event.done, event.total), 'attributing', event);
    }
  }

  private show(step: string, activity: 'checking' | 'opening' | 'reading' | 'attributing', { done, total }: Pick<RunProgress, 'done' | 'total'> = { done: 0, total: 0 }): void {
    const { models, document, text } = this.parts;
    this.progress = { step, done, total };
    models.show(activity, 0, commands.stopAttribution);
    const lines = text.text.split('\n').length - 1;
    const end = document.lineAt(Math.min(document.lineCount - 1, document.positionAt(text.offset).line + lines)).range.end;
    const contentText = `  ${vscode.l10n.t('attributing: {0}', step)} · ${vscode.l10n.t('Esc stops')}`;
    for (const editor of this.editors()) editor.setDecorations(this.hint, [{ range: new vscode.Range(end, end), renderOptions: { after: { contentText, color: new vscode.ThemeColor('editorGhostText.foreground'), fontStyle: 'italic' } } }]);
    this.changed.fire();
  }

  private editors(): readonly vscode.TextEditor[] {
    return vscode.window.visibleTextEditors.filter(({ document }) => document === this.parts.document);
  }

  dispose(): void {
    this.hint.dispose();
    this.changed.dispose();
    this.cancellation.dispose();
  }
}
