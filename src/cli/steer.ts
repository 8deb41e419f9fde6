// The option --steer FILE:STRENGTH[@LAYERS]: vectors at work in a model.
import type { Environment } from './outcome.ts';
import { UsageError } from './usage.ts';
import type { ModelFolder } from '../lm/folder.ts';
import type { ModelHost } from '../runtime/client.ts';
import type { SessionOptions } from '../runtime/protocol.ts';
import { layersText, readLayers } from '../steering/layerRange.ts';
import { residualSites } from '../steering/residualStates.ts';
import type { AppliedVector } from '../steering/steering.ts';
import { SteeredModel } from '../steering/steering.ts';
import type { ModelIdentity } from '../steering/steeringVector.ts';
import { fitOf, identityOf } from '../steering/steeringVector.ts';
import { readVectorFile } from '../steering/vectorFile.ts';

export interface SteerRequest {
  readonly file: string;
  readonly strength: number;
  /** As written; null for all of the vector's. */
  readonly layers: string | null;
}

/** @throws UsageError */
export function steerRequest(text: string): SteerRequest {
  const found = /^(.+):([^:@]+)(?:@([^:@]*))?$/s.exec(text);
  const [file = '', strength = ''] = found?.slice(1) ?? [];
  if (!found || strength.trim() === '' || !Number.isFinite(Number(strength))) throw new UsageError(`--steer takes a vector's file and a strength, FILE:STRENGTH, not “${text}”. For example: --steer truth.safetensors:1.5, or --steer truth.safetensors:1.5@2-5 at some of its layers.`);
  return { file, strength: Number(strength), layers: found[3] ?? null };
}

export interface SteeredByFiles {
  readonly steered: SteeredModel;
  readonly applied: readonly AppliedVector[];
  /** For the JSON that is printed. */
  readonly about: readonly { readonly file: string; readonly strength: number; readonly layers: readonly number[] }[];
}

/** The model with the vectors of --steer, warnings on standard error. @throws UsageError, RuntimeError */
export async function steeredByFiles(host: ModelHost, folder: ModelFolder, requests: readonly SteerRequest[], session: Partial<SessionOptions>, terminal: Environment['terminal']): Promise<SteeredByFiles> {
  const sites = residualSites(folder);
  if (!sites.ok) throw new UsageError(sites.message);
  const stream = { layers: sites.sites.length, hidden: sites.width };
  const identity = identityOf(folder, stream);
  const applied = requests.map((request) => appliedVector(request, identity, terminal));
  const opened = await SteeredModel.open(host, folder, { session, layers: applied.flatMap(({ layers }) => layers) });
  if (!opened.ok) throw new UsageError(opened.message);
  const { steered } = opened;
  return { steered, applied, about: applied.map(({ strength, layers }, i) => ({ file: requests[i]?.file ?? '', strength, layers })) };
}

function appliedVector({ file, strength, layers }: SteerRequest, identity: ModelIdentity, terminal: Environment['terminal']): AppliedVector & { readonly layers: readonly number[] } {
  const read = readVectorFile(file);
  if (!read.ok) throw new UsageError(read.message);
  const fit = fitOf(read.vector, identity, `“${file}”`);
  if (!fit.ok) throw new UsageError(fit.message);
  for (const warning of fit.warnings) terminal.err(`${warning}\n`);
  const own = read.vector.layers.map(({ layer }) => layer);
  return { vector: read.vector, strength, layers: layers === null ? own : chosen(layers, own, identity.layers, file) };
}

function chosen(text: string, own: readonly number[], count: number, file: string): readonly number[] {
  const read = readLayers(text, count);
  if (!read.ok) throw new UsageError(read.message);
  const missing = read.layers.filter((layer) => !own.includes(layer));
  if (missing.length > 0) throw new UsageError(`“${file}” has no direction for ${missing.length === 1 ? 'layer' : 'the layers'} ${layersText(missing)}. It has: ${layersText(own)}.`);
  return read.layers;
}
