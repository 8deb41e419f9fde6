// Progress on standard error: one line that is rewritten, or a line every few seconds where it cannot be.
import type { Terminal } from './terminal.ts';
import { LiveLine } from './terminal.ts';

/** How often a terminal that cannot rewrite a line gets a new one, milliseconds. */
const LINE_EVERY = 5000;

export class ProgressLine {
  private shownAt: number;
  private readonly line: LiveLine;

  constructor(
    private readonly terminal: Terminal,
    private readonly now: () => number,
  ) {
    this.shownAt = now();
    this.line = new LiveLine(terminal);
  }

  show(text: string): void {
    if (this.terminal.live) return this.line.rewrite(text);
    if (this.now() - this.shownAt < LINE_EVERY) return;
    this.shownAt = this.now();
    this.terminal.err(`${text}\n`);
  }

  /** A line that stays. */
  say(text: string): void {
    this.end();
    this.terminal.err(`${text}\n`);
  }

  /** Takes the line away. */
  end(): void {
    this.line.end();
  }
}
