// Generation and scoring with real models, against llama2.c's own tokens.
import assert from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import type { GenerationOptions } from '../../../src/lm/generate.ts';
import { generate } from '../../../src/lm/generate.ts';
import { generatePair } from '../../../src/lm/generatePair.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import { scoreContinuations } from '../../../src/lm/score.ts';
import type { Decoder } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { CancellationSource } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { sharedHost, startHost } from '../../support/host.ts';
import { filesOf, gpt2, present, reference, stories } from './models.ts';

const options: GenerationOptions = { sampling: greedy, maxTokens: 100, contextLength: 512, endIds: [], stop: [], cache: true };
const sampled: GenerationOptions = { ...options, sampling: { ...greedy, temperature: 0.9, topP: 0.95 }, maxTokens: 30 };
const plainModel = `${stories}/onnx/model.onnx`;
const fusedModel = `${stories}/onnx/model_fused_rotemb.onnx`;

async function decoderOf(model: string, host: ModelHost = sharedHost()): Promise<Decoder> {
  const opened = await openDecoder(host, folderDecoder(filesOf(model).folder));
  assert.ok(opened.ok, opened.ok ? '' : opened.fault.message);
  return opened.decoder;
}

const closeTo = (a: number, b: number, tolerance: number): void => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);

