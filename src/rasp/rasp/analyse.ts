// The RASP front end: from a text to its diagnostics and the programs in it.
import type { Analysis, AnalyseOptions, SourceFile } from '../analyse.ts';
import { FileTracer } from './evaluate.ts';
import type { ParsedFile } from './parse.ts';
import { parse } from './parse.ts';

/** Never throws for any text; spans of diagnostics may lie in files that the source loads. */
export function analyseRasp(source: SourceFile, options: AnalyseOptions = {}): Analysis {
  const file = parse(source);
  return traced(file, new FileTracer(file, options));
}

/** Carries the file out and gathers what is known of it then. */
export function traced(file: ParsedFile, tracer: FileTracer): Analysis {
  tracer.run();
  const diagnostics = [...file.diagnostics, ...tracer.diagnostics].sort((a, b) => a.span.start - b.span.start);
  return { source: file.source, dialect: 'rasp', diagnostics, entries: tracer.entries(), definitions: tracer.definitions(), runningExample: tracer.runningExample };
}
