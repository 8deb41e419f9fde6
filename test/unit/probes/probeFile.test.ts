// Probes: their scores and direction, their files, the models they fit.
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'mocha';
import { modelFingerprint } from '../../../src/lm/fingerprint.ts';
import { matrixOf } from '../../../src/probes/features.ts';
import type { Probe } from '../../../src/probes/probe.ts';
import { caveatOf, directionOf, gradientOf, misfit, probeModelOf, probeScores } from '../../../src/probes/probe.ts';
import { readProbe, writeProbe } from '../../../src/probes/probeFile.ts';
import { Random } from '../../../src/shared/random.ts';
import { tinyCode } from './support.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-probe-'));
after(() => rmSync(folder, { recursive: true }));

function randomProbe(width: number): Probe {
  const random = new Random(3);
  const vector = (): Float64Array => Float64Array.from({ length: width }, () => random.normal());
  return {
    model: { name: 'tiny', variant: 'default', layers: 5, hidden: width, fingerprint: 'ab' }, site: 'layers.3.resid_post', frame: { before: 'Context: ', between: '\n' },
    l2: 0.1, weights: vector(), bias: 0.25, standardisation: { mean: vector(), scale: vector().map(Math.abs) }, threshold: 0.5, meanNorm: 1, data: { name: 'd', items: 1, hash: '' }, seed: 1, report: { all: { examples: 40, groups: 20, auroc: { value: 0.75, interval: [0.7, 0.8] }, baselines: { 'length only': { value: 0.6, interval: [0.5, 0.7] } } }, matchedLength: null },
  };
}

describe('a probe', () => {
  const probe = randomProbe(8);

  it('scores by its standardised weights, and the slope of its score is its gradient', () => {
    const random = new Random(9);
    const x = Array.from({ length: 8 }, () => random.normal());
    const byHand = x.reduce((sum, value, k) => sum + ((probe.weights[k] ?? 0) * (value - (probe.standardisation.mean[k] ?? 0))) / (probe.standardisation.scale[k] ?? 1), 0.25);
    const [score = 0] = probeScores(probe, matrixOf([x]));
    assert.ok(Math.abs(score - byHand) < 1e-12);
    x.forEach((_, k) => {
      const [moved = 0] = probeScores(probe, matrixOf([x.map((value, i) => value + Number(i === k))]));
      assert.ok(Math.abs(moved - score - (gradientOf(probe)[k] ?? 0)) < 1e-9);
    });
  });

  it('has a direction of length 1, along which the score rises most', () => {
    const direction = directionOf(probe);
    assert.ok(Math.abs(Math.hypot(...direction) - 1) < 1e-12);
    const rise = direction.reduce((sum, value, k) => sum + value * (gradientOf(probe)[k] ?? 0), 0);
    assert.ok(Math.abs(rise - Math.hypot(...gradientOf(probe))) < 1e-12);
  });

  it('says by its own figures when its scores are not to be trusted', () => {
    const figures = (low: number, value: number, length: number) => ({ examples: 9, groups: 9, auroc: { value, interval: [low, 1] as const }, baselines: { words: { value: 0.4, interval: [0, 1] as const }, 'length only': { value: length, interval: [0, 1] as const } } });
    const good = figures(0.7, 0.9, 0.6);
    assert.equal(caveatOf({ report: { all: figures(0.4, 0.5, 0.9), matchedLength: good } }), null);
    assert.match(caveatOf({ report: { all: good, matchedLength: figures(0.49, 0.52, 0.5) } }) ?? '', /did not tell statements apart: AUROC 0\.520 \[0\.490, 1\.000\] on statements of like length/);
    assert.match(caveatOf({ report: { all: good, matchedLength: figures(0.6, 0.7, 0.8) } }) ?? '', /no better than the baseline “length only”, which needs no model: AUROC 0\.700/);
    assert.match(caveatOf({ report: { all: good, matchedLength: null } }) ?? '', /not measured on statements of like length/);
    assert.match(caveatOf({ report: null }) ?? '', /was not measured/);
  });

  it('comes back from its files as it was', () => {
    const file = writeProbe(probe, path.join(folder, 'one'));
    assert.equal(path.basename(file), 'one.probe.json');
    assert.deepEqual(readProbe(file), { ok: true, probe });
  });

  it('is refused where a file is missing, of another probe, no probe, or from a newer version', () => {
    const file = writeProbe(probe, path.join(folder, 'two'));
    const message = (): string => {
      const read = readProbe(file);
      return read.ok ? assert.fail('it was read') : read.message;
    };
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.replace('"version": 1', '"version": 2'));
    assert.match(message(), /newer version/);
    writeFileSync(file, good.replace('"site": "', '"place": "'));
    assert.match(message(), /two\.probe\.json is no probe: site/);
    writeFileSync(file, '{');
    assert.match(message(), /no JSON/);
    writeFileSync(file, good.replace('"hidden": 8', '"hidden": 9'));
    assert.match(message(), /does not hold weights, mean and scale of 9 numbers/);
    writeFileSync(file, good);
    writeProbe(randomProbe(7), path.join(folder, 'three'));
    copyFileSync(path.join(folder, 'three.probe.safetensors'), path.join(folder, 'two.probe.safetensors'));
    assert.match(message(), /checksum differs/);
    rmSync(path.join(folder, 'two.probe.safetensors'));
    assert.match(message(), /There is no file .*two\.probe\.safetensors/);
    const absent = readProbe(path.join(folder, 'none.probe.json'));
    assert.ok(!absent.ok && /There is no file/.test(absent.message));
  });

  it('fits the model it was trained on, and says why it fits no other', () => {
    const model = probeModelOf(tinyCode().folder, 128);
    const own = { ...probe, model };
    assert.equal(misfit(own, model), null);
    assert.match(misfit(own, { ...model, name: 'other', hidden: 64 }) ?? '', /other has 5 layers and is 64 wide/);
    assert.match(misfit(own, { ...model, fingerprint: '0' }) ?? '', /weights of tiny-code \(default\) are others/);
  });
});

describe('a model\'s fingerprint', () => {
  it('is that of its bytes: a copy has it, a changed weight does not', () => {
    const { folder: model } = tinyCode();
    const copy = path.join(folder, 'model.onnx');
    copyFileSync(model.variant.path, copy);
    const of = (file: string): string => modelFingerprint({ file: { ...model.file, path: file, graph: { ...model.file.graph, initializers: new Map() } } });
    assert.equal(of(copy), of(model.variant.path));
    const bytes = readFileSync(copy);
    bytes[bytes.length - 9] = (bytes.at(-9) ?? 0) ^ 1;
    writeFileSync(copy, bytes);
    assert.notEqual(of(copy), of(model.variant.path));
    assert.match(modelFingerprint(model), /^[0-9a-f]{64}$/);
  });
});
