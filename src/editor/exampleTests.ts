// Examples as tests: one item a file, one an example, in VS Code's Test Explorer.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { dialectOfDocument } from './documents.ts';
import { rangesIn } from './language/raspFiles.ts';
import type { Services } from './services.ts';
import type { ExampleReport, ExamplesReply, WorkerFile } from '../repair/workerProtocol.ts';
import { CancelledError } from '../shared/cancellation.ts';
import { exampleTests } from '../shared/contributions.ts';

const DELAY_MS = 400;
/** Files of the workspace that are looked into. */
const MOST_FILES = 500;

/** One example after a run. */
export interface Ran {
  readonly item: vscode.TestItem;
  readonly report: ExampleReport;
}

export class ExampleTests implements vscode.Disposable {
  private readonly controller = vscode.tests.createTestController(exampleTests, vscode.l10n.t('RASP examples'));
  private readonly ran = new vscode.EventEmitter<readonly Ran[]>();
  /** A run has ended. */
  readonly onDidRun = this.ran.event;
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly services: Services) {
    const { controller } = this;
    controller.resolveHandler = async (item) => {
      if (!item) await this.discover();
      else if (item.uri) await this.refresh(item.uri);
    };
    controller.refreshHandler = () => this.discover();
    controller.createRunProfile(vscode.l10n.t('Run examples'), vscode.TestRunProfileKind.Run, (request, token) => this.run(request, token), true);
    const watcher = vscode.workspace.createFileSystemWatcher('**/*.{rasp,examples.jsonl}');
    this.subscriptions = [
      controller,
      this.ran,
      watcher,
      watcher.onDidCreate((uri) => this.scheduleFile(uri)),
      watcher.onDidChange((uri) => this.scheduleFile(uri)),
      watcher.onDidDelete((uri) => this.scheduleFile(uri)),
      vscode.workspace.onDidOpenTextDocument((document) => this.scheduleDocument(document)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.scheduleDocument(document)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.openDocuments()),
    ];
    this.openDocuments();
  }

  private openDocuments(): void {
    for (const document of vscode.workspace.textDocuments) this.scheduleDocument(document);
  }

  private scheduleDocument(document: vscode.TextDocument): void {
    if (document.uri.scheme === 'file' && (dialectOfDocument(document) || this.itemOf(document.uri))) this.schedule(document.uri);
  }

  /** A program, or the program that a file of examples lies beside. */
  private scheduleFile(uri: vscode.Uri): void {
    const beside = /\.examples\.jsonl$/u;
    if (!beside.test(uri.path)) return this.schedule(uri);
    this.schedule(uri.with({ path: uri.path.replace(beside, '.rasp') }));
    const python = uri.with({ path: uri.path.replace(beside, '.py') });
    if (this.itemOf(python)) this.schedule(python);
  }

  private schedule(uri: vscode.Uri): void {
    const key = uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.set(key, setTimeout(() => void this.refresh(uri), DELAY_MS));
  }

  private itemOf(uri: vscode.Uri): vscode.TestItem | undefined {
    return this.controller.items.get(uri.toString());
  }

  private async discover(): Promise<void> {
    const uris = await vscode.workspace.findFiles('**/*.rasp', '**/node_modules/**', MOST_FILES);
    for (const uri of uris) await this.refresh(uri);
  }

  /** Brings a file's items up to date; a file without examples has none. */
  async refresh(uri: vscode.Uri): Promise<vscode.TestItem | undefined> {
    const file = await fileAt(uri);
    const reply = file && (await this.ask(file, false));
    if (reply && reply.examples.length > 0) return this.update(uri, reply.examples);
    this.controller.items.delete(uri.toString());
    return undefined;
  }

  private async update(uri: vscode.Uri, examples: readonly ExampleReport[]): Promise<vscode.TestItem> {
    const item = this.itemOf(uri) ?? this.controller.createTestItem(uri.toString(), vscode.workspace.asRelativePath(uri), uri);
    const ranges = new Map<string, ReturnType<typeof rangesIn>>();
    const children: vscode.TestItem[] = [];
    for (const [i, { label, span }] of examples.entries()) {
      const place = vscode.Uri.file(span.file);
      const range = ranges.get(span.file) ?? rangesIn((await textAt(place)) ?? '');
      ranges.set(span.file, range);
      const child = this.controller.createTestItem(label, label, place);
      child.range = range(span);
      child.sortText = String(i).padStart(6, '0');
      children.push(child);
    }
    item.children.replace(children);
    this.controller.items.add(item);
    return item;
  }

  private async ask(file: WorkerFile, run: boolean): Promise<ExamplesReply | undefined> {
    if (!vscode.workspace.isTrusted) return undefined;
    try {
      const reply = await this.services.checker.call({ type: 'examples', file, run });
      return reply.type === 'examples' ? reply : undefined;
    } catch (error) {
      if (!(error instanceof CancelledError)) this.services.log.error(error instanceof Error ? error : String(error));
      return undefined;
    }
  }

  private async run(request: vscode.TestRunRequest, token: vscode.CancellationToken): Promise<void> {
    const run = this.controller.createTestRun(request);
    const ran: Ran[] = [];
    for (const [file, wanted] of this.chosen(request)) {
      if (token.isCancellationRequested) break;
      if (file.uri) ran.push(...(await this.runFile(run, file.uri, wanted, request.exclude ?? [])));
    }
    run.end();
    this.ran.fire(ran);
  }

  /** The files to run, with the labels of the examples that are wanted, null for all. */
  private chosen({ include }: vscode.TestRunRequest): Map<vscode.TestItem, Set<string> | null> {
    const chosen = new Map<vscode.TestItem, Set<string> | null>();
    const items = include ?? [...this.controller.items].map(([, item]) => item);
    for (const item of items) {
      const { parent } = item;
      if (!parent) chosen.set(item, null);
      else if (chosen.get(parent) !== null) chosen.set(parent, (chosen.get(parent) ?? new Set()).add(item.id));
    }
    return chosen;
  }

  private async runFile(run: vscode.TestRun, uri: vscode.Uri, wanted: ReadonlySet<string> | null, exclude: readonly vscode.TestItem[]): Promise<Ran[]> {
    const file = await fileAt(uri);
    const reply = file && (await this.ask(file, true));
    if (!reply) return [];
    const { children } = await this.update(uri, reply.examples);
    const excluded = new Set(exclude.map(({ id, parent }) => (parent ? `${parent.id} ${id}` : id)));
    if (excluded.has(uri.toString())) return [];
    const ran = reply.examples.flatMap((report): Ran[] => {
      const item = children.get(report.label);
      const isWanted = item && (wanted?.has(item.id) ?? true) && !excluded.has(`${uri.toString()} ${item.id}`);
      return isWanted ? [{ item, report }] : [];
    });
    for (const { item, report } of ran) settle(run, item, report, reply.problem);
    return ran;
  }

  dispose(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

function settle(run: vscode.TestRun, item: vscode.TestItem, { outcome }: ExampleReport, problem: string | null): void {
  run.started(item);
  if (!outcome) {
    run.errored(item, new vscode.TestMessage(problem ?? vscode.l10n.t('The example has not been run.')));
    return;
  }
  run.appendOutput(`${outcome.ok ? '✓' : '✗'} ${outcome.ok ? item.label : outcome.message}\r\n`, undefined, item);
  if (outcome.ok) {
    run.passed(item);
    return;
  }
  const message = outcome.actual === null ? new vscode.TestMessage(outcome.message) : vscode.TestMessage.diff(outcome.message, outcome.expected, outcome.actual);
  if (item.uri && item.range) message.location = new vscode.Location(item.uri, item.range);
  run.failed(item, message);
}

async function textAt(uri: vscode.Uri): Promise<string | undefined> {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open) return open.getText();
  try {
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    return undefined;
  }
}

async function fileAt(uri: vscode.Uri): Promise<WorkerFile | undefined> {
  const text = await textAt(uri);
  if (text === undefined) return undefined;
  return { path: uri.fsPath, text, dialect: path.extname(uri.fsPath) === '.py' ? 'tracr' : 'rasp' };
}
