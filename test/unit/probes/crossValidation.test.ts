// Nested cross-validation: nothing leaks, the right layer is chosen; baselines, matched lengths, transfer and adaptation.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { fitted, givenFeatures, groupedFolds, nestedCrossValidation } from '../../../src/probes/crossValidation.ts';
import type { ProbeExample } from '../../../src/probes/dataset.ts';
import { aurocGain, figuresOf, lengthMatched } from '../../../src/probes/evaluation.ts';
import { matrixOf, rowsOf } from '../../../src/probes/features.ts';
import { auroc } from '../../../src/probes/metrics.ts';
import { probeScores } from '../../../src/probes/probe.ts';
import { surfaceBaselines, wordsOf } from '../../../src/probes/surface.ts';
import type { TransferSet } from '../../../src/probes/transfer.ts';
import { recentred, transferMatrix } from '../../../src/probes/transfer.ts';
import { Random } from '../../../src/shared/random.ts';
import { twinExamples } from '../../../bench/probes/contradictions.ts';

const ones = (count: number): number[] => new Array<number>(count).fill(1);
const ranked = (scores: ArrayLike<number>, labels: readonly number[]): number => auroc(scores, labels)(ones(labels.length));

/** Pairs of one example of each label; the labels differ by `signal` along the first axis, domains by `offset` in all. */
function pairs(seed: number, { count = 60, width = 5, signal = 2, offset = 0 } = {}): { readonly rows: number[][]; readonly labels: number[]; readonly groups: string[] } {
  const random = new Random(seed);
  const labels = Array.from({ length: 2 * count }, (_, i) => i % 2);
  const rows = labels.map((label) => Array.from({ length: width }, (_, k) => random.normal() + offset * (k + 1) + (k === 0 ? signal * label : 0)));
  return { rows, labels, groups: labels.map((_, i) => `${seed} ${Math.floor(i / 2)}`) };
}

describe('folds', () => {
  it('keep groups whole and are as large as groups allow', () => {
    fc.assert(fc.property(fc.array(fc.nat(12), { minLength: 1, maxLength: 60 }), fc.integer({ min: 2, max: 5 }), fc.nat(), (numbers, folds, seed) => {
      const groups = numbers.map(String);
      const dealt = groupedFolds(groups, folds, new Random(seed));
      const sizes = Array.from({ length: folds }, (_, fold) => new Set(groups.filter((_, i) => dealt[i] === fold)).size);
      assert.equal(sizes.reduce((sum, size) => sum + size, 0), new Set(groups).size);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }));
  });
});

