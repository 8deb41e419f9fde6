// Model folders in the layouts that are published, and what is said of folders that lack something.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { FolderProblemCode, ModelFolder } from '../../../src/lm/folder.ts';
import { openModelFolder } from '../../../src/lm/folder.ts';
import { emptyCache, promptFeeds } from '../../../src/lm/interface.ts';
import { findModels } from '../../../src/lm/modelList.ts';
import { encodeGraph } from '../../../src/onnx/encode.ts';
import type { Graph, ValueInfo } from '../../../src/onnx/graph.ts';
import { runEdit, smallDecoder } from '../../support/decoders.ts';
import { gpt2, present, stories } from './models.ts';

/** A decoder that also takes these inputs, and hands the cache on as it is. */
function decoder(inputs: readonly ValueInfo[]): Graph {
  const graph = smallDecoder({ form: 'llama', layers: 1 });
  const caches = inputs.filter(({ name }) => name.startsWith('past'));
  const presentOf = (name: string): string => name.replace(/^past_key_values|^past/, 'present');
  return {
    ...graph,
    inputs: [...graph.inputs, ...inputs],
    outputs: [...graph.outputs, ...caches.map((input) => ({ ...input, name: presentOf(input.name) }))],
    nodes: [...graph.nodes, ...caches.map(({ name }) => ({ op: 'Identity', domain: '', inputs: [name], outputs: [presentOf(name)], attributes: {} }))],
  };
}

const cache = (layers: number, dims: readonly (number | string)[]): ValueInfo[] =>
  Array.from({ length: layers }, (_, i) => ['key', 'value'].map((part) => ({ name: `past_key_values.${i}.${part}`, type: 'float32' as const, dims }))).flat();

const config = { model_type: 'qwen2', num_hidden_layers: 9, num_attention_heads: 4, num_key_value_heads: 2, hidden_size: 6, vocab_size: 11, max_position_embeddings: 99, eos_token_id: 5, bos_token_id: 4 };

