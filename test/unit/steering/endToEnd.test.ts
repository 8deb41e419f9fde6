// From contrast pairs to steered answers on tiny-code, and the same from the command line.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import { regimes, answersByKind, askedQuestion } from '../../../bench/steer/questions.ts';
import type { AskedQuestion } from '../../../bench/steer/questions.ts';
import { Random } from '../../../src/shared/random.ts';
import type { GrainsStates } from '../../../src/steering/grains.ts';
import { grainsStates } from '../../../src/steering/grains.ts';
import type { MadeDirections } from '../../../src/steering/makeVector.ts';
import { grainsDirections } from '../../../src/steering/makeVector.ts';
import { PreparedItems } from '../../../src/steering/steeredScores.ts';
import { SteeredModel } from '../../../src/steering/steering.ts';
import { maskToken, tokenPair } from '../../../src/steering/tokenPairs.ts';
import { readVectorFile } from '../../../src/steering/vectorFile.ts';
import { builtCli, builtHost, sharedHost } from '../../support/host.ts';
import { modelPath, openedFolder } from './steered.ts';

const session = { provider: 'cpu', threads: 1 } as const;

/** Questions about misprinted contexts. */
function questions(count: number, seed: number): readonly AskedQuestion[] {
  const [random, regime] = [new Random(seed), regimes.find(({ name }) => name === 'misprinted')];
  assert.ok(regime);
  const answers = answersByKind(new Random(1));
  return Array.from({ length: count }, () => askedQuestion(regime, random, 'training', answers));
}

describe('GrAInS on tiny-code', () => {
  const { folder, tokenizer } = openedFolder('tiny-code');
  const mask = maskToken(tokenizer, folder) ?? -1;
  const pairs = questions(10, 21).map((question) => tokenPair(tokenizer, folder, question));

  async function made(random = false, seed = 1): Promise<GrainsStates> {
    const found = await grainsStates(sharedHost(), folder, pairs, mask, { size: 5, method: 'gradxact', random, seed, session });
    assert.ok(found.ok);
    return found.grains;
  }
  const vectorOf = ({ states }: GrainsStates): MadeDirections => grainsDirections(states, 'both', 'uncentred');

  let attributed: GrainsStates;
  before(async () => void (attributed = await made()));

  it('hides two sets of so many tokens in each prompt, never the same one twice nor a special one', () => {
    attributed.sets.forEach(({ positive, negative }, i) => {
      assert.deepEqual([positive.length, negative.length, new Set([...positive, ...negative]).size], [5, 5, 10]);
      assert.ok([...positive, ...negative].every((place) => pairs[i]?.maskable.includes(place)));
    });
  });

  it('gives the same vector from the same seed, and another one from tokens at random', async () => {
    const [drawn, again, other] = [await made(true), await made(true), await made(true, 2)];
    assert.deepEqual(vectorOf(drawn), vectorOf(again));
    assert.notDeepEqual(drawn.sets, other.sets);
    assert.notDeepEqual(vectorOf(attributed), vectorOf(drawn));
    assert.equal(vectorOf(attributed).layers.length, 5);
    assert.equal(drawn.incomplete, null);
  });

  it('makes true answers likelier against tempting ones in questions that it was not made from', async () => {
    const vector = vectorOf(attributed);
    const opened = await SteeredModel.open(sharedHost(), folder, { session });
    assert.ok(opened.ok);
    const { steered } = opened;
    const asked = questions(40, 22).map((question) => tokenPair(tokenizer, folder, question));
    const items = new PreparedItems(steered, asked.flatMap(({ prompt, preferred, dispreferred }) => [preferred, dispreferred].map((continuation) => ({ prompt: prompt.ids, continuation }))));
    const margin = async (strength: number): Promise<number> => {
      const scores = await items.score(steered.amounts([{ vector, strength, layers: [0, 1, 2] }]));
      return asked.reduce((sum, _, i) => sum + ((scores[2 * i]?.logProbability ?? 0) - (scores[2 * i + 1]?.logProbability ?? 0)) / asked.length, 0);
    };
    const [against, none, along] = [await margin(-0.5), await margin(0), await margin(0.5)];
    assert.ok(along > none + 0.3 && none > against + 0.3, `margins ${against}, ${none}, ${along}`);
    await items.release();
    await steered.release();
  });
});

