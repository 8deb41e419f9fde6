// Reads rows of examples: `#:` comment lines of a source, and JSON lines of a file beside it.
import type { Diagnostic, Span } from '../rasp/diagnostic.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Value } from '../rasp/program.ts';

/** One row as written; `output` is null where another program is to give it. */
export interface ExampleRow {
  readonly input: readonly Value[];
  readonly output: readonly Value[] | null;
  readonly span: Span;
  /** Counts from 1. */
  readonly line: number;
}

/** What a file says about examples. */
export interface RowFile {
  readonly rows: readonly ExampleRow[];
  readonly diagnostics: readonly Diagnostic[];
  /** The program that gives the outputs: `#: reference other.rasp`. */
  readonly reference: { readonly path: string; readonly span: Span } | null;
  /** The tokens that inputs may hold: `#: vocabulary [1, 2, 3]`. */
  readonly vocabulary: { readonly values: readonly Value[]; readonly span: Span } | null;
}

/** More diagnostics than these help nobody. */
const MAX_DIAGNOSTICS = 100;

const rowHelp = 'Write a row as “#: [3, 1, 2] -> [1, 2, 3]” or “#: "hello" -> "olleh"”.';
const jsonHelp = 'Write a row as {"input": [3, 1, 2], "output": [1, 2, 3]}.';

class Faults {
  readonly diagnostics: Diagnostic[] = [];
  private more = 0;

  add(code: string, message: string, span: Span, severity: Diagnostic['severity'] = 'error'): void {
    if (this.diagnostics.length < MAX_DIAGNOSTICS) this.diagnostics.push({ code, severity, message, span });
    else this.more++;
  }

  all(): readonly Diagnostic[] {
    const last = this.diagnostics.at(-1);
    if (this.more === 0 || !last) return this.diagnostics;
    return [...this.diagnostics, { ...last, message: `${this.more} more rows of this file have faults too.` }];
  }
}

