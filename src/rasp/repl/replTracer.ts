// Carries the inputs of the interactive loop out, one statement after the other, and writes down what it prints.
import type { ReadSource, SourceFile } from '../analyse.ts';
import type { Drawing } from '../drawing.ts';
import { drawingOf } from '../drawing.ts';
import { Evaluation, EvaluationError } from '../interpret.ts';
import type { Node, Value } from '../program.ts';
import type { Span } from '../diagnostic.ts';
import { lineAt } from '../diagnostic.ts';
import { isSelector, nodesBelow } from '../program.ts';
import { FileTracer } from '../rasp/evaluate.ts';
import { libraryPath } from '../rasp/library.ts';
import type { ParsedFile } from '../rasp/parse.ts';
import type { Scope } from '../rasp/scope.ts';
import type { CommandStatement, DrawStatement, LoadStatement, SetExampleStatement, Statement } from '../rasp/syntax.ts';
import { SilentFailure, TraceFailure } from '../rasp/tracer.ts';
import { atom } from '../rasp/values.ts';
import { Display } from './display.ts';
import { matrixLines } from './sequenceText.ts';

/** A selector costs the square of its input. */
const longestInput = 2000;
const startExample = 'hello';

/** What one statement prints; a named value may be overtaken by a later one while a file is loaded. */
interface Shown {
  readonly name: string | null;
  readonly isError: boolean;
  readonly lines: readonly string[];
}

export class ReplTracer extends FileTracer {
  ended = false;
  private readonly display: Display;
  private readonly placeNames: Map<string, string>;
  private printed: string[] = [];
  private drawn: Drawing[] = [];
  /** What the files being loaded print, until the innermost of them ends. */
  private pending: Shown[] = [];
  private loadDepth = 0;

  /** @param path stands for the console in spans; files to load are looked for beside it. */
  constructor(path: string, readSource: ReadSource) {
    super({ source: { path, text: '' }, statements: [], diagnostics: [], spoiled: [], endsEarly: false }, { readSource });
    this.placeNames = new Map([[path, 'console'], [libraryPath, 'RASP_support/rasplib']]);
    this.display = new Display(atom(startExample), (file) => this.placeNames.get(file) ?? file);
  }

  /** What the statements print, line by line; a statement that fails leaves everything as it was. */
  enterAll(statements: readonly Statement[]): { lines: readonly string[]; drawings: readonly Drawing[] } {
    this.printed = [];
    this.drawn = [];
    for (const statement of statements) {
      this.topLevel(statement, this.mainScope);
      if (this.ended) break;
    }
    return { lines: this.printed, drawings: this.drawn };
  }

  /** The line that an input which is no RASP gives. */
  static refusal(message: string): string[] {
    return ['\t\t!!ignoring input:', `\t ${message}`];
  }

  protected override topLevel(statement: Statement, scope: Scope): void {
    this.startAfresh();
    const kept = scope.snapshot();
    try {
      this.statement(statement, scope);
    } catch (error) {
      if (scope === this.mainScope && statement.kind !== 'load') scope.restore(kept);
      this.tell(error);
      return;
    }
    this.show(statement, scope);
  }

  private tell(error: unknown): void {
    if (error instanceof SilentFailure) return;
    if (!(error instanceof TraceFailure)) throw error;
    const { code, message } = error;
    const text = code === 'unknown-name' || code === 'reserved-name' ? `Error: ${message.replace(/; did you mean .*\?$/u, '')}` : message;
    this.put({ name: null, isError: true, lines: ReplTracer.refusal(text) });
  }

  private put(shown: Shown): void {
    if (this.loadDepth > 0) this.pending.push(shown);
    else this.printed.push(...shown.lines);
  }

  /** While a file is loaded its s-ops are not tried: they may be made for other examples. */
  protected override tryNode(node: Node, span: Span): void {
    if (this.loadDepth > 0) return;
    const failure = this.tryout.failure(node);
    if (failure !== undefined) throw new TraceFailure('evaluation', failure.message, span, []);
  }

  private show(statement: Statement, scope: Scope): void {
    switch (statement.kind) {
      case 'expression':
        if (this.result.kind === 'applied') this.showApplied(this.result);
        else this.showNamed(statement.expression.kind === 'name' ? statement.expression.name : 'out', scope);
        return;
      case 'assign':
        return statement.targets.forEach(({ name }) => this.showNamed(name, scope));
      case 'function':
        return this.showNamed(statement.name.name, scope);
      case 'command':
        return this.command(statement);
      default:
    }
  }

