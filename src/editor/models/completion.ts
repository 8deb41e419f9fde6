// Complete with language model: the text before the cursor goes on in the document, token by token, until it ends or is stopped.
import * as vscode from 'vscode';
import { GrowingText } from './growingText.ts';
import type { LanguageModels } from './languageModels.ts';
import { isAllowed } from './languageModels.ts';
import { completionSettings, memoryBudget } from './modelSettings.ts';
import type { Services } from '../services.ts';
import type { CompletionEvent, CompletionResult, ModelAt } from '../../lm/workerCalls.ts';
import { CancelledError } from '../../shared/cancellation.ts';
import { commands, contextKeys } from '../../shared/contributions.ts';

/** Characters before the cursor that are given to the model, which takes as many as its context holds. */
const MOST_CHARACTERS = 200_000;
const MESSAGE_MS = 8000;
const PAINT_MS = 50;

export type CompletionOutcome =
  | { readonly status: 'done' | 'stopped'; readonly text: string; readonly tokens: number }
  | { readonly status: 'failed'; readonly message: string };

interface Running {
  readonly cancellation: vscode.CancellationTokenSource;
  readonly text: GrowingText;
}

export class Completion implements vscode.Disposable {
  private running: Running | null = null;
  private painting: NodeJS.Timeout | null = null;
  /** What the status bar says of the last text. */
  private message: vscode.Disposable | null = null;
  /** Both grow with the text, and so are never behind it. High contrast has a border instead of a ground. */
  private readonly mark = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor('editor.wordHighlightBackground'),
    borderWidth: '1px', borderStyle: 'dotted', borderColor: new vscode.ThemeColor('editor.wordHighlightBorder'),
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedOpen,
  });
  private readonly hint = vscode.window.createTextEditorDecorationType({ rangeBehavior: vscode.DecorationRangeBehavior.ClosedOpen });
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
  ) {
    this.subscriptions = [
      this.mark,
      this.hint,
      vscode.commands.registerCommand(commands.complete, () => this.complete()),
      vscode.commands.registerCommand(commands.stopCompletion, () => this.stop()),
    ];
  }

  stop(): void {
    this.running?.cancellation.cancel();
  }

  /** Continues the text at the cursor of the active editor; asks for a model where none is chosen. */
  async complete(): Promise<CompletionOutcome | undefined> {
    if (!isAllowed()) return undefined;
    const editor = vscode.window.activeTextEditor;
    if (!editor) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Open a text and put the cursor where it is to go on.'));
      return undefined;
    }
    const model = this.models.choice.current ?? (await vscode.commands.executeCommand<ModelAt | undefined>(commands.selectModel));
    if (!model) return undefined;
    this.stop();
    this.message?.dispose();
    const cancellation = new vscode.CancellationTokenSource();
    const text = new GrowingText(editor, editor.document.offsetAt(editor.selection.end), (reason) => this.onGone(reason, cancellation));
    const running: Running = { cancellation, text };
    this.running = running;
    await vscode.commands.executeCommand('setContext', contextKeys.completing, true);
    try {
      return await this.run(running, model);
    } finally {
      text.dispose();
      cancellation.dispose();
      if (this.running === running) await this.end(editor);
    }
  }

  private async end(editor: vscode.TextEditor): Promise<void> {
    this.running = null;
    this.models.show('idle');
    for (const type of [this.mark, this.hint]) editor.setDecorations(type, []);
    await vscode.commands.executeCommand('setContext', contextKeys.completing, false);
  }

  private async run(running: Running, model: ModelAt): Promise<CompletionOutcome> {
    const { text, cancellation } = running;
    const watch = vscode.Disposable.from(text.onDidMove(() => this.paintSoon(running)), this.models.onDidChange(() => this.paintSoon(running)));
    const prompt = promptBefore(text);
    try {
      this.models.show('checking');
      const { provider } = await this.models.provider.choose();
      const request = { model, provider, memoryBudgetBytes: memoryBudget(), ...prompt, ...completionSettings() };
      const calling = this.models.calls.call('complete', request, { token: cancellation.token, whenCancelled: 'ask', onEvent: (event) => this.onEvent(event, running, model) });
      const result = await stoppable(calling, cancellation.token);
      await text.written();
      return this.told(result, model);
    } catch (error) {
      await text.written();
      return this.failed(error, model);
    } finally {
      watch.dispose();
    }
  }

  private onEvent(event: CompletionEvent, { text, cancellation }: Running, model: ModelAt): void {
    if (event.type === 'note') return this.models.note(event.message);
    if (event.type === 'host') return this.models.holds(model, event.pid);
    if (event.type === 'provider') return this.models.runsOn(event);
    if (cancellation.token.isCancellationRequested) return;
    switch (event.type) {
      case 'opening':
        this.models.holds(null, null);
        return this.models.show('opening');
      case 'prompt':
        if (event.left > 0) this.services.log.info(vscode.l10n.t('The first {0} characters do not fit the model’s context and are left out.', event.left));
        if (event.asMessage) text.append(gapBefore(text));
        return this.models.show('reading');
      case 'text':
        text.append(event.text);
        return this.models.show('writing', event.tokens);
    }
  }

  /** Soon, and not more often than can be seen. */
  private paintSoon(running: Running): void {
    this.painting ??= setTimeout(() => {
      this.painting = null;
      this.paint(running);
    }, PAINT_MS);
  }

  private paint(running: Running): void {
    if (this.running !== running) return;
    const { editor, range } = running.text;
    const contentText = `  ${vscode.l10n.t('Esc stops')} · ${activityText(this.models)}`;
    editor.setDecorations(this.mark, range.isEmpty ? [] : [range]);
    editor.setDecorations(this.hint, [{ range, renderOptions: { after: { contentText, color: new vscode.ThemeColor('editorCodeLens.foreground'), fontStyle: 'italic' } } }]);
    if (editor.selection.active.isEqual(range.end)) editor.revealRange(new vscode.Range(range.end, range.end), vscode.TextEditorRevealType.Default);
  }

  private onGone(reason: 'changed' | 'closed' | 'refused', cancellation: vscode.CancellationTokenSource): void {
    cancellation.cancel();
    if (reason === 'refused') void vscode.window.showWarningMessage(vscode.l10n.t('The document takes no changes, so the text was not written. Is it read-only?'));
    if (reason === 'changed') this.say(vscode.l10n.t('$(info) Stopped: the text was changed where it was being written.'));
  }

  private say(message: string): void {
    this.message?.dispose();
    this.message = vscode.window.setStatusBarMessage(message, MESSAGE_MS);
  }

  private told(result: CompletionResult | null, model: ModelAt): CompletionOutcome {
    if (result === null) {
      this.say(vscode.l10n.t('$(circle-slash) Stopped after {0} tokens', this.models.tokens));
      return { status: 'stopped', text: '', tokens: this.models.tokens };
    }
    if (!result.ok) return this.failed(new Error(result.message), model);
    this.say(summary(result));
    this.services.log.info(summary(result).replace(/^\$\([\w-]+\) /u, ''));
    return { status: result.end.reason === 'cancelled' ? 'stopped' : 'done', text: result.text, tokens: result.tokens };
  }

  private failed(error: unknown, model: ModelAt): CompletionOutcome {
    if (error instanceof CancelledError) return { status: 'stopped', text: '', tokens: this.models.tokens };
    const message = error instanceof Error ? error.message : String(error);
    if (this.models.calls.pid === undefined) this.models.holds(null, null);
    this.services.log.error(`${model.path}: ${message}`);
    void this.offer(message);
    return { status: 'failed', message };
  }

  private async offer(message: string): Promise<void> {
    const again = vscode.l10n.t('Try Again');
    const other = vscode.l10n.t('Select Another Model');
    const chosen = await vscode.window.showErrorMessage(message, again, other);
    if (chosen === again) await this.complete();
    if (chosen === other) await vscode.commands.executeCommand(commands.selectModel);
  }

  dispose(): void {
    this.stop();
    if (this.painting) clearTimeout(this.painting);
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

/** What the call gives, or null as soon as it is to stop: a pass that is being computed cannot be ended, and need not be waited for. */
export async function stoppable<T>(calling: Promise<T>, token: vscode.CancellationToken): Promise<T | null> {
  let watch: vscode.Disposable | undefined;
  const stopped = new Promise<null>((resolve) => (watch = token.onCancellationRequested(() => resolve(null))));
  if (token.isCancellationRequested) return null;
  calling.catch(() => undefined);
  return Promise.race([calling, stopped]).finally(() => watch?.dispose());
}

/** The text before the place; a prompt document is a message, without its front matter. */
function promptBefore({ editor, range }: GrowingText): { readonly text: string; readonly asMessage: boolean } {
  const { document } = editor;
  const end = document.offsetAt(range.start);
  const start = document.positionAt(Math.max(0, end - MOST_CHARACTERS));
  const text = document.getText(new vscode.Range(start, range.start)).replaceAll('\r\n', '\n');
  const asMessage = document.fileName.endsWith('.prompt.md');
  return { text: asMessage ? text.replace(/^---\n[\s\S]*?\n---\n/u, '') : text, asMessage };
}

/** An answer stands apart from its question. */
function gapBefore({ editor, range }: GrowingText): string {
  const { document } = editor;
  if (document.lineAt(range.start.line).text.slice(0, range.start.character).trim() !== '') return '\n\n';
  return range.start.line > 0 && document.lineAt(range.start.line - 1).text.trim() !== '' ? '\n' : '';
}

export function activityText({ activity, tokens }: LanguageModels): string {
  switch (activity) {
    case 'idle': return vscode.l10n.t('idle');
    case 'checking': return vscode.l10n.t('checking providers');
    case 'opening': return vscode.l10n.t('opening the model');
    case 'reading': return vscode.l10n.t('reading the text');
    case 'writing': return vscode.l10n.t('{0} tokens', tokens);
    case 'attributing': return vscode.l10n.t('attributing');
  }
}

function summary({ tokens, millis, end }: Extract<CompletionResult, { ok: true }>): string {
  const rate = millis > 0 ? Math.round((1000 * tokens) / millis) : 0;
  if (tokens <= 1 && end.reason === 'endToken') return vscode.l10n.t('$(info) The model ends the text here: it has nothing to add.');
  return vscode.l10n.t('$(check) {0} tokens, {1} a second; {2}', tokens, rate, endText(end));
}

function endText(end: Extract<CompletionResult, { ok: true }>['end']): string {
  switch (end.reason) {
    case 'endToken': return vscode.l10n.t('the model ended the text');
    case 'maxTokens': return vscode.l10n.t('as many as the settings allow');
    case 'context': return vscode.l10n.t('the model’s context is full');
    case 'stop': return vscode.l10n.t('stopped before “{0}”', end.stop);
    case 'cancelled': return vscode.l10n.t('stopped');
  }
}
