// Scores of documents: one pass over all, little again after a change, windows where a text is too long.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import type { DocumentScores } from '../../../src/probes/documentScorer.ts';
import { DocumentScorer } from '../../../src/probes/documentScorer.ts';
import type { Probe } from '../../../src/probes/probe.ts';
import { planRescoring } from '../../../src/probes/rescoring.ts';
import type { ResidualReader } from '../../../src/probes/residualReader.ts';
import { captureFinalStates } from '../../../src/probes/capture.ts';
import { probeScores } from '../../../src/probes/probe.ts';
import { sentencesOf } from '../../../src/probes/sentences.ts';
import { readText } from '../../../src/probes/statements.ts';
import { planWindows } from '../../../src/probes/windows.ts';
import { Random } from '../../../src/shared/random.ts';
import { startHost } from '../../support/host.ts';
import { readerOf, tinyCode } from './support.ts';

const site = 'layers.3.resid_post';
const model = tinyCode();
const random = new Random(11);
const probe: Probe = {
  model: { name: 'tiny-code', variant: 'default', layers: 5, hidden: 128, fingerprint: '' }, site, frame: { before: 'Context: ', between: '\nSummary: ' }, l2: 1,
  weights: Float64Array.from({ length: 128 }, () => random.normal() / 10), bias: 0, threshold: 0, meanNorm: 1, data: { name: 'd', items: 1, hash: '' }, seed: 1, report: null,
  standardisation: { mean: new Float64Array(128), scale: new Float64Array(128).fill(1) },
};
const context = 'Mira has 66 hens. The cloak of Dormo is brown. Toda went to the mill on Friday.';
const sentences = ['Mira has 66 hens.', 'Dormo has a red cloak.', 'Toda was at the mill on Friday.', 'Mira has 12 hens.'];
const scoresOf = ({ sentences: all }: DocumentScores): number[] => all.map(({ score }) => score ?? Number.NaN);
const near = (a: readonly number[], b: readonly number[]): void => {
  assert.equal(a.length, b.length);
  a.forEach((value, i) => assert.ok(Math.abs(value - (b[i] ?? Number.NaN)) < 1e-4, `${a.join()} and ${b.join()}`));
};

