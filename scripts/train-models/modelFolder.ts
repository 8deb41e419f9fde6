// Writes a trained decoder as an ordinary model folder, and opens it as any other.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { BytePairEncoding } from './bpe.ts';
import { special, specialTokens } from './bpe.ts';
import type { LlamaConfig } from './llama.ts';
import { headSize } from './llama.ts';
import { decoderGraph } from './llamaGraphs.ts';
import type { LanguageModel } from '../../src/lm/languageModel.ts';
import { openLanguageModel } from '../../src/lm/languageModel.ts';
import { encodeGraph } from '../../src/onnx/encode.ts';
import type { ModelHost } from '../../src/runtime/client.ts';

export interface TrainedDecoder {
  readonly config: LlamaConfig;
  readonly theta: Float32Array;
  readonly bpe: BytePairEncoding;
  /** Longest sequence that it was trained on, tokens. */
  readonly contextLength: number;
}

const [pad, bos, eos] = specialTokens;
const ids = { bos_token_id: special.bos, eos_token_id: special.eos, pad_token_id: special.pad };

/** config.json, in the words of Hugging Face's Llama. */
export const llamaConfigJson = (config: LlamaConfig, contextLength: number): Readonly<Record<string, unknown>> => ({
  architectures: ['LlamaForCausalLM'], model_type: 'llama',
  vocab_size: config.vocabulary, hidden_size: config.hidden, num_hidden_layers: config.layers,
  num_attention_heads: config.heads, num_key_value_heads: config.keyValueHeads, head_dim: headSize(config), intermediate_size: config.neurons,
  hidden_act: 'silu', rms_norm_eps: config.normEpsilon, rope_theta: config.ropeTheta, rope_scaling: null,
  max_position_embeddings: contextLength, tie_word_embeddings: true, attention_bias: false, mlp_bias: false, torch_dtype: 'float32', use_cache: true, ...ids,
});

/** All files but the model card. */
export function writeModelFolder(folder: string, { config, theta, bpe, contextLength }: TrainedDecoder): void {
  mkdirSync(path.join(folder, 'onnx'), { recursive: true });
  const json = (name: string, value: unknown): void => writeFileSync(path.join(folder, name), `${JSON.stringify(value, null, 1)}\n`);
  json('config.json', llamaConfigJson(config, contextLength));
  json('generation_config.json', { ...ids, do_sample: true, temperature: 1, max_length: contextLength });
  json('tokenizer.json', bpe.tokenizerJson());
  json('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: bos, eos_token: eos, pad_token: pad, model_max_length: contextLength, clean_up_tokenization_spaces: false });
  writeFileSync(path.join(folder, 'onnx', 'model.onnx'), encodeGraph(decoderGraph(config, theta)));
}

/** Opens the folder's model. @throws RangeError where the folder is not in order */
export async function openWritten(host: ModelHost, location: string): Promise<LanguageModel> {
  const opened = await openLanguageModel(host, location, { session: { threads: 1 } });
  if (!opened.ok) throw new RangeError(opened.problem.message);
  return opened.model;
}
