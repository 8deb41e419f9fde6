// The values of a RASP file's names and expressions on the running example.
import type { Analysis, AnalyseOptions, SourceFile } from '../analyse.ts';
import type { Value } from '../program.ts';
import type { Inspected, Recorded, ShownValue } from '../shownValue.ts';
import { longestExample, NodeValues, Records } from '../shownValue.ts';
import { traced } from './analyse.ts';
import { FileTracer } from './evaluate.ts';
import type { ParsedFile } from './parse.ts';
import { parse } from './parse.ts';
import type { Scope } from './scope.ts';
import type { Expression, Identifier, Statement } from './syntax.ts';
import type { Token } from './tokens.ts';
import { tokenize } from './tokens.ts';
import type { RaspValue } from './values.ts';
import { describeAtom, kindName } from './values.ts';

/** Notes what every expression and every assigned name of the main file gives. */
class RecordingTracer extends FileTracer {
  readonly records = new Records<RaspValue>();

  private record({ start, end }: Expression['range'], value: RaspValue): void {
    if (this.file !== this.mainFile || value.kind === 'unknown' || value.kind === 'applied') return;
    this.records.add(start, end, value, this.tryout.example);
  }

  protected override evaluate(expression: Expression, scope: Scope): RaspValue {
    const value = super.evaluate(expression, scope);
    this.record(expression.range, value);
    return value;
  }

  protected override assign(target: Identifier, value: RaspValue, scope: Scope): void {
    super.assign(target, value, scope);
    if (value.kind !== 'function') this.record(target.range, value);
  }
}

export class RaspValues {
  readonly analysis: Analysis;
  private readonly records: Records<RaspValue>;
  private readonly nodes = new NodeValues('rasp');
  private readonly parsed: ParsedFile;
  private readonly tokens: readonly Token[];

  constructor(source: SourceFile, options: AnalyseOptions) {
    this.parsed = parse(source);
    this.tokens = tokenize(source.text).tokens;
    const tracer = new RecordingTracer(this.parsed, { ...options, ...(options.runningExample ? { runningExample: options.runningExample.slice(0, longestExample) } : {}) });
    this.analysis = traced(this.parsed, tracer);
    this.records = tracer.records;
  }

  /** The value of the name, operator or call that the offset points at. */
  at(offset: number): Inspected | null {
    const token = this.tokens.findLast(({ start, end }) => start <= offset && offset <= end && end > start);
    if (token === undefined || !pointsAtValue(token)) return null;
    const isName = token.kind === 'name' && !operatorWords.has(token.text);
    const record = isName ? this.records.get(token.start, token.end) : this.records.around(token.start, token.end);
    return record ? this.inspected(record) : null;
  }

  /** What the top-level assignments and expressions give, behind their statements. */
  named(start = 0, end = Infinity): Inspected[] {
    return this.topLevel(this.parsed.statements).flatMap((statement) => {
      if (statement.range.end < start || statement.range.end > end) return [];
      const place = placeOf(statement);
      const record = place && this.records.get(place.start, place.end);
      if (!record || record.value.kind === 'function') return [];
      return [{ ...this.inspected(record), start: statement.range.end, end: statement.range.end }];
    });
  }

  private topLevel(statements: readonly Statement[]): Statement[] {
    return statements.flatMap((statement) => (statement.kind === 'for' ? this.topLevel(statement.body) : [statement]));
  }

  private inspected({ start, end, value, example, times }: Recorded<RaspValue>): Inspected {
    return { start, end, shown: this.shown(value, example), example, times };
  }

  private shown(value: RaspValue, example: readonly Value[]): ShownValue {
    if ('node' in value) return this.nodes.show(value.node, example);
    return { kind: 'plain', what: kindName(value), text: plainText(value, { left: mostItems }) };
  }
}

const operatorWords: ReadonlySet<string> = new Set(['and', 'or', 'not', 'if', 'else', 'in', 'round', 'indicator']);

/** Names, operators and calls of the grammar; not brackets, literals and punctuation. */
function pointsAtValue({ kind, text }: Token): boolean {
  if (kind === 'name') return true;
  return kind === 'symbol' && (/^(?:[-<>+*/%^]|[=!<>]=)$/u.test(text) || /^\w+\($/u.test(text));
}

function placeOf(statement: Statement): { readonly start: number; readonly end: number } | undefined {
  if (statement.kind === 'expression') return statement.expression.range;
  return statement.kind === 'assign' && statement.targets.length === 1 ? statement.targets[0]?.range : undefined;
}

const mostItems = 40;

/** As RASP writes it, cut after some items. */
function plainText(value: RaspValue, budget: { left: number }): string {
  if (budget.left-- <= 0) return '…';
  switch (value.kind) {
    case 'atom':
      return describeAtom(value);
    case 'list':
      return `[${someOf(value.items, budget, (item) => plainText(item, budget))}]`;
    case 'dict':
      return `{${someOf([...value.entries.values()], budget, (entry) => `${describeAtom(entry.key)}: ${plainText(entry.value, budget)}`)}}`;
    case 'function':
      return `${value.name}(${value.parameters.map(({ name }) => name).join(', ')})`;
    default:
      return kindName(value);
  }
}

function someOf<T>(items: readonly T[], budget: { readonly left: number }, text: (item: T) => string): string {
  const texts: string[] = [];
  for (const item of items) {
    if (budget.left <= 0) return [...texts, '…'].join(', ');
    texts.push(text(item));
  }
  return texts.join(', ');
}