describe('the scores of a document', () => {
  let reader: ResidualReader;
  before(async () => void (reader = await readerOf(model.folder, [site])));
  after(async () => reader?.release());

  const scorerOf = (limit: number | null = 192): DocumentScorer => new DocumentScorer({ reader, tokenizer: model.tokenizer, probe, limit });

  /** Each sentence by a pass of its own over context and all before it. */
  async function apart(text: string): Promise<number[]> {
    const texts = sentencesOf(text).map(({ end }) => readText(model.tokenizer, probe.frame, context, text, [{ start: 0, end }]));
    const states = (await captureFinalStates(reader, texts)).get(site) ?? assert.fail();
    return [...probeScores(probe, states)];
  }

  it('are those of each sentence read with all before it, in one pass', async () => {
    const scorer = scorerOf();
    const text = sentences.join(' ');
    const scored = await scorer.score(context, text);
    near(scoresOf(scored), await apart(text));
    assert.deepEqual(scored.sentences.map(({ range }) => text.slice(range.start, range.end)), sentences);
    assert.deepEqual([scored.warnings, scored.cost.run], [[], scored.cost.all]);
    scored.sentences.forEach(({ score, probability, unsupported }) => {
      assert.equal(unsupported, (score ?? 0) >= 0);
      assert.ok(Math.abs((probability ?? 0) - 1 / (1 + Math.exp(-(score ?? 0)))) < 1e-12);
    });
    await scorer.close();
  });

  it('cost only its own tokens where a sentence is added, and nothing where none changed', async () => {
    const scorer = scorerOf();
    let text = '';
    for (const [i, sentence] of sentences.entries()) {
      text = i === 0 ? sentence : `${text} ${sentence}`;
      const { cost, ...scored } = await scorer.score(context, text);
      if (i > 0) assert.equal(cost.run, model.tokenizer.encode(` ${sentence}`, false).ids.length);
      if (i === sentences.length - 1) near(scoresOf({ cost, ...scored }), await apart(text));
    }
    const again = await scorer.score(context, `${text}\n`);
    assert.equal(again.cost.run, 0);
    near(scoresOf(again), await apart(text));
    await scorer.close();
  });

  it('are run again from the checkpoint before an edit on, and from the edit alone when its place is edited again', async () => {
    const scorer = scorerOf();
    const edited = (third: string): string => [sentences[0], sentences[1], third, sentences[3]].join(' ');
    const first = await scorer.score(context, edited('Toda was at the mill on Friday.'));
    const tokens = (text: string): number => model.tokenizer.encode(text, false).ids.length;
    const second = await scorer.score(context, edited('Toda was at the inn on Friday.'));
    assert.equal(second.cost.run, tokens(' Toda was at the inn on Friday. Mira has 12 hens.'));
    near(scoresOf(second), await apart(edited('Toda was at the inn on Friday.')));
    near(scoresOf(second).slice(0, 2), scoresOf(first).slice(0, 2));
    const third = await scorer.score(context, edited('Toda was at the bridge on Friday.'));
    assert.equal(third.cost.run, tokens(' bridge on Friday. Mira has 12 hens.'));
    near(scoresOf(third), await apart(edited('Toda was at the bridge on Friday.')));
    await scorer.close();
  });

  it('of a long document cost a part of it after an edit, wherever the edit is', async () => {
    const scorer = scorerOf(null);
    const many = Array.from({ length: 12 }, (_, i) => `Mira has ${i + 10} hens.`);
    const each = model.tokenizer.encode(` ${many[0] ?? ''}`, false).ids.length;
    await scorer.score(context, many.join(' '));
    const last = await scorer.score(context, [...many.slice(0, -1), 'Mira has 99 hens.'].join(' '));
    assert.equal(last.cost.run, each);
    const changed = [...many.slice(0, 9), 'Dormo has 7 hens.', ...many.slice(10)].join(' ');
    const middle = await scorer.score(context, changed);
    assert.ok(middle.cost.run <= 6 * each, `${middle.cost.run} of ${middle.cost.all}`);
    near(scoresOf(middle), await apart(changed));
    await scorer.close();
  });

  it('follow a changed context', async () => {
    const scorer = scorerOf();
    await scorer.score('Mira has 3 hens.', sentences.join(' '));
    near(scoresOf(await scorer.score(context, sentences.join(' '))), await apart(sentences.join(' ')));
    await scorer.close();
  });

  it('outlive the model\'s process', async () => {
    const host = startHost();
    const own = await readerOf(model.folder, [site], host);
    const scorer = new DocumentScorer({ reader: own, tokenizer: model.tokenizer, probe, limit: 192 });
    await scorer.score(context, sentences.slice(0, 2).join(' '));
    process.kill(host.pid ?? 0, 'SIGKILL');
    const scored = await scorer.score(context, sentences.join(' '));
    near(scoresOf(scored), await apart(sentences.join(' ')));
    await scorer.close();
    host.dispose();
  });

  it('come in windows, with a warning, where the context is too long; the lowest score of a sentence counts', async () => {
    const scorer = scorerOf(72);
    const long = Array.from({ length: 14 }, (_, i) => `Mira has ${20 + i} hens.`).join(' ');
    const scored = await scorer.score(long, sentences.join(' '));
    assert.match(scored.warnings[0] ?? '', /have \d+ tokens together, and tiny-code reads 72 at once: each sentence was scored against \d+ parts of the context/);
    assert.ok(scored.sentences.every(({ score }) => score !== null && Number.isFinite(score)));
    const parts = Number(/against (\d+) parts/.exec(scored.warnings[0] ?? '')?.[1]);
    assert.ok(parts > 1 && scored.cost.all <= 72 * parts * sentences.length);
    assert.equal((await scorer.score(long, sentences.join(' '))).cost.run, 0);
    const chunked = await scorer.score(context, [...sentences, ...sentences].join(' '));
    assert.match(chunked.warnings[0] ?? '', /the document was scored in \d parts/);
    const endless = await scorer.score(context, `${sentences[0] ?? ''} ${'Mira has hens and '.repeat(30)} ducks.`);
    assert.ok(endless.warnings.some((warning) => warning.startsWith('One sentence was not scored')));
    assert.deepEqual(endless.sentences.map(({ score }) => score === null), [false, true]);
    await scorer.close();
  });

  it('are none where there is no sentence', async () => {
    const scorer = scorerOf();
    assert.deepEqual(await scorer.score(context, ' \n'), { sentences: [], warnings: [], cost: { run: 0, all: 0 } });
  });
});

