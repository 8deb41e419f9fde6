// What a sentence more, and an edit, cost beside scoring a whole document again.
import type { OpenModel, Settings } from './bench.ts';
import { summaryFrame } from './bench.ts';
import { twinExamples } from './contradictions.ts';
import type { CostPart, CostRow } from './report.ts';
import { quantile } from '../raspbugs/statistics.ts';
import { DocumentScorer } from '../../src/probes/documentScorer.ts';
import type { Probe } from '../../src/probes/probe.ts';
import { openResidualReader } from '../../src/probes/residualReader.ts';
import { Random } from '../../src/shared/random.ts';

const ROUNDS = 15;

/** Times in turns; the probe's weights do not matter for them. */
export async function measureCost({ host, folder, tokenizer }: OpenModel, { seed }: Settings): Promise<CostPart> {
  const site = 'layers.3.resid_post';
  const opened = await openResidualReader(host, folder, [site], { provider: 'cpu', threads: 1 });
  if (!opened.ok) throw new Error(opened.problem.message);
  const random = new Random(seed);
  const hidden = folder.sizes.hidden ?? 0;
  const vector = (): Float64Array => Float64Array.from({ length: hidden }, () => random.normal());
  const probe: Probe = {
    model: { name: folder.name, variant: folder.variant.name, layers: folder.sizes.layers, hidden, fingerprint: '' }, site, frame: summaryFrame,
    l2: 1, weights: vector(), bias: 0, threshold: 0, meanNorm: 1, data: { name: 'd', items: 1, hash: '' }, seed: 1, report: null, standardisation: { mean: vector(), scale: new Float64Array(hidden).fill(1) },
  };
  const twins = twinExamples({ seed, pairs: 40 });
  const [context = '', sentences] = [twins.find(({ domain }) => domain === 'story')?.context, twins.filter(({ domain, label }) => domain === 'story' && label === 0).map(({ continuation }) => continuation).slice(0, 7)];
  const base = sentences.slice(0, 6);
  const [document, extended, edited] = [base, [...base, ...sentences.slice(6)], [...base.slice(0, 5), ...sentences.slice(6)]].map((all) => all.join(' '));
  const rows: Record<string, { millis: number[]; tokens: number; all: number }> = {};
  const timed = async (name: string, scorer: DocumentScorer, text = ''): Promise<void> => {
    const started = performance.now();
    const { cost } = await scorer.score(context, text);
    const row = (rows[name] ??= { millis: [], tokens: cost.run, all: cost.all });
    row.millis.push(performance.now() - started);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const scorer = new DocumentScorer({ reader: opened.reader, tokenizer, probe, limit: folder.sizes.context });
    await timed('the whole document', scorer, document);
    await timed('nothing changed', scorer, document);
    await timed('a sentence added', scorer, extended);
    await timed('the last of six sentences replaced', scorer, edited);
    await scorer.close();
  }
  await opened.reader.release();
  return { rows: Object.entries(rows).map(([name, { millis, tokens, all }]): CostRow => ({ name, tokens, all, medianMillis: quantile(millis, 0.5), range: [Math.min(...millis), Math.max(...millis)] })) };
}
