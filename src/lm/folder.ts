// Opens a language model's folder: which graph, which tokenizer, which sizes. Nothing is loaded but a few KB of each.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { ModelConfig, SpecialTokens, StatedSizes } from './config.ts';
import { ConfigFault, readConfig } from './config.ts';
import type { ModelInterface } from './interface.ts';
import { readInterface } from './interface.ts';
import type { ModelFile } from '../onnx/file.ts';
import { openModelFile } from '../onnx/file.ts';

/** One graph of a model: the same network in another precision or with other operators. */
export interface ModelVariant {
  /** What follows the graph's base name: fp16, q4, q4f16, int8, quantized, …; `default` for the file without a suffix. */
  readonly name: string;
  readonly path: string;
  /** Bytes of the file and of the data files beside it that bear its name. */
  readonly bytes: number;
}

export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizer: string;
  /** tokenizer_config.json */
  readonly config: string | null;
  /** chat_template.jinja, which newer folders hold beside the config. */
  readonly chatTemplate: string | null;
}

/** The graphs of a vision-language model beside its decoder, in the decoder's variant where they have it. */
export interface VisionParts {
  readonly visionEncoder: string;
  readonly embedTokens: string;
  readonly preprocessor: string | null;
}

export interface ModelFolder {
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  readonly layout: 'optimum' | 'genai';
  readonly family: string;
  readonly sizes: StatedSizes;
  readonly tokens: SpecialTokens;
  readonly tokenizer: TokenizerFiles;
  readonly variants: readonly ModelVariant[];
  /** The one that is open. */
  readonly variant: ModelVariant;
  /** The decoder's graph, its weights left where they are. */
  readonly file: ModelFile;
  readonly io: ModelInterface;
  /** generation_config.json as it is. */
  readonly generation: Readonly<Record<string, unknown>>;
  readonly vision: VisionParts | null;
  /** `embed_tokens`, where the decoder takes embeddings; in the decoder's variant where there is one. */
  readonly embedding: string | null;
}

export type FolderProblemCode = 'no-folder' | 'no-model' | 'no-config' | 'no-tokenizer' | 'no-variant' | 'bad-config' | 'bad-model' | 'unknown-interface';

/** Why a folder is no model that can be used. The message says what is missing, where, and what to do. */
export interface FolderProblem {
  readonly code: FolderProblemCode;
  readonly message: string;
}

export type FolderResult = { readonly ok: true; readonly folder: ModelFolder } | { readonly ok: false; readonly problem: FolderProblem };

class Refusal extends Error {
  constructor(readonly code: FolderProblemCode, message: string) {
    super(message);
  }
}

/**
 * Opens a model folder as `optimum` and onnx-community publish them (config.json, tokenizer.json, onnx/model.onnx with
 * variants) or in onnxruntime-genai's form (genai_config.json). `location` is the folder, or the .onnx file meant in it.
 * Reads the graph's nodes and the JSON files only.
 */
export function openModelFolder(location: string, options: { readonly variant?: string | undefined } = {}): FolderResult {
  try {
    return { ok: true, folder: open(path.resolve(location), options.variant) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problem: { code: error.code, message: error.message } };
    if (error instanceof ConfigFault) return { ok: false, problem: { code: 'bad-config', message: error.message } };
    throw error;
  }
}