describe('the plan of a rescoring', () => {
  const ids = fc.array(fc.nat(2), { minLength: 1, maxLength: 30 });

  it('keeps what no change comes before, runs all else, and goes on from a checkpoint that holds', () => {
    fc.assert(fc.property(ids, ids, fc.nat(30), fc.array(fc.nat(30)), fc.array(fc.nat(30)), fc.nat(10), (old, tail, at, checkpoints, finals, context) => {
      const next = [...old.slice(0, at), ...tail];
      const wanted = [...new Set(finals.filter((final) => final < next.length))].sort((a, b) => a - b);
      const scores = new Map(old.map((_, i) => [i, 100 + i]));
      const plan = planRescoring({ ids: old, scores, checkpoints: checkpoints.filter((length) => length <= old.length) }, next, wanted, context);
      const same = (length: number): boolean => old.slice(0, length).join() === next.slice(0, length).join() && length <= Math.min(old.length, next.length);
      for (const [final, score] of plan.kept) assert.ok(same(final + 1) && score === 100 + final);
      for (const final of wanted.filter((place) => !plan.kept.has(place))) assert.ok(!same(final + 1) && final >= plan.resume && final < plan.end);
      assert.ok(plan.resume === 0 || (checkpoints.includes(plan.resume) && same(plan.resume)));
      assert.ok(plan.checkpoints.every(same));
      plan.pauses.reduce((last, pause) => (assert.ok(pause > last && pause < plan.end), pause), plan.resume);
      assert.ok(plan.pauses.length <= 4);
      if (wanted.length === plan.kept.size) assert.equal(plan.end, 0);
    }));
  });
});

describe('the plan of windows', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 });

  it('reads every sentence that can be read once, after parts that hold all of the context, and never too much', () => {
    fc.assert(fc.property(fc.integer({ min: 40, max: 200 }), fc.integer({ min: 0, max: 8 }), sizes, sizes, (limit, frame, context, document) => {
      const { contexts, chunks, skipped } = planWindows({ limit, frame, context, sentences: document });
      const total = (of: readonly number[], start: number, end: number): number => of.slice(start, end).reduce((sum, size) => sum + size, 0);
      assert.deepEqual(chunks.flatMap(({ start, end }) => document.map((_, i) => i).slice(start, end)), [...document.keys()]);
      assert.deepEqual([...new Set(contexts.flatMap(({ start, end }) => context.map((_, i) => i).slice(start, end)))].sort((a, b) => a - b), [...context.keys()]);
      for (const i of skipped) assert.ok((document[i] ?? 0) > limit / 2);
      const read = document.map((size, i) => (skipped.includes(i) ? 0 : size));
      for (const part of contexts) for (const chunk of chunks) {
        const tokens = frame + total(context, part.start, part.end) + total(read, chunk.start, chunk.end);
        // One sentence of the context may be longer than any window: its end is left out when it is read.
        assert.ok(tokens <= limit || part.end - part.start === 1, `${tokens} of ${limit}`);
      }
    }));
  });

  it('leaves a text whole that fits, and cuts the document before the context', () => {
    assert.deepEqual(planWindows({ limit: 50, frame: 5, context: [10, 10], sentences: [10, 10] }), { contexts: [{ start: 0, end: 2 }], chunks: [{ start: 0, end: 2 }], skipped: [] });
    assert.deepEqual(planWindows({ limit: 50, frame: 5, context: [10, 10], sentences: [10, 10, 10] }), { contexts: [{ start: 0, end: 2 }], chunks: [{ start: 0, end: 2 }, { start: 2, end: 3 }], skipped: [] });
  });

  it('overlaps the parts of a context that is too long', () => {
    const { contexts } = planWindows({ limit: 100, frame: 0, context: Array<number>(20).fill(10), sentences: [20] });
    assert.ok(contexts.length > 2 && contexts.slice(1).every(({ start }, i) => start < (contexts[i]?.end ?? 0) && start > (contexts[i]?.start ?? 0)), JSON.stringify(contexts));
  });
});
