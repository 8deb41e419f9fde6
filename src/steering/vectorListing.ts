// The vector files of a folder, with what they were made of and whether they fit the model that is in use.
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { residualSites } from './residualStates.ts';
import type { ModelIdentity, SteeringVector } from './steeringVector.ts';
import { fitOf, identityOf } from './steeringVector.ts';
import { readVectorFile } from './vectorFile.ts';
import type { ListedVector, VectorsRequest, VectorsResult } from './workerCalls.ts';
import { openModelFolder } from '../lm/folder.ts';
import type { ModelAt } from '../lm/workerCalls.ts';

/** Whatever is no vector is named with the reason. A folder that is not there holds none. */
export function listVectors({ folder, model }: VectorsRequest): VectorsResult {
  const files = namesIn(folder).filter((name) => name.endsWith('.safetensors')).sort();
  const identity = model ? modelIdentity(model) : null;
  const read = files.map((name) => ({ name, result: readVectorFile(path.join(folder, name)) }));
  return {
    vectors: read.flatMap(({ name, result }) => (result.ok ? [listed(name, result.vector, identity)] : [])),
    problems: read.flatMap(({ result }) => (result.ok ? [] : [result.message])),
  };
}

function listed(file: string, vector: SteeringVector, identity: ModelIdentity | string | null): ListedVector {
  const { layers, provenance: { method, settings, data, model, tokens } } = vector;
  const suggested = settings['suggestedStrength'];
  const name = file.replace(/\.safetensors$/u, '');
  const fit = typeof identity === 'string' ? { ok: false as const, message: identity } : identity ? fitOf(vector, identity, name) : { ok: true as const, warnings: [] };
  return {
    file, name, method, items: data.items, data: data.name, model: model.name, tokens, layers: layers.map(({ layer }) => layer),
    suggestedStrength: typeof suggested === 'number' ? suggested : null,
    problem: fit.ok ? null : fit.message, warnings: fit.ok ? fit.warnings : [],
  };
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const known = new Map<string, ModelIdentity | string>();

/** What a vector must fit, or why this model takes none. Reads a sample of the weights once for each state of the file. */
function modelIdentity({ path: location, variant }: ModelAt): ModelIdentity | string {
  const opened = openModelFolder(location, { variant: variant ?? undefined });
  if (!opened.ok) return opened.problem.message;
  const { folder } = opened;
  const key = `${folder.variant.path} ${statSync(folder.variant.path).mtimeMs}`;
  const found = known.get(key) ?? identified(folder);
  known.set(key, found);
  return found;
}

function identified(folder: Parameters<typeof identityOf>[0] & Parameters<typeof residualSites>[0]): ModelIdentity | string {
  const stream = residualSites(folder);
  return stream.ok ? identityOf(folder, { layers: stream.sites.length, hidden: stream.width }) : stream.message;
}
