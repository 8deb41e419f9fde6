// Whole models with fused operators: their gradients against differences in float64, and against the same model unfused.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { GraphBuilder } from '../../src/onnx/builder.ts';
import { differentiate } from '../../src/onnx/differentiate.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import { withoutFused } from '../../src/onnx/expand.ts';
import { toFloat64 } from '../../src/onnx/float64.ts';
import type { Attribute, Graph, Tensor } from '../../src/onnx/graph.ts';
import { measureShapes } from '../../src/onnx/shapes.ts';
import { upgradeOpset } from '../../src/onnx/upgrade.ts';
import { Random } from '../../src/shared/random.ts';
import { ints } from '../support/expansionCheck.ts';
import { execute, sharedHost } from '../support/host.ts';
import type { Feeds, Question } from '../support/wholeModels.ts';
import { llamaQuestion, needs, opened, randomTensor, read, relativeDistance, selection, withLoss } from '../support/wholeModels.ts';

const widened = (feeds: Feeds): Feeds =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, tensor.type === 'float32' ? { ...tensor, type: 'float64', data: Float64Array.from(tensor.data as Float32Array) } : tensor]));

async function unfused({ graph, feeds }: Question): Promise<Graph> {
  const ready = upgradeOpset(graph);
  return withoutFused(ready, await measureShapes(ready, feeds, execute));
}

async function gradient({ by, feeds }: Question, plain: Graph): Promise<Float32Array> {
  const shapes = await measureShapes(plain, feeds, execute);
  const result = await execute(encodeGraph(differentiate(plain, { loss: 'loss', withRespectTo: [by], shapes })), feeds[0]);
  return result[`grad/${by}`]?.data as Float32Array;
}

/** Asserts that the model computes the same with its fused operators as without. */
async function sameLoss({ graph, feeds }: Question, plain: Graph): Promise<void> {
  const [fused, expanded] = await Promise.all([graph, plain].map(async (form) => Number((await execute(encodeGraph(form), feeds[0]))['loss']?.data[0])));
  assert.ok(Math.abs((fused ?? Number.NaN) - (expanded ?? Number.NaN)) <= 1e-5 * Math.max(1, Math.abs(fused ?? 0)), `the loss is ${fused}, and ${expanded} without fused operators`);
}

const STEP = 1e-5;

/** Asserts the gradient along coordinate axes and random directions, to 1e-5 of its norm, in float64. */
async function agreesWithDifferences({ by, feeds }: Question, plain: Graph, found: Float32Array): Promise<void> {
  const random = new Random(9);
  // Optimization fuses x σ(x) into an op that is there in float32 alone.
  const session = await sharedHost().createSession(encodeGraph(toFloat64(plain)), { provider: 'cpu', optimization: 'disabled' });
  const at = widened(feeds[0]);
  const point = at[by] ?? assert.fail(`no feed ${by}`);
  const loss = async (direction: Float64Array, step: number): Promise<number> => {
    const data = (point.data as Float64Array).map((value, i) => value + step * (direction[i] ?? 0));
    return Number((await session.run({ ...at, [by]: { ...point, data } }, { outputs: ['loss'] }))['loss']?.data[0]);
  };
  const norm = Math.hypot(...found);
  assert.ok(norm > 0, 'the gradient is not zero');
  for (const direction of directions(found.length, random)) {
    const slope = ((await loss(direction, STEP)) - (await loss(direction, -STEP))) / (2 * STEP);
    const ours = found.reduce((sum, value, i) => sum + value * (direction[i] ?? 0), 0);
    assert.ok(Math.abs(slope - ours) <= 1e-5 * norm, `along a direction: ${ours} and not ${slope}, of a gradient of norm ${norm}`);
  }
  await session.release();
}

function directions(size: number, random: Random): Float64Array[] {
  const axes = Array.from({ length: 60 }, () => new Float64Array(size).fill(1, Math.floor(size * random.next())).map((value, i, all) => (value === 1 && all[i - 1] !== 1 ? 1 : 0)));
  const mixed = Array.from({ length: 20 }, () => Float64Array.from({ length: size }, () => (2 * random.next() - 1) / Math.sqrt(size)));
  return [...axes, ...mixed];
}

