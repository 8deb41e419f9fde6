// Show what pushes the answer: attributes a text of the editor, marks its tokens, and keeps them marked until it is changed.
import * as vscode from 'vscode';
import { AnchoredText } from './anchoredText.ts';
import type { ShownAttribution } from './attributionHover.ts';
import { hoverAt, rangeOfToken } from './attributionHover.ts';
import { AttributionPanel } from './attributionPanel.ts';
import type { GivenAnswers } from './attributionRequest.ts';
import { askAnswers, textOf } from './attributionRequest.ts';
import { legendTexts } from './attributionText.ts';
import { AttributionRun } from './attributionRun.ts';
import type { AttributedText } from './attributedText.ts';
import { marksOf, TokenMarks } from './tokenMarks.ts';
import type { LanguageModels } from '../models/languageModels.ts';
import { isAllowed } from '../models/languageModels.ts';
import type { Services } from '../services.ts';
import type { ModelAt } from '../../lm/workerCalls.ts';
import type { Attribution, AttributionAction, AttributionPageState } from '../../shared/attributionMessages.ts';
import { commands, contextKeys } from '../../shared/contributions.ts';

export type AttributionOutcome = { readonly status: 'shown'; readonly attribution: Attribution } | { readonly status: 'failed'; readonly message: string } | { readonly status: 'stopped' };

interface Asked {
  readonly document: vscode.TextDocument;
  readonly text: AttributedText;
  readonly answers: GivenAnswers | null;
}

export class AttributionFeature implements vscode.Disposable {
  /** What the page shows; for tests too. */
  state: AttributionPageState = { status: 'empty' };
  /** What is marked in the text. */
  shown: ShownAttribution | null = null;
  private asked: Asked | null = null;
  private running: AttributionRun | null = null;
  private readonly marks = new TokenMarks();
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly panel: AttributionPanel;
  private readonly subscriptions: readonly vscode.Disposable[];

  constructor(
    private readonly services: Services,
    private readonly models: LanguageModels,
  ) {
    this.panel = new AttributionPanel(services, { current: () => this.state, act: (action) => this.act(action), reveal: (token) => this.reveal(token) });
    const everywhere: vscode.DocumentSelector = [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-remote' }];
    this.subscriptions = [
      this.panel,
      this.marks,
      this.lensesChanged,
      vscode.commands.registerCommand(commands.attribute, () => this.attributeActive(false)),
      vscode.commands.registerCommand(commands.attributeAnswers, () => this.attributeActive(true)),
      vscode.commands.registerCommand(commands.stopAttribution, () => this.running?.cancel()),
      vscode.commands.registerCommand(commands.clearAttribution, () => this.clear()),
      vscode.commands.registerCommand(commands.openAttribution, () => this.panel.show()),
      vscode.languages.registerHoverProvider(everywhere, { provideHover: (document, position) => this.hover(document, position) }),
      vscode.languages.registerCodeLensProvider(everywhere, { onDidChangeCodeLenses: this.lensesChanged.event, provideCodeLenses: (document) => this.lenses(document) }),
      vscode.window.onDidChangeVisibleTextEditors(() => this.paint()),
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => contentChanges.length > 0 && this.onChange(document)),
      vscode.workspace.onDidCloseTextDocument((document) => document === this.shown?.document && this.clear()),
    ];
  }

  /** @param ask the user for the two answers; else they are the model's likeliest */
  async attributeActive(ask: boolean): Promise<AttributionOutcome | undefined> {
    if (!isAllowed()) return undefined;
    const editor = vscode.window.activeTextEditor;
    const text = editor ? textOf(editor) : vscode.l10n.t('Open a text and select the part that leads to the answer.');
    if (!editor || typeof text === 'string') return this.refused(typeof text === 'string' ? text : '');
    return this.start({ document: editor.document, text, answers: null }, ask);
  }

  private refused(message: string): AttributionOutcome {
    void vscode.window.showInformationMessage(message);
    return { status: 'failed', message };
  }

  private async start(asked: Asked, ask: boolean): Promise<AttributionOutcome | undefined> {
    const model = this.models.choice.current ?? (await vscode.commands.executeCommand<ModelAt | undefined>(commands.selectModel));
    if (!model) return undefined;
    this.running?.cancel();
    this.clear();
    const run = new AttributionRun({ services: this.services, models: this.models, model, document: asked.document, text: asked.text });
    this.running = run;
    await vscode.commands.executeCommand('setContext', contextKeys.attributing, true);
    const watch = run.onDidChange(() => this.progress(run));
    try {
      const answers = ask ? await this.askedFor(run) : asked.answers;
      if (answers === undefined) return this.stopped();
      this.asked = { ...asked, answers };
      return await this.attributed(run, this.asked);
    } finally {
      watch.dispose();
      run.dispose();
      if (this.running === run) await this.end();
    }
  }

  /** Undefined where the user thought better of it. */
  private async askedFor(run: AttributionRun): Promise<GivenAnswers | undefined> {
    const result = await run.likely();
    if (result === null) return undefined;
    if (!result.ok) {
      this.fail(run, result.message);
      return undefined;
    }
    return askAnswers(result.likely);
  }

