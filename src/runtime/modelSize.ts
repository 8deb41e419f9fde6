// How much memory a model needs at least: its bytes and those of the files that hold its weights.
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';

/** StringStringEntryProto { key: "location" value: … } as it is encoded, up to the length of the value. */
const LOCATION = Buffer.from('\u000a\u0008location\u0012', 'latin1');
/** A location that spans two blocks is found in the second. */
const OVERLAP = 1024;
const BLOCK = 4 * 2 ** 20;
/** A graph that large holds its weights itself: external data are used to keep the graph small. */
const SCANNED_BYTES = 256 * 2 ** 20;

/** Bytes of a model: of the graph, and of each file of external data below its folder. 0 where the file is missing. */
export function modelBytes(model: Uint8Array | { readonly path: string }): number {
  if (model instanceof Uint8Array) return model.byteLength;
  const size = fileSize(model.path);
  return size + [...externalFiles(model.path, size)].reduce((sum, file) => sum + fileSize(file), 0);
}

const fileSize = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

function externalFiles(model: string, size: number): ReadonlySet<string> {
  const folder = path.dirname(model);
  const files = new Set<string>();
  if (size === 0 || size > SCANNED_BYTES) return files;
  for (const block of blocksOf(model)) {
    for (const location of locationsIn(block)) files.add(path.resolve(folder, location));
  }
  // Weights that lie in the model's own file are counted with it.
  files.delete(path.resolve(model));
  return files;
}

function* blocksOf(file: string): Generator<Buffer> {
  const handle = openSync(file, 'r');
  try {
    const buffer = Buffer.allocUnsafe(BLOCK);
    for (let position = 0; ; position += BLOCK - OVERLAP) {
      const length = readSync(handle, buffer, 0, BLOCK, position);
      yield buffer.subarray(0, length);
      if (length < BLOCK) return;
    }
  } finally {
    closeSync(handle);
  }
}

function* locationsIn(block: Buffer): Generator<string> {
  for (let at = block.indexOf(LOCATION); at >= 0; at = block.indexOf(LOCATION, at + 1)) {
    const start = at + LOCATION.byteLength;
    const length = block[start] ?? 0;
    // Two bytes of length: longer than file names are.
    if (length < 128 && start + 1 + length <= block.byteLength) yield block.toString('utf8', start + 1, start + 1 + length);
  }
}

/** Endings that hubs give a graph of the same network in another precision. */
const VARIANT = /_(?:fp16|q4f16|q4|int8|uint8|quantized|bnb4|fp32)$/;

/** The other files beside a model that hold the same network in fewer bytes, smallest first. */
export function smallerVariants(model: string): readonly { readonly path: string; readonly bytes: number }[] {
  const folder = path.dirname(model);
  const stem = (name: string): string => path.basename(name, '.onnx').replace(VARIANT, '');
  const [base, size] = [stem(model), modelBytes({ path: model })];
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.onnx') && stem(name) === base && name !== path.basename(model)) : [];
  return names
    .map((name) => ({ path: path.join(folder, name), bytes: modelBytes({ path: path.join(folder, name) }) }))
    .filter(({ bytes }) => bytes < size)
    .sort((a, b) => a.bytes - b.bytes);
}
