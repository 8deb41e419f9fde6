// Which files of a repository a model in one variant needs, and nothing else.
import { DownloadFault } from './problem.ts';
import type { RemoteFile, Repository } from './repository.ts';
import { pathFault } from './safePath.ts';
import { sizeText } from '../../shared/sizeText.ts';

export interface ModelFiles {
  /** `fp32` for graphs without a suffix; else what follows the graph's base name (fp16, q4, q4f16, int8, …); in the form of onnxruntime-genai the folder (`default`: the root). */
  readonly variant: string;
  /** The folder in the repository that is the model's: '' or, in the form of onnxruntime-genai, a folder below. */
  readonly root: string;
  readonly files: readonly RemoteFile[];
  /** Parts that exist in another precision only, as said to the user. */
  readonly notes: readonly string[];
}

/** One graph of an export, such as `onnx/decoder_model_merged_q4.onnx`. */
interface Graph {
  readonly file: RemoteFile;
  readonly stem: string;
  readonly variant: string;
}

const suffixes = ['fp32', 'fp16', 'q4', 'q4f16', 'q8', 'int8', 'uint8', 'quantized', 'bnb4', 'q2', 'q2f16', 'q1', 'q1f16', 'int4'];
/** Beside the graphs: sizes, tokens, how to generate, how to make prompts and pictures. */
const companions = new Set([
  'config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json',
  'chat_template.json', 'chat_template.jinja', 'preprocessor_config.json', 'processor_config.json', 'genai_config.json',
]);
/** Graphs that hold the same weights once more, for runtimes without a merged decoder. */
const superseded = new Set(['decoder_model', 'decoder_with_past_model']);
const decoders = ['model', 'decoder_model_merged', 'decoder_with_past_model', 'decoder_model'];
const half = new Set(['fp16', 'q4f16', 'q2f16', 'q1f16']);

/**
 * Chooses the files of one variant; without `wanted`, fp32 or else the smallest.
 * @throws DownloadFault no-model, no-variant, unsafe-path
 */
export function modelFiles(repository: Repository, wanted: string | undefined): ModelFiles {
  const chosen = genaiFiles(repository, wanted) ?? exportFiles(repository, wanted);
  for (const { path } of chosen.files) {
    const fault = pathFault(path);
    if (fault !== null) throw new DownloadFault('unsafe-path', `${repository.repo} names the file ${JSON.stringify(path)}: ${fault}. Nothing was downloaded; do not use this repository.`);
  }
  const names = new Set(chosen.files.map(({ path }) => path.toLowerCase()));
  if (names.size < chosen.files.length) throw new DownloadFault('unsafe-path', `${repository.repo} has files whose names differ in upper and lower case only. Nothing was downloaded.`);
  return chosen;
}

/** One variant that a repository has, with the size of all its files. */
export interface VariantSize {
  readonly variant: string;
  readonly bytes: number;
  /** What is taken where none is asked for. */
  readonly isDefault: boolean;
  readonly notes: readonly string[];
}

/** Every variant that can be downloaded, smallest first. @throws DownloadFault no-model, unsafe-path */
export function variantSizes(repository: Repository): readonly VariantSize[] {
  const usual = modelFiles(repository, undefined).variant;
  const sizes = variantNames(repository).flatMap((variant) => sizeOf(repository, variant, usual));
  return sizes.sort((a, b) => a.bytes - b.bytes);
}

/** A variant whose other parts are missing cannot be downloaded, so it is none. */
function sizeOf(repository: Repository, wanted: string, usual: string): VariantSize[] {
  try {
    const { variant, files, notes } = modelFiles(repository, wanted);
    return [{ variant, bytes: bytesOf(files), isDefault: variant === usual, notes }];
  } catch (error) {
    if (error instanceof DownloadFault && error.code === 'no-variant') return [];
    throw error;
  }
}

