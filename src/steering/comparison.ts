// Two answers to one prompt, as the model gives it and steered, told as they grow.
import type { ComparisonEvent, ComparisonRequest, ComparisonResult, Failure } from './workerCalls.ts';
import type { ModelParts } from './modelParts.ts';
import type { AppliedVector } from './steering.ts';
import { readVectorFile } from './vectorFile.ts';
import { generate } from '../lm/generate.ts';
import type { PairOptions, PairStep } from '../lm/generatePair.ts';
import { generatePair } from '../lm/generatePair.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import { fittingPrompt } from '../lm/prompt.ts';
import type { StreamSource } from '../lm/tokenStream.ts';
import type { CallContext } from '../runtime/calls.ts';
import { Random } from '../shared/random.ts';
import type { LayerDrift } from '../shared/steeringMessages.ts';

/** @throws LanguageModelError, RuntimeError, HostDiedError */
export async function compare(model: LanguageModel, parts: ModelParts, request: ComparisonRequest, { token, tell }: CallContext<ComparisonEvent>): Promise<ComparisonResult> {
  const { folder, tokenizer } = model;
  const { maxTokens, sampling, seed, text } = request;
  const asMessage = request.asMessage && tokenizer.renderChat([{ role: 'user', content: text }]).ok;
  const prompt = fittingPrompt(tokenizer, text, { asMessage, context: folder.sizes.context, wanted: maxTokens });
  if (!prompt.ok) return { ok: false, message: prompt.fault.message };
  const { ids } = prompt.value;
  const sources = await sourcesOf(model, parts, request, ids.length);
  if (!sources.ok) return sources;
  const { pair, layers } = sources;
  const options: PairOptions = { sampling, maxTokens, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: [], cache: true, token, follow: 'own', drift: layers };
  const growing = new Growing(tell);
  if (pair[0] === pair[1]) {
    const { text: answer } = await generate(pair[0], tokenizer, ids, options, new Random(seed), (_token, piece) => growing.add({ unsteered: piece, steered: piece, tokens: 1 }));
    growing.flush();
    return { ok: true, unsteered: answer, steered: answer, divergence: [], drift: [], isSteered: false, cancelled: token.isCancellationRequested };
  }
  const { first, second, steps } = await generatePair(pair, tokenizer, ids, options, [new Random(seed), new Random(seed)], {
    first: (_token, piece) => growing.add({ unsteered: piece, tokens: 1 }),
    second: (_token, piece) => growing.add({ steered: piece }),
    // Once the texts differ, so do the contexts, and the divergence is not the steering's alone.
    step: ({ divergence, sameContext }) => growing.add({ divergence: sameContext ? [divergence] : [] }),
  });
  growing.flush();
  const alike = steps.filter(({ sameContext }) => sameContext);
  return { ok: true, unsteered: first.text, steered: second.text, divergence: alike.map((step) => step.divergence), drift: driftOf(layers, alike), isSteered: true, cancelled: token.isCancellationRequested };
}

function driftOf(layers: readonly string[], steps: readonly PairStep[]): readonly LayerDrift[] {
  return layers.flatMap((site, layer) => {
    const norms = steps.flatMap(({ drift }) => drift[site]?.norm ?? []);
    return norms.length === 0 ? [] : [{ layer, drift: norms.reduce((sum, norm) => sum + norm, 0) / norms.length }];
  });
}

type Sources = { readonly ok: true; readonly pair: readonly [StreamSource, StreamSource]; /** Sites that both read, by layer. */ readonly layers: readonly string[] } | Failure;

/** Twice the same where nothing is on. Both come from one decoder otherwise, so that the prompt is run once. */
async function sourcesOf({ decoder }: LanguageModel, parts: ModelParts, { steering }: ComparisonRequest, promptLength: number): Promise<Sources> {
  const plain = { decoder };
  if (steering.length === 0) return { ok: true, pair: [plain, plain], layers: [] };
  const applied: AppliedVector[] = [];
  for (const { file, strength, from, to } of steering) {
    const read = readVectorFile(file);
    if (!read.ok) return read;
    applied.push({ vector: read.vector, strength, layers: read.vector.layers.map(({ layer }) => layer).filter((layer) => layer >= from && layer <= to) });
  }
  const opened = await parts.steered();
  if (!opened.ok) return opened;
  const source = (vectors: readonly AppliedVector[]): StreamSource => opened.steered.source({ applied: vectors, promptLength });
  const layers = Array.from({ length: opened.steered.stream.layers }, (_, layer) => `layers.${layer}.resid_post`);
  return { ok: true, pair: [source(applied.map((vector) => ({ ...vector, strength: 0 }))), source(applied)], layers };
}

/** So often is text told, milliseconds: small models write thousands of tokens a second, and a page shows a frame in 16. */
const TOLD_EVERY = 30;

interface Piece {
  readonly unsteered: string;
  readonly steered: string;
  readonly tokens: number;
  readonly divergence: readonly number[];
}

const nothing: Piece = { unsteered: '', steered: '', tokens: 0, divergence: [] };

class Growing {
  private piece = nothing;
  private toldAt = -Infinity;

  constructor(private readonly tell: (event: ComparisonEvent) => void) {}

  add({ unsteered = '', steered = '', tokens = 0, divergence = [] }: Partial<Piece>): void {
    const { piece } = this;
    this.piece = { unsteered: piece.unsteered + unsteered, steered: piece.steered + steered, tokens: piece.tokens + tokens, divergence: [...piece.divergence, ...divergence] };
    if (performance.now() - this.toldAt >= TOLD_EVERY) this.flush();
  }

  flush(): void {
    if (this.piece !== nothing) this.tell({ type: 'text', ...this.piece });
    this.piece = nothing;
    this.toldAt = performance.now();
  }
}
