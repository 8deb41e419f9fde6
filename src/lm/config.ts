// The sizes and special tokens that a model folder's JSON files state.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';

const MAX_JSON_BYTES = 16 * 2 ** 20;
/** Of tokenizers, whose vocabularies make them larger: Gemma's has 33 MB. */
export const MAX_TOKENIZER_BYTES = 256 * 2 ** 20;

/** A file of the folder that cannot be used. The message says which, and why. */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault';
}

const whole = v.optional(v.nullable(v.pipe(v.number(), v.integer())));
const ids = v.optional(v.nullable(v.union([v.number(), v.array(v.number())])));

const textEntries = {
  model_type: v.optional(v.string()),
  num_hidden_layers: whole, n_layer: whole, num_layers: whole,
  num_attention_heads: whole, n_head: whole, num_heads: whole,
  num_key_value_heads: whole,
  hidden_size: whole, n_embd: whole, d_model: whole,
  head_dim: whole,
  vocab_size: whole,
  max_position_embeddings: whole, n_positions: whole, n_ctx: whole,
  bos_token_id: ids, eos_token_id: ids, pad_token_id: ids,
} as const;
const textConfig = v.looseObject(textEntries);
const huggingFaceConfig = v.looseObject({ ...textEntries, text_config: v.optional(textConfig), image_token_index: whole, image_token_id: whole });

const genaiPart = v.optional(v.looseObject({ filename: v.optional(v.string()) }));
const genaiConfig = v.looseObject({
  model: v.looseObject({
    type: v.optional(v.string()),
    vocab_size: whole, context_length: whole, bos_token_id: ids, eos_token_id: ids, pad_token_id: ids, image_token_id: whole,
    decoder: v.looseObject({
      filename: v.optional(v.string()),
      num_hidden_layers: whole, num_attention_heads: whole, num_key_value_heads: whole, head_size: whole, hidden_size: whole,
    }),
    vision: genaiPart,
    embedding: genaiPart,
  }),
});

const generationConfig = v.looseObject({ bos_token_id: ids, eos_token_id: ids, pad_token_id: ids });

/** What the files say; null where they do not. */
export interface StatedSizes {
  readonly layers: number | null;
  readonly heads: number | null;
  readonly keyValueHeads: number | null;
  readonly headSize: number | null;
  readonly hidden: number | null;
  readonly vocabulary: number | null;
  /** Longest sequence, tokens. */
  readonly context: number | null;
}

export interface SpecialTokens {
  readonly bos: number | null;
  /** Any of these ends a text. */
  readonly eos: readonly number[];
  readonly pad: number | null;
  /** The token that an image's embeddings take the place of. */
  readonly image: number | null;
}

export interface ModelConfig {
  readonly layout: 'optimum' | 'genai';
  /** `model_type`: gpt2, llama, qwen2, gemma3, phi3, llava …; `unknown` where none is stated. */
  readonly family: string;
  readonly sizes: StatedSizes;
  readonly tokens: SpecialTokens;
  /** The decoder's, vision encoder's and embedding's files, where the config names them. */
  readonly files: { readonly decoder?: string | undefined; readonly vision?: string | undefined; readonly embedding?: string | undefined };
  /** generation_config.json as it is. */
  readonly generation: Readonly<Record<string, unknown>>;
}

/** The folder's configuration, or null where it has none. @throws ConfigFault */
export function readConfig(folder: string): ModelConfig | null {
  const generation = read(folder, 'generation_config.json', generationConfig) ?? {};
  const huggingFace = read(folder, 'config.json', huggingFaceConfig);
  const genai = read(folder, 'genai_config.json', genaiConfig);
  if (huggingFace && !genai) return fromHuggingFace(huggingFace, generation);
  return genai ? fromGenai(genai, generation) : null;
}

function read<T extends v.GenericSchema>(folder: string, name: string, schema: T): v.InferOutput<T> | null {
  const parsed = readJson(path.join(folder, name));
  if (parsed === null) return null;
  const result = v.safeParse(schema, parsed);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new ConfigFault(`${path.join(folder, name)} cannot be used: at ${v.getDotPath(issue) ?? 'its root'}: ${issue.message}.`);
}

/** A JSON file's value, or null where there is no such file. @throws ConfigFault */
export function readJson(file: string, mostBytes = MAX_JSON_BYTES): unknown {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) return null;
  if (!stat.isFile() || stat.size > mostBytes) throw new ConfigFault(`${file} is no JSON file of a model: it is ${stat.isFile() ? 'too large' : 'not a file'}.`);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch (error) {
    throw new ConfigFault(`${file} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

const first = (...values: readonly (number | null | undefined)[]): number | null => values.find((value) => typeof value === 'number') ?? null;
const list = (value: number | readonly number[] | null | undefined): readonly number[] => (value === null || value === undefined ? [] : typeof value === 'number' ? [value] : value);

type Generation = v.InferOutput<typeof generationConfig>;

function fromHuggingFace(config: v.InferOutput<typeof huggingFaceConfig>, generation: Generation): ModelConfig {
  const text = { ...config, ...config.text_config };
  const heads = first(text.num_attention_heads, text.n_head, text.num_heads);
  const hidden = first(text.hidden_size, text.n_embd, text.d_model);
  return {
    layout: 'optimum',
    family: config.model_type ?? 'unknown',
    sizes: {
      layers: first(text.num_hidden_layers, text.n_layer, text.num_layers),
      heads,
      keyValueHeads: first(text.num_key_value_heads, heads),
      headSize: first(text.head_dim, heads && hidden && hidden % heads === 0 ? hidden / heads : null),
      hidden,
      vocabulary: first(text.vocab_size),
      context: first(text.max_position_embeddings, text.n_positions, text.n_ctx),
    },
    tokens: specialTokens(text, generation, first(config.image_token_index, config.image_token_id)),
    files: {},
    generation,
  };
}

function fromGenai({ model }: v.InferOutput<typeof genaiConfig>, generation: Generation): ModelConfig {
  const { decoder } = model;
  const heads = first(decoder.num_attention_heads);
  return {
    layout: 'genai',
    family: model.type ?? 'unknown',
    sizes: {
      layers: first(decoder.num_hidden_layers),
      heads,
      keyValueHeads: first(decoder.num_key_value_heads, heads),
      headSize: first(decoder.head_size),
      hidden: first(decoder.hidden_size),
      vocabulary: first(model.vocab_size),
      context: first(model.context_length),
    },
    tokens: specialTokens(model, generation, first(model.image_token_id)),
    files: { decoder: decoder.filename, vision: model.vision?.filename, embedding: model.embedding?.filename },
    generation,
  };
}

/** generation_config.json overrules, except that every end token of either file ends a text. */
function specialTokens(stated: Generation, generation: Generation, image: number | null): SpecialTokens {
  return {
    bos: list(generation.bos_token_id)[0] ?? list(stated.bos_token_id)[0] ?? null,
    eos: [...new Set([...list(generation.eos_token_id), ...list(stated.eos_token_id)])],
    pad: list(generation.pad_token_id)[0] ?? list(stated.pad_token_id)[0] ?? null,
    image,
  };
}
