// One interactive session: lines go in, the transcript comes out, in the format of RASP's own loop.
import type { ReadSource } from '../analyse.ts';
import type { Drawing } from '../drawing.ts';
import { parse } from '../rasp/parse.ts';
import type { Statement } from '../rasp/syntax.ts';
import { ReplTracer } from './replTracer.ts';
import { isUnfinished } from './unfinished.ts';

/** What is printed when the loop starts. */
export const banner = 'RASP 0.1\nrunning example is: hello\n';

const freshPrompt = '>> ';
const continuationPrompt = '.. ';

export interface ReplReply {
  /** To be printed: empty, or whole lines. */
  readonly text: string;
  /** To be printed before the next line is read. */
  readonly prompt: string;
  /** The session is over. */
  readonly ended: boolean;
  /** The pictures that `draw` asks for. */
  readonly drawings: readonly Drawing[];
}

export class ReplSession {
  private readonly tracer: ReplTracer;
  private lines: readonly string[] = [];

  /**
   * @param path the console's own path, which does not exist: `load` looks beside it first
   */
  constructor(
    private readonly path: string,
    readSource: ReadSource,
  ) {
    this.tracer = new ReplTracer(path, readSource);
  }

  /** Grows while a statement spans lines; functions inside it indent it. */
  get prompt(): string {
    if (this.lines.length === 0) return freshPrompt;
    const functions = this.lines.join('\n').split(/\s+/u).filter((word) => word === 'def').length;
    return continuationPrompt + '  '.repeat(functions);
  }

  get ended(): boolean {
    return this.tracer.ended;
  }

  /** Takes one line, without its end. A line that only comments counts as empty. */
  line(text: string): ReplReply {
    this.lines = [...this.lines, text.trimStart().startsWith('#') ? '' : text];
    const input = this.lines.join('\n');
    if (isUnfinished(input)) return this.reply([]);
    this.lines = [];
    const { statements, diagnostics } = parse({ path: this.path, text: input });
    const error = diagnostics.find(({ severity }) => severity === 'error');
    return error === undefined ? this.carryOut(statements) : this.reply(ReplTracer.refusal(error.message));
  }

  /** As `load "name";` does. */
  load(name: string): ReplReply {
    const nowhere = { start: 0, end: 0 };
    return this.carryOut([{ kind: 'load', name, nameRange: nowhere, range: nowhere, trailing: null, spaced: false }]);
  }

  /** Forgets the lines of an unfinished statement. */
  cancel(): ReplReply {
    this.lines = [];
    return this.reply([]);
  }

  private carryOut(statements: readonly Statement[]): ReplReply {
    const { lines, drawings } = this.tracer.enterAll(statements);
    return this.reply(lines, drawings);
  }

  private reply(lines: readonly string[], drawings: readonly Drawing[] = []): ReplReply {
    return { text: lines.map((line) => `${line}\n`).join(''), prompt: this.prompt, ended: this.tracer.ended, drawings };
  }
}
