// The provider of one language model: what refuses it, disagrees or is slower is passed over with the reason.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
import { chooseDecoder } from '../../../src/lm/providerChoice.ts';
import type { Decoder, DecoderModel } from '../../../src/lm/session.ts';
import { openDecoder } from '../../../src/lm/session.ts';
import { GraphBuilder } from '../../../src/onnx/builder.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import type { ModelHost } from '../../../src/runtime/client.ts';
import { smallDecoder } from '../../support/decoders.ts';
import { builtCli, builtHost, startHost } from '../../support/host.ts';
import { softwareGpu } from '../../support/softwareGpu.ts';
import { present, stories } from './models.ts';

/** The same logits after a product of two large matrices, times zero. */
function slowed(graph: Graph): Graph {
  const b = new GraphBuilder({ ...graph, nodes: graph.nodes.map((node) => ({ ...node, outputs: node.outputs.map((name) => (name === 'logits' ? 'fast' : name)) })), outputs: [] });
  const shape = b.initializer('slow/shape', { type: 'int64', dims: [2], data: BigInt64Array.of(900n, 900n) });
  // The size hangs on the tokens, so that nothing is computed before the run.
  const zero = b.node('Mul', [b.node('ReduceMin', [b.node('Cast', ['input_ids'], { to: 1 })], { keepdims: 0 }), b.initializer('slow/zero', { type: 'float32', dims: [], data: Float32Array.of(0) })]);
  const large = b.node('Add', [b.node('ConstantOfShape', [shape]), zero]);
  const total = b.node('ReduceMean', [b.node('MatMul', [b.node('MatMul', [large, large]), large])], { keepdims: 0 });
  b.node('Add', ['fast', total], {}, 'logits');
  b.output('logits', 'float32', ['batch', 'sequence', 11]);
  return b.build();
}

const decoderModel = (graph: Graph): DecoderModel => ({ graph, source: encodeGraph(graph) });

describe('provider of a language model', () => {
  let host: ModelHost;
  before(() => {
    host = startHost({ environment: softwareGpu() ?? {} });
  });
  after(() => host.dispose());

  const onCpu = async (graph: Graph): Promise<Decoder> => {
    const opened = await openDecoder(host, { ...decoderModel(graph), options: { provider: 'cpu', threads: 1 } });
    assert.ok(opened.ok);
    return opened.decoder;
  };
  const light = smallDecoder({ form: 'llama', layers: 2 });

  it('is CPU where no other is to be tried', async () => {
    const decoder = await onCpu(light);
    assert.deepEqual(await chooseDecoder(decoder, decoderModel(light), []), { decoder, provider: 'cpu', passedOver: [] });
  });

  it('stays CPU where the others are not there or slower, and says why', async function () {
    if (!softwareGpu()) this.skip();
    const decoder = await onCpu(light);
    const chosen = await chooseDecoder(decoder, decoderModel(light), ['dml', 'webgpu']);
    assert.equal(chosen.decoder, decoder);
    assert.match(chosen.passedOver[0] ?? '', /^dml is passed over for this model: The ONNX runtime for \w+ on \w+ does not carry the provider dml\./);
    assert.match(chosen.passedOver[1] ?? '', /^webgpu is passed over for this model: it takes [\d.]+ ms a token, CPU [\d.]+ ms$/);
    assert.equal((await decoder.run({ ids: [[1, 2]], past: 0, positions: [-1] })).logits.data.length, 11, 'the decoder on CPU is still open');
  });

  it('passes over one that disagrees, by how much', async () => {
    const decoder = await onCpu(slowed(light));
    const chosen = await chooseDecoder(decoder, decoderModel(smallDecoder({ form: 'llama', layers: 2 }, 2)), ['cpu']);
    assert.equal(chosen.decoder, decoder);
    assert.match(chosen.passedOver.join(), /^cpu is passed over for this model: it disagrees with CPU by \d\.\de[+-]\d+ on a short prompt; the limit is 0\.001$/);
  });

  it('is the first that agrees and is faster', async () => {
    const decoder = await onCpu(slowed(light));
    const chosen = await chooseDecoder(decoder, decoderModel(light), ['cpu']);
    assert.notEqual(chosen.decoder, decoder);
    assert.deepEqual(chosen.passedOver, []);
    assert.equal((await chosen.decoder.run({ ids: [[1, 2]], past: 0, positions: [-1] })).logits.data.length, 11);
  });

  it('is the one that --provider names, or none', function () {
    if (!present) this.skip();
    builtHost();
    const generate = (provider: string): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, [builtCli(), 'generate', '--model', stories, '--prompt', 'Once', '--max-tokens', '1', '--provider', provider, '--json'], { encoding: 'utf8', timeout: 60_000 });
    const cpu = generate('cpu');
    assert.deepEqual([cpu.status, (JSON.parse(cpu.stdout) as { provider: string }).provider], [0, 'cpu']);
    const unknown = generate('npu');
    assert.deepEqual([unknown.status, /--provider takes one of auto, .*, cpu, not “npu”\. “gradlens providers” says/.test(unknown.stderr)], [2, true]);
  });
});
