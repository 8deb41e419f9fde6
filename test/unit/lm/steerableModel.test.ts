// A decoder that can be steered at any token: what runs while nothing steers, and that the change between the two is not felt.
import assert from 'node:assert/strict';
import { after, describe, it } from 'mocha';
import { readName, readSites } from '../../../src/lm/edits.ts';
import { generate } from '../../../src/lm/generate.ts';
import { folderDecoder } from '../../../src/lm/languageModel.ts';
import type { Decoder, DecoderModel } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import type { SteerableModel } from '../../../src/lm/steerableModel.ts';
import { steerableModel } from '../../../src/lm/steerableModel.ts';
import type { Span } from '../../../src/lm/tokenStream.ts';
import { TokenStream } from '../../../src/lm/tokenStream.ts';
import { steeringInputs } from '../../../src/lm/writableSites.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import type { HostTensor } from '../../../src/runtime/protocol.ts';
import { Random } from '../../../src/shared/random.ts';
import { greedy } from '../../../src/shared/sampling.ts';
import type { Feeds } from '../../support/decoders.ts';
import { sitesOf } from '../../support/decoders.ts';
import { sharedHost, startHost } from '../../support/host.ts';
import { filesOf, present, stories } from './models.ts';

const plain = `${stories}/onnx/model.onnx`;
const fused = `${stories}/onnx/model_fused_rotemb.onnx`;
const options = { sampling: greedy, maxTokens: 40, contextLength: 512, endIds: [], stop: [], cache: true };

function steerable(path: string): SteerableModel {
  const { folder } = filesOf(path);
  return steerableModel((edit) => folderDecoder(folder, edit), sitesOf(folder.file.graph));
}

async function opened(model: DecoderModel, host: ModelHost = sharedHost()): Promise<Decoder> {
  const decoder = await openDecoder(host, model);
  assert.ok(decoder.ok, decoder.ok ? '' : decoder.fault.message);
  return decoder.decoder;
}

const float32 = (dims: readonly number[], data: ArrayLike<number>): HostTensor => ({ type: 'float32', dims, data: Float32Array.from(data) });

/** A drawn vector at all sites, its strength by position. */
function steering({ width }: SteerableModel, strengthAt: (position: number) => number): (span: Span) => Feeds {
  const random = new Random(5);
  const vectors = float32([1, width], Array.from({ length: width }, () => random.normal()));
  const mask = float32([1, 1, 1], [1]);
  const strengths = new Map<number, HostTensor>();
  return ({ start }) => {
    const strength = strengthAt(start);
    if (!strengths.has(strength)) strengths.set(strength, float32([1], [strength]));
    return { [steeringInputs.strength]: strengths.get(strength) ?? float32([1], [strength]), [steeringInputs.vectors]: vectors, [steeringInputs.mask]: mask };
  };
}

/** The folder's graph with its logits negated: what it computes can be told from what the other graph does. */
function negated({ folder: { file } }: ReturnType<typeof filesOf>): NonNullable<DecoderModel['rest']> {
  const nodes = file.graph.nodes.map((node) => ({ ...node, outputs: node.outputs.map((output) => (output === 'logits' ? 'positive' : output)) }));
  const graph: Graph = { ...file.graph, nodes: [...nodes, { op: 'Neg', domain: '', inputs: ['positive'], outputs: ['logits'], attributes: {} }] };
  return { source: { graph: encodeGraph(graph), dataFolder: file.dataFolder, dataBytes: file.dataBytes }, inputs: Object.values(steeringInputs) };
}

const strengthAt = (position: number): number => (position >= 8 && position < 14 ? 0.15 : 0);

