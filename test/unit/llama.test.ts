// The Llama-style decoder that the project's own models are trained and exported as.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { initialWeights, weightShapes, cutWeights, LlamaNodes, parameterCount, rotation, causalBias, integer } from '../../scripts/train-models/llama.ts';
import type { LlamaConfig } from '../../scripts/train-models/llama.ts';
import { decoderGraph, embeddingGraph, FLAT, trainingGraph } from '../../scripts/train-models/llamaGraphs.ts';
import { generate } from '../../src/lm/generate.ts';
import { scoreContinuations } from '../../src/lm/score.ts';
import type { Decoder } from '../../src/lm/session.ts';
import { openDecoder } from '../../src/lm/session.ts';
import { findSites } from '../../src/lm/sites.ts';
import { readTokenizer } from '../../src/lm/tokenizer.ts';
import { decodeModel } from '../../src/onnx/decode.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { HostTensor } from '../../src/runtime/protocol.ts';
import { Random } from '../../src/shared/random.ts';
import { greedy, logSoftmax } from '../../src/shared/sampling.ts';
import { checkGradient } from '../support/gradientCheck.ts';
import { execute, sharedHost } from '../support/host.ts';
import { present, reference, stories } from './lm/models.ts';

const config: LlamaConfig = { vocabulary: 13, hidden: 16, layers: 2, heads: 4, keyValueHeads: 2, neurons: 12, ropeTheta: 10000, normEpsilon: 1e-5 };
const weights = initialWeights(weightShapes(config), new Random(3)).map((value, i) => value * (1 + 0.1 * Math.sin(i)));
const ids = [[1, 4, 9, 2, 1, 7, 7], [1, 3, 12, 0, 5, 6, 2]];

const int = (rows: readonly (readonly number[])[]): HostTensor => ({ type: 'int64', dims: [rows.length, rows[0]?.length ?? 0], data: BigInt64Array.from(rows.flat(), BigInt) });
const ones = (rows: readonly (readonly number[])[]): HostTensor => ({ type: 'float32', dims: [rows.length, rows[0]?.length ?? 0], data: new Float32Array(rows.flat().length).fill(1) });
const shifted = (rows: readonly (readonly number[])[]): number[][] => rows.map((row) => [...row.slice(1), 0]);

async function tokenLosses(rows: readonly (readonly number[])[], documents: readonly (readonly number[])[]): Promise<Float32Array> {
  const theta: HostTensor = { type: 'float32', dims: [weights.length], data: weights };
  const feeds = { [FLAT]: theta, input_ids: int(rows), labels: int(shifted(rows)), documents: int(documents), mask: ones(rows) };
  return (await execute(encodeGraph(trainingGraph(config)), feeds))['token_loss']?.data as Float32Array;
}

async function withDecoder<T>(use: (decoder: Decoder) => Promise<T>, inputsEmbeds = false): Promise<T> {
  const graph = decoderGraph(config, weights, { inputsEmbeds });
  const embedding = inputsEmbeds ? encodeGraph(embeddingGraph(config, weights)) : undefined;
  const opened = await openDecoder(sharedHost(), { graph, source: encodeGraph(graph), embedding, options: { threads: 1 } });
  assert.ok(opened.ok);
  try {
    return await use(opened.decoder);
  } finally {
    await opened.decoder.release();
  }
}