  private async attributed(run: AttributionRun, { document, text, answers }: Asked): Promise<AttributionOutcome> {
    const { version } = document;
    const result = await run.attribute(answers);
    if (result === null) return this.stopped();
    if (!result.ok) return this.fail(run, result.message);
    const { attribution } = result;
    const stale = document.version !== version || document.isClosed;
    this.state = { status: 'shown', file: run.file, stale, attribution };
    if (!stale) this.mark({ document, place: new AnchoredText(text.text, document.positionAt(text.offset)), attribution });
    this.services.log.info(vscode.l10n.t('{0}: {1} tokens attributed in {2} ms', run.file, attribution.tokens.length, Math.round(attribution.millis)));
    this.panel.post();
    return { status: 'shown', attribution };
  }

  private stopped(): AttributionOutcome {
    if (this.state.status === 'running') this.state = { status: 'empty' };
    this.panel.post();
    return { status: 'stopped' };
  }

  private fail(run: AttributionRun, message: string): AttributionOutcome {
    this.state = { status: 'failed', file: run.file, message };
    this.services.log.error(message);
    this.panel.post();
    void this.offer(message);
    return { status: 'failed', message };
  }

  private async offer(message: string): Promise<void> {
    const other = vscode.l10n.t('Select Another Model');
    if ((await vscode.window.showErrorMessage(message, other)) === other) await vscode.commands.executeCommand(commands.selectModel);
  }

  private async end(): Promise<void> {
    this.running = null;
    this.models.show('idle');
    await vscode.commands.executeCommand('setContext', contextKeys.attributing, false);
  }

  private progress(run: AttributionRun): void {
    if (this.running !== run) return;
    this.state = { status: 'running', file: run.file, ...run.progress };
    this.panel.post();
  }

  private mark(shown: ShownAttribution): void {
    this.shown = shown;
    this.paint();
    this.lensesChanged.fire();
    void vscode.commands.executeCommand('setContext', contextKeys.attributed, true);
  }

  private paint(): void {
    const { shown } = this;
    if (!shown) return;
    const marks = marksOf(shown.attribution.tokens);
    for (const editor of vscode.window.visibleTextEditors) if (editor.document === shown.document) this.marks.paint(editor, marks, (token) => rangeOfToken(shown, token));
  }

  /** Takes the marks away; the page keeps what it shows. */
  clear(): void {
    if (!this.shown) return;
    this.shown = null;
    for (const editor of vscode.window.visibleTextEditors) this.marks.clear(editor);
    this.lensesChanged.fire();
    void vscode.commands.executeCommand('setContext', contextKeys.attributed, false);
  }

  private onChange(document: vscode.TextDocument): void {
    if (document !== this.shown?.document) return;
    this.clear();
    if (this.state.status === 'shown') this.state = { ...this.state, stale: true };
    this.panel.post();
  }

  hover(document: vscode.TextDocument, position: vscode.Position): vscode.Hover | undefined {
    if (!this.shown || document !== this.shown.document) return undefined;
    const selection = vscode.window.activeTextEditor?.document === document ? vscode.window.activeTextEditor.selection : null;
    return hoverAt(this.shown, position, selection);
  }

  private lenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const { shown } = this;
    if (!shown || document !== shown.document) return [];
    const { line } = shown.place.placeIn(0);
    const place = new vscode.Range(line, 0, line, 0);
    const legend = legendTexts(shown.attribution, vscode.l10n.t).map((title) => new vscode.CodeLens(place, { title, command: commands.openAttribution }));
    return [...legend, new vscode.CodeLens(place, { title: vscode.l10n.t('Clear'), command: commands.clearAttribution })];
  }

  private async act(action: AttributionAction): Promise<void> {
    switch (action) {
      case 'again':
        return void (this.asked ? await this.start(await refreshed(this.asked), false) : await this.attributeActive(false));
      case 'answers':
        return void (this.asked ? await this.start(await refreshed(this.asked), true) : await this.attributeActive(true));
      case 'cancel':
        return this.running?.cancel();
      case 'clear':
        return this.clear();
      case 'source':
        return void (this.asked && (await vscode.window.showTextDocument(this.asked.document, { preview: false })));
    }
  }

  /** Selects a token in the text. */
  private async reveal(token: number): Promise<void> {
    const { shown } = this;
    const range = shown ? rangeOfToken(shown, token) : null;
    if (!shown || !range || range.isEmpty) return;
    const editor = vscode.window.visibleTextEditors.find(({ document }) => document === shown.document);
    if (editor) {
      editor.selection = new vscode.Selection(range.start, range.end);
      editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    }
  }

  dispose(): void {
    this.running?.cancel();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

/** The same part of the document as it is now: a prompt document as a whole, else as much as was selected. */
async function refreshed(asked: Asked): Promise<Asked> {
  const document = await vscode.workspace.openTextDocument(asked.document.uri);
  const { text, offset } = asked.text;
  const start = document.positionAt(offset);
  const last = text.split('\n');
  const end = document.validatePosition(new vscode.Position(start.line + last.length - 1, last.length === 1 ? start.character + text.length : (last.at(-1)?.length ?? 0)));
  return { ...asked, document, text: { ...asked.text, text: document.getText(new vscode.Range(start, end)).replaceAll('\r\n', '\n') } };
}
