// Which files of a repository are downloaded, held against repositories as they are laid out on the Hub.
import assert from 'node:assert/strict';
import path from 'node:path';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { modelFiles, variantSizes } from '../../../src/lm/hub/modelFiles.ts';
import { DownloadFault } from '../../../src/lm/hub/problem.ts';
import type { Repository } from '../../../src/lm/hub/repository.ts';
import { pathFault } from '../../../src/lm/hub/safePath.ts';

/** Sizes are the places in the list, so that earlier files are smaller. */
const repository = (...paths: readonly string[]): Repository => ({
  repo: 'someone/model',
  revision: 'main',
  commit: '0'.repeat(40),
  files: paths.map((name, i) => ({ path: name, bytes: 1000 + i, checksum: { algorithm: 'sha256', hex: '' } })),
});
const beside = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
const chosen = (from: Repository, variant?: string): string[] => modelFiles(from, variant).files.map((file) => file.path).sort();
const refusal = (from: Repository, variant?: string): DownloadFault => {
  try {
    modelFiles(from, variant);
  } catch (error) {
    if (error instanceof DownloadFault) return error;
    throw error;
  }
  return assert.fail('it should have been refused');
};

describe('files of a model', () => {
  const text = repository(
    ...beside, 'README.md', 'special_tokens_map.json', 'vocab.json', 'model.safetensors', '.gitattributes',
    'onnx/model_q4.onnx', 'onnx/model_q4.onnx_data', 'onnx/model_q4f16.onnx', 'onnx/model_fp16.onnx', 'onnx/model_fp16.onnx_data', 'onnx/model_fp16.onnx_data_1',
    'onnx/model.onnx', 'onnx/model.onnx_data', 'onnx/model.onnx_data_1', 'onnx/model.onnx_data_backup', 'onnx/model_quantized.onnx',
  );

  it('are one graph with all parts of its data, and the configuration', () => {
    const common = [...beside, 'special_tokens_map.json'];
    assert.deepEqual(chosen(text), [...common, 'onnx/model.onnx', 'onnx/model.onnx_data', 'onnx/model.onnx_data_1'].sort());
    assert.deepEqual(chosen(text, 'fp16'), [...common, 'onnx/model_fp16.onnx', 'onnx/model_fp16.onnx_data', 'onnx/model_fp16.onnx_data_1'].sort());
    assert.deepEqual(chosen(text, 'q4'), [...common, 'onnx/model_q4.onnx', 'onnx/model_q4.onnx_data'].sort());
    assert.deepEqual(chosen(text, 'quantized'), [...common, 'onnx/model_quantized.onnx'].sort());
  });

  it('are the smallest variant where there is none without a suffix', () => {
    const small = repository(...beside, 'onnx/model_int8.onnx', 'onnx/model_fp16.onnx');
    assert.equal(modelFiles(small, undefined).variant, 'int8');
  });

  it('are the merged decoder without the two that it is merged from', () => {
    assert.deepEqual(chosen(repository('config.json', 'onnx/decoder_model.onnx', 'onnx/decoder_model_merged.onnx', 'onnx/decoder_with_past_model.onnx')), ['config.json', 'onnx/decoder_model_merged.onnx']);
  });

  it('may lie beside the configuration', () => {
    assert.deepEqual(chosen(repository('config.json', 'model.onnx', 'model.onnx_data')), ['config.json', 'model.onnx', 'model.onnx_data']);
  });

  const vision = repository(
    'config.json', 'preprocessor_config.json', 'processor_config.json', 'chat_template.jinja',
    'onnx/decoder_model_merged.onnx', 'onnx/decoder_model_merged.onnx_data', 'onnx/decoder_model_merged_q4.onnx', 'onnx/decoder_model_merged_q4f16.onnx',
    'onnx/embed_tokens.onnx', 'onnx/embed_tokens_fp16.onnx', 'onnx/vision_encoder.onnx', 'onnx/vision_encoder_q4.onnx', 'onnx/vision_encoder_q4f16.onnx',
  );
  const pictures = ['chat_template.jinja', 'config.json', 'preprocessor_config.json', 'processor_config.json'];

  it('are all parts of a vision-language model, each in the variant or in the plain one of its activations', () => {
    assert.deepEqual(chosen(vision), [...pictures, 'onnx/decoder_model_merged.onnx', 'onnx/decoder_model_merged.onnx_data', 'onnx/embed_tokens.onnx', 'onnx/vision_encoder.onnx'].sort());
    assert.deepEqual(chosen(vision, 'q4'), [...pictures, 'onnx/decoder_model_merged_q4.onnx', 'onnx/embed_tokens.onnx', 'onnx/vision_encoder_q4.onnx'].sort());
    assert.deepEqual(chosen(vision, 'q4f16'), [...pictures, 'onnx/decoder_model_merged_q4f16.onnx', 'onnx/embed_tokens_fp16.onnx', 'onnx/vision_encoder_q4f16.onnx'].sort());
    assert.deepEqual(modelFiles(vision, 'q4').notes, ['embed_tokens exists in fp32 only']);
  });

  const genai = repository(
    'README.md', 'config.json',
    ...['cpu-int4', 'cuda-fp16'].flatMap((name) => ['genai_config.json', 'model.onnx', 'model.onnx.data', 'tokenizer.json', 'notes.txt'].map((file) => `cpu_and_mobile/${name}/${file}`)),
  );

  it('are one folder of a repository in the form of onnxruntime-genai', () => {
    const wanted = ['genai_config.json', 'model.onnx', 'model.onnx.data', 'tokenizer.json'];
    assert.deepEqual(chosen(genai), wanted.map((file) => `cpu_and_mobile/cpu-int4/${file}`));
    assert.deepEqual(chosen(genai, 'cuda-fp16'), wanted.map((file) => `cpu_and_mobile/cuda-fp16/${file}`));
    assert.equal(modelFiles(genai, 'cuda-fp16').root, 'cpu_and_mobile/cuda-fp16');
    assert.match(refusal(genai, 'q4').message, /Its variants: cpu_and_mobile\/cpu-int4 \(3\.9 KiB\), cpu_and_mobile\/cuda-fp16/);
  });

  it('come in variants, smallest first, each as large as its files, the one marked that is taken by itself', () => {
    for (const [from, names, usual] of [
      [text, ['fp32', 'fp16', 'q4', 'q4f16', 'quantized'], 'fp32'],
      [vision, ['fp32', 'q4', 'q4f16'], 'fp32'],
      [genai, ['cpu_and_mobile/cpu-int4', 'cpu_and_mobile/cuda-fp16'], 'cpu_and_mobile/cpu-int4'],
      [repository(...beside, 'onnx/model_int8.onnx', 'onnx/model_fp16.onnx'), ['int8', 'fp16'], 'int8'],
    ] as const) {
      const sizes = variantSizes(from);
      assert.deepEqual(sizes.map(({ variant }) => variant).sort(), [...names].sort());
      assert.deepEqual(sizes.filter(({ isDefault }) => isDefault).map(({ variant }) => variant), [usual]);
      for (const { variant, bytes, notes } of sizes) {
        const wanted = modelFiles(from, variant);
        assert.deepEqual([bytes, notes], [wanted.files.reduce((sum, file) => sum + file.bytes, 0), wanted.notes], variant);
      }
      sizes.forEach(({ bytes }, i) => assert.ok(bytes >= (sizes[i - 1]?.bytes ?? 0)));
    }
  });

  it('come in no variant whose other parts are missing', () => {
    const parts = repository('config.json', 'onnx/decoder_model_merged.onnx', 'onnx/decoder_model_merged_fp16.onnx', 'onnx/embed_tokens.onnx', 'onnx/vision_encoder.onnx');
    assert.deepEqual(variantSizes(parts).map(({ variant }) => variant), ['fp32']);
    assert.throws(() => variantSizes(repository('config.json', 'model.safetensors')), (error) => error instanceof DownloadFault && error.code === 'no-model');
  });

  it('are refused where there is no decoder in ONNX', () => {
    assert.match(refusal(repository('config.json', 'model.safetensors')).message, /holds no language model in ONNX.*no ONNX files/);
    assert.match(refusal(repository('config.json', 'onnx/encoder_model.onnx', 'onnx/decoder_model_merged.onnx')).message, /encoder-decoder/);
  });

  for (const evil of ['..', '../..', '/outside', 'C:', 'a\\..\\..', 'nul', 'x/COM1.d', 'dot.', 'con']) {
    it(`are refused as a whole where a part lies in ${JSON.stringify(evil)}`, () => {
      assert.equal(refusal(repository('config.json', `${evil}/genai_config.json`, `${evil}/model.onnx`)).code, 'unsafe-path');
    });
  }

  it('are refused where two names differ in case only', () => {
    assert.equal(refusal(repository('x/genai_config.json', 'x/model.onnx', 'x/Model.onnx')).code, 'unsafe-path');
  });

  it('have paths that stay below the folder on every system', () => {
    const segment = fc.oneof(fc.constantFrom('..', '.', '', 'onnx', 'C:', '\\', 'nul', 'aux.txt', '...', '~'), fc.string({ maxLength: 5 }));
    fc.assert(fc.property(fc.array(segment, { maxLength: 5 }), (parts) => {
      const name = parts.join('/');
      if (pathFault(name) !== null) return;
      for (const [system, root] of [[path.posix, '/models/here'], [path.win32, 'D:\\models\\here']] as const) {
        const relative = system.relative(root, system.resolve(root, name));
        assert(relative !== '' && !relative.startsWith('..') && !system.isAbsolute(relative), `${name} → ${relative}`);
      }
    }), { numRuns: 2000 });
    for (const good of ['config.json', 'onnx/model.onnx_data_1', 'cpu_and_mobile/cpu-int4-rtn-block-32/model.onnx.data', 'null.json', 'console/x']) assert.equal(pathFault(good), null, good);
  });
});
