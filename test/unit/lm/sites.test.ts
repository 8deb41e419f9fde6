// The residual stream is found by structure alone, whatever the export looks like, and where there is none that is said.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { findSites } from '../../../src/lm/sites.ts';
import type { DecoderShape } from '../../support/decoders.ts';
import { openedFile, runEdit, sitesOf, siteNamed, smallDecoder } from '../../support/decoders.ts';
import { readName, readSites } from '../../../src/lm/edits.ts';
import type { Graph } from '../../../src/onnx/graph.ts';
import { integers, promptFeeds, readInterface } from '../../../src/lm/interface.ts';
import { gpt2, present, stories } from './models.ts';

const serial = ['resid_pre', 'attn_out', 'resid_mid', 'mlp_act', 'mlp_out', 'resid_post'];
const parallel = ['resid_pre', 'attn_out', 'mlp_act', 'mlp_out', 'resid_post'];
const names = (layers: number, each: readonly string[]): string[] =>
  ['embed', ...Array.from({ length: layers }, (_, i) => each.map((name) => `layers.${i}.${name}`)).flat(), 'final_norm', 'logits'];

const empty = { dataFolder: '/', dataBytes: 0 };
const tokens = integers('int64', [2, 4], [1, 5, 2, 9, 3, 3, 10, 0]);

/** Largest distance of embed + Σ (attn_out + mlp_out) from the last resid_post, and the size of the latter. */
async function sumError(graph: Graph, layers: number, run: (edited: Graph) => ReturnType<typeof runEdit>): Promise<number> {
  const sites = sitesOf(graph);
  const wanted = ['embed', `layers.${layers - 1}.resid_post`, ...Array.from({ length: layers }, (_, i) => [`layers.${i}.attn_out`, `layers.${i}.mlp_out`]).flat()];
  const results = await run(readSites(graph, wanted.map((name) => siteNamed(sites, name))));
  const data = (name: string): Float32Array => results[readName({ name })]?.data as Float32Array;
  const last = data(wanted[1] ?? '');
  const terms = wanted.filter((_, i) => i !== 1).map(data);
  const largest = last.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(largest > 0.1);
  return last.reduce((most, value, i) => Math.max(most, Math.abs(value - terms.reduce((sum, term) => sum + (term[i] ?? Number.NaN), 0))), 0) / largest;
}

describe('residual stream', () => {
  for (const [form, each] of [['llama', serial], ['gpt2', serial], ['gemma', serial], ['parallel', parallel], ['parallelLeft', parallel]] as const) {
    it(`is found without names in a decoder of the form ${form}, and its parts add up`, async () => {
      const graph = smallDecoder({ form, layers: 3 });
      const found = findSites(graph);
      assert.ok(found.ok, found.ok ? '' : found.message);
      assert.deepEqual(found.sites.map(({ name }) => name), names(3, each));
      assert.deepEqual(found.missing, []);
      assert.deepEqual(siteNamed(found.sites, 'layers.1.mlp_act').shape, ['batch', 'sequence', 10]);
      assert.deepEqual(siteNamed(found.sites, 'layers.1.attn_out').shape, ['batch', 'sequence', 6]);
      assert.ok((await sumError(graph, 3, (edited) => runEdit(edited, empty, { input_ids: tokens }))) < 1e-5);
    });
  }

  it('takes what is added, after the norm, for the output of a Gemma-like branch, and the scaled embedding for embed', () => {
    const graph = smallDecoder({ form: 'gemma', layers: 2 });
    const sites = sitesOf(graph);
    assert.deepEqual(['embed', 'layers.0.attn_out', 'layers.1.mlp_out', 'layers.1.resid_post', 'logits'].map((name) => siteNamed(sites, name).op), ['Mul', 'Mul', 'Mul', 'Add', 'Mul']);
  });

  it('is refused, with the node that the path leaves it at, where norms stand after the sums', () => {
    const graph = smallDecoder({ form: 'postNorm', layers: 2 });
    const found = findSites(graph);
    assert.ok(!found.ok);
    assert.match(found.message, /^no residual stream found: the path from logits to the embeddings leaves it at node Mul_\d+ \(Mul\), between the sums Add_\d+ \(Add\) and Add_\d+ \(Add\)$/);
  });

  it('is refused where nothing is added to what it came from, and where the model takes no tokens', () => {
    const shape: DecoderShape = { form: 'noResidual', layers: 2 };
    const found = findSites(smallDecoder(shape));
    assert.ok(!found.ok && /no node adds a branch to what it branched off; the last node that all of the path shares is \w+ \(Mul\)$/.test(found.message), found.ok ? '' : found.message);
    const graph = smallDecoder({ form: 'llama', layers: 1 });
    const renamed = { ...graph, inputs: graph.inputs.map((input) => ({ ...input, name: 'pixels' })), nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map((name) => (name === 'input_ids' ? 'pixels' : name)) })) };
    const none = findSites(renamed);
    assert.ok(!none.ok && none.message.includes('neither input_ids nor inputs_embeds'));
  });

  it('says which site a graph does not show: the neurons of an MLP whose outputs are added by hand', () => {
    const graph = smallDecoder({ form: 'llama', layers: 1 });
    const down = graph.nodes.findLast(({ outputs }) => siteNamed(sitesOf(graph), 'layers.0.mlp_out').value === outputs[0]);
    assert.ok(down);
    const twice = { ...graph, nodes: graph.nodes.flatMap((node) => (node === down
      ? [{ ...node, outputs: ['half'] }, { ...node, outputs: ['other half'] }, { op: 'Max', domain: '', inputs: ['half', 'other half'], outputs: node.outputs, attributes: {} }]
      : [node])) };
    const found = findSites(twice);
    assert.ok(found.ok && !found.sites.some(({ name }) => name === 'layers.0.mlp_act'));
    assert.match(found.missing.join(), /^layers\.0\.mlp_act: no single projection ends the MLP that ends at node MatMul_\d+$/);
  });

  describe('of exported models', () => {
    if (!present) {
      it('needs the models beside the project', function () {
        this.skip();
      });
      return;
    }
    for (const file of [`${stories}/onnx/model.onnx`, `${stories}/onnx/model_fused_rotemb.onnx`, `${gpt2}/onnx/model.onnx`]) {
      it(`is found, and its parts add up: ${file.split('/').slice(-3).join('/')}`, async () => {
        const opened = openedFile(file);
        const found = findSites(opened.graph);
        assert.ok(found.ok);
        assert.deepEqual([found.sites.map(({ name }) => name), found.missing], [names(5, serial), []]);
        const read = readInterface(opened.graph);
        assert.ok(read.ok);
        const feeds = promptFeeds(read.io, [[1, 403, 407, 261, 378], [1, 5, 9, 200, 6]]);
        const error = await sumError(opened.graph, 5, (edited) => runEdit(edited, opened, feeds));
        assert.ok(error < 2e-6, `${error}`);
      });
    }
  });
});
