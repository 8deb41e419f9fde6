// Text that grows in a document while others change it: its place moves with what is around it, and it is one undo step.
import * as vscode from 'vscode';
import type { TextPlace } from './textPlace.ts';
import { placeAfter } from './textPlace.ts';

/** Time between two pieces, milliseconds. */
const BETWEEN_MS = 30;

export class GrowingText implements vscode.Disposable {
  private place: TextPlace;
  private waiting = '';
  private writing: string | null = null;
  private work: Promise<void> = Promise.resolve();
  /** The next piece begins an undo step of its own. */
  private undoStop = true;
  private gone = false;
  /** Times that the document was saved since the text began: each ends an undo step. */
  private saves = 0;
  private others = false;
  private joining = false;
  private readonly grown = new vscode.EventEmitter<void>();
  /** It has another place or length. */
  readonly onDidMove = this.grown.event;
  private readonly subscriptions: readonly vscode.Disposable[];

  /** @param onGone it was taken away, the document was closed, or it cannot be written */
  constructor(
    readonly editor: vscode.TextEditor,
    offset: number,
    private readonly onGone: (reason: 'changed' | 'closed' | 'refused') => void,
  ) {
    this.place = { start: offset, end: offset };
    this.subscriptions = [
      this.grown,
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => document === editor.document && this.onChange(contentChanges)),
      vscode.workspace.onDidSaveTextDocument((saved) => {
        if (saved === editor.document && this.place.end > this.place.start) this.saves++;
      }),
      vscode.workspace.onDidCloseTextDocument((document) => document === editor.document && this.lose('closed')),
    ];
  }

  get range(): vscode.Range {
    const { document } = this.editor;
    return new vscode.Range(document.positionAt(this.place.start), document.positionAt(this.place.end));
  }

  /** Appends; pieces that come while one is being written go in together. */
  append(text: string): void {
    if (text === '' || this.gone) return;
    this.waiting += text;
    if (this.writing === null) this.work = this.write();
  }

  /** Resolves when everything that was appended is in the document, as one undo step where nobody else changed that. */
  async written(): Promise<void> {
    await this.work;
    const isAlone = !this.others && !this.gone && vscode.window.activeTextEditor?.document === this.editor.document;
    if (this.saves > 0 && isAlone) await this.join();
  }

  /** The editor saves by itself after a second, and begins another undo step: takes the steps back, and writes the text in one. */
  private async join(): Promise<void> {
    const { document } = this.editor;
    const whole = document.getText();
    const { start, end } = this.place;
    const before = whole.slice(0, start) + whole.slice(end);
    this.joining = true;
    try {
      for (let step = 0; step <= this.saves && document.getText() !== before; step++) await vscode.commands.executeCommand('undo');
      const isTakenBack = document.getText() === before;
      if (isTakenBack && (await this.insertAt(start, whole.slice(start, end), { undoStopBefore: true, undoStopAfter: true }))) return;
      for (let step = 0; step <= this.saves && document.getText() !== whole; step++) await vscode.commands.executeCommand('redo');
    } finally {
      this.joining = false;
    }
  }

  private async write(): Promise<void> {
    while (this.waiting !== '' && !this.gone) {
      const text = this.inDocument(this.waiting);
      this.waiting = '';
      this.writing = text;
      if (!(await this.insert(text))) this.lose(this.editor.document.isClosed ? 'closed' : 'refused');
      // Others may change the document between two pieces: edits of an older version of it are refused.
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
    }
    this.writing = null;
  }

  private inDocument(text: string): string {
    const plain = text.replaceAll(/\r\n?/gu, '\n');
    return this.editor.document.eol === vscode.EndOfLine.CRLF ? plain.replaceAll('\n', '\r\n') : plain;
  }

  /** An edit of a document that has changed meanwhile is refused; the place is then another. */
  private async insert(text: string): Promise<boolean> {
    for (let attempt = 0; attempt < 20 && !this.gone; attempt++) {
      if (await this.edit(text)) return true;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.gone;
  }

  private async edit(text: string): Promise<boolean> {
    return this.insertAt(this.place.end, text, { undoStopBefore: this.undoStop, undoStopAfter: false });
  }

  private async insertAt(offset: number, text: string, stops: { readonly undoStopBefore: boolean; readonly undoStopAfter: boolean }): Promise<boolean> {
    const { document } = this.editor;
    const position = document.positionAt(offset);
    const editor = vscode.window.visibleTextEditors.find((one) => one === this.editor) ?? vscode.window.visibleTextEditors.find((one) => one.document === document);
    if (editor) return editor.edit((builder) => builder.insert(position, text), stops).then((done) => done, () => false);
    const edit = new vscode.WorkspaceEdit();
    edit.insert(document.uri, position, text);
    return vscode.workspace.applyEdit(edit);
  }

  private onChange(changes: readonly vscode.TextDocumentContentChangeEvent[]): void {
    if (changes.length === 0 || this.joining) return;
    const [only] = changes;
    if (changes.length === 1 && only && only.rangeLength === 0 && only.rangeOffset === this.place.end && only.text === this.writing) {
      this.place = { start: this.place.start, end: this.place.end + only.text.length };
      this.undoStop = false;
    } else {
      this.undoStop = this.others = true;
      // Each change is told in the offsets from before all of them, the last one first.
      for (const change of [...changes].sort((a, b) => b.rangeOffset - a.rangeOffset)) {
        const moved = placeAfter(this.place, change);
        if (!moved) return this.lose('changed');
        this.place = moved;
      }
    }
    this.grown.fire();
  }

  private lose(reason: 'changed' | 'closed' | 'refused'): void {
    if (this.gone) return;
    this.gone = true;
    this.waiting = '';
    this.onGone(reason);
  }

  dispose(): void {
    this.gone = true;
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}