(present ? describe : describe.skip)('generation with stories260k', function () {
  for (const [name, model] of [['plain', plainModel], ['fused', fusedModel]] as const) {
    for (const cache of [true, false]) {
      it(`is llama2.c's greedy text, token for token: ${name}, ${cache ? 'with' : 'without'} the cache`, async () => {
        const decoder = await decoderOf(model);
        const { tokenizer } = filesOf(stories);
        for (const { prompt, prompt_ids: ids, greedy_ids: expected } of reference().greedy) {
          assert.deepEqual(tokenizer.encode(prompt).ids, ids);
          const { tokens } = await generate({ decoder }, tokenizer, ids, { ...options, maxTokens: expected.length, cache }, new Random(1));
          assert.deepEqual(tokens.map(({ id }) => id), expected);
        }
      });
    }

    it(`scores the story as llama2.c does: ${name}`, async () => {
      const { ids, mean_nll: expected } = reference().story;
      const [score] = await scoreContinuations(await decoderOf(model), [{ prompt: ids.slice(0, 1), continuation: ids.slice(1) }]);
      assert.ok(score);
      closeTo(-score.logProbability / score.perToken.length, expected, 1e-4);
    });

    it(`scores the same in batches with either padding as alone: ${name}`, async () => {
      const decoder = await decoderOf(model);
      const { ids } = reference().story;
      const items = [[1, 4, 9], [1, 30, 60], [1, 8, 9], [2, 12, 40]].map(([at = 0, middle = 0, end = 0]) => ({ prompt: ids.slice(at - 1, middle), continuation: ids.slice(middle, end) }));
      const alone = await scoreContinuations(decoder, items, { batchSize: 1 });
      for (const padding of ['left', 'right'] as const) {
        const batched = await scoreContinuations(decoder, items, { padding, batchSize: 4 });
        batched.forEach(({ perToken }, i) => perToken.forEach((value, t) => closeTo(value, alone[i]?.perToken[t] ?? Number.NaN, 1e-5)));
      }
    });
  }

  it('draws the same with the same seed, and something else with another', async () => {
    const decoder = await decoderOf(plainModel);
    const { tokenizer } = filesOf(stories);
    const ids = tokenizer.encode('Once upon a time').ids;
    const texts = await Promise.all([5, 5, 6].map(async (seed) => (await generate({ decoder }, tokenizer, ids, sampled, new Random(seed))).text));
    assert.equal(texts[0], texts[1]);
    assert.notEqual(texts[0], texts[2]);
  });

  it('streams pieces that join to the text, and ends before a stop string that lies over token borders', async () => {
    const decoder = await decoderOf(plainModel);
    const { tokenizer } = filesOf(stories);
    const pieces: string[] = [];
    const { text, end } = await generate({ decoder }, tokenizer, tokenizer.encode('Once upon a time').ids, { ...options, stop: ['tle girl na'] }, new Random(1), (_token, piece) => pieces.push(piece));
    assert.equal(text, ', there was a lit');
    assert.deepEqual(end, { reason: 'stop', stop: 'tle girl na' });
    assert.equal(pieces.join(''), text);
  });

  it('says whether tokens, the context or a cancellation ended it', async () => {
    const decoder = await decoderOf(plainModel);
    const { tokenizer, endIds } = filesOf(stories);
    const ids = tokenizer.encode('Once upon a time').ids;
    const run = (changed: Partial<GenerationOptions>, listener?: () => void) => generate({ decoder }, tokenizer, ids, { ...options, ...changed }, new Random(1), listener);
    assert.deepEqual((await run({ contextLength: ids.length + 3 })).end, { reason: 'context' });
    assert.deepEqual((await run({ maxTokens: 2 })).end, { reason: 'maxTokens' });
    assert.deepEqual((await run({ maxTokens: 500, endIds })).end, { reason: 'endToken' });
    const cancellation = new CancellationSource();
    const cancelled = await run({ token: cancellation.token }, () => cancellation.cancel());
    assert.deepEqual([cancelled.end, cancelled.tokens.length], [{ reason: 'cancelled' }, 1]);
  });

  it('goes on from the tokens so far when its host is killed', async () => {
    const host = startHost();
    after(() => host.dispose());
    const decoder = await decoderOf(plainModel, host);
    const { tokenizer } = filesOf(stories);
    const ids = tokenizer.encode('Once upon a time').ids;
    const long = { ...sampled, maxTokens: 200 };
    const whole = await generate({ decoder }, tokenizer, ids, long, new Random(3));
    let count = 0;
    const pid = host.pid;
    const killed = await generate({ decoder }, tokenizer, ids, long, new Random(3), () => {
      if (++count === 10 && host.pid !== undefined) process.kill(host.pid, 'SIGKILL');
    });
    assert.equal(whole.tokens.length, 200);
    assert.notEqual(host.pid, pid);
    assert.deepEqual(killed.tokens.map(({ id }) => id), whole.tokens.map(({ id }) => id));
    assert.equal(killed.text, whole.text);
  });

  it('runs a prompt once for two streams that are alike in it, and finds no divergence between them', async () => {
    const decoder = await decoderOf(plainModel);
    const { tokenizer } = filesOf(stories);
    const ids = tokenizer.encode('Tom had a big red').ids;
    const pair = await generatePair([{ decoder }, { decoder }], tokenizer, ids, { ...sampled, follow: 'own' }, [new Random(2), new Random(2)]);
    assert.equal(pair.sharedPrompt, true);
    assert.equal(pair.first.text, pair.second.text);
    assert.equal(pair.steps.length, pair.first.tokens.length);
    assert.ok(pair.steps.every(({ divergence, sameContext }) => divergence < 1e-9 && sameContext));
    const other = await generatePair([{ decoder }, { decoder: await decoderOf(fusedModel) }], tokenizer, ids, { ...sampled, follow: 'first' }, [new Random(2), new Random(2)]);
    assert.equal(other.sharedPrompt, false);
    assert.equal(other.first.text, pair.first.text);
    assert.deepEqual(other.second.tokens.map(({ id }) => id), other.first.tokens.map(({ id }) => id));
  });

  it('refuses an empty prompt, one that is too long, and tokens that the model does not know', async () => {
    const decoder = await decoderOf(plainModel);
    const { tokenizer } = filesOf(stories);
    for (const [prompt, code] of [[[], 'emptyPrompt'], [new Array<number>(512).fill(5), 'promptTooLong'], [[512], 'unknownToken']] as const) {
      await assert.rejects(generate({ decoder }, tokenizer, prompt, options, new Random(1)), ({ fault }: { fault: { code: string } }) => fault.code === code);
    }
  });
});

(present ? describe : describe.skip)('generation with tiny-random-gpt2-fused', function () {
  it('gives the same with the cache and without', async () => {
    const decoder = await decoderOf(`${gpt2}/onnx/model.onnx`);
    const { tokenizer } = filesOf(gpt2);
    const run = (cache: boolean) => generate({ decoder }, tokenizer, [3, 7, 42, 900], { ...options, maxTokens: 20, cache }, new Random(1));
    assert.deepEqual((await run(true)).tokens.map(({ id }) => id), (await run(false)).tokens.map(({ id }) => id));
  });
});
