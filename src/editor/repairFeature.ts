// Repair Program: starts and cancels repairs, marks suspects, offers the verified patch as a quick fix and as a diff.
import * as path from 'node:path';
import { applyPatch } from 'diff';
import * as vscode from 'vscode';
import type { Checks } from './diagnostics.ts';
import { failingExample } from './diagnostics.ts';
import { dialectOfDocument, rangeOf, workspaceEdit } from './documents.ts';
import { RepairPanel } from './panel.ts';
import { RepairRun } from './repairRun.ts';
import type { RunRecord } from './runRecord.ts';
import { saveFile, writeFile } from './saveFile.ts';
import type { Services } from './services.ts';
import { editsBetween } from '../repair/patch.ts';
import type { Patch } from '../repair/types.ts';
import { commands, contextKeys, patchedScheme, raspLanguage } from '../shared/contributions.ts';
import type { ActionMessage } from '../shared/messages.ts';

const SUSPECTS_SHOWN = 3;
/** While it runs, a run is kept so often. */
const KEEP_MS = 2000;
const documentSelector: vscode.DocumentSelector = [{ language: raspLanguage }, { language: 'python' }];

/** Unsaved documents of an earlier session are gone: the text of the run stands in for them. */
async function documentOf({ uri, text, language }: RunRecord): Promise<vscode.TextDocument> {
  const parsed = vscode.Uri.parse(uri);
  const known = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri && (!document.isUntitled || document.getText() === text));
  if (known) return known;
  try {
    if (parsed.scheme !== 'untitled') return await vscode.workspace.openTextDocument(parsed);
  } catch {
    // The file is gone.
  }
  return vscode.workspace.openTextDocument({ content: text, language });
}

