// Opens an ONNX file of any size as a graph that points at the file's weights instead of holding them.
import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import type { ModelFault } from './decode.ts';
import { decodeModel } from './decode.ts';
import { byteSize, FormatFault } from './decodeTensor.ts';
import type { ExternalTensor, Graph, GraphBody, GraphNode, Initializer } from './graph.ts';
import { runnableGraph } from './runnable.ts';
import { readSkeleton } from './skeleton.ts';
import { FileBytes } from './wire.ts';

/**
 * A model whose weights stay where they are. `encodeGraph(graph)` (or of an edit of it) is a model of some KB, which the
 * runtime opens with `dataFolder` as the folder that its external data lie in; nothing is written anywhere.
 *
 * Measured with onnxruntime-node 1.30.0 (CPU) on a 1.1 MB model, its graph pointing into the original .onnx by offset:
 * the graph's bytes with the session option `session.model_external_initializers_file_folder_path` give identical
 * logits, from any folder up to the root; so do the bytes with the data in `externalData` (which copies every weight
 * through JavaScript) and a graph file beside a hard link. Refused are a symbolic link to the original ("escapes model
 * directory"), a location with `..`, and an absolute one. So the locations here are relative to a folder that holds
 * the real files, links followed.
 */
export interface ModelFile {
  /** As it was asked for. */
  readonly path: string;
  readonly graph: Graph;
  /** The graph is not the file's own: it has an operator that would end the runtime in another form. */
  readonly isRewritten: boolean;
  /** An absolute folder, links resolved: the locations of the graph's external data are relative to it. */
  readonly dataFolder: string;
  /** Bytes of the constants that stay in files. */
  readonly dataBytes: number;
}

export type ModelFileResult = { readonly ok: true; readonly file: ModelFile } | { readonly ok: false; readonly fault: ModelFault };

export interface ModelFileOptions {
  /** Constants of up to so many bytes are read into the graph, for what needs to see shapes and axes; default 1024. */
  readonly inlineLimit?: number;
}

/**
 * Reads the graph of a model file, and of its constants only where each lies: those above a small size become
 * `ExternalTensor`s that point by offset into the file itself or into its data files, which are checked to be there and
 * long enough. A file over 2 GB costs no more than its nodes. Every fault names the file.
 */
export function openModelFile(file: string, { inlineLimit = 1024 }: ModelFileOptions = {}): ModelFileResult {
  const refuse = (message: string): ModelFileResult => ({ ok: false, fault: { file, message } });
  try {
    const decoded = decodeModel(skeletonOf(file, inlineLimit), file);
    if (!decoded.ok) return { ok: false, fault: decoded.fault };
    const graph = runnableGraph(decoded.graph);
    return { ok: true, file: { path: file, isRewritten: graph !== decoded.graph, ...withRealLocations(graph, file) } };
  } catch (error) {
    if (error instanceof FormatFault) return refuse(`${file} is not a usable ONNX model: ${error.message}.`);
    if (isFileError(error)) return refuse(error.code === 'ENOENT' ? `There is no file ${file}.` : `${file} cannot be read: ${error.message}.`);
    throw error;
  }
}

const isFileError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'code' in error && 'syscall' in error;

function skeletonOf(file: string, inlineLimit: number): Uint8Array {
  const bytes = new FileBytes(file);
  try {
    refuseOtherFormats(bytes);
    return readSkeleton(bytes, { location: path.basename(file), inlineLimit });
  } finally {
    bytes.close();
  }
}