describe('a steerable model', () => {
  const hosts: ModelHost[] = [];
  after(() => hosts.forEach((host) => host.dispose()));

  for (const [name, path] of [['plain', plain], ['fused', fused]] as const) {
    it(`is steered from one token to the next by a number, on one cache, to the bits of the steerable graph alone: ${name}`, async function () {
      if (!present) this.skip();
      const model = steerable(path);
      const { tokenizer } = filesOf(stories);
      const ids = tokenizer.encode('Once upon a time').ids;
      const [alone, changing] = [await opened({ ...model.model, rest: undefined }), await opened(model.model)];
      const run = async (decoder: Decoder, feeds: (span: Span) => Feeds) => (await generate({ decoder, feeds }, tokenizer, ids, options, new Random(1))).tokens;
      const expected = await run(alone, steering(model, strengthAt));
      assert.deepEqual(await run(changing, steering(model, strengthAt)), expected);
      const untouched = await generate({ decoder: await opened(folderDecoder(filesOf(path).folder)) }, tokenizer, ids, options, new Random(1));
      assert.deepEqual(await run(changing, steering(model, () => 0)), untouched.tokens);
      assert.deepEqual(expected.slice(0, 8 - ids.length), untouched.tokens.slice(0, 8 - ids.length));
      assert.notDeepEqual(expected.map(({ id }) => id), untouched.tokens.map(({ id }) => id));
    });
  }

  it('runs the model without writes in the tokens where nothing is written, and in no other: pass by pass, and in the host', async function () {
    if (!present) this.skip();
    const model = steerable(plain);
    const marked = await opened({ ...model.model, rest: negated(filesOf(plain)) });
    const alone = await opened({ ...model.model, rest: undefined });
    const streams = [alone, marked].map((decoder) => new TokenStream({ decoder, feeds: steering(model, strengthAt) }, true));
    const ids = [1, 403, 407, 261, 378, 200, 9, 30, 60, 80, 90, 91, 92, 93, 94, 95];
    for (const [position, id] of ids.entries()) {
      const [expected, found] = await Promise.all(streams.map((stream) => stream.append([id])));
      const sign = strengthAt(position) === 0 ? -1 : 1;
      assert.deepEqual(found, expected?.map((value) => sign * value), `position ${position}`);
    }
    const choice = { sampling: greedy, randoms: [], endIds: [], steps: 10, millis: 60_000 };
    const within = new TokenStream({ decoder: marked, feeds: steering(model, strengthAt) }, true);
    await within.append(ids.slice(0, 4));
    const chosen = await within.next(ids[4] ?? 0, choice);
    const onePass = new TokenStream({ decoder: marked, feeds: steering(model, strengthAt) }, true);
    const greedyIds: number[] = [];
    await onePass.append(ids.slice(0, 4));
    for (let id = ids[4] ?? 0; greedyIds.length < choice.steps; id = greedyIds.at(-1) ?? 0) {
      const logits = await onePass.append([id]);
      greedyIds.push(logits.indexOf(Math.max(...logits)));
    }
    assert.deepEqual(chosen.map(({ id }) => id), greedyIds);
    await Promise.all([...streams, within, onePass].map((stream) => stream.close()));
  });

  it('runs the graph with writes alone where memory does not allow both to be open', async function () {
    if (!present) this.skip();
    const model = steerable(plain);
    const rest = negated(filesOf(plain));
    const host = startHost({ memoryBudgetBytes: 2_000_000 });
    hosts.push(host);
    const decoder = await opened({ ...model.model, rest }, host);
    const stream = new TokenStream({ decoder, feeds: steering(model, () => 0) }, true);
    const alone = new TokenStream({ decoder: await opened({ ...model.model, rest: undefined }), feeds: steering(model, () => 0) }, true);
    for (const ids of [[1, 403, 407], [9]]) assert.deepEqual(await stream.append(ids), await alone.append(ids));
  });

  it('reads sites alike whichever of its graphs runs', async function () {
    if (!present) this.skip();
    const { folder } = filesOf(fused);
    const sites = sitesOf(folder.file.graph);
    const reads = sites.filter(({ kind }) => kind === 'resid_post');
    const model = steerableModel((edit) => folderDecoder(folder, edit), sites, { reads });
    const names = reads.map(readName);
    const [decoder, alone] = [await opened(model.model), await opened(folderDecoder(folder, readSites(folder.file.graph, reads)))];
    const pass = { ids: [[1, 403, 407]], past: 0, positions: [0], reads: names } as const;
    const nothing = await decoder.run({ ...pass, feeds: steering(model, () => 0)({ start: 0, count: 3 }) });
    assert.deepEqual(nothing, await alone.run(pass));
    const steered = await decoder.run({ ...pass, feeds: steering(model, () => 1)({ start: 0, count: 3 }) });
    assert.deepEqual(Object.keys(steered.reads), names);
    for (const name of names) assert.notDeepEqual(steered.reads[name]?.data, nothing.reads[name]?.data);
  });
});
