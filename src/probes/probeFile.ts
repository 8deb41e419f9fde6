// Probes as files: NAME.probe.json says what the probe is, NAME.probe.safetensors beside it holds its numbers.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import type { Probe } from './probe.ts';
import type { NamedTensor } from '../shared/safetensors.ts';
import { decodeTensors, encodeTensors } from '../shared/safetensors.ts';

const FORMAT = 'gradlens-probe';
const VERSION = 1;
const EXTENSION = '.probe.json';
/** A probe of the widest models takes some hundred KB. */
const MAX_BYTES = 64 * 2 ** 20;

const Estimate = v.object({ value: v.number(), interval: v.pipe(v.tuple([v.number(), v.number()]), v.readonly()) });
const Figures = v.object({ examples: v.number(), groups: v.number(), auroc: Estimate, baselines: v.record(v.string(), Estimate) });

const Description = v.object({
  format: v.literal(FORMAT),
  version: v.number(),
  model: v.object({ name: v.string(), variant: v.string(), layers: v.nullable(v.number()), hidden: v.pipe(v.number(), v.integer(), v.minValue(1)), fingerprint: v.string() }),
  site: v.string(),
  frame: v.object({ before: v.string(), between: v.string() }),
  l2: v.number(),
  bias: v.number(),
  threshold: v.number(),
  meanNorm: v.pipe(v.number(), v.gtValue(0)),
  data: v.object({ name: v.string(), items: v.number(), hash: v.string() }),
  seed: v.number(),
  tensors: v.object({ file: v.string(), sha256: v.string() }),
  report: v.nullable(v.object({ all: Figures, matchedLength: v.nullable(Figures) })),
});

export type ProbeResult = { readonly ok: true; readonly probe: Probe } | { readonly ok: false; readonly message: string };

/** What the two files hold. `tensorsName`: the name of the second, which the first refers to. */
export function encodeProbe(probe: Probe, tensorsName: string): { readonly json: string; readonly tensors: Uint8Array } {
  const { weights, standardisation: { mean, scale }, model, site, report, ...rest } = probe;
  const vector = (data: Float64Array): NamedTensor => ({ shape: [data.length], data });
  const tensors = encodeTensors({ tensors: { weights: vector(weights), mean: vector(mean), scale: vector(scale) }, metadata: { format: FORMAT, model: model.name, site } });
  const described: v.InferOutput<typeof Description> = { format: FORMAT, version: VERSION, model, site, ...rest, tensors: { file: tensorsName, sha256: sha256(tensors) }, report };
  return { json: `${JSON.stringify(described, null, 1)}\n`, tensors };
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Writes the probe. @returns the path of its JSON file. @throws an error of the file system */
export function writeProbe(probe: Probe, location: string): string {
  const base = location.endsWith(EXTENSION) ? location.slice(0, -EXTENSION.length) : location;
  const [json, tensors] = [`${base}${EXTENSION}`, `${base}.probe.safetensors`];
  const written = encodeProbe(probe, path.basename(tensors));
  // What refers to the other comes last, and neither is ever half there.
  for (const [file, content] of [[tensors, written.tensors], [json, written.json]] as const) {
    writeFileSync(`${file}.part`, content);
    renameSync(`${file}.part`, file);
  }
  return json;
}

/** Reads what `writeProbe` wrote; the message of a refusal says which file is wrong, and how. */
export function readProbe(location: string): ProbeResult {
  const refused = (message: string): ProbeResult => ({ ok: false, message });
  const json = read(location);
  if (typeof json === 'string') return refused(json);
  const description = described(json, location);
  if (typeof description === 'string') return refused(description);
  // Only a file beside it is meant: a probe cannot make anything else be read.
  const beside = path.join(path.dirname(location), path.basename(description.tensors.file));
  const bytes = read(beside);
  if (typeof bytes === 'string') return refused(bytes);
  if (sha256(bytes) !== description.tensors.sha256) return refused(`${beside} is not the file that ${location} was written with (its checksum differs). Copy both files together.`);
  return assembled(description, bytes, beside);
}

function read(file: string): Uint8Array | string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return `There is no file ${file}. A probe is two files, NAME.probe.json and NAME.probe.safetensors, side by side; “gradlens probe train” makes them.`;
  if (stat.size > MAX_BYTES) return `${file} is larger than any probe.`;
  try {
    return readFileSync(file);
  } catch (error) {
    return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

function described(bytes: Uint8Array, file: string): v.InferOutput<typeof Description> | string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return `${file} is no JSON. Give a probe: NAME.probe.json.`;
  }
  const result = v.safeParse(Description, parsed);
  if (!result.success) return `${file} is no probe: ${v.getDotPath(result.issues[0]) ?? 'it'}: ${result.issues[0].message}.`;
  if (result.output.version > VERSION) return `${file} was written by a newer version (format ${result.output.version}; this one reads up to ${VERSION}). Update GradLens.`;
  return result.output;
}

function assembled({ model, site, frame, l2, bias, threshold, meanNorm, data, seed, report }: v.InferOutput<typeof Description>, bytes: Uint8Array, file: string): ProbeResult {
  const decoded = decodeTensors(bytes);
  if (!decoded.ok) return { ok: false, message: `${file} cannot be used: ${decoded.message}.` };
  const [weights, mean, scale] = (['weights', 'mean', 'scale'] as const).map((name) => {
    const tensor = decoded.file.tensors[name];
    return tensor && tensor.data.length === model.hidden && tensor.data.every(Number.isFinite) ? Float64Array.from(tensor.data) : null;
  });
  if (!weights || !mean || !scale || scale.some((value) => value <= 0)) return { ok: false, message: `${file} does not hold weights, mean and scale of ${model.hidden} numbers each. Train the probe again.` };
  return { ok: true, probe: { model, site, frame, l2, bias, threshold, meanNorm, data, seed, report, weights, standardisation: { mean, scale } } };
}
