// gradlens probe score: every sentence of a text with the odds that the context does not support it.
import type { Outcome } from './outcome.ts';
import type { ProbeWork } from './probe.ts';
import { probeOf, textFile } from './probe.ts';
import { tableLines } from './table.ts';
import { UsageError } from './usage.ts';
import type { DocumentScores } from '../probes/documentScorer.ts';
import { DocumentScorer } from '../probes/documentScorer.ts';
import type { Probe } from '../probes/probe.ts';
import { caveatOf } from '../probes/probe.ts';
import { openResidualReader } from '../probes/residualReader.ts';

/** Exit code 1 where a sentence is called unsupported. @throws UsageError, RuntimeError, CancelledError */
export async function probeScore(work: ProbeWork): Promise<Outcome> {
  const probe = probeOf(work.args, work.folder);
  const [context, text] = [textFile(work.args, 'context', 'context'), textFile(work.args, 'text', 'text')];
  const scores = await documentScores(work, probe, context, text);
  const caveat = caveatOf(probe);
  const warnings = [...(caveat === null ? [] : [caveat]), ...scores.warnings];
  for (const warning of warnings) work.environment.terminal.err(`${warning}\n`);
  const lineOf = (place: number): number => text.slice(0, place).split('\n').length;
  const rows = scores.sentences.map(({ range: { start, end }, ...sentence }) => ({ line: lineOf(start), start, end, ...sentence, text: text.slice(start, end) }));
  const unsupported = rows.filter((row) => row.unsupported).length;
  return {
    exitCode: unsupported > 0 ? 1 : 0,
    json: { probe: { site: probe.site, threshold: probe.threshold }, sentences: rows, unsupported, warnings },
    lines: [
      ...tableLines([['line', 'log odds', 'p', '', 'sentence'], ...rows.map(({ line, score, probability, unsupported: called, text: sentence }) => [String(line), score?.toFixed(2) ?? '–', probability?.toFixed(3) ?? '–', called ? 'not supported' : '', sentence.replaceAll(/\s+/g, ' ')])]),
      `${unsupported} of ${rows.length} sentences are not supported by the context, the probe says.`,
    ],
  };
}

/** @throws UsageError, RuntimeError, CancelledError */
export async function documentScores({ host, folder, tokenizer, session, environment }: ProbeWork, probe: Probe, context: string, text: string): Promise<DocumentScores> {
  const opened = await openResidualReader(host, folder, [probe.site], session);
  if (!opened.ok) throw new UsageError(opened.problem.message);
  const scorer = new DocumentScorer({ reader: opened.reader, tokenizer, probe, limit: folder.sizes.context });
  try {
    return await scorer.score(context, text, environment.token);
  } finally {
    await scorer.close();
    await opened.reader.release();
  }
}
