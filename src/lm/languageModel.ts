// A language model ready to write: its folder, its tokenizer, and its decoder open in the model host.
import { readFileSync } from 'node:fs';
import type { FolderProblem, ModelFolder } from './folder.ts';
import { openModelFolder, otherVariants } from './folder.ts';
import { ConfigFault, MAX_TOKENIZER_BYTES, readJson } from './config.ts';
import type { Decoder, DecoderModel, LanguageModelFault } from './session.ts';
import { openDecoder } from './session.ts';
import type { Tokenizer } from './tokenizer.ts';
import { readTokenizer } from './tokenizer.ts';
import type { Checked, TokenizerFault } from './tokenizerFile.ts';
import type { ModelHost } from '../runtime/client.ts';
import { RuntimeError } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import { encodeGraph } from '../onnx/encode.ts';
import type { Graph } from '../onnx/graph.ts';

export interface LanguageModel {
  readonly folder: ModelFolder;
  readonly tokenizer: Tokenizer;
  readonly decoder: Decoder;
}

export interface LanguageModelProblem {
  readonly code: FolderProblem['code'] | TokenizerFault['code'] | LanguageModelFault['code'] | 'no-variant-runs';
  readonly message: string;
}

export type LanguageModelResult = { readonly ok: true; readonly model: LanguageModel } | { readonly ok: false; readonly problem: LanguageModelProblem };

export interface LanguageModelOptions {
  /** Only this one; default: the most exact that the host's provider runs. */
  readonly variant?: string | undefined;
  readonly session?: Partial<SessionOptions>;
}

/**
 * Opens a model folder (or the .onnx file meant in one) to be generated with. Release the decoder when done.
 * @throws HostDiedError
 */
export async function openLanguageModel(host: ModelHost, location: string, { variant, session }: LanguageModelOptions = {}): Promise<LanguageModelResult> {
  const opened = openModelFolder(location, { variant });
  if (!opened.ok) return opened;
  const tokenizer = folderTokenizer(opened.folder);
  if (!tokenizer.ok) return { ok: false, problem: tokenizer.fault };
  const names = variant === undefined && !location.endsWith('.onnx') ? otherVariants(opened.folder) : [];
  const refusals: string[] = [];
  for (const folder of withOthers(opened.folder, names, refusals)) {
    try {
      const decoder = await openDecoder(host, { ...folderDecoder(folder), ...(session ? { options: session } : {}) });
      return decoder.ok ? { ok: true, model: { folder, tokenizer: tokenizer.value, decoder: decoder.decoder } } : { ok: false, problem: decoder.fault };
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      refusals.push(`${folder.variant.name}: ${error.message}`);
    }
  }
  const all = opened.folder.variants.map(({ name }) => name).join(', ');
  return { ok: false, problem: { code: 'no-variant-runs', message: `${opened.folder.path} cannot be run by the provider ${session?.provider ?? host.provider}. It has the variants ${all}. ${refusals.join(' ')}` } };
}

function* withOthers(folder: ModelFolder, names: readonly string[], refusals: string[]): Generator<ModelFolder> {
  yield folder;
  for (const name of names) {
    const other = openModelFolder(folder.path, { variant: name });
    if (other.ok) yield other.folder;
    else refusals.push(`${name}: ${other.problem.message}`);
  }
}

/** @returns the folder's tokenizer, or what is wrong with its files */
export function folderTokenizer({ tokenizer }: Pick<ModelFolder, 'tokenizer'>): Checked<Tokenizer> {
  try {
    return readTokenizer({
      tokenizer: readJson(tokenizer.tokenizer, MAX_TOKENIZER_BYTES),
      config: tokenizer.config === null ? {} : readJson(tokenizer.config),
      chatTemplate: tokenizer.chatTemplate === null ? undefined : readFileSync(tokenizer.chatTemplate, 'utf8'),
    });
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    return { ok: false, fault: { code: 'badTokenizer', message: error.message } };
  }
}

/** The folder's decoder, or an edit of its graph, whose weights stay where they are. */
export function folderDecoder({ file, sizes, embedding }: ModelFolder, edit?: Graph): DecoderModel {
  const source = edit ? { graph: encodeGraph(edit), dataFolder: file.dataFolder, dataBytes: file.dataBytes, file: file.path } : { path: file.path };
  return { graph: edit ?? file.graph, source, sizes, embedding: embedding === null ? undefined : { path: embedding } };
}
