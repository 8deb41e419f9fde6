// The repair panel: shows one run as it goes, and asks for what its buttons say.
import * as vscode from 'vscode';
import { PagePanel } from './pagePanel.ts';
import type { RepairRun } from './repairRun.ts';
import { outputText } from './repairRun.ts';
import type { Services } from './services.ts';
import { lineAt } from '../rasp/diagnostic.ts';
import { repairPanel } from '../shared/contributions.ts';
import type { FromPanel, PanelState, SourceLine, ToPanel } from '../shared/messages.ts';
import { isFromPanel } from '../shared/messages.ts';

/** At most so many updates a second reach the page. */
const UPDATE_MS = 80;

export class RepairPanel implements vscode.Disposable {
  private readonly panel: PagePanel<FromPanel>;
  private run: RepairRun | null = null;
  private watch: vscode.Disposable | null = null;
  private timer: NodeJS.Timeout | null = null;
  private sent = 0;
  /** The state as the page last got it; for tests. */
  last: PanelState | null = null;

  constructor(
    services: Services,
    onAction: (action: Extract<FromPanel, { type: 'action' }>['action']) => void,
  ) {
    this.panel = new PagePanel(services.extensionUri, {
      viewType: repairPanel,
      page: 'repair',
      title: vscode.l10n.t('GradLens Repair'),
      isMessage: isFromPanel,
      onMessage: (message) => (message.type === 'ready' ? this.snapshot() : onAction(message.action)),
      onVisible: () => this.snapshot(),
    });
  }

  show(run: RepairRun | null): void {
    if (run) this.follow(run);
    this.panel.reveal();
    this.snapshot();
  }

  private follow(run: RepairRun): void {
    this.watch?.dispose();
    this.run = run;
    this.watch = run.onDidChange(() => this.schedule());
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.update();
    }, UPDATE_MS);
  }

  private snapshot(): void {
    const state = this.state();
    this.sent = state.points.length;
    this.post({ type: 'snapshot', state });
  }

  private update(): void {
    const full = this.state();
    // A finished or thinned trajectory is another list: send it whole.
    if (full.status !== 'running' || full.points.length < this.sent) return this.snapshot();
    const { points, lines, ...state } = full;
    this.post({ type: 'update', state, points: points.slice(this.sent), moving: lines.filter(({ moving }) => moving).map(({ number }) => number) });
    this.sent = points.length;
  }

  private post(message: ToPanel): void {
    this.last = this.state();
    void this.panel.post(message);
  }

  private state(): PanelState {
    const { run } = this;
    if (!run) return emptyState();
    const { document } = run;
    const lineOf = (offset: number): number => lineAt(run.text, offset);
    return {
      status: run.status,
      file: vscode.workspace.asRelativePath(document.uri),
      stage: run.stage,
      message: run.message,
      points: run.points,
      lines: sourceLines(run),
      suspects: run.suspects.slice(0, 8).map(({ span, label, score }) => ({ line: lineOf(span.start), label, score })),
      sample: run.sample
        ? {
            input: outputText(run.sample.input),
            target: outputText(run.sample.target),
            before: outputText(run.sample.before),
            now: run.patch ? outputText(run.sample.target) : outputText(run.sample.output),
          }
        : null,
      summary: run.patch?.summary ?? '',
      tried: run.outcome?.tried ?? [],
      canApply: run.patch !== null,
      canSave: run.outcome?.model !== undefined,
    };
  }

  dispose(): void {
    if (this.timer) clearTimeout(this.timer);
    this.watch?.dispose();
    this.panel.dispose();
  }
}

function emptyState(): PanelState {
  const message = vscode.l10n.t('Nothing has been repaired yet. Open a RASP program with examples and run “GradLens: Repair Program”.');
  return { status: 'idle', file: '', stage: '', message, points: [], lines: [], suspects: [], sample: null, summary: '', tried: [], canApply: false, canSave: false };
}

function sourceLines(run: RepairRun): SourceLine[] {
  const starts = [0];
  for (let i = 0; i < run.text.length; i++) if (run.text[i] === '\n') starts.push(i + 1);
  const lineIndex = (offset: number): number => starts.findLastIndex((start) => start <= offset);
  const suspicion = new Map<number, number>();
  for (const { span, score } of run.suspects) {
    const line = lineIndex(span.start);
    suspicion.set(line, (suspicion.get(line) ?? 0) + score);
  }
  const moving = new Set(run.moving.map(({ start }) => lineIndex(start)));
  return run.text.split('\n').map((text, line) => ({ number: line + 1, text, suspicion: Math.min(1, suspicion.get(line) ?? 0), moving: moving.has(line) }));
}