  private showNamed(name: string, scope: Scope): void {
    const inFile = scope !== this.mainScope;
    const value = scope.get(name);
    if (value === undefined || (inFile && (name.startsWith('_') || name === 'out'))) return;
    this.attempt(name, () => this.display.named(name, value, !inFile));
  }

  /** A loaded file prints no evaluations. */
  private showApplied({ op, input }: { readonly op: Node; readonly input: readonly Value[] }): void {
    if (this.loadDepth === 0) this.attempt(null, () => this.display.applied(op, input));
  }

  private attempt(name: string | null, lines: () => readonly string[]): void {
    try {
      this.put({ name, isError: false, lines: lines() });
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      this.put({ name: null, isError: true, lines: ['\t!!statement executed, but result fails on evaluation:', `\t\t ${error.message}`] });
    }
  }

  private command({ command, subset }: CommandStatement): void {
    switch (command) {
      case 'show example':
        return this.put({ name: null, isError: false, lines: this.display.exampleLines(subset) });
      case 'examples on':
      case 'examples off':
        return this.display.toggleExamples(subset, command === 'examples on');
      case 'full seq display on':
      case 'full seq display off':
        return this.display.toggleFull(command === 'full seq display on');
      case 'exit':
        this.ended = this.loadDepth === 0;
    }
  }

  protected override setExample({ example, subset }: SetExampleStatement, scope: Scope): void {
    const input = this.exampleOf(example, scope);
    if (input.length > longestInput) this.fail('limit', `an example has at most ${longestInput} tokens, and this one has ${input.length}`, example.range);
    this.display.setExample(subset, this.evaluate(example, scope), input);
    if (subset !== 'selector') this.tryout.setExample(input);
  }

  protected override draw({ expression, input: given }: DrawStatement, scope: Scope): void {
    const value = this.evaluate(expression, scope);
    if (value.kind !== 's-op') this.fail('type', 'draw expects an s-op', expression.range);
    const input = given === null ? this.display.input : this.exampleOf(given, scope);
    if (input.length > longestInput) this.fail('limit', `an input has at most ${longestInput} tokens, and this one has ${input.length}`, expression.range);
    if (this.loadDepth > 0) return;
    const name = expression.kind === 'name' ? expression.name : (value.node.name ?? 'out');
    this.attempt(null, () => {
      const lines = [...this.display.applied(value.node, input), ...selectorLines(value.node, input)];
      this.drawn.push(drawingOf(value.node, name, 'rasp', input));
      return lines;
    });
  }

  protected override load(statement: LoadStatement, scope: Scope): void {
    if (this.loadDepth === 0) this.parsed.clear();
    this.loadDepth += 1;
    try {
      super.load(statement, scope);
    } finally {
      this.flush();
      this.loadDepth -= 1;
    }
  }

  protected override reportLoaded(): void {
    // The file's errors have been printed where they arose.
  }

  protected override read(name: string, range: LoadStatement['nameRange']): ParsedFile {
    const file = super.read(name, range);
    this.placeNames.set(file.source.path, name.replace(/\.rasp$/u, ''));
    return file;
  }

  protected override runFile({ source, statements, diagnostics }: ParsedFile, scope: Scope): void {
    for (const { message, severity, span } of diagnostics) {
      if (severity === 'error') this.put({ name: null, isError: true, lines: ReplTracer.refusal(`${placeIn(source, span)}: ${message}`) });
    }
    this.inFile(source.path, () => {
      for (const statement of statements) {
        if (statement.kind === 'command' && statement.command === 'exit') break;
        this.topLevel(statement, scope);
      }
    });
  }

  /** What the files printed: without errors, only the last value of each name. */
  private flush(): void {
    const shown = this.pending;
    this.pending = [];
    const last = new Map(shown.map(({ name }, i) => [name, i]));
    const all = shown.some(({ isError }) => isError);
    for (const [i, { name, lines }] of shown.entries()) if (all || name === null || last.get(name) === i) this.printed.push(...lines);
  }
}

const placeIn = ({ path, text }: SourceFile, { start }: Span): string => `${path}:${lineAt(text, start)}`;

/** The matrices of the selectors that an s-op reads, in the order of computation. */
function selectorLines(node: Node, input: readonly Value[]): string[] {
  const evaluation = new Evaluation('rasp', input);
  evaluation.evaluate(node);
  const read = nodesBelow(node).flatMap((below) => (below.kind === 'aggregate' || below.kind === 'width' ? [below.selector] : []));
  return [...new Set(read)].filter(isSelector).flatMap((selector) => [
    `     selector: ${selector.name ?? (selector.kind === 'select' ? 'plain select' : 'sel')}`,
    ...matrixLines(input, evaluation.matrix(selector)),
  ]);
}