/** What people give by mistake for an ONNX file, by its first bytes. */
const otherFormats: readonly (readonly [RegExp, string])[] = [
  [/^version https:\/\/git-lfs/, 'it is a Git LFS pointer, the model itself was not downloaded (git lfs pull fetches it)'],
  [/^GGUF/, 'it is a GGUF file'],
  [/^PK\u0003\u0004/, 'it is a zip archive, as PyTorch writes them'],
  [/^ORTM|^....ORTM/s, 'it is in the runtime\'s own ORT format'],
  [/^\s*<(?:!doctype|html)/i, 'it is a web page, so the download went wrong'],
  [/^.{8}\{"/s, 'it is a safetensors file'],
  [/^\s*\{/, 'it is a JSON file'],
];

function refuseOtherFormats(bytes: FileBytes): void {
  if (bytes.size === 0) throw new FormatFault('it is empty');
  const start = Buffer.from(bytes.slice(0, Math.min(64, bytes.size))).toString('latin1');
  const other = otherFormats.find(([pattern]) => pattern.test(start));
  if (other) throw new FormatFault(other[1]);
}

type Located = Pick<ModelFile, 'graph' | 'dataFolder' | 'dataBytes'>;

/** The graph with its external data relative to one folder that holds all the real files. @throws FormatFault */
function withRealLocations(graph: Graph, file: string): Located {
  const locations = new Map<string, DataFile>();
  for (const { external } of externalsOf(graph)) {
    const location = external['location'] ?? '';
    if (!locations.has(location)) locations.set(location, dataFile(location, file));
  }
  const dataFolder = commonFolder([...locations.values()].map(({ real }) => path.dirname(real)), file);
  let dataBytes = 0;
  const relocate = (tensor: ExternalTensor, name: string): ExternalTensor => {
    const data = locations.get(tensor.external['location'] ?? '');
    if (!data) throw new RangeError(`the data file of ${name} was not looked up`);
    const { offset, length } = extentOf(tensor, name, data);
    dataBytes += length;
    const location = path.relative(dataFolder, data.real).split(path.sep).join('/');
    return { ...tensor, external: { location, offset: String(offset), length: String(length) } };
  };
  return { graph: { ...graph, ...mapExternals(graph, relocate) }, dataFolder, dataBytes };
}

interface DataFile {
  readonly location: string;
  /** Links resolved. */
  readonly real: string;
  readonly size: number;
}

/** The data file that a model names. It may lie in or below the model's folder, or where links from there lead beside the model. */
function dataFile(location: string, file: string): DataFile {
  const normal = path.posix.normalize(location.replaceAll('\\', '/'));
  const outside = location === '' || location.includes('\0') || normal.startsWith('../') || normal === '..' || path.posix.isAbsolute(normal) || /^[A-Za-z]:/.test(normal);
  if (outside) throw new FormatFault(`it keeps data in ${JSON.stringify(location)}, which is outside its folder`);
  const found = path.join(path.dirname(file), normal);
  const stat = statSync(found, { throwIfNoEntry: false });
  if (!stat) throw new FormatFault(`it keeps data in ${location}, and there is no such file beside it; download it too`);
  if (!stat.isFile()) throw new FormatFault(`it keeps data in ${location}, which is not a file`);
  const real = realpathSync(found);
  const homes = [realpathSync(path.dirname(file)), path.dirname(realpathSync(file))];
  if (!homes.some((home) => isInside(real, home))) throw new FormatFault(`it keeps data in ${location}, a link to ${real}, which is outside its folder`);
  return { location, real, size: stat.size };
}

function isInside(file: string, folder: string): boolean {
  const relative = path.relative(folder, file);
  return relative !== '' && relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function extentOf({ type, dims, external }: ExternalTensor, name: string, { location, size }: DataFile): { offset: number; length: number } {
  const expected = byteSize(type, dims);
  const offset = wholeNumber(external['offset'] ?? '0', name);
  const length = external['length'] === undefined ? expected : wholeNumber(external['length'], name);
  if (length !== expected) throw new FormatFault(`${name} should have ${expected} bytes of data and has ${length}`);
  if (offset + length > size) throw new FormatFault(`${name} has its data at bytes ${offset} to ${offset + length} of ${location}, which has only ${size}; it is cut off`);
  return { offset, length };
}

function wholeNumber(written: string, name: string): number {
  const value = /^\d+$/.test(written) ? Number(written) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new FormatFault(`${name} does not say where its data lie (${JSON.stringify(written)})`);
  return value;
}

/** The deepest folder that holds all of them; the model's own if there are none. */
function commonFolder(folders: readonly string[], file: string): string {
  const [first = path.dirname(realpathSync(file)), ...others] = folders;
  let common = first;
  while (!others.every((folder) => folder === common || isInside(folder, common))) {
    const above = path.dirname(common);
    if (above === common) throw new FormatFault('its data files lie on different drives');
    common = above;
  }
  return common;
}

const bodiesOf = (node: GraphNode): readonly GraphBody[] =>
  Object.values(node.attributes).flatMap((attribute) => (typeof attribute === 'object' && 'graph' in attribute ? [attribute.graph] : []));

function externalsOf(body: GraphBody): readonly ExternalTensor[] {
  const own = [...body.initializers.values()].filter((tensor): tensor is ExternalTensor => 'external' in tensor);
  return [...own, ...body.nodes.flatMap(bodiesOf).flatMap(externalsOf)];
}

function mapExternals(body: GraphBody, map: (tensor: ExternalTensor, name: string) => ExternalTensor): GraphBody {
  const moved = ([name, tensor]: readonly [string, Initializer]) => [name, 'external' in tensor ? map(tensor, name) : tensor] as const;
  return { ...body, initializers: new Map([...body.initializers].map(moved)), nodes: body.nodes.map((node) => mapBodies(node, map)) };
}

function mapBodies(node: GraphNode, map: (tensor: ExternalTensor, name: string) => ExternalTensor): GraphNode {
  if (bodiesOf(node).length === 0) return node;
  const attributes = Object.entries(node.attributes).map(([name, attribute]) =>
    [name, typeof attribute === 'object' && 'graph' in attribute ? { graph: mapExternals(attribute.graph, map) } : attribute] as const);
  return { ...node, attributes: Object.fromEntries(attributes) };
}