/** The `#:` lines of a program. Never throws; what cannot be read is a diagnostic. */
export function readCommentRows({ path, text }: SourceFile): RowFile {
  const faults = new Faults();
  const rows: ExampleRow[] = [];
  let reference: RowFile['reference'] = null;
  let vocabulary: RowFile['vocabulary'] = null;
  forEachLine(text, (start, end, line) => {
    const marked = /^[ \t]*#:[ \t]*/y.exec(text.slice(start, end));
    if (!marked) return;
    const from = start + marked[0].length;
    const content = text.slice(from, end).trimEnd();
    const span = { file: path, start: start + marked[0].indexOf('#'), end: from + content.length };
    const directive = /^(reference|vocabulary)\b[ \t]*/.exec(content);
    const rest = content.slice(directive?.[0].length ?? 0);
    if (directive?.[1] === 'reference') {
      const named = rest.replace(/^(["'])(.*)\1$/, '$2');
      if (named === '') faults.add('example-reference', 'Name the program that gives the outputs: “#: reference other.rasp”.', span);
      else reference = { path: named, span };
    } else if (directive) {
      const values = wholeSequence(rest, 'vocabulary');
      if (typeof values === 'string') faults.add('example-vocabulary', `${values} Write “#: vocabulary [1, 2, 3]”.`, span);
      else vocabulary = { values, span };
    } else if (!/^["'[]|->/.test(content)) {
      faults.add('example-syntax', `This “#:” line is no example and is left out. ${rowHelp}`, span, 'warning');
    } else addRow(rows, faults, arrowRow(content), span, line, rowHelp);
  });
  return { rows, diagnostics: faults.all(), reference, vocabulary };
}

/** The rows of a `.examples.jsonl` file. Never throws; what cannot be read is a diagnostic. */
export function readJsonRows({ path, text }: SourceFile): RowFile {
  const faults = new Faults();
  const rows: ExampleRow[] = [];
  forEachLine(text, (start, end, line) => {
    const content = text.slice(start, end).trimEnd();
    if (content.trim() === '') return;
    addRow(rows, faults, jsonRow(content), { file: path, start, end: start + content.length }, line, jsonHelp);
  });
  return { rows, diagnostics: faults.all(), reference: null, vocabulary: null };
}

interface RawRow {
  readonly input: readonly Value[];
  readonly output: readonly Value[] | null;
}

function addRow(rows: ExampleRow[], faults: Faults, raw: RawRow | string, span: Span, line: number, help: string): void {
  if (typeof raw === 'string') {
    faults.add('example-syntax', `${raw} ${help}`, span);
    return;
  }
  const input = withoutStart(raw.input);
  const output = raw.output && withoutStart(raw.output);
  if (input.length === 0) faults.add('example-length', 'The input of this example is empty; give it at least one token.', span);
  else if (output && output.length !== input.length) {
    const message = `This example has ${count(input.length, 'input')} and ${count(output.length, 'output')}; a program gives one output for each input. Make the two sides equally long.`;
    faults.add('example-length', message, span);
  } else rows.push({ input, output, span, line });
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

const withoutStart = (values: readonly Value[]): readonly Value[] => (values[0] === 'BOS' ? values.slice(1) : values);

function forEachLine(text: string, visit: (start: number, end: number, line: number) => void): void {
  for (let start = 0, line = 1; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    visit(start, end, line);
    start = end + 1;
  }
}

/** `INPUT` or `INPUT -> OUTPUT`; a text says what is wrong. */
function arrowRow(text: string): RawRow | string {
  const left = new SequenceReader(text, 0);
  const input = left.sequence('input');
  if (typeof input === 'string') return input;
  if (left.atEnd()) return { input, output: null };
  if (!left.skip('->')) return `After the input there must be “->”, and there is “${left.rest()}”.`;
  const output = left.sequence('output');
  if (typeof output === 'string') return output;
  return left.atEnd() ? { input, output } : `After the output there must be nothing, and there is “${left.rest()}”.`;
}

/** What a user types as a sequence: a list, a quoted string, or bare characters; a text says what is wrong. */
export function readSequence(text: string, what: string): readonly Value[] | string {
  const trimmed = text.trim();
  if (/^["'[]/.test(trimmed)) return wholeSequence(trimmed, what);
  return trimmed === '' ? `The ${what} is empty. Write it as abc, "abc" or [3, 1, 2].` : [...trimmed];
}

function wholeSequence(text: string, what: string): readonly Value[] | string {
  const reader = new SequenceReader(text, 0);
  const values = reader.sequence(what);
  if (typeof values === 'string' || reader.atEnd()) return values;
  return `After the ${what} there must be nothing, and there is “${reader.rest()}”.`;
}

const words: Readonly<Record<string, Value>> = { True: true, true: true, False: false, false: false, None: null, null: null };

/** Reads lists and strings as both JSON and Python write them. */
class SequenceReader {
  constructor(
    private readonly text: string,
    private at: number,
  ) {}

  atEnd(): boolean {
    this.space();
    return this.at >= this.text.length;
  }

  rest(): string {
    this.space();
    return shortened(this.text.slice(this.at));
  }

  skip(expected: string): boolean {
    this.space();
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  /** A list, or a string that stands for the list of its characters; a text says what is wrong. */
  sequence(what: string): readonly Value[] | string {
    if (!this.skip('[')) {
      const characters = this.string();
      return characters === undefined ? `The ${what} must be a list or a string, and there is “${this.rest()}”.` : [...characters];
    }
    const values: Value[] = [];
    if (this.skip(']')) return values;
    for (;;) {
      const value = this.value();
      if (value === undefined) return `In the ${what} there must be a number, string, True, False or None, and there is “${this.rest()}”.`;
      values.push(value);
      if (this.skip(']')) return values;
      if (!this.skip(',')) return `The list of the ${what} must go on with “,” or end with “]”, and there is “${this.rest()}”.`;
      if (this.skip(']')) return values;
    }
  }

  private value(): Value | undefined {
    this.space();
    const number = this.match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y);
    if (number !== undefined) return Number(number);
    const word = this.match(/(?:True|true|False|false|None|null)\b/y);
    return word === undefined ? this.string() : words[word];
  }

  private string(): string | undefined {
    this.space();
    const written = this.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y);
    return written?.slice(1, -1).replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_all, code?: string, plain?: string) =>
      code === undefined ? (escapes[plain ?? ''] ?? plain ?? '') : String.fromCharCode(Number.parseInt(code, 16)),
    );
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private space(): void {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t' || this.text[this.at] === '\r') this.at++;
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

const shortened = (text: string): string => (text.length > 30 ? `${text.slice(0, 29)}…` : text || 'the end of the line');

function jsonRow(text: string): RawRow | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return `This line is not JSON: “${shortened(text)}”.`;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'This line is not a JSON object.';
  const { input, output } = parsed as { input?: unknown; output?: unknown };
  const inputs = jsonSequence(input);
  if (!inputs) return input === undefined ? 'The row has no “input”.' : 'The “input” must be a list of numbers, strings and bools, or a string.';
  if (output === undefined) return { input: inputs, output: null };
  const outputs = jsonSequence(output);
  return outputs ? { input: inputs, output: outputs } : 'The “output” must be a list of numbers, strings and bools, or a string.';
}

function jsonSequence(value: unknown): readonly Value[] | null {
  if (typeof value === 'string') return [...value];
  return Array.isArray(value) && value.every(isValue) ? value : null;
}

const isValue = (v: unknown): v is Value =>
  v === null || typeof v === 'string' || typeof v === 'boolean' || (typeof v === 'number' && Number.isFinite(v));
