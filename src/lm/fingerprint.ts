// Tells models apart by what their weights hold, without reading all of a large file.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import type { ModelFolder } from './folder.ts';

const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 64;

/**
 * SHA-256 over the decoder's files: the size of each and 64 evenly spaced samples of 64 KiB, so a file of up to 4 MiB is
 * hashed whole. Another training, precision or export of a model has another fingerprint; a copy has the same. Hexadecimal.
 */
export function modelFingerprint({ file }: Pick<ModelFolder, 'file'>): string {
  const hash = createHash('sha256');
  const locations = new Set([...file.graph.initializers.values()].flatMap((tensor) => ('external' in tensor && tensor.external['location'] !== undefined ? [path.join(file.dataFolder, tensor.external['location'])] : [])));
  for (const each of new Set([path.resolve(file.path), ...[...locations].sort()])) addFile(hash, each);
  return hash.digest('hex');
}

function addFile(hash: ReturnType<typeof createHash>, file: string): void {
  const { size } = statSync(file);
  hash.update(`${size};`);
  const descriptor = openSync(file, 'r');
  try {
    for (const start of samplePlaces(size)) {
      const bytes = Buffer.alloc(Math.min(SAMPLE_BYTES, size - start));
      hash.update(bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, start)));
    }
  } finally {
    closeSync(descriptor);
  }
}

function samplePlaces(size: number): readonly number[] {
  const step = Math.max(SAMPLE_BYTES, Math.ceil((size - SAMPLE_BYTES) / (SAMPLES - 1)));
  return Array.from({ length: Math.min(SAMPLES, Math.ceil(size / step)) }, (_, i) => Math.min(i * step, Math.max(0, size - SAMPLE_BYTES)));
}
