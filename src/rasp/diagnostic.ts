// What the language says about a text: errors as data, each with its place and what to do about it.

/** A half-open range [start, end) of UTF-16 offsets in the file of that path. */
export interface Span {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export type Severity = 'error' | 'warning' | 'information';

export interface Diagnostic {
  /** Stable, kebab-case: `syntax`, `unknown-name`, `cyclic-load` … */
  readonly code: string;
  readonly severity: Severity;
  /** What is wrong and what to do. */
  readonly message: string;
  readonly span: Span;
}

/** Replaces the text of a span. */
export interface TextEdit {
  readonly span: Span;
  readonly newText: string;
}

/** The line of an offset, counted from 1. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
