// What a name of a RASP file stands for: every place that defines it or uses it, as far as the text alone tells.
import type { Span } from '../diagnostic.ts';
import type { Expression, FunctionStatement } from '../rasp/syntax.ts';

/** How a definition gives its name a value. */
export type DefinitionForm =
  /** `value` is null where several names share one list. */
  | { readonly kind: 'variable'; readonly value: Expression | null }
  | { readonly kind: 'function'; readonly statement: FunctionStatement }
  | { readonly kind: 'parameter'; readonly statement: FunctionStatement }
  | { readonly kind: 'loop' }
  | { readonly kind: 'built-in' };

export interface Definition {
  readonly span: Span;
  /** The whole statement, for previews and outlines. */
  readonly whole: Span;
  readonly form: DefinitionForm;
}

/** Where the name comes from: the files that were read, the library that every file starts with, or the language. */
export type SymbolOrigin = 'file' | 'library' | 'built-in';

/** One name in one scope. Two scopes' names are one symbol where a use may mean either. */
export interface RaspSymbol {
  readonly name: string;
  readonly origin: SymbolOrigin;
  /** In the order in which they were read; those of the language itself have none. */
  readonly definitions: readonly Definition[];
  /** Uses, definitions apart. */
  readonly references: readonly Span[];
  /** The function that the name is local to. */
  readonly container: string | null;
}

export interface Occurrence {
  readonly span: Span;
  readonly symbol: RaspSymbol;
  readonly role: 'definition' | 'reference';
}

/** A name that can be used at some place. */
export interface VisibleName {
  readonly name: string;
  readonly symbol: RaspSymbol;
  /** 0 for the innermost scope. */
  readonly distance: number;
}
