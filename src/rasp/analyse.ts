// From a text to a program: chooses the syntax, reports what is wrong, lists what can be run.
import type { Diagnostic, Span } from './diagnostic.ts';
import type { Dialect, Node, Program, SOp, Value } from './program.ts';

export interface SourceFile {
  /** Names the file in spans and messages; need not exist on disk. */
  readonly path: string;
  readonly text: string;
}

/** The text of another file that `load` names, resolved by the caller, or undefined if there is none. */
export type ReadSource = (path: string) => string | undefined;

export interface AnalyseOptions {
  /** Default: `tracr` for `.py`, else `rasp`. */
  readonly dialect?: Dialect;
  readonly readSource?: ReadSource;
  /** The input on which every new s-op is tried; default `hello`'s letters. */
  readonly runningExample?: readonly Value[];
}

/** Something that can be run: a top-level s-op of a RASP file, a function that needs no arguments of a Tracr file. */
export interface Entry {
  readonly name: string;
  readonly kind: 's-op' | 'function';
  readonly output: SOp;
  readonly nameSpan: Span;
}

/** An s-op or a selector with a name at the top level of a file. */
export interface Definition {
  readonly name: string;
  readonly node: Node;
  readonly nameSpan: Span;
}

export interface Analysis {
  readonly source: SourceFile;
  readonly dialect: Dialect;
  readonly diagnostics: readonly Diagnostic[];
  /** In source order. */
  readonly entries: readonly Entry[];
  /** The entries' ops and the named selectors, in source order. */
  readonly definitions: readonly Definition[];
  /** The input that is in force at the end of the file: what `set example` says last, or the one that was given. */
  readonly runningExample: readonly Value[] | undefined;
}

/** A place of the text with the small changes that make sense there; what the edit search tries. */
export interface EditSite {
  readonly span: Span;
  readonly kind: 'predicate' | 'comparison' | 'operator' | 'operand' | 'unary' | 'integer' | 'iterable';
  /** Texts that may stand in the span's place; never the present one. */
  readonly alternatives: readonly string[];
}

export const dialectOf = (path: string): Dialect => (path.endsWith('.py') ? 'tracr' : 'rasp');

/** The entry of that name, or the default one: the last. */
export function programOf(analysis: Analysis, entryName?: string): Program | undefined {
  const entry =
    entryName === undefined ? analysis.entries.at(-1) : analysis.entries.findLast(({ name }) => name === entryName);
  return entry && { dialect: analysis.dialect, name: entry.name, output: entry.output };
}
