// One repair of one document: its course, its result, and whether that still fits the text.
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { dialectOfDocument } from './documents.ts';
import type { RunOutcome, RunRecord } from './runRecord.ts';
import { recordVersion } from './runRecord.ts';
import type { Services } from './services.ts';
import type { Patch, RepairMethod, RepairProgress, RepairRefusal, RepairResult, Suspect } from '../repair/types.ts';
import type { RepairedModel } from '../repair/weights.ts';
import type { Span } from '../rasp/diagnostic.ts';
import type { Provider } from '../runtime/protocol.ts';
import { CancelledError } from '../shared/cancellation.ts';
import { settings } from '../shared/contributions.ts';
import type { ChartPoint, PanelState } from '../shared/messages.ts';

/** Points kept of one trajectory; more are thinned. */
const MOST_POINTS = 2000;

export class RepairRun {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;
  readonly cancellation = new vscode.CancellationTokenSource();
  /** Sorts by the time. */
  readonly id: string;
  readonly startedAt: number;
  readonly text: string;
  readonly method: RepairMethod;
  status: Exclude<PanelState['status'], 'idle'> = 'running';
  stage = 'check';
  message = vscode.l10n.t('Starting.');
  suspects: readonly Suspect[] = [];
  moving: readonly Span[] = [];
  points: ChartPoint[] = [];
  sample: RepairProgress['sample'];
  outcome: RunOutcome | null = null;
  /** The model that this run has trained; of a run that was kept, the store has it. */
  model: Uint8Array | null = null;

  /** @param record of an earlier run, to be shown again */
  constructor(
    readonly document: vscode.TextDocument,
    private readonly services: Services,
    record?: RunRecord,
  ) {
    this.startedAt = record?.startedAt ?? Date.now();
    this.id = record?.id ?? `${this.startedAt}-${randomUUID()}`;
    this.text = record?.text ?? document.getText();
    this.method = (record?.method as RepairMethod | undefined) ?? this.configuration().get<RepairMethod>(settings.method, 'auto');
    if (record) this.restore(record);
  }

  private restore({ status, stage, message, suspects, moving, points, sample, outcome }: RunRecord): void {
    Object.assign(this, { status, stage, message, suspects, moving, points: [...points], outcome });
    if (sample) this.sample = sample;
  }

  /** Everything that is kept of it. */
  record(): RunRecord {
    const { id, startedAt, document, text, method, status, stage, message, suspects, moving, points, sample, outcome } = this;
    return {
      version: recordVersion, id, startedAt, pid: process.pid, uri: document.uri.toString(), file: vscode.workspace.asRelativePath(document.uri),
      language: document.languageId, text, method, status, stage, message,
      suspects: suspects.map(({ span, label, score }) => ({ span, label, score })), moving: [...moving], points: [...points],
      sample: sample ? { input: [...sample.input], target: [...sample.target], before: copied(sample.before), output: copied(sample.output) } : null,
      outcome,
    };
  }

  get patch(): Patch | null {
    return this.outcome?.patch ?? null;
  }

  private configuration(): vscode.WorkspaceConfiguration {
    return vscode.workspace.getConfiguration(settings.section, this.document);
  }

  /** Runs in the worker; ends in a result, a refusal or a message, never in an exception. */
  async run(): Promise<void> {
    const dialect = dialectOfDocument(this.document);
    if (!dialect) return this.end('failed', vscode.l10n.t('This file is no RASP program.'));
    const configuration = this.configuration();
    try {
      const reply = await this.services.repairer.call(
        {
          type: 'repair',
          file: { path: this.document.uri.fsPath, text: this.text, dialect },
          method: this.method,
          budgetMillis: 1000 * configuration.get<number>(settings.timeBudgetSeconds, 60),
          processes: configuration.get<number>(settings.processes, 2),
          provider: configuration.get<Provider | 'auto'>(settings.provider, 'auto'),
          hostPath: this.services.hostPath,
        },
        { token: this.cancellation.token, onProgress: (progress) => this.onProgress(progress) },
      );
      if (reply.type === 'repaired') this.finish(reply.result);
    } catch (error) {
      if (error instanceof CancelledError) this.end('cancelled', vscode.l10n.t('The repair was cancelled.'));
      else this.end('failed', error instanceof Error ? error.message : String(error));
    }
  }

  cancel(): void {
    this.cancellation.cancel();
  }

  private onProgress(progress: RepairProgress): void {
    this.stage = progress.stage;
    this.message = progress.message;
    if (progress.suspects) this.suspects = progress.suspects;
    if (progress.moving) this.moving = progress.moving;
    if (progress.sample) this.sample = progress.sample;
    if (progress.point) {
      const { step, stage, loss, accuracy, millis } = progress.point;
      this.points.push({ step, stage, loss: Number.isFinite(loss) ? loss : null, accuracy, millis });
      if (this.points.length > MOST_POINTS) this.points = this.points.filter((_, i) => i % 2 === 0);
    }
    this.changed.fire();
  }

  private finish(result: RepairResult | RepairRefusal): void {
    if (result.status === 'refused') {
      return this.end('refused', result.diagnostics[0]?.message ?? vscode.l10n.t('The program cannot be repaired as it is.'));
    }
    this.outcome = outcomeOf(result);
    this.model = result.model?.onnx ?? null;
    this.suspects = result.suspects;
    this.points = result.trajectory.map(({ loss, ...point }) => ({ ...point, loss: Number.isFinite(loss) ? loss : null }));
    if (result.patch) this.moving = result.patch.edits.map(({ span }) => span);
    this.end(result.status, summaryOf(result));
  }

  private end(status: RepairRun['status'], message: string): void {
    this.status = status;
    this.message = message;
    this.changed.fire();
  }

  dispose(): void {
    this.cancel();
    this.cancellation.dispose();
    this.changed.dispose();
  }
}

const copied = <T>(values: readonly T[] | null): T[] | null => (values === null ? null : [...values]);

function outcomeOf({ method, exact, patch, model, tried, evaluations, millis, provider }: RepairResult): RunOutcome {
  const told = model && { parameters: model.parameters, steps: model.steps, rows: model.rows, exact: model.exact };
  return { method, exact, patch: patch && { ...patch, edits: [...patch.edits] }, ...(told ? { model: told } : {}), tried: [...tried], evaluations, millis, provider };
}

export const outputText = (output: readonly unknown[] | null): string =>
  output === null ? vscode.l10n.t('the program fails') : `[${output.map((value) => (value === null ? 'None' : JSON.stringify(value))).join(', ')}]`;

function summaryOf(result: RepairResult): string {
  const seconds = (result.millis / 1000).toFixed(1);
  const best = Math.round(100 * Math.max(...result.trajectory.map(({ accuracy }) => accuracy), 0));
  if (result.model && !result.patch) return modelSummary(result.model, seconds);
  switch (result.status) {
    case 'correct':
      return vscode.l10n.t('The program already gets every example right.');
    case 'repaired':
      return vscode.l10n.t('Repaired in {0} s: {1}', seconds, result.patch?.summary ?? '');
    default:
      return vscode.l10n.t('No repair found in {0} s; the best candidate gets {1} % of the examples right.', seconds, best);
  }
}

function modelSummary({ parameters, rows, exact }: RepairedModel, seconds: string): string {
  const right = Math.round(exact.validation * rows.validation);
  return vscode.l10n.t('No patch found in {0} s, but a model: all {1} weights trained, exactly right on {2} of {3} held-out examples, which also chose among its states.', seconds, parameters.toLocaleString(vscode.env.language), right, rows.validation);
}
