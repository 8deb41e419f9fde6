// The one door to the values of a text: what its names and expressions give on the running example.
import type { Analysis, AnalyseOptions, SourceFile } from './analyse.ts';
import { dialectOf } from './analyse.ts';
import { RaspValues } from './rasp/inspect.ts';
import type { Inspected } from './shownValue.ts';
import { TracrValues } from './tracr/inspect.ts';

export interface ProgramValues {
  /** As `analyse` gives it. */
  readonly analysis: Analysis;
  /** The value of the name, operator or call that the offset points at; null where there is none. */
  at(offset: number): Inspected | null;
  /** The values of the assignments that end between two offsets, each at the end of its statement, in source order. */
  named(start?: number, end?: number): readonly Inspected[];
}

/** Carries the text out once; never throws for any text. */
export function inspect(source: SourceFile, options: AnalyseOptions = {}): ProgramValues {
  const dialect = options.dialect ?? dialectOf(source.path);
  return dialect === 'rasp' ? new RaspValues(source, options) : new TracrValues(source, options);
}
