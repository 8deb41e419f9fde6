// Places in a text for people and programs: line and column, ranges in JSON, the underlined line of source.
import type { Diagnostic, Span } from '../rasp/diagnostic.ts';
import type { SourceFile } from '../rasp/analyse.ts';

export interface Position {
  /** Both count from 0, as the language server protocol does; the offset is in UTF-16 units. */
  readonly line: number;
  readonly character: number;
  readonly offset: number;
}

export interface JsonRange {
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
}

/** Looks places up in the texts that it is given; a place in another file is at its beginning. */
export class Places {
  private readonly texts: ReadonlyMap<string, string>;

  constructor(files: readonly SourceFile[]) {
    this.texts = new Map(files.map(({ path, text }) => [path, text]));
  }

  range({ file, start, end }: Span): JsonRange {
    const text = this.texts.get(file) ?? '';
    return { file, start: positionAt(text, start), end: positionAt(text, end) };
  }

  /** `sort.rasp:3:7`, counted from 1. */
  name({ file, start }: Span): string {
    const text = this.texts.get(file);
    if (text === undefined) return file;
    const { line, character } = positionAt(text, start);
    return `${file}:${line + 1}:${character + 1}`;
  }

  /** The first line of a span and a line of carets below it; empty for an unknown file. */
  underlined({ file, start, end }: Span, indent: string): string[] {
    const text = this.texts.get(file);
    if (text === undefined) return [];
    const lineStart = text.lastIndexOf('\n', start - 1) + 1;
    const newline = text.indexOf('\n', start);
    const lineEnd = newline < 0 ? text.length : newline;
    const before = text.slice(lineStart, start).replaceAll(/[^\t]/g, ' ');
    const carets = '^'.repeat(Math.max(1, Math.min(end, lineEnd) - start));
    return [indent + text.slice(lineStart, lineEnd).trimEnd(), indent + before + carets];
  }
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length - 1, character: before.length - lineStart, offset: before.length };
}

export const jsonDiagnostic = (places: Places, { code, severity, message, span }: Diagnostic) => ({ code, severity, message, range: places.range(span) });

export function printedDiagnostics(places: Places, diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.flatMap(({ code, severity, message, span }) => [`${places.name(span)}: ${severity}: ${message} [${code}]`, ...places.underlined(span, '    ')]);
}
