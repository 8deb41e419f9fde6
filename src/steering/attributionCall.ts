// What pushes a model's answer, as the editor asks for it: texts in, numbers with their places in the text out.
import type { AttributedPrompt } from './attributedPrompt.ts';
import { answerTokens, attributedPrompt } from './attributedPrompt.ts';
import type { Attribution as Attributed, AttributionRequest } from './attribution.ts';
import type { Continuation } from './continuations.ts';
import { likeliest } from './continuations.ts';
import type { ModelParts } from './modelParts.ts';
import { ranks, tokenSets } from './tokenSets.ts';
import type { AttributionCallRequest, AttributionCallResult, AttributionEvent, LikelyRequest, LikelyResult, PromptRequest } from './workerCalls.ts';
import type { LanguageModel } from '../lm/languageModel.ts';
import { promptFault } from '../lm/generate.ts';
import { LanguageModelError } from '../lm/session.ts';
import type { CallContext } from '../runtime/calls.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import type { AttributedImage, AttributedToken, Attribution, LayerAttribution } from '../shared/attributionMessages.ts';
import { Random } from '../shared/random.ts';

/** @throws AttributionError, LanguageModelError, CancelledError, RuntimeError, HostDiedError */
export async function attribute(model: LanguageModel, parts: ModelParts, request: AttributionCallRequest, { token, tell }: CallContext<AttributionEvent>): Promise<AttributionCallResult> {
  const prompt = await promptOf(model, parts, request);
  const answers = await answersOf(model, prompt, request, token);
  const attributor = await parts.attributor(token);
  if (!attributor.ok) return attributor;
  const asked: AttributionRequest = {
    prompt: prompt.ids, images: prompt.images, fixed: prompt.special, preferred: answers.preferred.ids, dispreferred: answers.dispreferred.ids,
    method: request.method, steps: request.steps, baseline: request.baseline, refine: {}, layers: attributor.layers,
  };
  const { points, bytes } = await attributor.attributor.plan(asked, token);
  tell({ type: 'plan', points, bytes });
  const result = await attributor.attributor.attribute(asked, { token, onProgress: (done, total) => tell({ type: 'points', done, total }) });
  return { ok: true, attribution: shown(model, prompt, { request, answers, result }) };
}

/** @throws as `attribute` */
export async function likelyAnswers(model: LanguageModel, parts: ModelParts, request: LikelyRequest, token: CancellationToken): Promise<LikelyResult> {
  const found = await likeliest(model, await promptOf(model, parts, request), request.count, token);
  return { ok: true, likely: found.map(({ text, probability }) => ({ text, probability })) };
}

async function promptOf(model: LanguageModel, parts: ModelParts, request: PromptRequest): Promise<AttributedPrompt> {
  const prompt = await attributedPrompt(model, request, (image) => parts.encodeImage(image));
  const fault = promptFault(prompt.ids, { decoder: model.decoder, embeddings: prompt.images }, model.folder.sizes.context);
  if (fault) throw new LanguageModelError(fault);
  return prompt;
}

type Answer = Pick<Continuation, 'ids' | 'text'>;

interface Answers {
  readonly preferred: Answer;
  readonly dispreferred: Answer;
}

async function answersOf(model: LanguageModel, prompt: AttributedPrompt, { answers }: AttributionCallRequest, token: CancellationToken): Promise<Answers> {
  if (answers) {
    const answer = (text: string): Answer => ({ text, ids: answerTokens(model.tokenizer, prompt, text) });
    return { preferred: answer(answers.preferred), dispreferred: answer(answers.dispreferred) };
  }
  const [preferred, dispreferred] = await likeliest(model, prompt, 2, token);
  if (preferred && dispreferred) return { preferred, dispreferred };
  throw new LanguageModelError({ code: 'unscored', message: 'The model has no two answers to this text that differ. Give the answers yourself: “Show What Pushes One Answer over Another”.' });
}

interface Told {
  readonly request: AttributionCallRequest;
  readonly answers: Answers;
  readonly result: Attributed;
}

function shown({ folder, tokenizer, decoder }: LanguageModel, prompt: AttributedPrompt, { request, answers, result }: Told): Attribution {
  const { method, steps, baseline, tokens, layers, value, baselineValue, completeness, warning, spent } = result;
  const sets = tokenSets(tokens, { excluded: prompt.special }, new Random(1));
  const places = ranks(tokens, prompt.special);
  const texts = tokenTexts(tokenizer.stream([]), prompt.ids);
  return {
    model: folder.name, provider: decoder.host.provider, preferred: answers.preferred.text, dispreferred: answers.dispreferred.text, chosen: request.answers === null,
    method, steps, baseline, contrast: value, baselineContrast: baselineValue, error: completeness.relative, warning,
    tokens: tokens.map((amount, i): AttributedToken => ({
      text: texts[i] ?? '', ...(prompt.ranges[i] ?? { start: 0, end: 0 }), value: amount, rank: places[i] ?? null,
      set: sets.positive.includes(i) ? 'positive' : sets.negative.includes(i) ? 'negative' : null,
    })),
    layers: [...layers].map(([site, layer]): LayerAttribution => ({ site, layer: Number(/\d+/u.exec(site)?.[0] ?? 0), values: layer.tokens, response: layer.response, error: layer.completeness.relative })),
    image: imageOf(prompt, request),
    millis: spent.millis,
  };
}

/** The text that each token adds. */
function tokenTexts(decoding: { push(id: number): string }, ids: readonly number[]): readonly string[] {
  return ids.map((id) => decoding.push(id));
}

function imageOf({ image, imageRows }: AttributedPrompt, { image: given }: AttributionCallRequest): AttributedImage | null {
  const [places] = imageRows;
  if (!image || !given || !places) return null;
  const { rows, columns } = gridOf(places.length, image.width / image.height);
  return { name: given.file, width: image.width, height: image.height, pixels: Buffer.from(image.data).toString('base64'), rows, columns, tokens: places };
}

/** The rows and columns of an image's patches that are nearest to its shape. */
export function gridOf(patches: number, aspect: number): { readonly rows: number; readonly columns: number } {
  let best = { rows: 1, columns: patches };
  const misfit = ({ rows, columns }: typeof best): number => Math.abs(Math.log(columns / rows / aspect));
  for (let rows = 1; rows <= patches; rows++) {
    const grid = { rows, columns: patches / rows };
    if (Number.isInteger(grid.columns) && misfit(grid) < misfit(best)) best = grid;
  }
  return best;
}
