// What the process of the language models answers about steering, with the model that comes along.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { ModelTurns } from '../../../src/lm/modelTurns.ts';
import type { CallContext } from '../../../src/runtime/calls.ts';
import { neverCancelled } from '../../../src/shared/cancellation.ts';
import { decodeVector, encodeVector } from '../../../src/steering/vectorFile.ts';
import type { AttributionCallRequest, MakingRequest } from '../../../src/steering/workerCalls.ts';
import { steeringHandlers } from '../../../src/steering/workerHandlers.ts';
import { builtHost } from '../../support/host.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const tinyCode = { path: path.join(root, 'models', 'tiny-code'), variant: null };
const onModel = { model: tinyCode, provider: { kind: 'asked', provider: 'cpu' }, memoryBudgetBytes: null } as const;
const prompt = { ...onModel, text: 'Context: In Brisstad they make the knife of clay and the coin was built of glass.\nQuestion: What is the coin made of?\nAnswer:', asMessage: true, image: null } as const;
const attribution = { method: 'ig', steps: 8, baseline: 'mean' } as const;

describe('steering in the process of the language models', () => {
  let turns: ModelTurns;
  let handlers: ReturnType<typeof steeringHandlers>;
  let scratch = '';
  const heard: unknown[] = [];
  const context = { token: neverCancelled, tell: (event: unknown) => heard.push(event) } satisfies CallContext<unknown>;
  const attribute = (more: Partial<AttributionCallRequest>) => handlers.attribute({ ...prompt, ...attribution, answers: null, ...more }, context);

  before(() => {
    turns = new ModelTurns(builtHost());
    handlers = steeringHandlers(turns);
    scratch = mkdtempSync(path.join(tmpdir(), 'gradlens-steering-'));
  });
  after(() => {
    turns.dispose();
    rmSync(scratch, { recursive: true, force: true });
  });

  it('finds the likeliest answers as whole words, each text once, the first token’s likeliest first', async () => {
    const result = await handlers.likely({ ...prompt, count: 4 }, context);
    assert.ok(result.ok);
    assert.equal(result.likely[0]?.text, ' glass');
    assert.equal(new Set(result.likely.map(({ text }) => text)).size, 4);
    for (const { probability } of result.likely) assert.ok(probability > 0 && probability <= 1);
    assert.ok(result.likely.reduce((sum, { probability }) => sum + probability, 0) <= 1);
  });

  it('attributes to the two likeliest answers, or to those that are given, and tells what it takes', async () => {
    heard.length = 0;
    const own = await attribute({});
    assert.ok(own.ok && own.attribution.chosen && own.attribution.preferred === ' glass');
    assert.ok(heard.some((event) => (event as { type: string; bytes?: number }).type === 'plan'));
    const given = await attribute({ answers: { preferred: ' clay', dispreferred: ' glass' } });
    assert.ok(given.ok && !given.attribution.chosen);
    assert.ok(given.attribution.contrast < 0, 'the text speaks for the other answer');
    const word = given.attribution.tokens.find(({ text }) => text === ' glass');
    assert.equal(word?.value, Math.min(...given.attribution.tokens.map(({ value }) => value)));
    assert.equal(word.set, 'negative');
  });

  it('refuses answers that are the same, and a text that is too long, in words', async () => {
    const same = await attribute({ answers: { preferred: ' clay', dispreferred: ' clay' } });
    assert.ok(!same.ok);
    assert.match(same.message, /are the same.*Give two responses that differ/u);
    const long = await attribute({ text: prompt.text.repeat(10) });
    assert.ok(!long.ok);
    assert.match(long.message, /tokens and the model holds 192/u);
  });

  it('says why a model that is not there cannot be asked', async () => {
    const gone = await attribute({ model: { path: path.join(scratch, 'gone'), variant: null } });
    assert.ok(!gone.ok);
    assert.match(gone.message, /There is no folder/u);
  });

  it('makes a vector that says where it came from, lists it, and steers by it', async () => {
    const target = path.join(scratch, 'made.safetensors');
    const request: MakingRequest = { ...onModel, pairs: path.join(root, 'samples', 'cpp-over-python.pairs.jsonl'), target, method: 'caa', attribution };
    const made = await handlers.makeVector(request, context);
    assert.deepEqual(made, { ok: true, pairs: 24, without: [], incomplete: null });
    const { vectors, problems } = await handlers.vectors({ folder: scratch, model: tinyCode }, context);
    assert.deepEqual(problems, []);
    assert.deepEqual(vectors.map(({ name, method, items, layers, problem, warnings }) => ({ name, method, items, layers, problem, warnings })), [{ name: 'made', method: 'caa', items: 24, layers: [0, 1, 2, 3, 4], problem: null, warnings: [] }]);
    const steering = [{ file: target, strength: 0.15, from: 0, to: 4 }];
    const compared = await handlers.compare({ ...prompt, text: 'Task: add x and y.\nProgram:\n', sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 }, maxTokens: 12, seed: 1, steering }, context);
    assert.ok(compared.ok && compared.isSteered);
    assert.match(compared.unsteered, /^def /u);
    assert.notEqual(compared.steered, compared.unsteered);
  });

  it('does not steer a model that a vector does not fit, and names files that are no vectors', async () => {
    const read = decodeVector(readFileSync(path.join(scratch, 'made.safetensors')), 'made');
    assert.ok(read.ok);
    const { layers, provenance } = read.vector;
    writeFileSync(path.join(scratch, 'wide.safetensors'), encodeVector({ layers, provenance: { ...provenance, model: { ...provenance.model, layers: 6 } } }));
    writeFileSync(path.join(scratch, 'searched.safetensors'), encodeVector({ layers, provenance: { ...provenance, settings: { suggestedStrength: 1.5 } } }));
    writeFileSync(path.join(scratch, 'broken.safetensors'), 'nothing');
    const { vectors, problems } = await handlers.vectors({ folder: scratch, model: tinyCode }, context);
    assert.match(vectors.find(({ name }) => name === 'wide')?.problem ?? '', /has 5 layers\. It was made for tiny-code \(llama, 6 layers/u);
    assert.equal(vectors.find(({ name }) => name === 'searched')?.suggestedStrength, 1.5);
    assert.match(problems.join(), /broken\.safetensors/u);
    assert.deepEqual(await handlers.vectors({ folder: path.join(scratch, 'gone'), model: null }, context), { vectors: [], problems: [] });
  });

  it('names the rows of a file that are no pairs, and writes nothing', async () => {
    const pairs = path.join(scratch, 'bad.jsonl');
    writeFileSync(pairs, `{"prompt": "a", "preferred": "b"}\n\nno json\n${'{"prompt": "a", "preferred": "b", "dispreferred": "b"}\n'.repeat(3)}`);
    const target = path.join(scratch, 'none.safetensors');
    const made = await handlers.makeVector({ ...onModel, pairs, target, method: 'grains', attribution }, context);
    assert.ok(!made.ok);
    assert.match(made.message, /^bad\.jsonl cannot be used: line 1: at “dispreferred”.*line 3: this is no JSON.*line 4: .*And 2 more rows\.$/u);
    assert.equal(existsSync(target), false);
  });
});