function variantNames(repository: Repository): readonly string[] {
  const inFolders = genaiVariants(repository);
  return inFolders.length > 0 ? inFolders.map(({ variant }) => variant) : decoderGraphs(repository).own.map(({ variant }) => variant);
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const bytesOf = (files: readonly RemoteFile[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

/** A graph's weights outside it: `X.onnx_data`, `X.onnx_data_1`, `X.onnx.data`. */
function withData(graph: RemoteFile, files: readonly RemoteFile[]): readonly RemoteFile[] {
  const rest = (path: string): string => (path.startsWith(graph.path) ? path.slice(graph.path.length) : '');
  return [graph, ...files.filter(({ path }) => /^(?:_data(?:_\d+)?|\.data(?:[._-]?\d+)?)$/.test(rest(path)))];
}

/** In the form of onnxruntime-genai a variant is a folder with a genai_config.json, all of whose graphs belong together. */
function genaiVariants({ files }: Repository): readonly ModelFiles[] {
  const roots = files.filter(({ path }) => nameOf(path) === 'genai_config.json').map(({ path }) => folderOf(path));
  const has = (root: string): boolean => files.some(({ path }) => folderOf(path) === root && path.endsWith('.onnx'));
  return roots.filter(has).map((root) => {
    const inside = files.filter(({ path }) => folderOf(path) === root);
    const graphs = inside.filter(({ path }) => path.endsWith('.onnx'));
    return { variant: root === '' ? 'default' : root, root, notes: [], files: [...inside.filter(({ path }) => companions.has(nameOf(path))), ...graphs.flatMap((graph) => withData(graph, inside))] };
  });
}

function genaiFiles(repository: Repository, wanted: string | undefined): ModelFiles | null {
  const variants = genaiVariants(repository);
  if (variants.length === 0) return null;
  const chosen = wanted === undefined ? smallest(variants) : variants.find(({ variant }) => variant === wanted || nameOf(variant) === wanted);
  if (!chosen) throw noVariant(repository.repo, wanted ?? '', variants.map(({ variant, files: own }) => [variant, bytesOf(own)]));
  return chosen;
}

const smallest = <T extends { readonly files: readonly RemoteFile[] }>(variants: readonly T[]): T | undefined =>
  variants.reduce<T | undefined>((best, variant) => (best === undefined || bytesOf(variant.files) < bytesOf(best.files) ? variant : best), undefined);

/** The graphs of an export, and those of them that are its decoder in one variant or another. @throws DownloadFault no-model */
function decoderGraphs({ files, repo }: Repository): { readonly inside: readonly RemoteFile[]; readonly graphs: readonly Graph[]; readonly decoder: string; readonly own: readonly Graph[] } {
  const folder = files.some(({ path }) => /^onnx\/[^/]+\.onnx$/.test(path)) ? 'onnx' : '';
  const inside = files.filter(({ path }) => folderOf(path) === folder);
  const graphs = inside.filter(({ path }) => path.endsWith('.onnx')).map(graphOf);
  const decoder = decoders.find((stem) => graphs.some((graph) => graph.stem === stem));
  if (decoder === undefined) throw noModel(repo, graphs);
  return { inside, graphs, decoder, own: graphs.filter(({ stem }) => stem === decoder) };
}

/** As `optimum` and onnx-community publish models: graphs in `onnx/` (or beside the configuration), the variant in their names. */
function exportFiles(repository: Repository, wanted: string | undefined): ModelFiles {
  const { files, repo } = repository;
  const { inside, graphs, decoder, own } = decoderGraphs(repository);
  const parts = [...new Set(graphs.map(({ stem }) => stem))].filter((stem) => stem !== decoder && !superseded.has(stem) && !(stem === 'model' || stem === 'decoder_model_merged'));
  if (parts.includes('encoder_model')) throw new DownloadFault('no-model', `${repo} is an encoder-decoder model. GradLens runs decoders, and vision-language models made of embed_tokens, vision_encoder and decoder_model_merged.`);
  const main = chosenVariant(own, wanted, repo, inside);
  const others = parts.map((stem) => partFor(stem, main.variant, graphs, repo));
  const notes = others.filter(({ variant }) => variant !== main.variant).map(({ stem, variant }) => `${stem} exists in ${variant} only`);
  const beside = files.filter(({ path }) => companions.has(path));
  return { variant: main.variant, root: '', files: [...beside, ...[main, ...others].flatMap(({ file }) => withData(file, inside))], notes };
}

function graphOf(file: RemoteFile): Graph {
  const name = nameOf(file.path).replace(/\.onnx$/, '');
  const suffix = suffixes.find((end) => name.endsWith(`_${end}`));
  return { file, stem: suffix === undefined ? name : name.slice(0, -suffix.length - 1), variant: suffix ?? 'fp32' };
}

function chosenVariant(graphs: readonly Graph[], wanted: string | undefined, repo: string, files: readonly RemoteFile[]): Graph {
  const asked = wanted === 'default' ? 'fp32' : wanted;
  const sized = graphs.map((graph) => ({ ...graph, files: withData(graph.file, files) }));
  const chosen = asked === undefined ? (sized.find(({ variant }) => variant === 'fp32') ?? smallest(sized)) : sized.find(({ variant }) => variant === asked);
  if (!chosen) throw noVariant(repo, asked ?? '', sized.map(({ variant, files: own }) => [variant, bytesOf(own)]));
  return chosen;
}

/** Other parts of a vision-language model: in the decoder's variant, or in the plain one that has its type of activations. */
function partFor(stem: string, variant: string, graphs: readonly Graph[], repo: string): Graph {
  const own = graphs.filter((graph) => graph.stem === stem);
  const plain = half.has(variant) ? 'fp16' : 'fp32';
  const part = own.find((graph) => graph.variant === variant) ?? own.find((graph) => graph.variant === plain);
  if (!part) throw new DownloadFault('no-variant', `${repo} has no ${stem} that goes with the variant ${variant}, only ${own.map((graph) => graph.variant).join(', ')}. Choose one of those.`);
  return part;
}

function noVariant(repo: string, wanted: string, variants: readonly (readonly [string, number])[]): DownloadFault {
  const list = variants.map(([name, bytes]) => `${name} (${sizeText(bytes)})`).join(', ');
  return new DownloadFault('no-variant', `${repo} has no variant “${wanted}”. Its variants: ${list}.`);
}

function noModel(repo: string, graphs: readonly Graph[]): DownloadFault {
  const found = graphs.length === 0 ? 'It holds no ONNX files in its root or in onnx/' : `Its graphs are ${graphs.slice(0, 6).map(({ file }) => file.path).join(', ')}`;
  return new DownloadFault('no-model', `${repo} holds no language model in ONNX: no onnx/model.onnx, onnx/decoder_model_merged.onnx or genai_config.json. ${found}. Look for an ONNX export of it, for example under onnx-community.`);
}
