// gradlens models list and sites as a user meets them: the built script in a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { buildSync } from 'esbuild';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'mocha';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { DecoderShape } from '../../support/decoders.ts';
import { smallDecoder } from '../../support/decoders.ts';
import { builtHost } from '../../support/host.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const script = path.join(path.dirname(builtHost()), 'cli-models.cjs');

function gradlens(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

describe('gradlens models', () => {
  let folder = '';
  const model = (name: string, form: DecoderShape['form']): string => {
    const place = path.join(folder, name);
    mkdirSync(path.join(place, 'onnx'), { recursive: true });
    writeFileSync(path.join(place, 'onnx/model.onnx'), encodeGraph(smallDecoder({ form, layers: 2 })));
    writeFileSync(path.join(place, 'config.json'), JSON.stringify({ model_type: 'llama', num_hidden_layers: 2, hidden_size: 6, max_position_embeddings: 64 }));
    writeFileSync(path.join(place, 'tokenizer.json'), '{}');
    return place;
  };
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'gradlens-models-'));
    buildSync({ entryPoints: [path.join(root, 'src/cli.ts')], outfile: script, bundle: true, platform: 'node', target: 'node20', format: 'cjs', external: ['onnxruntime-node'], logLevel: 'warning' });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('list shows each model with its sizes, and those that cannot be used with the reason', async () => {
    model('shelf/good', 'llama');
    rmSync(path.join(model('shelf/poor', 'llama'), 'tokenizer.json'));
    const { code, out } = await gradlens('models', 'list', path.join(folder, 'shelf'));
    assert.equal(code, 0);
    const [header, row, problem, ...more] = out.trimEnd().split('\n');
    assert.match(header ?? '', /^model +family +layers +hidden +vocabulary +context +variants +folder$/);
    assert.match(row ?? '', /^good +llama +2 +6 +11 +64 +default \d.* .*shelf\/good$/);
    assert.match(problem ?? '', /^cannot be used: .*poor has no tokenizer\.json/);
    assert.deepEqual(more, []);
  });

  it('list gives one JSON document, and says so where there is nothing', async () => {
    const listed = await gradlens('models', 'list', path.join(folder, 'shelf'), '--json');
    const { models } = JSON.parse(listed.out) as { models: { name?: string; sizes?: { layers: number }; problem?: { code: string } }[] };
    assert.deepEqual(models.map(({ name, sizes, problem }) => [name, sizes?.layers, problem?.code]), [['good', 2, undefined], [undefined, undefined, 'no-tokenizer']]);
    const none = await gradlens('models', 'list', 'samples');
    assert.deepEqual([none.code, none.err], [0, '']);
    assert.match(none.out, /^No language models in samples\. .*models download/);
  });

  it('sites prints site, shape, type, operator and node', async () => {
    const { code, out } = await gradlens('models', 'sites', model('plain', 'llama'));
    assert.equal(code, 0);
    const lines = out.trimEnd().split('\n');
    assert.match(lines[0] ?? '', /^plain \(llama, default\): 15 sites$/);
    assert.match(lines[1] ?? '', /^site +shape +type +operator +node$/);
    assert.ok(lines.some((line) => /^layers\.1\.mlp_act +\[batch, sequence, 10\] +float32 +Mul +Mul_\d+$/.test(line)), out);
    assert.deepEqual(lines.slice(17), ['Gradients: yes']);
  });

  it('sites says that there are no gradients, and why, where an operator has none', async () => {
    const place = model('quantised', 'llama');
    const graph = smallDecoder({ form: 'llama', layers: 2 });
    const sigmoid = graph.nodes.findIndex(({ op }) => op === 'Sigmoid');
    const [before, node] = [graph.nodes.slice(0, sigmoid), graph.nodes[sigmoid]];
    assert.ok(node);
    const integers = { op: 'DynamicQuantizeLinear', domain: '', inputs: node.inputs, outputs: ['bytes', 'scale', 'zero'], attributes: {} };
    const back = { op: 'DequantizeLinear', domain: '', inputs: ['bytes', 'scale', 'zero'], outputs: node.outputs, attributes: {} };
    writeFileSync(path.join(place, 'onnx/model.onnx'), encodeGraph({ ...graph, nodes: [...before, integers, back, ...graph.nodes.slice(sigmoid + 1)] }));
    const { code, out } = await gradlens('models', 'sites', place);
    assert.equal(code, 0);
    assert.match(out, /\nGradients: no\. This operator has no derivative here: DynamicQuantizeLinear \(bytes\)\. DynamicQuantizeLinear: it computes with rounded whole numbers; use a variant of the model whose activations are floats \(fp32, fp16, or q4 with MatMulNBits\)\.\n$/);
    const json = JSON.parse((await gradlens('models', 'sites', place, '--json')).out) as { gradients: { works: boolean } };
    assert.equal(json.gradients.works, false);
  });

  it('sites gives one JSON document, also of a single .onnx file in the folder', async () => {
    const { code, out, err } = await gradlens('models', 'sites', path.join(model('json', 'parallel'), 'onnx/model.onnx'), '--json');
    assert.deepEqual([code, err], [0, '']);
    const { sites, missing } = JSON.parse(out) as { sites: { site: string; dtype: string; shape: unknown[]; layer: number | null }[]; missing: string[] };
    assert.deepEqual([sites.length, missing], [13, []]);
    assert.deepEqual(sites.find(({ site }) => site === 'layers.0.attn_out')?.shape, ['batch', 'sequence', 6]);
    assert.ok(!sites.some(({ site }) => site.endsWith('resid_mid')));
  });

  it('sites ends with 1 where there is no residual stream, and says where the path leaves it', async () => {
    const place = model('post', 'postNorm');
    const { code, out } = await gradlens('models', 'sites', place);
    assert.equal(code, 1);
    assert.match(out, /no residual stream found: the path from logits to the embeddings leaves it at node Mul_\d+ \(Mul\)/);
    const json = await gradlens('models', 'sites', place, '--json');
    assert.equal(json.code, 1);
    assert.match((JSON.parse(json.out) as { problem: string }).problem, /^no residual stream found/);
  });

  for (const [args, message] of [
    [['sites'], /Which model\? Give its folder/],
    [['sites', 'absent'], /There is no folder .*absent\. Give the folder of a model/],
    [['sites', 'samples', 'src'], /One model at a time: “src” is too many/],
    [['sites', 'samples'], /has no decoder graph/],
    [['list', 'absent'], /There is no folder “absent”/],
    [['lsit'], /gradlens models cannot “lsit”\. Use: gradlens models list \[FOLDER…\] \| sites <model> \| download/],
  ] as const) {
    it(`“models ${args.join(' ')}” ends with 2 and helps`, async () => {
      const { code, out, err } = await gradlens('models', ...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, message);
    });
  }
});
