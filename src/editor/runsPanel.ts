// Show Repair Runs: the runs that are kept, in a panel; opens them again, compares two, saves them as JSON.
import * as vscode from 'vscode';
import { PagePanel } from './pagePanel.ts';
import type { RepairFeature } from './repairFeature.ts';
import type { RunRecord } from './runRecord.ts';
import type { Services } from './services.ts';
import { lineAt } from '../rasp/diagnostic.ts';
import { commands, runsPanel } from '../shared/contributions.ts';
import type { FromRunsPage, RunDetail, RunRow, RunsState, ToRunsPage } from '../shared/runsMessages.ts';
import { isFromRunsPage } from '../shared/runsMessages.ts';

const shownSuspects = 8;

export class RunsPanel implements vscode.Disposable {
  private readonly panel: PagePanel<FromRunsPage>;
  private chosen: readonly string[] = [];
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly services: Services,
    private readonly repairs: RepairFeature,
  ) {
    this.panel = new PagePanel(services.extensionUri, {
      viewType: runsPanel,
      page: 'runs',
      title: vscode.l10n.t('GradLens Repair Runs'),
      column: vscode.ViewColumn.Active,
      isMessage: isFromRunsPage,
      onMessage: (message) => this.onMessage(message),
      onVisible: () => this.post(),
    });
    this.subscriptions = [
      vscode.commands.registerCommand(commands.showRuns, () => this.show()),
      repairs.onDidKeep(() => void this.post()),
    ];
  }

  /** What the page shows; for tests too. */
  async state(): Promise<RunsState> {
    const records = await this.services.runs.all();
    const chosen = this.chosen.flatMap((id) => records.filter((record) => record.id === id));
    return { rows: records.map(rowOf), chosen: chosen.map(detailOf) };
  }

  private async show(): Promise<void> {
    this.panel.reveal();
    await this.post();
  }

  private async post(): Promise<void> {
    if (!this.panel.isOpen) return;
    const message: ToRunsPage = { type: 'snapshot', state: await this.state() };
    await this.panel.post(message);
  }

  async onMessage(message: FromRunsPage): Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.post();
      case 'choose':
        this.chosen = message.ids;
        return this.post();
      case 'open':
        return this.reopen(message.id);
      case 'export':
        return this.save();
    }
  }

  private async reopen(id: string): Promise<void> {
    const record = await this.services.runs.get(id);
    if (record) await this.repairs.reopen(record);
    else void vscode.window.showWarningMessage(vscode.l10n.t('This run is no longer kept.'));
    await this.post();
  }

  private async save(): Promise<void> {
    const records = await this.services.runs.all();
    const wanted = this.chosen.length === 0 ? records : records.filter(({ id }) => this.chosen.includes(id));
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const target = await vscode.window.showSaveDialog({ filters: { JSON: ['json'] }, ...(folder ? { defaultUri: vscode.Uri.joinPath(folder, 'repair-runs.json') } : {}) });
    if (target) await saveRuns(target, wanted);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.panel.dispose();
  }
}

/** Writes runs as one JSON list. */
export async function saveRuns(target: vscode.Uri, records: readonly RunRecord[]): Promise<void> {
  try {
    await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(`${JSON.stringify(records, null, 2)}\n`));
  } catch (error) {
    void vscode.window.showErrorMessage(vscode.l10n.t('The runs could not be saved: {0}', error instanceof Error ? error.message : String(error)));
  }
}

function rowOf({ id, startedAt, file, status, method, points, outcome }: RunRecord): RunRow {
  const best = Math.max(...points.map(({ accuracy }) => accuracy));
  const found = outcome?.patch || outcome?.model ? outcome.exact.examples : null;
  return {
    id,
    when: new Date(startedAt).toLocaleString(vscode.env.language),
    file,
    status,
    method,
    exact: found ?? (Number.isFinite(best) ? best : null),
    seconds: outcome ? outcome.millis / 1000 : points.length > 0 ? (points.at(-1)?.millis ?? 0) / 1000 : null,
  };
}

function detailOf(record: RunRecord): RunDetail {
  const { message, text, suspects, points, outcome } = record;
  return {
    ...rowOf(record),
    message,
    foundBy: outcome?.method ?? '',
    provider: outcome?.provider ?? '',
    evaluations: outcome?.evaluations ?? null,
    points,
    suspects: suspects.slice(0, shownSuspects).map(({ span, label, score }) => ({ line: lineAt(text, span.start), label, score })),
    diff: outcome?.patch?.unifiedDiff ?? '',
    summary: outcome?.patch?.summary ?? '',
  };
}
