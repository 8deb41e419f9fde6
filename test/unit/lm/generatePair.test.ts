// Two texts side by side, one of them steered: each is what it would be alone, and what is told between them is true.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { before, describe, it } from 'mocha';
import { readName } from '../../../src/lm/edits.ts';
import type { Generation } from '../../../src/lm/generate.ts';
import { generate } from '../../../src/lm/generate.ts';
import type { PairOptions } from '../../../src/lm/generatePair.ts';
import { generatePair } from '../../../src/lm/generatePair.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import type { DecoderModel } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { steerableModel } from '../../../src/lm/steerableModel.ts';
import type { Tokenizer } from '../../../src/lm/tokenizer.ts';
import type { StreamSource } from '../../../src/lm/tokenStream.ts';
import { steeringInputs, steeringVector } from '../../../src/lm/writableSites.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { CancellationSource } from '../../../src/shared/cancellation.ts';
import { Random } from '../../../src/shared/random.ts';
import type { Sampling } from '../../../src/shared/sampling.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import { sitesOf } from '../../support/decoders.ts';
import { sharedHost } from '../../support/host.ts';
import { filesOf } from './models.ts';

const tinyCode = fileURLToPath(new URL('../../../models/tiny-code', import.meta.url));
const STEERED = ['layers.1.resid_post', 'layers.3.mlp_out'];
const LAYERS = [0, 1, 2, 3, 4].map((layer) => `layers.${layer}.resid_post`);
const sampled: Sampling = { ...greedy, temperature: 0.9, topP: 0.95, repetitionPenalty: 1.1 };

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });
const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const closeTo = (a: number | undefined, b: number, tolerance: number): void => assert.ok(Math.abs((a ?? Number.NaN) - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`);

describe('two texts side by side', () => {
  let tokenizer: Tokenizer;
  let prompt: readonly number[] = [];
  const options: PairOptions = { sampling: greedy, maxTokens: 90, contextLength: 256, endIds: [], stop: [], cache: true, follow: 'own', drift: LAYERS };
  before(() => {
    ({ tokenizer } = filesOf(tinyCode));
    prompt = tokenizer.encode('Task: add the numbers of a list.\n').ids;
  });

  const opened = async (model: DecoderModel) => {
    const result = await openDecoder(sharedHost(), { ...model, options: { threads: 1 } });
    return result.ok ? result.decoder : assert.fail(result.fault.message);
  };

  /** The plain model and the same by one steerable decoder, without and with two vectors from the prompt's last token on. */
  async function sources(strengths: readonly number[], preserveNorm = false): Promise<{ readonly plain: StreamSource; readonly unsteered: StreamSource; readonly steered: StreamSource }> {
    const { folder } = filesOf(tinyCode);
    const sites = sitesOf(folder.file.graph);
    const named = (names: readonly string[]) => sites.filter(({ name }) => names.includes(name));
    const steerable = steerableModel((edit) => folderDecoder(folder, edit), named(STEERED), { preserveNorm, reads: named(LAYERS) });
    const decoder = await opened(steerable.model);
    const random = new Random(11);
    const vectors = strengths.flatMap(() => [...steeringVector(steerable, Object.fromEntries(STEERED.map((name) => [name, Float32Array.from({ length: steerable.layout.get(name)?.width ?? 0 }, () => random.normal())])))]);
    const feedsOf = (amounts: readonly number[]): StreamSource['feeds'] => {
      const both = { [steeringInputs.strength]: float32([amounts.length], amounts), [steeringInputs.vectors]: float32([amounts.length, steerable.width], vectors) };
      const whole = { ...both, [steeringInputs.mask]: float32([1, 1, 1], [1]) };
      return ({ start, count }) => (start >= prompt.length - 1 ? whole : { ...both, [steeringInputs.mask]: float32([1, count, 1], Array.from({ length: count }, (_, i) => (start + i >= prompt.length - 1 ? 1 : 0))) });
    };
    return { plain: { decoder: await opened(folderDecoder(folder)) }, unsteered: { decoder, feeds: feedsOf(strengths.map(() => 0)) }, steered: { decoder, feeds: feedsOf(strengths) } };
  }

  const pairOf = (unsteered: StreamSource, steered: StreamSource, changed: Partial<PairOptions> = {}, seeds: readonly [number, number] = [1, 2]) =>
    generatePair([unsteered, steered], tokenizer, prompt, { ...options, ...changed }, [new Random(seeds[0]), new Random(seeds[1])]);
  const alone = (source: StreamSource, changed: Partial<PairOptions> = {}, seed = 1): Promise<Generation> => generate(source, tokenizer, prompt, { ...options, ...changed }, new Random(seed));

  for (const [name, sampling] of [['greedy', greedy], ['sampled, with a penalty', sampled]] as const) {
    it(`are each, to the bit, what one alone is, and the unsteered one is the plain model's: ${name}`, async () => {
      const { plain, unsteered, steered } = await sources([0.3, -0.2]);
      const pair = await pairOf(unsteered, steered, { sampling });
      assert.deepEqual(pair.first, await alone(plain, { sampling }, 1));
      assert.deepEqual(pair.second, await alone(steered, { sampling }, 2));
      assert.notEqual(pair.first.text, pair.second.text);
      assert.equal(pair.steps.length, options.maxTokens);
    });
  }

  it('are told alike whether the host or the messages choose their tokens', async () => {
    const { unsteered, steered } = await sources([0.3, -0.2]);
    for (const follow of ['own', 'first'] as const) {
      const [host, messages] = [await pairOf(unsteered, steered, { follow, maxTokens: 12 }), await pairOf(unsteered, steered, { follow, maxTokens: 12, cache: false })];
      assert.deepEqual(host.second.tokens.map(({ id }) => id), messages.second.tokens.map(({ id }) => id));
      host.steps.forEach(({ divergence, sameContext, drift }, i) => {
        const other = messages.steps[i];
        assert.equal(sameContext, other?.sameContext);
        closeTo(other?.divergence, divergence, 1e-4 * Math.max(1, divergence));
        for (const layer of LAYERS) closeTo(other?.drift[layer]?.distance, drift[layer]?.distance ?? Number.NaN, 1e-4);
      });
    }
  });

  it('have the divergence and the drift that their logits and hidden states have', async () => {
    const { unsteered, steered } = await sources([0.3, -0.2]);
    const pair = await pairOf(unsteered, steered, { follow: 'first', maxTokens: 30 });
    assert.deepEqual(pair.second.tokens.map(({ id }) => id), pair.first.tokens.map(({ id }) => id));
    assert.ok(pair.steps.every(({ sameContext }) => sameContext));
    assert.ok(pair.steps.some(({ divergence }) => divergence > 1e-3));
    for (const at of [0, 1, 17]) {
      const ids = [[...prompt, ...pair.first.tokens.slice(0, at).map(({ id }) => id)]];
      const [plain, moved] = await Promise.all([unsteered, steered].map(({ decoder, feeds }) => decoder.run({ ids, past: 0, positions: [-1], reads: LAYERS.map((name) => readName({ name })), ...(feeds ? { feeds: feeds({ start: 0, count: ids[0]?.length ?? 0 }) } : {}) })));
      assert.ok(plain && moved);
      const [p, q] = [plain, moved].map(({ logits: { data } }) => {
        const total = data.reduce((sum, value) => sum + Math.exp(value), 0);
        return [...data].map((value) => Math.exp(value) / total);
      });
      closeTo(pair.steps[at]?.divergence, p?.reduce((sum, value, i) => sum + value * Math.log(value / (q?.[i] ?? Number.NaN)), 0) ?? Number.NaN, 1e-4);
      for (const layer of LAYERS) {
        const [a, b] = [plain, moved].map(({ reads }) => [...(reads[readName({ name: layer })]?.data ?? [])]);
        const drift = pair.steps[at]?.drift[layer];
        closeTo(drift?.norm, norm(b ?? []) / norm(a ?? []) - 1, 1e-4);
        closeTo(drift?.distance, norm((b ?? []).map((value, i) => value - (a?.[i] ?? 0))) / norm(a ?? []), 1e-4);
      }
      assert.equal(pair.steps[at]?.drift['layers.0.resid_post']?.distance, 0, 'nothing drifts before the layers that are steered');
      assert.ok((pair.steps[at]?.drift['layers.1.resid_post']?.distance ?? 0) > 0.01);
    }
  });

  it('drift in direction alone at a site whose norms are preserved', async () => {
    const { unsteered, steered } = await sources([0.8], true);
    const { steps } = await pairOf(unsteered, steered, { follow: 'first', maxTokens: 10 });
    // The first layer that is written to: those after it may be longer again.
    for (const { drift: { 'layers.1.resid_post': first } } of steps.slice(0, 1)) {
      closeTo(first?.norm, 0, 1e-5);
      assert.ok((first?.distance ?? 0) > 0.05);
    }
  });

  it('go on alone when one has ended, and are compared up to there', async () => {
    const { plain, unsteered, steered } = await sources([0.3, -0.2]);
    const [first, second] = [await alone(plain), await alone(steered)];
    const words = [first, second].map(({ text }, i) => [...text.matchAll(/\w{3,}/g)].map(([word]) => word).find((word) => !(i === 0 ? second : first).text.includes(word)));
    for (const [i, stop] of words.entries()) {
      assert.ok(stop !== undefined, 'each has a word that the other has not');
      const pair = await pairOf(unsteered, steered, { stop: [stop] });
      assert.deepEqual([pair.first, pair.second], [await alone(plain, { stop: [stop] }), await alone(steered, { stop: [stop] })]);
      const [ended, other] = i === 0 ? [pair.first, pair.second] : [pair.second, pair.first];
      assert.deepEqual(ended.end, { reason: 'stop', stop });
      assert.equal(pair.steps.length, ended.tokens.length);
      assert.ok(other.tokens.length === options.maxTokens);
    }
  });

  it('stop where they are when they are cancelled', async () => {
    const { unsteered, steered } = await sources([0.3]);
    const source = new CancellationSource();
    let heard = 0;
    const pair = await generatePair([unsteered, steered], tokenizer, prompt, { ...options, token: source.token }, [new Random(1), new Random(2)], { first: () => void (++heard === 5 && source.cancel()) });
    assert.deepEqual([pair.first.end, pair.second.end], [{ reason: 'cancelled' }, { reason: 'cancelled' }]);
    assert.deepEqual([pair.first.tokens.length, heard], [5, 5]);
  });
});
