// Diagnostics as you type: what is wrong with the program, with its example rows, and which examples fail.
import * as vscode from 'vscode';
import { dialectOfDocument, rangeOf } from './documents.ts';
import type { Services } from './services.ts';
import type { CheckResult } from '../repair/workerProtocol.ts';
import { CancelledError } from '../shared/cancellation.ts';

const DELAY_MS = 150;

const severities = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  information: vscode.DiagnosticSeverity.Information,
};

export const failingExample = 'failing-example';

/** Checks open documents and publishes what is found. */
export class Checks implements vscode.Disposable {
  private readonly collection = vscode.languages.createDiagnosticCollection('gradlens');
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private readonly results = new Map<string, { version: number; result: CheckResult }>();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscriptions: vscode.Disposable[];
  /** A document has been checked. */
  readonly onDidCheck = this.changed.event;

  constructor(private readonly services: Services) {
    this.subscriptions = [
      this.collection,
      this.changed,
      vscode.workspace.onDidOpenTextDocument((document) => this.schedule(document, 0)),
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.schedule(document, DELAY_MS)),
      vscode.workspace.onDidSaveTextDocument((document) => this.examplesSaved(document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.forget(document)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.all()),
    ];
    this.all();
  }

  /** The latest result, if it is of the text as it is. */
  current(document: vscode.TextDocument): CheckResult | undefined {
    const known = this.results.get(document.uri.toString());
    return known?.version === document.version ? known.result : undefined;
  }

  async check(document: vscode.TextDocument): Promise<CheckResult | undefined> {
    const dialect = dialectOfDocument(document);
    if (!dialect) {
      this.forget(document);
      return undefined;
    }
    const { version } = document;
    // Programs of an untrusted workspace are read, not run.
    const examples = vscode.workspace.isTrusted;
    const file = { path: document.uri.fsPath, text: document.getText(), dialect };
    try {
      const reply = await this.services.checker.call({ type: 'check', file, examples });
      if (reply.type !== 'checked' || document.version !== version || document.isClosed) return undefined;
      this.publish(document, reply.result);
      return reply.result;
    } catch (error) {
      if (!(error instanceof CancelledError)) this.services.log.error(error instanceof Error ? error : String(error));
      return undefined;
    }
  }

  private publish(document: vscode.TextDocument, result: CheckResult): void {
    this.results.set(document.uri.toString(), { version: document.version, result });
    const own = result.diagnostics
      .filter(({ span }) => span.file === document.uri.fsPath)
      .map(({ span, message, severity, code }) => this.diagnostic(rangeOf(document, span), message, severities[severity], code));
    const failing = result.failing.map(({ span, message }) => {
      const range = span.file === document.uri.fsPath ? rangeOf(document, span) : new vscode.Range(0, 0, 0, 0);
      return this.diagnostic(range, message, vscode.DiagnosticSeverity.Warning, failingExample);
    });
    this.collection.set(document.uri, [...own, ...failing]);
    this.changed.fire(document.uri);
  }

  private diagnostic(range: vscode.Range, message: string, severity: vscode.DiagnosticSeverity, code: string): vscode.Diagnostic {
    const diagnostic = new vscode.Diagnostic(range, message, severity);
    diagnostic.source = 'GradLens';
    diagnostic.code = code;
    return diagnostic;
  }

  private all(): void {
    for (const document of vscode.workspace.textDocuments) this.schedule(document, 0);
  }

  private schedule(document: vscode.TextDocument, delay: number): void {
    if (document.uri.scheme !== 'file' && document.uri.scheme !== 'untitled') return;
    const key = document.uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.set(key, setTimeout(() => void this.check(document), delay));
  }

  private examplesSaved(document: vscode.TextDocument): void {
    if (document.uri.fsPath.endsWith('.examples.jsonl')) this.all();
  }

  private forget(document: vscode.TextDocument): void {
    const key = document.uri.toString();
    clearTimeout(this.timers.get(key));
    this.timers.delete(key);
    this.results.delete(key);
    this.collection.delete(document.uri);
  }

  dispose(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}
