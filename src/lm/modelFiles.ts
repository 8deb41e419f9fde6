// The files beside a decoder that generation reads, until the model folder's own reader is there.
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Checked } from './tokenizerFile.ts';
import type { Tokenizer } from './tokenizer.ts';
import { readTokenizer } from './tokenizer.ts';

export interface ModelFiles {
  readonly model: string;
  readonly embedding: string | undefined;
  readonly tokenizer: Tokenizer;
  readonly contextLength: number | null;
  readonly endIds: readonly number[];
}

export type ModelFilesResult = { readonly ok: true; readonly files: ModelFiles } | { readonly ok: false; readonly message: string };

type Json = Readonly<Record<string, unknown>>;

class Unreadable extends Error {}

/** @param location the folder, or the .onnx file meant in it */
export function openModelFiles(location: string): ModelFilesResult {
  try {
    return open(location);
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, message: error.message };
    throw error;
  }
}

function open(location: string): ModelFilesResult {
  const stat = statSync(location, { throwIfNoEntry: false });
  if (!stat) return { ok: false, message: `There is no model “${location}”. Give the folder that holds config.json and tokenizer.json, or the .onnx file in it.` };
  const parent = path.dirname(location);
  const folder = stat.isDirectory() ? location : path.basename(parent) === 'onnx' ? path.dirname(parent) : parent;
  const find = (...names: string[]): string | undefined => ['onnx', ''].flatMap((below) => names.map((name) => path.join(folder, below, name))).find(existsSync);
  const model = stat.isDirectory() ? find('model.onnx', 'decoder_model_merged.onnx') : location;
  if (model === undefined) return { ok: false, message: `“${location}” holds no onnx/model.onnx, onnx/decoder_model_merged.onnx or model.onnx. Give the .onnx file that is meant.` };
  const read = (name: string): Json | null => readJson(path.join(folder, name));
  const file = read('tokenizer.json');
  if (!file) return { ok: false, message: `“${folder}” holds no tokenizer.json, so text cannot be turned into tokens. Copy it from where the model was published.` };
  const template = path.join(folder, 'chat_template.jinja');
  const tokenizer: Checked<Tokenizer> = readTokenizer({ tokenizer: file, config: read('tokenizer_config.json') ?? {}, chatTemplate: existsSync(template) ? readFileSync(template, 'utf8') : undefined });
  if (!tokenizer.ok) return { ok: false, message: tokenizer.fault.message };
  const config = read('config.json') ?? {};
  const genai = (read('genai_config.json')?.['model'] ?? {}) as Json;
  const context = [config['max_position_embeddings'], config['n_positions'], config['n_ctx'], genai['context_length']].find((value) => typeof value === 'number');
  const ends = [read('generation_config.json')?.['eos_token_id'], config['eos_token_id'], genai['eos_token_id']].find((value) => value !== undefined && value !== null);
  return { ok: true, files: { model, embedding: find('embed_tokens.onnx'), tokenizer: tokenizer.value, contextLength: typeof context === 'number' ? context : null, endIds: [ends].flat().filter((id) => typeof id === 'number') } };
}

function readJson(file: string): Json | null {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Json;
  } catch (error) {
    throw new Unreadable(`${file} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
}