describe('nested cross-validation', () => {
  it('learns nothing from a group about itself: labels that only name the group are not foretold', async () => {
    const random = new Random(2);
    const groups = Array.from({ length: 240 }, (_, i) => String(Math.floor(i / 3)));
    const [names, sides] = [new Map<string, number[]>(), new Map<string, number>()];
    for (const group of new Set(groups)) {
      names.set(group, Array.from({ length: 70 }, () => random.normal()));
      sides.set(group, random.integer(0, 1));
    }
    const labels = groups.map((group) => sides.get(group) ?? 0);
    const matrix = matrixOf(groups.map((group) => (names.get(group) ?? []).map((value) => value + 0.01 * random.normal())));
    const grouped = await nestedCrossValidation([givenFeatures('names', matrix)], { labels, groups }, { random: new Random(1), l2s: [0.1] });
    assert.ok(ranked(grouped.scores, labels) < 0.7, String(ranked(grouped.scores, labels)));
    const leaking = await nestedCrossValidation([givenFeatures('names', matrix)], { labels, groups: groups.map((_, i) => String(i)) }, { random: new Random(1), l2s: [0.01] });
    assert.ok(ranked(leaking.scores, labels) > 0.95, String(ranked(leaking.scores, labels)));
  });

  it('chooses the layer that tells labels apart, and reports each', async () => {
    const [noise, good] = [pairs(1, { signal: 0 }), pairs(2, { signal: 2.5 })];
    const sources = [givenFeatures('layer 0', matrixOf(noise.rows)), givenFeatures('layer 1', matrixOf(good.rows)), givenFeatures('layer 2', matrixOf(pairs(3, { signal: 0.3 }).rows))];
    const found = await nestedCrossValidation(sources, good, { random: new Random(4) });
    assert.deepEqual(found.chosen.map(({ source }) => source), ones(5).map(() => 'layer 1'));
    assert.deepEqual(found.scores, found.bySource.get('layer 1'));
    assert.ok(ranked(found.scores, good.labels) > 0.9);
    assert.ok(ranked(found.bySource.get('layer 0') ?? [], good.labels) < 0.65);
    const { auroc: estimate } = figuresOf(found.scores, good.labels, good.groups, new Random(1), 300);
    assert.ok(estimate.interval[0] < estimate.value && estimate.value < estimate.interval[1]);
    const gain = aurocGain(found.scores, found.bySource.get('layer 0') ?? [], good.labels, good.groups, new Random(1), 300);
    assert.ok(gain.interval[0] > 0.2);
  });

  it('scores a fold by a probe of the others, standardised by the others alone', async () => {
    const { rows, labels, groups } = pairs(6, { count: 30 });
    rows[0] = [500, -900, 40, 3, 8];
    const matrix = matrixOf(rows);
    const found = await nestedCrossValidation([givenFeatures('all', matrix)], { labels, groups }, { random: new Random(8), l2s: [0.1] });
    for (const fold of [0, 1, 2, 3, 4]) {
      const [training, test] = [(own: number) => own !== fold, (own: number) => own === fold].map((wanted) => found.folds.flatMap((own, i) => (wanted(own) ? [i] : [])));
      const probe = fitted(rowsOf(matrix, training ?? []), (training ?? []).map((i) => labels[i] ?? 0), 0.1);
      const scores = probeScores(probe, rowsOf(matrix, test ?? []));
      test?.forEach((i, k) => assert.ok(Math.abs((found.scores[i] ?? 0) - (scores[k] ?? 0)) < 1e-9));
    }
  });
});

describe('examples of matched length', () => {
  it('are as many of either label, in pairs of like length', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 80 }), fc.nat(1)), { maxLength: 60 }), (items) => {
      const [lengths, labels] = [items.map(([length]) => length), items.map(([, label]) => label)];
      const matched = lengthMatched(lengths, labels);
      const side = (label: number): number[] => matched.filter((i) => labels[i] === label).map((i) => lengths[i] ?? 0).sort((a, b) => a - b);
      const [zeros, others] = [side(0), side(1)];
      assert.equal(zeros.length, others.length);
      assert.equal(new Set(matched).size, matched.length);
      zeros.forEach((length, i) => assert.ok(Math.abs(length - (others[i] ?? 0)) <= 0.1 * Math.max(length, others[i] ?? 0)));
    }));
  });
});

