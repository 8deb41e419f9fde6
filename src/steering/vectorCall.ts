// A steering vector from a file of contrast pairs, as the editor asks for it: read, attributed, hidden, compared, written.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ContrastPair } from './contrastPairs.ts';
import { pairsHash, readContrastPairs } from './contrastPairs.ts';
import { pairStates } from './differences.ts';
import { grainsStates } from './grains.ts';
import type { MadeDirections } from './makeVector.ts';
import { contrastiveDirections, grainsDirections } from './makeVector.ts';
import type { ModelParts } from './modelParts.ts';
import { ResidualStates } from './residualStates.ts';
import type { Provenance } from './steeringVector.ts';
import { identityOf, LAST_TOKENS, STRENGTH_MEANING } from './steeringVector.ts';
import type { TokenPair } from './tokenPairs.ts';
import { maskToken, pairFault, tokenPair } from './tokenPairs.ts';
import { writeVectorFile } from './vectorFile.ts';
import type { Failure, MakingEvent, MakingRequest, MakingResult } from './workerCalls.ts';
import { readImage } from '../lm/imageFile.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { CallContext } from '../runtime/calls.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { throwIfCancelled } from '../shared/cancellation.ts';

const SEED = 1;

/** @throws AttributionError, LanguageModelError, CancelledError, RuntimeError, HostDiedError */
export async function makeVector(model: LanguageModel, parts: ModelParts, request: MakingRequest, { token, tell }: CallContext<MakingEvent>): Promise<MakingResult> {
  const read = readPairs(request.pairs);
  if (!read.ok) return read;
  const pairs = await tokenPairs(model, parts, read.pairs, request, token);
  const faults = pairs.flatMap((pair, i) => {
    const message = pairFault(pair, model.folder.sizes.context);
    return message === null ? [] : [`line ${read.lines[i] ?? i + 1}: ${message}`];
  });
  if (faults.length > 0) return refused(request.pairs, faults);
  // Each of these opens the model once more.
  await parts.rest();
  const made = await (request.method === 'grains' ? grains : contrastive)(model, pairs, request, { token, tell });
  if (!made.ok) return made;
  const { layers, without } = made.directions;
  if (layers.length === 0) return { ok: false, message: `The pairs of ${request.pairs} show no direction at any layer: the answers leave the model in the same state. Give pairs whose answers differ more.` };
  throwIfCancelled(token);
  const stream = { layers: layers.length + without.length, hidden: layers[0]?.direction.length ?? 0 };
  writeVectorFile(request.target, { layers, provenance: { ...made.provenance, ...provenanceOf(model, stream, request, read.pairs) } });
  return { ok: true, without, incomplete: made.incomplete, pairs: pairs.length };
}

type ReadPairs = { readonly ok: true; readonly pairs: readonly ContrastPair[]; readonly lines: readonly number[] } | Failure;

function readPairs(file: string): ReadPairs {
  try {
    const read = readContrastPairs(readFileSync(file, 'utf8'));
    return read.ok ? read : refused(file, read.faults.map(({ line, message }) => `line ${line}: ${message}`));
  } catch (error) {
    return { ok: false, message: `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** The first three rows that cannot be used, and how many more there are. */
function refused(file: string, faults: readonly string[]): Failure {
  const told = faults.slice(0, 3);
  const rest = faults.length > 3 ? ` And ${faults.length - 3} more rows.` : '';
  return { ok: false, message: `${path.basename(file)} cannot be used: ${told.join(' ')}${rest}` };
}

async function tokenPairs({ tokenizer, folder }: LanguageModel, parts: ModelParts, pairs: readonly ContrastPair[], request: MakingRequest, token: CancellationToken): Promise<readonly TokenPair[]> {
  const found: TokenPair[] = [];
  for (const pair of pairs) {
    throwIfCancelled(token);
    const image = pair.image === undefined ? null : readImage(path.resolve(path.dirname(request.pairs), pair.image));
    if (image && !image.ok) throw new LanguageModelError({ code: 'badImage', message: image.message });
    found.push(tokenPair(tokenizer, folder, pair, image ? await parts.encodeImage(image.image) : undefined));
  }
  return found;
}

type Made = { readonly ok: true; readonly directions: MadeDirections; readonly incomplete: number | null; readonly provenance: Pick<Provenance, 'method' | 'settings'> } | Failure;
type Context = CallContext<MakingEvent>;

async function grains({ folder, tokenizer, decoder }: LanguageModel, pairs: readonly TokenPair[], { attribution: { method, steps, baseline } }: MakingRequest, { token, tell }: Context): Promise<Made> {
  const mask = maskToken(tokenizer, folder);
  if (mask === null) return { ok: false, message: `${folder.name} has no token to hide others with (padding, end of text, or unknown). Use the method CAA, which hides none.` };
  const found = await grainsStates(decoder.host, folder, pairs, mask, { method, steps, baseline, seed: SEED, token, onProgress: (stage, done, total) => tell({ type: 'stage', stage, done, total }) });
  if (!found.ok) return found;
  const { states, incomplete } = found.grains;
  return { ok: true, directions: grainsDirections(states, 'both', 'pca'), incomplete, provenance: { method: 'grains', settings: { attribution: method, steps, baseline, mode: 'both', direction: 'pca' } } };
}

async function contrastive({ folder, decoder }: LanguageModel, pairs: readonly TokenPair[], _request: MakingRequest, { token, tell }: Context): Promise<Made> {
  const opened = await ResidualStates.open(decoder.host, folder);
  if (!opened.ok) return opened;
  try {
    const { whole } = await pairStates(opened.states, pairs, [], [], 0, { token, onProgress: (done, total) => tell({ type: 'stage', stage: 'states', done, total }) });
    return { ok: true, directions: contrastiveDirections(whole), incomplete: null, provenance: { method: 'caa', settings: {} } };
  } finally {
    await opened.states.release();
  }
}

function provenanceOf({ folder }: LanguageModel, stream: { readonly layers: number; readonly hidden: number }, request: MakingRequest, pairs: readonly ContrastPair[]): Omit<Provenance, 'method' | 'settings'> {
  return { data: { name: path.basename(request.pairs), items: pairs.length, hash: pairsHash(pairs) }, model: identityOf(folder, stream), tokens: LAST_TOKENS, strength: STRENGTH_MEANING, seed: SEED };
}