function open(location: string, wanted: string | undefined): ModelFolder {
  const folder = folderOf(location);
  const config = readConfig(folder);
  const graphs = graphsOf(folder, config);
  const variant = chosen(graphs.decoder, folder, location.endsWith('.onnx') ? location : undefined, wanted);
  if (!config) throw new Refusal('no-config', `${folder} has neither config.json nor genai_config.json, so the model's sizes and end tokens are not known. Copy config.json from where the model was published.`);
  const tokenizer = tokenizerOf(folder);
  const opened = openModelFile(variant.path);
  if (!opened.ok) throw new Refusal('bad-model', opened.fault.message);
  const { keyValueHeads, headSize } = config.sizes;
  const read = readInterface(opened.file.graph, { keyValueHeads: keyValueHeads ?? undefined, headSize: headSize ?? undefined });
  if (!read.ok) throw new Refusal('unknown-interface', `${variant.path} cannot be used as a language model: ${read.message}.`);
  const { layout, family, tokens, generation } = config;
  const [vision, embedding] = [visionOf(folder, graphs, variant.name), partFor(graphs.embedding, variant.name)?.path ?? null];
  return { path: folder, name: path.basename(folder), layout, family, tokens, generation, tokenizer, variants: graphs.decoder, variant, file: opened.file, io: read.io, sizes: sizesOf(config.sizes, read.io), vision, embedding };
}

/** The model's own inputs overrule what the config states. */
function sizesOf(stated: StatedSizes, io: ModelInterface): StatedSizes {
  const vocabulary = io.logits.dims.at(-1);
  return {
    ...stated,
    layers: io.cache.length > 0 ? new Set(io.cache.map(({ layer }) => layer)).size : stated.layers,
    keyValueHeads: io.keyValueHeads ?? stated.keyValueHeads,
    headSize: io.headSize ?? stated.headSize,
    vocabulary: typeof vocabulary === 'number' ? vocabulary : stated.vocabulary,
  };
}

function folderOf(location: string): string {
  const stat = statSync(location, { throwIfNoEntry: false });
  if (!stat) throw new Refusal('no-folder', `There is no folder ${location}. Give the folder of a model: config.json, tokenizer.json and onnx/model.onnx.`);
  if (stat.isDirectory()) return location;
  if (!location.endsWith('.onnx')) throw new Refusal('no-folder', `${location} is neither a model folder nor an .onnx file. Give the folder that holds config.json.`);
  const folder = path.dirname(location);
  return path.basename(folder) === 'onnx' ? path.dirname(folder) : folder;
}

interface Graphs {
  readonly decoder: readonly ModelVariant[];
  readonly vision: readonly ModelVariant[];
  readonly embedding: readonly ModelVariant[];
}

/** Base names of a decoder's graph, best first: one graph for prompts and single tokens before a pair of them. */
const decoders = ['model', 'decoder_model_merged', 'decoder_with_past_model', 'decoder_model'];

function graphsOf(folder: string, config: ModelConfig | null): Graphs {
  const files = [path.join(folder, 'onnx'), folder].flatMap(modelFiles);
  const named = (bases: readonly (string | undefined)[]): readonly ModelVariant[] => {
    for (const base of bases) {
      const found = base === undefined ? [] : files.flatMap((file) => variantOf(file, base.replace(/\.onnx$/, ''), bases));
      if (found.length > 0) return unique(found);
    }
    return [];
  };
  const decoder = named([config?.files.decoder, ...decoders]);
  if (decoder.length === 0) throw new Refusal('no-model', noModel(folder, files));
  return { decoder, vision: named([config?.files.vision, 'vision_encoder']), embedding: named([config?.files.embedding, 'embed_tokens']) };
}

const unique = (variants: readonly ModelVariant[]): readonly ModelVariant[] =>
  variants.filter(({ name }, i) => variants.findIndex((other) => other.name === name) === i);

function noModel(folder: string, files: readonly string[]): string {
  const found = files.length > 0 ? ` It has ${files.map((file) => path.relative(folder, file)).join(', ')}.` : '';
  return `${folder} has no decoder graph: onnx/model.onnx, onnx/decoder_model_merged.onnx or model.onnx.${found} Models in PyTorch or safetensors form are exported with “optimum-cli export onnx”; ONNX ones are at huggingface.co/onnx-community.`;
}

function modelFiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.onnx')).sort().map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