describe('surface baselines', () => {
  const example = (context: string, continuation: string, from = 0): ProbeExample => ({ id: '', group: '', domain: '', context, continuation, from, label: 0 });
  const featuresOf = (name: string, of: ProbeExample): number[] => {
    const source = surfaceBaselines([of]).find((baseline) => baseline.name === name);
    return [...(source?.features([0]).data ?? [])];
  };

  it('count words, shares and runs as by hand', () => {
    const of = example('Mira has 66 hens. Dormo has a cloak.', 'Skipped. Mira has 12 hens.', 9);
    assert.deepEqual(wordsOf('The load_table of KX204 isn’t 3.5, so.'), ['the', 'load_table', 'of', 'kx204', 'isn’t', '3.5', 'so']);
    assert.deepEqual(featuresOf('length only', of), [17, Math.log(18), 4]);
    // mira, has, hens of four; “mira has” of three pairs; one word is missing; the longest run is “mira has”.
    assert.deepEqual(featuresOf('lexical overlap', of), [0.75, 1 / 3, 1, 2, 0.5]);
    // 12 is not in the context; no names but the first word, which may be no name.
    assert.deepEqual(featuresOf('number and entity overlap', of), [0, 0, 1, 1, 1, 1]);
    assert.deepEqual(featuresOf('number and entity overlap', example('In Rome KX204 ran.', 'They saw Rome and KX204 run 3 times.')), [0.5, 2 / 3, 1, 1, 2, 3]);
  });

  it('learn their words from the training rows alone', () => {
    const source = surfaceBaselines([example('', 'Aa bb.'), example('', 'Aa cc.')])[1];
    assert.deepEqual([source?.name, source?.features([0]).width, source?.features([0, 1]).width], ['bag of words', 2, 3]);
  });

  it('cannot tell twins with exchanged values apart by words, and tell invented values by overlap', async () => {
    const twins = twinExamples({ seed: 3, pairs: 240 });
    for (const falsehood of ['exchanged', 'invented'] as const) {
      const examples = twins.filter((twin) => twin.falsehood === falsehood);
      const labels = examples.map(({ label }) => label);
      const { bySource } = await nestedCrossValidation(surfaceBaselines(examples), { labels, groups: examples.map(({ group }) => group) }, { random: new Random(1), l2s: [0.1], outerFolds: 3, innerFolds: 2 });
      const found = (name: string): number => ranked(bySource.get(name) ?? [], labels);
      assert.ok(Math.abs(found('length only') - 0.5) < 0.1, `${falsehood}: length ${found('length only')}`);
      assert.ok(Math.abs(found('bag of words') - 0.5) < 0.12, `${falsehood}: words ${found('bag of words')}`);
      const overlap = found('number and entity overlap');
      assert.ok(falsehood === 'invented' ? overlap > 0.85 : Math.abs(overlap - 0.5) < 0.12, `${falsehood}: overlap ${overlap}`);
    }
  });
});

describe('transfer', () => {
  const setOf = (name: string, seed: number, offset: number, signal = 2.5): TransferSet => {
    const { rows, labels, groups } = pairs(seed, { signal, offset, count: 80 });
    return { name, labels, groups, features: new Map([['layers.0.resid_post', matrixOf(rows)], ['layers.1.resid_post', matrixOf(pairs(seed + 50, { signal: 0, count: 80 }).rows)]]) };
  };

  it('holds between sets that differ by a shift in ranking, and after recentring in accuracy too', async () => {
    const cells = await transferMatrix([setOf('a', 1, 0), setOf('b', 2, 3)], { random: new Random(3), l2s: [0.1, 0.01] });
    assert.deepEqual(cells.map(({ train, test }) => `${train}${test}`), ['aa', 'ab', 'ba', 'bb']);
    for (const { site, figures, adapted } of cells) {
      assert.equal(site, 'layers.0.resid_post');
      assert.ok(figures.auroc.value > 0.9);
      assert.ok(adapted.accuracy.value > 0.8);
    }
    for (const { figures } of cells.filter(({ train, test }) => train !== test)) assert.ok(figures.accuracy.value < 0.7);
  });

  it('undoes a shift of the hidden states exactly', () => {
    const { rows, labels } = pairs(9);
    const [here, there] = [matrixOf(rows), matrixOf(rows.map((row) => row.map((value, k) => value + 7 * k - 2)))];
    const probe = fitted(here, labels, 0.1);
    const supported = labels.flatMap((label, i) => (label === 0 ? [i] : []));
    const mean = new Float64Array(here.width).map((_, k) => supported.reduce((sum, i) => sum + (rows[i]?.[k] ?? 0) / supported.length, 0));
    const moved = recentred(probe, mean, rowsOf(there, supported));
    const [before, after] = [probeScores(probe, here), probeScores(moved, there)];
    before.forEach((score, i) => assert.ok(Math.abs(score - (after[i] ?? 0)) < 1e-9));
  });
});
