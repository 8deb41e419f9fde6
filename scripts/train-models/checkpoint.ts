// A training's state as two files: numbers as JSON, vectors as float32.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LossPoint } from './training.ts';

export interface Checkpoint {
  readonly recipe: string;
  /** Steps taken. */
  readonly step: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly curve: readonly LossPoint[];
  /** The weights, then what the optimiser remembers, of one length. */
  readonly vectors: readonly Float32Array[];
}

/** Both files appear at once or not at all: the JSON, which names the other, is renamed into place last. */
export function writeCheckpoint(file: string, { vectors, ...rest }: Checkpoint): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const [folder, base] = [path.dirname(file), path.basename(file)];
  const data = `${base}-${rest.step}.bin`;
  writeFileSync(path.join(folder, data), Buffer.concat(vectors.map((vector) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength))));
  writeFileSync(`${file}.json.part`, JSON.stringify({ ...rest, data, vectors: vectors.length }));
  renameSync(`${file}.json.part`, `${file}.json`);
  for (const name of readdirSync(folder)) if (name.startsWith(`${base}-`) && name.endsWith('.bin') && name !== data) rmSync(path.join(folder, name));
}

/** The checkpoint, or null where there is none. */
export function readCheckpoint(file: string): Checkpoint | null {
  if (!existsSync(`${file}.json`)) return null;
  const { data, vectors: count, ...rest } = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Omit<Checkpoint, 'vectors'> & { data: string; vectors: number };
  const bytes = readFileSync(path.join(path.dirname(file), data));
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const length = all.length / count;
  return { ...rest, vectors: Array.from({ length: count }, (_, i) => all.slice(i * length, (i + 1) * length)) };
}