function variantOf(file: string, base: string, bases: readonly (string | undefined)[]): ModelVariant[] {
  const name = path.basename(file, '.onnx');
  if (name !== base && (!name.startsWith(`${base}_`) || bases.includes(name))) return [];
  // decoder_model_merged is a base of its own, not the variant “merged” of decoder_model.
  if (name !== base && decoders.some((other) => other.length > base.length && (name === other || name.startsWith(`${other}_`)))) return [];
  return [{ name: name === base ? 'default' : name.slice(base.length + 1), path: file, bytes: bytesOf(file) }];
}

/** With its data files: NAME.onnx_data, NAME.onnx_data_1, NAME.onnx.data, NAME.data … */
function bytesOf(file: string): number {
  const base = path.basename(file);
  const stem = base.slice(0, -'.onnx'.length);
  const own = readdirSync(path.dirname(file)).filter((name) => name === base || name === `${stem}.data` || (name.startsWith(base) && /^[._]data/.test(name.slice(base.length))));
  return own.reduce((sum, name) => sum + (statSync(path.join(path.dirname(file), name), { throwIfNoEntry: false })?.size ?? 0), 0);
}

/** The most exact first. */
const preferred = ['default', 'fp16', 'q4f16', 'q4', 'int8', 'quantized', 'uint8', 'bnb4'];

function chosen(variants: readonly ModelVariant[], folder: string, file: string | undefined, wanted: string | undefined): ModelVariant {
  if (file !== undefined) return variants.find((variant) => variant.path === file) ?? { name: path.basename(file, '.onnx'), path: file, bytes: bytesOf(file) };
  const by = (name: string): ModelVariant | undefined => variants.find((variant) => variant.name === name);
  // Hubs call the file without a suffix fp32.
  const named = wanted === undefined ? preferred.map(by).find((variant) => variant) : (by(wanted) ?? (wanted === 'fp32' ? by('default') : undefined));
  const found = named ?? (wanted === undefined ? variants[0] : undefined);
  if (!found) throw new Refusal('no-variant', `${folder} has no variant “${wanted ?? ''}”. It has: ${variants.map(({ name }) => name).join(', ')}.`);
  return found;
}

/** The folder's other variants, in the order in which they are worth a try. */
export function otherVariants({ variants, variant }: Pick<ModelFolder, 'variants' | 'variant'>): readonly string[] {
  const place = (name: string): number => (preferred.includes(name) ? preferred.indexOf(name) : preferred.length);
  return variants.map(({ name }) => name).filter((name) => name !== variant.name).sort((a, b) => place(a) - place(b));
}

const present = (file: string): string | null => (statSync(file, { throwIfNoEntry: false })?.isFile() ? file : null);

function tokenizerOf(folder: string): TokenizerFiles {
  const tokenizer = present(path.join(folder, 'tokenizer.json'));
  if (tokenizer === null) throw new Refusal('no-tokenizer', `${folder} has no tokenizer.json, so text cannot be turned into tokens. Copy it from where the model was published, with tokenizer_config.json.`);
  return { tokenizer, config: present(path.join(folder, 'tokenizer_config.json')), chatTemplate: present(path.join(folder, 'chat_template.jinja')) };
}

/** A part in the decoder's variant, or in the plain one that has its type of activations. */
function partFor(variants: readonly ModelVariant[], variant: string): ModelVariant | undefined {
  const names = [variant, ...(variant.endsWith('f16') ? ['fp16'] : []), 'default'];
  return names.map((name) => variants.find((own) => own.name === name)).find((found) => found) ?? variants[0];
}

function visionOf(folder: string, { vision, embedding }: Graphs, variant: string): VisionParts | null {
  const [visionEncoder, embedTokens] = [partFor(vision, variant), partFor(embedding, variant)];
  if (!visionEncoder || !embedTokens) return null;
  return { visionEncoder: visionEncoder.path, embedTokens: embedTokens.path, preprocessor: present(path.join(folder, 'preprocessor_config.json')) };
}
