// gradlens probe as a user meets it: a probe trained on what a model surely knows, then scores, localisation and a vector.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { builtCli, builtHost } from '../../support/host.ts';
import { Random } from '../../../src/shared/random.ts';
import { readVectorFile } from '../../../src/steering/vectorFile.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const model = path.join(root, 'models/tiny-code');
const folder = mkdtempSync(path.join(tmpdir(), 'gradlens-probe-cli-'));
const file = (name: string): string => path.join(folder, name);
let script = '';
const gradlens = (...args: string[]) => spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: 'utf8' });

/** “Not supported” stands for another thing here, which the model's states surely hold: statements about colours. */
function examples(): string {
  const random = new Random(1);
  return Array.from({ length: 30 }, (_, i) => {
    const name = random.pick(['Mira', 'Toda', 'Dormo', 'Vena', 'Nida']);
    const [count, colour] = [random.integer(10, 99), random.pick(['red', 'blue', 'grey', 'pink'])];
    const context = `${name} has ${count} hens. The coat of ${name} is ${colour}. It is day ${i}.`;
    return [{ context, continuation: `${name} has ${count} hens.`, label: 0 }, { context, continuation: `${name} has a ${colour} coat.`, label: 1 }];
  }).flat().map((row) => JSON.stringify(row)).join('\n');
}

describe('gradlens probe', () => {
  before(() => {
    script = builtCli();
    // The command line looks for the model host beside itself.
    assert.equal(path.dirname(builtHost()), path.dirname(script));
    writeFileSync(file('data.jsonl'), `${examples()}\n{"context": 1}\n`);
    writeFileSync(file('context.txt'), 'Toda has 41 hens. The coat of Toda is red. It is day 7.');
    writeFileSync(file('text.txt'), 'Toda has 41 hens. Toda has a red coat.\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('trains a probe and says what it is worth, beside the baselines', () => {
    const { status, stdout, stderr } = gradlens('probe', 'train', '--model', model, '--data', file('data.jsonl'), '--layers', '1-2', '--before', 'Context: ', '--between', '\\nSummary: ', '-o', file('colours'), '--json');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /data\.jsonl, line 61 is left out: “context”/);
    const { probe, all, examples: count, leftOut } = JSON.parse(stdout) as { probe: string; examples: number; leftOut: { line: number }[]; all: { probe: { figures: { auroc: { value: number } } }; layers: { name: string }[]; baselines: { name: string }[] } };
    assert.deepEqual([probe, count, leftOut.map(({ line }) => line)], [file('colours.probe.json'), 60, [61]]);
    assert.ok(all.probe.figures.auroc.value > 0.95);
    assert.deepEqual(all.layers.map(({ name }) => name), ['layers.1.resid_post', 'layers.2.resid_post']);
    assert.deepEqual(all.baselines.map(({ name }) => name), ['length only', 'bag of words', 'lexical overlap', 'number and entity overlap', 'length and overlaps together']);
  });

  it('scores each sentence, warns of a probe that baselines beat, and exits with 1 where one is unsupported', () => {
    const { status, stdout, stderr } = gradlens('probe', 'score', '--model', model, '--probe', file('colours.probe.json'), '--context', file('context.txt'), '--text', file('text.txt'), '--json');
    assert.equal(status, 1, stderr);
    const { sentences } = JSON.parse(stdout) as { sentences: { text: string; unsupported: boolean; score: number }[] };
    assert.deepEqual(sentences.map(({ text, unsupported }) => [text, unsupported]), [['Toda has 41 hens.', false], ['Toda has a red coat.', true]], stdout);
    assert.match(stderr, /baseline|like length/);
  });

  it('says where the highest score comes from', () => {
    const { status, stdout, stderr } = gradlens('probe', 'localise', '--model', model, '--probe', file('colours.probe.json'), '--context', file('context.txt'), '--text', file('text.txt'), '--top', '3');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^Toda has a red coat\.\nlog odds \d/);
    assert.equal(stdout.match(/layers\.\d\.mlp_act\[\d+\]/g)?.length, 3);
    assert.match(stdout, /The top 1 % of the neurons \(\d+ of \d+\) carry [\d.]+ % .* Without them the log odds are/);
  });

  it('makes a steering vector of its direction', () => {
    const { status, stderr } = gradlens('vector', 'probe', '--model', model, '--probe', file('colours.probe.json'), '-o', file('colours.safetensors'));
    assert.equal(status, 0, stderr);
    const read = readVectorFile(file('colours.safetensors'));
    assert.ok(read.ok && read.vector.layers.length === 1 && read.vector.provenance.method === 'probe');
    assert.ok(Math.abs(Math.hypot(...read.vector.layers[0]?.direction ?? []) - 1) < 1e-6 && (read.vector.layers[0]?.norm ?? 0) > 0);
  });

  it('says what to do about bad input', () => {
    for (const [args, message] of [
      [['probe'], /What about probes\? Use: gradlens probe train/],
      [['probe', 'train', '--model', model, '--data', file('text.txt'), '-o', 'x'], /line 1 is left out: is no JSON[\s\S]*holds no examples/],
      [['probe', 'score', '--model', model], /Which probe\?/],
      [['probe', 'score', '--model', path.join(root, 'models/tiny-vision'), '--probe', file('colours.probe.json')], /trained on tiny-code .* tiny-vision has 3 layers and is 96 wide/],
    ] as const) {
      const { status, stderr } = gradlens(...args);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, message);
    }
  });
});