describe('model folders', () => {
  let root = '';
  let count = 0;
  before(() => (root = mkdtempSync(path.join(tmpdir(), 'gradlens-folders-'))));
  after(() => rmSync(root, { recursive: true, force: true }));

  /** A folder of these files: bytes, text, or a value that becomes JSON. */
  function made(files: Readonly<Record<string, unknown>>, name = `model${count++}`): string {
    const folder = path.join(root, name);
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), content instanceof Uint8Array || typeof content === 'string' ? content : JSON.stringify(content));
    }
    mkdirSync(folder, { recursive: true });
    return folder;
  }
  function opened(location: string, variant?: string): ModelFolder {
    const result = openModelFolder(location, { variant });
    assert.ok(result.ok, result.ok ? '' : result.problem.message);
    return result.folder;
  }
  function refused(location: string, code: FolderProblemCode, variant?: string): string {
    const result = openModelFolder(location, { variant });
    assert.ok(!result.ok, 'it opened');
    assert.equal(result.problem.code, code, result.problem.message);
    return result.problem.message;
  }
  const model = encodeGraph(decoder(cache(2, ['batch_size', 3, 'past_sequence_length', 8])));
  const usual = { 'config.json': config, 'tokenizer.json': {}, 'tokenizer_config.json': {}, 'generation_config.json': { eos_token_id: [5, 6], temperature: 0.7 } };

  it('as optimum writes them: variants, sizes, end tokens, the cache from the model itself', () => {
    const folder = opened(made({ ...usual, 'onnx/model.onnx': model, 'onnx/model_q4.onnx': model, 'onnx/model_q4.onnx_data': 'x'.repeat(1000), 'onnx/model_fp16.onnx': model, 'onnx/other.onnx': model }));
    assert.deepEqual([folder.layout, folder.family, folder.variant.name, folder.vision], ['optimum', 'qwen2', 'default', null]);
    // Two layers of three heads, whatever the config says.
    assert.deepEqual(folder.sizes, { layers: 2, heads: 4, keyValueHeads: 3, headSize: 8, hidden: 6, vocabulary: 11, context: 99 });
    assert.deepEqual(folder.tokens, { bos: 4, eos: [5, 6], pad: null, image: null });
    assert.deepEqual(folder.variants.map(({ name, bytes }) => [name, bytes - model.length]), [['default', 0], ['fp16', 0], ['q4', 1000]]);
    assert.equal(folder.generation['temperature'], 0.7);
    assert.deepEqual(folder.io.cache[3], { input: 'past_key_values.1.value', output: 'present.1.value', layer: 1, part: 'value', type: 'float32', dims: ['batch', 3, 'past', 8] });
  });

  it('a variant is chosen by name, fp32 being the file without a suffix, or by its path', () => {
    const folder = made({ ...usual, 'onnx/model.onnx': model, 'onnx/model_q4f16.onnx': model });
    assert.equal(opened(folder, 'q4f16').variant.path, path.join(folder, 'onnx/model_q4f16.onnx'));
    assert.equal(opened(folder, 'fp32').variant.name, 'default');
    assert.equal(opened(path.join(folder, 'onnx/model_q4f16.onnx')).path, folder);
    assert.match(refused(folder, 'no-variant', 'q5'), /has no variant “q5”\. It has: default, q4f16\.$/);
    const without = made({ ...usual, 'onnx/model_quantized.onnx': model, 'onnx/model_q4.onnx': model });
    assert.equal(opened(without).variant.name, 'q4');
  });

  it('merged decoders go before the pair of graphs, whose names are no variants of each other', () => {
    const folder = opened(made({ ...usual, 'onnx/decoder_model.onnx': model, 'onnx/decoder_with_past_model.onnx': model, 'onnx/decoder_model_merged.onnx': model, 'onnx/decoder_model_merged_fp16.onnx': model }));
    assert.deepEqual(folder.variants.map(({ path: file }) => path.basename(file)), ['decoder_model_merged.onnx', 'decoder_model_merged_fp16.onnx']);
    const pair = opened(made({ ...usual, 'onnx/decoder_model.onnx': model, 'onnx/decoder_model_int8.onnx': model }));
    assert.deepEqual(pair.variants.map(({ name }) => name), ['default', 'int8']);
  });

  it('as onnxruntime-genai writes them: the graph that the config names, beside it', () => {
    const genai = { model: { type: 'phi3', vocab_size: 11, context_length: 77, eos_token_id: [7, 8], bos_token_id: 1, decoder: { filename: 'phi.onnx', num_hidden_layers: 1, num_attention_heads: 4, num_key_value_heads: 2, head_size: 8, hidden_size: 6 } } };
    const folder = opened(made({ 'genai_config.json': genai, 'tokenizer.json': {}, 'phi.onnx': model, 'phi.onnx.data': 'abc', 'model.onnx': 'no model' }));
    assert.deepEqual([folder.layout, folder.family, path.basename(folder.variant.path), folder.variant.bytes - model.length], ['genai', 'phi3', 'phi.onnx', 3]);
    assert.deepEqual([folder.tokens.eos, folder.sizes.context, folder.tokenizer.config], [[7, 8], 77, null]);
  });

  it('with vision parts: the decoder takes embeddings, the text model\'s sizes count', () => {
    const graph = decoder([]);
    const embeds: Graph = {
      ...graph,
      inputs: [{ name: 'inputs_embeds', type: 'float32', dims: ['batch', 'sequence', 6] }],
      nodes: graph.nodes.filter(({ op }) => op !== 'Gather').map((node) => ({ ...node, inputs: node.inputs.map((name) => (name === graph.nodes[0]?.outputs[0] ? 'inputs_embeds' : name)) })),
    };
    const llava = { model_type: 'llava', image_token_index: 9, eos_token_id: 2, text_config: { ...config, model_type: 'qwen2', num_attention_heads: 8 } };
    const parts = { 'onnx/vision_encoder.onnx': model, 'onnx/embed_tokens.onnx': model, 'onnx/decoder_model_merged.onnx': encodeGraph(embeds), 'preprocessor_config.json': {} };
    const folder = opened(made({ ...usual, 'config.json': llava, ...parts }));
    assert.deepEqual([folder.family, folder.sizes.heads, folder.sizes.layers, folder.tokens.image, folder.io.ids], ['llava', 8, 9, 9, null]);
    assert.deepEqual([folder.vision?.visionEncoder, folder.vision?.preprocessor].map((file) => path.basename(file ?? '')), ['vision_encoder.onnx', 'preprocessor_config.json']);
  });

  it('a cache whose sizes the graph leaves open has those of the config; other forms of cache are told apart', () => {
    const wide = { 'onnx/model.onnx': encodeGraph(decoder([{ name: 'attention_mask', type: 'int64', dims: ['b', 't'] }, ...cache(1, ['b', 'heads', 'p', 'd'])])) };
    const { io: stated } = opened(made({ ...usual, ...wide, 'config.json': { ...config, head_dim: 5 } }));
    assert.deepEqual([stated.keyValueHeads, stated.headSize, stated.cache[0]?.dims], [2, 5, ['batch', 2, 'past', 5]]);
    assert.match(refused(made({ ...usual, ...wide }), 'unknown-interface'), /its cache input past_key_values\.0\.key does not say how wide it is/);
    const inputs: ValueInfo[] = [
      { name: 'past_0', type: 'float16', dims: [2, 'n', 4, 'p', 16] }, { name: 'past_conv.1', type: 'float32', dims: ['batch', 6, 3] },
      { name: 'use_cache_branch', type: 'bool', dims: [1] }, { name: 'num_logits_to_keep', type: 'int64', dims: [] }, { name: 'seqlens_k', type: 'int32', dims: ['b'] }, { name: 'pixel_values', type: 'float32', dims: ['b', 3, 8, 8] },
    ];
    const { io } = opened(made({ ...usual, 'onnx/model.onnx': encodeGraph(decoder(inputs)) }));
    assert.deepEqual(io.cache.map(({ input, output, part, dims }) => [input, output, part, ...dims]), [['past_0', 'present_0', 'both', 2, 'batch', 4, 'past', 16], ['past_conv.1', 'present_conv.1', 'state', 'batch', 6, 3]]);
    assert.deepEqual([io.keyValueHeads, io.headSize, io.useCacheBranch?.name, io.logitsToKeep?.name, io.rowLengths?.name, io.others.map(({ name }) => name)], [4, 16, 'use_cache_branch', 'num_logits_to_keep', 'seqlens_k', ['pixel_values']]);
    const first = emptyCache(io, 3);
    assert.deepEqual(Object.values(first).map(({ dims, data }) => [dims, data.constructor, data.length]), [[[2, 3, 4, 0, 16], Uint16Array, 0], [[3, 6, 3], Float32Array, 54]]);
  });

  it('that lack something are refused with what is missing and what to do', () => {
    assert.match(refused(path.join(root, 'absent'), 'no-folder'), /^There is no folder .*absent\. Give the folder of a model/);
    assert.match(refused(made({ ...usual, 'model.safetensors': 'x' }), 'no-model'), /has no decoder graph.*“optimum-cli export onnx”/);
    assert.match(refused(made({ ...usual, 'onnx/encoder.onnx': model }), 'no-model'), /It has onnx\/encoder\.onnx\./);
    assert.match(refused(made({ 'onnx/model.onnx': model, 'tokenizer.json': {} }), 'no-config'), /neither config\.json nor genai_config\.json.*Copy config\.json/);
    assert.match(refused(made({ 'onnx/model.onnx': model, 'config.json': config }), 'no-tokenizer'), /has no tokenizer\.json.*Copy it/);
    assert.match(refused(made({ ...usual, 'onnx/model.onnx': model, 'config.json': '{"a": ' }), 'bad-config'), /config\.json cannot be read as JSON/);
    assert.match(refused(made({ ...usual, 'onnx/model.onnx': model, 'config.json': { ...config, vocab_size: 'many' } }), 'bad-config'), /config\.json cannot be used: at vocab_size: /);
    assert.match(refused(made({ ...usual, 'onnx/model.onnx': model.subarray(0, 300) }), 'bad-model'), /model\.onnx is not a usable ONNX model: /);
    assert.match(refused(made({ ...usual, 'onnx/model.onnx': encodeGraph({ ...decoder([]), outputs: [] }) }), 'unknown-interface'), /has no output “logits”/);
    assert.match(refused(path.join(made({ 'notes.txt': 'x' }), 'notes.txt'), 'no-folder'), /neither a model folder nor an \.onnx file/);
  });

  it('are found below a folder, broken ones with their problem, hidden ones not', () => {
    made({ ...usual, 'onnx/model.onnx': model }, 'many/owner/good');
    made({ 'config.json': config, 'model.onnx': model }, 'many/owner/bad');
    made({ ...usual, 'onnx/model.onnx': model }, 'many/.cache/hidden');
    made({ 'package.json': {} }, 'many/owner/other');
    const found = findModels(path.join(root, 'many')).map(({ path: folder, result }) => [path.relative(root, folder), result.ok || result.problem.code]);
    assert.deepEqual(found, [['many/owner/bad', 'no-tokenizer'], ['many/owner/good', true]]);
  });

  describe('of exported models', () => {
    if (!present) {
      it('need the models beside the project', function () {
        this.skip();
      });
      return;
    }
    it('open and run from the interface that is read', async () => {
      for (const [location, variants, vocabulary, eos] of [[stories, ['default', 'fused_rotemb'], 512, [1, 2]], [gpt2, ['default'], 1000, [98]]] as const) {
        const folder = opened(location);
        assert.deepEqual([folder.variants.map(({ name }) => name), folder.sizes.layers, folder.sizes.keyValueHeads, folder.sizes.headSize, folder.tokens.eos], [variants, 5, 4, 8, eos]);
        const outputs = await runEdit(folder.file.graph, folder.file, promptFeeds(folder.io, [[1, 2, 3], [4, 5, 6]]));
        assert.deepEqual(outputs['logits']?.dims, [2, 3, vocabulary]);
        for (const { output, dims } of folder.io.cache) assert.deepEqual(outputs[output]?.dims, dims.map((dim) => (dim === 'batch' ? 2 : dim === 'past' ? 3 : dim)));
      }
    });
  });
});
