// Steering vectors as safetensors files: a direction and a norm for each layer, the provenance as JSON in the metadata.
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as v from 'valibot';
import { normOf } from './directions.ts';
import type { LayerDirection, Provenance, SteeringVector } from './steeringVector.ts';
import type { NamedTensor } from '../shared/safetensors.ts';
import { decodeTensors, encodeTensors } from '../shared/safetensors.ts';

export type VectorResult = { readonly ok: true; readonly vector: SteeringVector } | { readonly ok: false; readonly message: string };

const KEY = 'gradlens.vector';
const VERSION = 1;
const MAX_BYTES = 2 ** 30;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const provenance = v.object({
  method: v.string(),
  settings: v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
  data: v.object({ name: v.string(), items: count, hash: v.string() }),
  model: v.object({ name: v.string(), family: v.string(), variant: v.string(), layers: count, hidden: count, fingerprint: v.string() }),
  tokens: v.string(),
  strength: v.string(),
  seed: v.number(),
});
const metadata = v.object({ version: v.literal(VERSION), provenance });

const directionName = (layer: number): string => `layers.${layer}.resid_post.direction`;
const normName = (layer: number): string => `layers.${layer}.resid_post.norm`;
const DIRECTION = /^layers\.(\d{1,6})\.resid_post\.direction$/;

export function encodeVector({ layers, provenance: from }: SteeringVector): Uint8Array {
  const tensors = layers.flatMap(({ layer, direction, norm }): [string, NamedTensor][] => [
    [directionName(layer), { shape: [direction.length], data: direction }],
    [normName(layer), { shape: [1], data: Float32Array.of(norm) }],
  ]);
  return encodeTensors({ tensors: Object.fromEntries(tensors), metadata: { format: 'pt', [KEY]: JSON.stringify({ version: VERSION, provenance: from }) } });
}

/** @param name what messages call the file */
export function decodeVector(bytes: Uint8Array, name: string): VectorResult {
  const refused = (message: string): VectorResult => ({ ok: false, message: `${name} cannot be used as a steering vector: ${message}. Make it again, or take it again from where it came.` });
  const decoded = decodeTensors(bytes);
  if (!decoded.ok) return refused(decoded.message);
  const from = provenanceOf(decoded.file.metadata);
  if (typeof from === 'string') return refused(from);
  const layers: LayerDirection[] = [];
  const { tensors } = decoded.file;
  for (const [tensor, { shape, data }] of Object.entries(tensors)) {
    const layer = Number(DIRECTION.exec(tensor)?.[1] ?? Number.NaN);
    if (Number.isNaN(layer)) continue;
    const norm = tensors[normName(layer)]?.data[0];
    if (shape.length !== 1 || data.length === 0) return refused(`“${tensor}” is no vector but of shape [${shape.join(', ')}]`);
    if (norm === undefined || !Number.isFinite(norm) || norm <= 0) return refused(`layer ${layer} states no norm above 0`);
    if (!(Math.abs(normOf(data) - 1) < 1e-3)) return refused(`the direction of layer ${layer} is no unit vector: its norm is ${normOf(data)}`);
    layers.push({ layer, direction: Float32Array.from(data), norm });
  }
  if (layers.length === 0) return refused('it holds no direction of any layer');
  return { ok: true, vector: { layers: layers.sort((a, b) => a.layer - b.layer), provenance: from } };
}

function provenanceOf({ [KEY]: text }: Readonly<Record<string, string>>): Provenance | string {
  if (text === undefined) return `it does not say which model and what strength it is for (no “${KEY}” in its metadata), so it was not made by gradlens`;
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), metadata), text);
  if (parsed.success) return parsed.output.provenance;
  const [issue] = parsed.issues;
  return `what its metadata say of its origin cannot be read: ${v.getDotPath(issue) ?? 'all of it'}: ${issue.message}`;
}

/** Writes beside the place and then moves there, so that no half file is left. @throws the file system's errors */
export function writeVectorFile(file: string, vector: SteeringVector): void {
  const draft = `${file}.${randomBytes(4).toString('hex')}.part`;
  try {
    writeFileSync(draft, encodeVector(vector));
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

export function readVectorFile(file: string): VectorResult {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return { ok: false, message: `There is no file “${file}”. Give the path of a steering vector, as gradlens vector writes it.` };
  if (stat.size > MAX_BYTES) return { ok: false, message: `“${file}” is larger than ${MAX_BYTES / 2 ** 30} GiB, too large for a steering vector.` };
  try {
    return decodeVector(readFileSync(file), `“${file}”`);
  } catch (error) {
    return { ok: false, message: `“${file}” cannot be read: ${error instanceof Error ? error.message : String(error)}.` };
  }
}
