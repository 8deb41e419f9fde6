// What tracing a RASP file keeps: the graph, the running example, the calls under way, the diagnostics, the limits.
import type { Diagnostic, Severity, Span } from '../diagnostic.ts';
import type { Node, OriginForm, Selector, SOp, Value } from '../program.ts';
import { EvaluationError } from '../interpret.ts';
import { ScalarError } from '../scalar.ts';
import type { Elementwise, Operand } from './elementwise.ts';
import type { Place } from './graph.ts';
import { Graph, maxNodes, TooManyNodes } from './graph.ts';
import { libraryPath } from './library.ts';
import type { Expression, Range } from './syntax.ts';
import { Tryout } from './tryout.ts';
import type { Atom } from './values.ts';

/** A statement cannot be carried out; becomes one diagnostic. */
export class TraceFailure extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly span: Span,
    readonly calls: readonly Span[],
  ) {
    super(message);
  }
}

/** A statement depends on something that is reported already. */
export class SilentFailure extends Error {}

/** The whole file takes too much work. */
export class LimitFailure extends TraceFailure {}

const maxSteps = 400_000;
/** Well inside the JavaScript stack. */
const maxDepth = 900;
const maxCalls = 150;

const defaultExample = [...'hello'];

export class Tracer {
  readonly diagnostics: Diagnostic[] = [];
  protected readonly graph: Graph;
  protected readonly tryout: Tryout;
  /** The file whose text is being carried out. */
  protected file: string;
  private calls: readonly Span[] = [];
  private readonly reported = new Set<string>();
  private steps = 0;
  private depth = 0;

  constructor(
    protected readonly mainFile: string,
    example: readonly Value[] = defaultExample,
  ) {
    this.file = mainFile;
    this.tryout = new Tryout(example);
    this.graph = new Graph({ file: libraryPath, start: 0, end: 0 }, (node) => this.tryNode(node, node.origin.span));
  }

  protected span({ start, end }: Range): Span {
    return { file: this.file, start, end };
  }

  protected fail(code: string, message: string, at: Range): never {
    throw new TraceFailure(code, message, this.span(at), this.calls);
  }

  /** Reports at the span, or, for the library's text, at the call that leads there. */
  protected report(code: string, severity: Severity, message: string, span: Span, calls: readonly Span[] = this.calls): void {
    const place = span.file === libraryPath ? (calls.findLast(({ file }) => file !== libraryPath) ?? span) : span;
    const key = `${code} ${place.file} ${place.start} ${place.end} ${message}`;
    if (this.reported.has(key)) return;
    this.reported.add(key);
    this.diagnostics.push({ code, severity, message, span: place });
  }

  /** Turns what a statement threw into a diagnostic; rethrows bugs and what ends the whole file. */
  protected reportThrown(error: unknown): void {
    if (error instanceof SilentFailure) return;
    if (!(error instanceof TraceFailure)) throw error;
    this.report(error.code, 'error', error.message, error.span, error.calls);
  }

  /** Forgets what was counted and reported: what comes now is measured on its own. */
  protected startAfresh(): void {
    this.steps = 0;
    this.reported.clear();
    this.graph.startAfresh();
  }

  /** Counts one expression or statement, and how deep it is inside others; `leave` ends it. */
  protected enter(at: Range): void {
    this.steps += 1;
    if (this.steps > maxSteps) this.limit(`the file takes more than ${maxSteps} steps to build; make its loops shorter`, at);
    if (this.depth >= maxDepth) this.limit('expressions and calls are nested too deeply', at);
    this.depth += 1;
  }

  protected leave(): void {
    this.depth -= 1;
  }

  private limit(message: string, at: Range): never {
    throw new LimitFailure('limit', message, this.span(at), this.calls);
  }

  /** Carries a function's body out, in its own file. */
  protected inCall<T>(call: Range, file: string, body: () => T): T {
    const { calls, file: caller } = this;
    if (calls.length >= maxCalls) {
      this.fail('recursion', `functions call each other more than ${maxCalls} deep; end the recursion with "a if n == 0 else b"`, call);
    }
    this.calls = [...calls, this.span(call)];
    this.file = file;
    try {
      return body();
    } finally {
      this.calls = calls;
      this.file = caller;
    }
  }

  protected place(range: Range, form: OriginForm, symbol?: Range): Place {
    const place = { span: this.span(range), form, calls: this.calls };
    return symbol === undefined ? place : { ...place, symbol: this.span(symbol) };
  }

  /** Makes a node; a graph that grows without end is reported at the expression. */
  protected make<T extends Node>(at: Range, create: () => T): T {
    try {
      return create();
    } catch (error) {
      if (error instanceof TooManyNodes) this.limit(`the program has more than ${maxNodes} operations`, at);
      throw error;
    }
  }

  /** Runs scalar arithmetic of the file itself. */
  protected scalar<T>(at: Range, compute: () => T): T {
    try {
      return compute();
    } catch (error) {
      if (error instanceof ScalarError) this.fail('evaluation', error.message, at);
      throw error;
    }
  }

  /** Runs a whole op on an input that the file gives. */
  protected application<T>(at: Range, compute: () => T): T {
    try {
      return compute();
    } catch (error) {
      if (error instanceof EvaluationError) this.fail('evaluation', error.message, at);
      throw error;
    }
  }

  protected tryNode(node: Node, span: Span): void {
    const failure = this.tryout.failure(node);
    if (failure === undefined) return;
    if (failure.always) this.report('evaluation', 'error', failure.message, span);
    else this.report('running-example', 'information', `on the running example: ${failure.message}`, span);
  }

  protected mapNode(op: Elementwise, operands: readonly Operand[], parts: readonly (Expression | null)[], place: Place): SOp {
    const spans = parts.map((part) => (part === null ? null : this.span(part.outer)));
    return this.make(place.span, () => this.graph.map(op, operands, spans, place));
  }

  protected constantNode(atom: Atom, part: Expression): SOp {
    return this.make(part.range, () => this.graph.constant(atom, this.place(part.range, 'leaf')));
  }

  protected selectAll(full: Selector | undefined, at: Range): Selector {
    if (full === undefined) return this.fail('unknown-name', 'full_s is not defined', at);
    return full;
  }
}