export class RepairFeature implements vscode.Disposable, vscode.CodeActionProvider, vscode.TextDocumentContentProvider {
  run: RepairRun | null = null;
  readonly panel: RepairPanel;
  private readonly suspects = vscode.languages.createDiagnosticCollection('gradlens-suspects');
  private readonly status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Left, 0);
  private readonly patchChanged = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.patchChanged.event;
  private readonly kept = new vscode.EventEmitter<void>();
  /** The runs that are kept are others than before. */
  readonly onDidKeep = this.kept.event;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly services: Services,
    private readonly checks: Checks,
  ) {
    this.panel = new RepairPanel(services, (action) => void this.onAction(action));
    const command = (id: string, body: () => unknown): vscode.Disposable => vscode.commands.registerCommand(id, body);
    this.subscriptions = [
      this.suspects,
      this.status,
      this.patchChanged,
      this.kept,
      this.panel,
      command(commands.repair, () => this.repairActive()),
      command(commands.cancel, () => this.run?.cancel()),
      command(commands.apply, () => this.apply()),
      command(commands.showDiff, () => this.showDiff()),
      command(commands.openPanel, () => this.panel.show(this.run)),
      vscode.languages.registerCodeActionsProvider(documentSelector, this, { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] }),
      vscode.workspace.registerTextDocumentContentProvider(patchedScheme, this),
    ];
  }

  /** The process that repairs, while there is one. */
  get workerPid(): number | undefined {
    return this.services.repairer.pid;
  }

  private onAction(action: ActionMessage['action']): unknown {
    switch (action) {
      case 'apply':
        return this.apply();
      case 'diff':
        return this.showDiff();
      case 'save':
        return this.saveModel();
      case 'cancel':
        return this.run?.cancel();
      case 'again':
        return this.run && this.repair(this.run.document);
    }
  }

  private async repairActive(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (!document || !dialectOfDocument(document)) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Open a RASP program (.rasp, or a Python file that imports tracr) first.'));
      return;
    }
    await this.repair(document);
  }

  async repair(document: vscode.TextDocument): Promise<RepairRun | null> {
    if (!vscode.workspace.isTrusted) {
      void vscode.window.showInformationMessage(vscode.l10n.t('Repair runs programs and native code, so it needs a trusted workspace.'));
      return null;
    }
    this.run?.cancel();
    const run = new RepairRun(document, this.services);
    this.run = run;
    this.suspects.clear();
    await this.context(contextKeys.repairing, true);
    await this.context(contextKeys.hasPatch, false);
    this.panel.show(run);
    let keptAt = Date.now();
    const watch = run.onDidChange(() => {
      this.showCourse(run);
      if (run.status !== 'running' || Date.now() - keptAt < KEEP_MS) return;
      keptAt = Date.now();
      void this.keep(run);
    });
    void this.keep(run);
    try {
      await vscode.window.withProgress(
        { location: vscode.ProgressLocation.Window, title: vscode.l10n.t('GradLens: repairing') },
        () => run.run(),
      );
    } finally {
      watch.dispose();
      if (run.model) void this.services.runs.saveModel(run.id, run.model);
      void this.keep(run);
      if (this.run === run) await this.end(run);
    }
    return run;
  }

  private async keep(run: RepairRun): Promise<void> {
    await this.services.runs.save(run.record());
    this.kept.fire();
  }

  /** Shows a run that was kept, as if it had just ended; its document, if it is still there. */
  async reopen(record: RunRecord): Promise<boolean> {
    if (this.run?.status === 'running') {
      if (this.run.id === record.id) this.panel.show(this.run);
      else void vscode.window.showInformationMessage(vscode.l10n.t('A repair is running. Cancel it before you open another run.'));
      return this.run.id === record.id;
    }
    const document = await documentOf(record);
    this.run?.dispose();
    const run = new RepairRun(document, this.services, record);
    this.run = run;
    this.suspects.clear();
    this.panel.show(run);
    await this.context(contextKeys.hasPatch, run.patch !== null);
    this.markSuspects(run);
    return true;
  }

  private async end(run: RepairRun): Promise<void> {
    this.status.hide();
    this.markSuspects(run);
    await this.context(contextKeys.repairing, false);
    await this.context(contextKeys.hasPatch, run.patch !== null);
    this.services.log.info(`${run.document.uri.fsPath}: ${run.message}`);
    if (run.status === 'failed' || run.status === 'refused') void vscode.window.showErrorMessage(run.message);
  }

  private context(key: string, value: boolean): Thenable<unknown> {
    return vscode.commands.executeCommand('setContext', key, value);
  }

  private showCourse(run: RepairRun): void {
    if (this.run !== run || run.status !== 'running') return;
    const accuracy = run.points.at(-1)?.accuracy ?? 0;
    this.status.text = `$(sync~spin) GradLens: ${run.stage} ${Math.round(100 * accuracy)} %`;
    this.status.tooltip = run.message;
    this.status.command = commands.openPanel;
    this.status.show();
    this.markSuspects(run);
  }

  private markSuspects(run: RepairRun): void {
    const { document } = run;
    if (document.getText() !== run.text || run.status === 'correct') return this.suspects.delete(document.uri);
    const marks = run.suspects.slice(0, SUSPECTS_SHOWN).filter(({ score }) => score > 0.05);
    this.suspects.set(
      document.uri,
      marks.map(({ span, score }) => {
        const message = vscode.l10n.t('Suspect: {0} % of the gradient points here.', Math.round(100 * score));
        const diagnostic = new vscode.Diagnostic(rangeOf(document, span), message, vscode.DiagnosticSeverity.Information);
        diagnostic.source = 'GradLens';
        diagnostic.code = 'suspect';
        return diagnostic;
      }),
    );
  }

  /** The patch as it fits the text now: as it was found, or carried over and verified again, or not at all. */
  private async fittingPatch(): Promise<Patch | null> {
    const { run } = this;
    const patch = run?.patch ?? null;
    if (!run || !patch) return null;
    const now = run.document.getText();
    if (now === run.text) return patch;
    // The diff still applies if the text has changed elsewhere only.
    const carried = applyPatch(now, patch.unifiedDiff);
    const verified = carried !== false && (await this.passes(run, carried));
    if (carried !== false && verified) return { ...patch, source: carried, edits: editsBetween(run.document.uri.fsPath, now, carried) };
    void vscode.window.showWarningMessage(vscode.l10n.t('The file has changed since the repair, and the patch no longer fits. Run “Repair Program” again.'));
    return null;
  }

  private async passes(run: RepairRun, text: string): Promise<boolean> {
    const dialect = dialectOfDocument(run.document);
    if (!dialect) return false;
    const reply = await this.services.checker.call({ type: 'check', file: { path: run.document.uri.fsPath, text, dialect }, examples: true });
    if (reply.type !== 'checked') return false;
    const { diagnostics, failing, entry } = reply.result;
    return entry !== null && failing.length === 0 && !diagnostics.some(({ severity }) => severity === 'error');
  }

  async apply(): Promise<boolean> {
    const patch = await this.fittingPatch();
    const { run } = this;
    if (!patch || !run) return false;
    const applied = await vscode.workspace.applyEdit(workspaceEdit(run.document, patch.edits));
    if (!applied) return false;
    this.suspects.delete(run.document.uri);
    await this.context(contextKeys.hasPatch, false);
    await this.checks.check(run.document);
    return true;
  }

  /**
   * Saves the model that the run has trained, which is an ONNX model with its vocabulary and source in its metadata.
   * @param target null: asks where
   */
  async saveModel(target: vscode.Uri | null = null): Promise<vscode.Uri | undefined> {
    const { run } = this;
    if (!run?.outcome?.model) return undefined;
    const model = run.model ?? (await this.services.runs.model(run.id));
    if (!model) {
      void vscode.window.showWarningMessage(vscode.l10n.t('The model of this run is no longer kept. Repair the program again with the method “weights”.'));
      return undefined;
    }
    const name = `${path.parse(run.document.uri.path).name}.onnx`;
    const saved = target ? await writeFile(target, model) : await saveFile(name, { ONNX: ['onnx'] }, model);
    if (saved) void vscode.window.showInformationMessage(vscode.l10n.t('The trained model is saved as {0}.', vscode.workspace.asRelativePath(saved)));
    return saved;
  }

  private async showDiff(): Promise<void> {
    const { run } = this;
    if (!run?.patch) return;
    const patched = run.document.uri.with({ scheme: patchedScheme });
    this.patchChanged.fire(patched);
    const name = vscode.workspace.asRelativePath(run.document.uri);
    await vscode.commands.executeCommand('vscode.diff', run.document.uri, patched, vscode.l10n.t('{0}: as it is ↔ repaired', name));
  }

  provideTextDocumentContent(): string {
    return this.run?.patch?.source ?? '';
  }

  provideCodeActions(document: vscode.TextDocument, range: vscode.Range, { diagnostics }: vscode.CodeActionContext): vscode.CodeAction[] {
    const ours = diagnostics.filter(({ source }) => source === 'GradLens');
    const { run } = this;
    const actions: vscode.CodeAction[] = [];
    if (run?.patch && run.document === document && document.getText() === run.text) {
      const touches = ours.length > 0 || run.patch.edits.some(({ span }) => rangeOf(document, span).intersection(range));
      if (touches) actions.push(this.applyAction(run.patch, ours), this.diffAction(ours));
    }
    if (ours.some(({ code }) => code === failingExample) && !run?.patch) actions.push(this.repairAction(ours));
    return actions;
  }

  private action(title: string, command: string, diagnostics: readonly vscode.Diagnostic[]): vscode.CodeAction {
    const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
    action.command = { command, title };
    action.diagnostics = [...diagnostics];
    return action;
  }

  private applyAction(patch: Patch, diagnostics: readonly vscode.Diagnostic[]): vscode.CodeAction {
    const action = this.action(vscode.l10n.t('Apply verified repair: {0}', patch.summary), commands.apply, diagnostics);
    action.isPreferred = true;
    return action;
  }

  private diffAction(diagnostics: readonly vscode.Diagnostic[]): vscode.CodeAction {
    return this.action(vscode.l10n.t('Show the repair as a diff'), commands.showDiff, diagnostics);
  }

  private repairAction(diagnostics: readonly vscode.Diagnostic[]): vscode.CodeAction {
    return this.action(vscode.l10n.t('Repair program with GradLens'), commands.repair, diagnostics);
  }

  dispose(): void {
    this.run?.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}