/** A token for each letter. */
function letters(): unknown {
  const vocab = Object.fromEntries([...'abcdefghijklm'].map((letter, id) => [letter, id]));
  return { model: { type: 'BPE', vocab, merges: [] }, normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
}

const logitsOf = (decoder: Decoder, rows: readonly (readonly number[])[]): Promise<Float32Array> => decoder.run({ ids: rows, past: 0, positions: [0] }).then(({ logits }) => logits.data);

function assertNear(found: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  assert.equal(found.length, expected.length);
  const worst = Math.max(...Array.from(expected, (value, i) => Math.abs(value - (found[i] ?? Number.NaN))));
  assert.ok(worst <= bound, `off by ${worst}`);
}

describe('the Llama-style decoder of the project’s own models', () => {
  it('has the gradient of its loss that finite differences in float64 have, by every weight', async () => {
    const tiny: LlamaConfig = { ...config, vocabulary: 5, hidden: 8, layers: 1, heads: 2, keyValueHeads: 1, neurons: 6 };
    const shapes = weightShapes(tiny);
    await checkGradient({
      inputs: [[parameterCount(shapes)]],
      build: (b, [theta = '']) => {
        cutWeights(b, shapes, theta);
        const nodes = new LlamaNodes(b, tiny);
        const length = integer(b, 4);
        const positions = b.initializer('positions', { type: 'int64', dims: [1, 4], data: BigInt64Array.of(0n, 1n, 2n, 3n) });
        const tokens = b.initializer('tokens', { type: 'int64', dims: [2, 4], data: BigInt64Array.of(1n, 4n, 2n, 2n, 1n, 0n, 3n, 4n) });
        const labels = b.initializer('labels', { type: 'int64', dims: [2, 4], data: BigInt64Array.of(4n, 2n, 2n, 0n, 0n, 3n, 4n, 1n) });
        const seen = b.initializer('seen', { type: 'bool', dims: [1, 1, 1, 1], data: Uint8Array.of(1) });
        const hidden = nodes.hidden({ embeds: nodes.embed(tokens), rotation: rotation(b, tiny, positions), bias: causalBias(b, seen, { sequence: length, total: length }) });
        return nodes.tokenLoss(hidden, labels);
      },
    }, new Random(5));
  });

  it('gives the same log probabilities in the form that is trained and in the form that is published', async () => {
    const losses = await tokenLosses(ids, ids.map((row) => row.map(() => 0)));
    const logits = await withDecoder((decoder) => logitsOf(decoder, ids));
    const expected = shifted(ids).flat().map((label, i) => -(logSoftmax(logits.subarray(i * config.vocabulary, (i + 1) * config.vocabulary))[label] ?? Number.NaN));
    assertNear(losses, expected, 1e-5);
  });

  it('writes the stories that llama2.c writes with the weights of its stories260K', async function () {
    if (!present) return this.skip(); // stories260k is not beside the project
    const decoded = decodeModel(new Uint8Array(readFileSync(`${stories}/onnx/model.onnx`)), 'stories260k');
    assert.ok(decoded.ok);
    const sizes: LlamaConfig = { vocabulary: 512, hidden: 64, layers: 5, heads: 8, keyValueHeads: 4, neurons: 172, ropeTheta: 10000, normEpsilon: 1e-5 };
    const theta = weightShapes(sizes).flatMap(({ name, dims }) => {
      const tensor = decoded.graph.initializers.get(name);
      assert.ok(tensor && 'data' in tensor);
      assert.deepEqual(tensor.dims, dims);
      return [...(tensor.data as Float32Array)];
    });
    const graph = decoderGraph(sizes, Float32Array.from(theta));
    const opened = await openDecoder(sharedHost(), { graph, source: encodeGraph(graph), options: { threads: 1 } });
    assert.ok(opened.ok);
    const tokenizer = readTokenizer({ tokenizer: JSON.parse(readFileSync(`${stories}/tokenizer.json`, 'utf8')) });
    assert.ok(tokenizer.ok);
    for (const { prompt_ids: prompt, greedy_ids: expected } of reference().greedy) {
      const options = { sampling: greedy, maxTokens: expected.length, contextLength: 512, endIds: [], stop: [], cache: true };
      const { tokens } = await generate({ decoder: opened.decoder }, tokenizer.value, prompt, options, new Random(1));
      assert.deepEqual(tokens.map(({ id }) => id), expected);
    }
    await opened.decoder.release();
  });

  it('lets no document of a row see another', async () => {
    const [row = []] = ids;
    const together = await tokenLosses([row], [[0, 0, 0, 0, 1, 1, 1]]);
    const alone = await tokenLosses([row.slice(4)], [[0, 0, 0]]);
    assertNear(together.slice(4), alone, 1e-5);
    const joined = await tokenLosses([row], [row.map(() => 0)]);
    assert.ok(Math.abs((joined[4] ?? 0) - (together[4] ?? 0)) > 1e-3, 'within one document the earlier tokens matter');
  });

  it('gives the same logits from embeddings as from token ids', async () => {
    const fromIds = await withDecoder((decoder) => logitsOf(decoder, ids));
    const fromEmbeds = await withDecoder((decoder) => logitsOf(decoder, ids), true);
    assertNear(fromEmbeds, fromIds, 1e-6);
  });

  it('scores a continuation alike with padding on either side', async () => {
    const items = [{ prompt: [1, 4], continuation: [9, 2, 1, 7] }, { prompt: [1, 4, 9, 2, 1, 7, 7], continuation: [3] }, { prompt: [1], continuation: [12] }];
    await withDecoder(async (decoder) => {
      const [left, right] = [await scoreContinuations(decoder, items, { padding: 'left' }), await scoreContinuations(decoder, items, { padding: 'right' })];
      assertNear(left.flatMap(({ perToken }) => perToken), right.flatMap(({ perToken }) => perToken), 1e-5);
    });
  });

  it('continues a prompt with its cache as without', async () => {
    const tokenizer = readTokenizer({ tokenizer: letters() });
    assert.ok(tokenizer.ok);
    const options = { sampling: greedy, maxTokens: 20, contextLength: null, endIds: [], stop: [] } as const;
    await withDecoder(async (decoder) => {
      const tokens = async (cache: boolean): Promise<readonly number[]> =>
        (await generate({ decoder }, tokenizer.value, [1, 4, 9], { ...options, cache }, new Random(1))).tokens.map(({ id }) => id);
      assert.deepEqual(await tokens(true), await tokens(false));
    });
  });

  it('shows every site of its residual stream', () => {
    for (const inputsEmbeds of [false, true]) {
      const found = findSites(decoderGraph(config, weights, { inputsEmbeds }));
      assert.ok(found.ok);
      assert.deepEqual(found.missing, []);
      const each = ['resid_pre', 'attn_out', 'resid_mid', 'mlp_act', 'mlp_out', 'resid_post'];
      assert.deepEqual(found.sites.map(({ name }) => name), ['embed', ...[0, 1].flatMap((layer) => each.map((site) => `layers.${layer}.${site}`)), 'final_norm', 'logits']);
    }
  });
});
