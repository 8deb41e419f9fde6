// The one door to both syntaxes: analyses a text, and lists its edit sites, in the dialect that it is written in.
import type { Analysis, AnalyseOptions, EditSite, SourceFile } from './analyse.ts';
import { dialectOf } from './analyse.ts';
import type { Dialect } from './program.ts';
import { analyseRasp } from './rasp/analyse.ts';
import { raspEditSites } from './rasp/editSites.ts';
import { analyseTracr } from './tracr/analyse.ts';
import { tracrEditSites } from './tracr/editSites.ts';

/** What is wrong with a text, and what can be run in it; never throws for any text. */
export function analyse(source: SourceFile, options: AnalyseOptions = {}): Analysis {
  const dialect = options.dialect ?? dialectOf(source.path);
  return dialect === 'rasp' ? analyseRasp(source, options) : analyseTracr(source);
}

/** The places of the source's own text where a small change makes sense, in source order. */
export function editSites(source: SourceFile, dialect: Dialect = dialectOf(source.path)): EditSite[] {
  return dialect === 'rasp' ? raspEditSites(source) : tracrEditSites(source);
}