describe('the gradient of a GPT-2 of fused operators (tiny-random-gpt2-fused)', () => {
  it('by the position embeddings of its tokens agrees with differences in float64', async function () {
    needs(this, 'tiny-random-gpt2-fused');
    const question = gptQuestion();
    const plain = await unfused(question);
    assert.ok(plain.nodes.every(({ domain }) => domain === ''), 'no fused operator is left');
    await sameLoss(question, plain);
    await agreesWithDifferences(question, plain, await gradient(question, plain));
  });
});

const GPT = { layers: 5, heads: 4, headSize: 8, vocabulary: 1000, positions: 'transformer.wpe.weight' };

function gptQuestion(): Question {
  const random = new Random(2);
  const graph = read('tiny-random-gpt2-fused/onnx/model.onnx');
  const table = graph.initializers.get(GPT.positions) as Tensor;
  const feeds = (batch: number, length: number, past: number): Feeds => ({
    input_ids: ints([batch, length], Array.from({ length: batch * length }, () => Math.floor(GPT.vocabulary * random.next()))),
    position_ids: ints([batch, length], Array.from({ length: batch * length }, (_, i) => past + (i % length))),
    // One place of padding on the left of the last sequence.
    attention_mask: ints([batch, past + length], Array.from({ length: batch * (past + length) }, (_, i) => (i === (batch - 1) * (past + length) ? 0 : 1))),
    ...Object.fromEntries(Array.from({ length: GPT.layers }, (_, i) => [`past_${i}`, randomTensor(random, [2, batch, GPT.heads, past, GPT.headSize])])),
    [GPT.positions]: table,
    selection: selection(length, GPT.vocabulary, Array.from({ length: batch }, () => length - 1)),
  });
  assert.equal(graph.opset, 11);
  return { graph: withLoss(opened(graph, GPT.positions, table.dims)), by: GPT.positions, feeds: [feeds(2, 5, 3), feeds(1, 4, 2)] };
}

describe('the gradient of a Llama of fused operators (stories260k)', () => {
  for (const [name, sizes] of Object.entries({ 'two prompts, one padded': { lengths: [6, 4], past: 0 }, 'next tokens after a cache': { lengths: [3], past: 4 } })) {
    it(`by the token embeddings of ${name} agrees with differences in float64 and with the unfused model`, async function () {
      needs(this, 'stories260k');
      const question = llamaQuestion('model_fused_rotemb.onnx', '/model/embed_tokens/Gather/output_0', sizes);
      const plain = await unfused(question);
      assert.ok(plain.nodes.every(({ domain }) => domain === ''), 'no fused operator is left');
      await sameLoss(question, plain);
      const found = await gradient(question, plain);
      await agreesWithDifferences(question, plain, found);
      const reference = llamaQuestion('model.onnx', '/model/embed_tokens/Gather_output_0', sizes);
      const distance = relativeDistance(found, await gradient(reference, upgradeOpset(reference.graph)));
      assert.ok(distance < 1e-4, `they differ by ${distance}`);
    });
  }
});

describe('a graph whose fused operator has no expansion', () => {
  const graphOf = (attributes: Readonly<Record<string, Attribute>>, outputs: readonly string[]): Graph => {
    const b = new GraphBuilder();
    for (const name of ['q', 'k', 'v']) b.input(name, 'float32', [1, 2, 4]);
    b.nodeWithOutputs('MultiHeadAttention', ['q', 'k', 'v', '', '', '', '', '', attributes.shared ? 'q' : ''], outputs, { num_heads: 2 }, 'com.microsoft');
    b.node('Identity', [outputs.at(-1) ?? ''], {}, 'z');
    b.output('z', 'float32', []);
    return b.build();
  };
  const shapes = (): readonly number[] => [1, 2, 4];

  it('is refused with the name of the operator and its node', () => {
    assert.throws(() => withoutFused(graphOf({ shared: 1 }, ['y']), shapes), /com\.microsoft\.MultiHeadAttention \(y\) cannot be written out.*shares a buffer/);
  });

  it('is refused where an output is read that the expansion lacks', () => {
    assert.throws(() => withoutFused(graphOf({}, ['y', '', '', 'weights']), shapes), /MultiHeadAttention \(y\).*its output 3 is read/);
  });

  it('is written out where all that is read has an expansion', () => {
    const graph = withoutFused(graphOf({}, ['y']), shapes);
    assert.ok(graph.nodes.every(({ domain }) => domain === ''));
  });
});