describe('gradlens vector and generate --steer', () => {
  let folder = '';
  const at = (name: string): string => path.join(folder, name);
  const gradlens = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [builtCli(), ...args], { cwd: folder, encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });
    return { status, stdout, stderr };
  };
  const rows = (asked: readonly AskedQuestion[]): string => asked.map(({ prompt, preferred, dispreferred }) => JSON.stringify({ prompt, preferred, dispreferred })).join('\n');
  const code = modelPath('tiny-code');

  before(() => {
    builtHost();
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-vector-'));
    writeFileSync(at('pairs.jsonl'), rows(questions(6, 31)));
    writeFileSync(at('other.jsonl'), rows(questions(12, 32)));
    writeFileSync(at('empty.jsonl'), '\n');
    writeFileSync(at('bad.jsonl'), '{"prompt": "a", "preferred": "b", "dispreferred": "b"}\n{"prompt": 3}');
    writeFileSync(at('long.jsonl'), JSON.stringify({ prompt: 'the lemon '.repeat(200), preferred: ' a', dispreferred: ' b' }));
    writeFileSync(at('torn.safetensors'), 'not a vector');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('make a vector, choose its strength on other pairs, and steer with it', function () {
    this.timeout(240_000);
    const made = gradlens('vector', 'grains', '--model', code, '--pairs', 'pairs.jsonl', '--validation', 'other.jsonl', '--method', 'gradxact', '--direction', 'uncentred', '--k', '5', '--layers', '0-1', '-o', 'v.safetensors', '--json');
    assert.equal(made.status, 0, made.stderr);
    const { layers, validation, provenance } = JSON.parse(made.stdout) as { layers: { layer: number }[]; validation: { best: { layers: number[]; strength: number; rate: number }; unsteered: { rate: number } }; provenance: { data: object } };
    const read = readVectorFile(at('v.safetensors'));
    assert.ok(read.ok);
    assert.deepEqual(read.vector.provenance, provenance);
    assert.equal(read.vector.provenance.data.items, 6);
    assert.deepEqual(read.vector.layers.map(({ layer }) => layer), layers.map(({ layer }) => layer));
    assert.ok(layers.every(({ layer }) => layer <= 1));
    assert.ok(validation.best.rate >= validation.unsteered.rate);
    const prompt = questions(1, 33)[0]?.prompt ?? '';
    const written = (strength: number): { text: string; steer?: unknown } => JSON.parse(gradlens('generate', '--model', code, '--prompt', prompt, '--max-tokens', '8', '--json', '--steer', `v.safetensors:${strength}`).stdout) as { text: string; steer?: unknown };
    const plain = JSON.parse(gradlens('generate', '--model', code, '--prompt', prompt, '--max-tokens', '8', '--json').stdout) as { text: string };
    assert.equal(written(0).text, plain.text);
    const steered = written(3);
    assert.notEqual(steered.text, plain.text);
    assert.deepEqual(steered.steer, [{ file: 'v.safetensors', strength: 3, layers: layers.map(({ layer }) => layer) }]);
    const scored = gradlens('generate', '--model', code, '--prompt', prompt, '--score', ' green', '--steer', 'v.safetensors:1', '--steer', 'v.safetensors:-1', '--json');
    const unsteered = gradlens('generate', '--model', code, '--prompt', prompt, '--score', ' green', '--json');
    const score = (text: string): number => (JSON.parse(text) as { score: { logProbability: number } }).score.logProbability;
    assert.ok(Math.abs(score(scored.stdout) - score(unsteered.stdout)) < 1e-3, 'a vector and its opposite leave nothing');
    for (const [steer, message] of [
      ['v.safetensors:1@4', /“v\.safetensors” has no direction for layer 4\. It has: /],
      ['v.safetensors:1@7', /no layer 7: its layers are 0 to 4/],
    ] as const) assert.match(gradlens('generate', '--model', code, '--prompt', 'x', '--steer', steer).stderr, message);
    const other = gradlens('generate', '--model', modelPath('tiny-vision'), '--prompt', 'x', '--steer', 'v.safetensors:1');
    assert.equal(other.status, 2);
    assert.match(other.stderr, /does not fit tiny-vision: its directions are 128 numbers wide, the model's residual stream 96/);
  });

  it('say what to do about bad input', function () {
    this.timeout(240_000);
    const grains = ['vector', 'grains', '--model', code, '-o', 'v2.safetensors'];
    for (const [args, message] of [
      [['vector'], /Which kind of vector\?/],
      [['vector', 'grins'], /cannot make “grins”/],
      [['vector', 'grains', '--pairs', 'pairs.jsonl', '-o', 'x'], /Which model\?/],
      [grains, /Which pairs\?/],
      [['vector', 'grains', '--model', code, '--pairs', 'pairs.jsonl'], /Where to\?/],
      [[...grains, '--pairs', 'none.jsonl'], /There is no file “none\.jsonl”/],
      [[...grains, '--pairs', 'empty.jsonl'], /empty\.jsonl, line 1: there are no pairs/],
      [[...grains, '--pairs', 'bad.jsonl'], /bad\.jsonl, line 1: the preferred and the dispreferred response are the same[^]*bad\.jsonl, line 2: at “prompt”/],
      [[...grains, '--pairs', 'long.jsonl'], /long\.jsonl, line 1: the prompt and its longer response have \d+ tokens, and the model holds 192/],
      [[...grains, '--pairs', 'pairs.jsonl', '--layers', '3-9'], /no layer 9: its layers are 0 to 4/],
      [[...grains, '--pairs', 'pairs.jsonl', '--mode', 'all'], /--mode is both, positive or negative, not “all”/],
      [[...grains, '--pairs', 'pairs.jsonl', '--k', '0'], /--k takes a whole number from 1 to 10000, not “0”/],
      [[...grains, '--pairs', 'pairs.jsonl', '--validation', 'pairs.jsonl'], /has a prompt that the vector is made from/],
      [['generate', '--model', code, '--prompt', 'x', '--steer', 'torn.safetensors:1'], /“torn\.safetensors” cannot be used as a steering vector/],
      [['generate', '--model', code, '--prompt', 'x', '--steer', 'v'], /--steer takes a vector's file and a strength/],
    ] as const) {
      const { status, stderr } = gradlens(...args);
      assert.match(stderr, message);
      assert.equal(status, 2, args.join(' '));
    }
    assert.throws(() => readFileSync(at('v2.safetensors')), /ENOENT/);
  });
});
