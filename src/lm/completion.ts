// Continues a text with the model that is asked for, and tells the text as it comes.
import { generate } from './generate.ts';
import type { LanguageModel } from './languageModel.ts';
import type { OpenModels } from './openModels.ts';
import { fittingPrompt } from './prompt.ts';
import { LanguageModelError } from './session.ts';
import { imagePrompt } from './visionEncoder.ts';
import type { CompletionEvent, CompletionRequest, CompletionResult } from './workerCalls.ts';
import { HostDiedError, RuntimeError } from '../runtime/client.ts';
import type { CallContext } from '../runtime/calls.ts';
import { Random } from '../shared/random.ts';

/** Faults of the model or of the text are results; the model host's deaths are mended where they can be, and told. */
export async function complete(models: OpenModels, request: CompletionRequest, context: CallContext<CompletionEvent>): Promise<CompletionResult> {
  const { tell } = context;
  try {
    const opened = await models.model(request.model, request, { onOpening: () => tell({ type: 'opening' }), onHost: (pid) => tell({ type: 'host', pid }), onProvider: (chosen) => tell({ type: 'provider', ...chosen }) });
    return opened.ok ? await continued(opened.model, request, context) : { ok: false, message: opened.problem.message };
  } catch (error) {
    if (error instanceof LanguageModelError || error instanceof HostDiedError) return { ok: false, message: error.message };
    if (error instanceof RuntimeError) return { ok: false, message: `The model cannot be run: ${error.message}` };
    throw error;
  }
}

async function continued({ folder, tokenizer, decoder }: LanguageModel, request: CompletionRequest, { token, tell }: CallContext<CompletionEvent>): Promise<CompletionResult> {
  const { maxTokens, sampling, seed, text } = request;
  const asMessage = request.asMessage && tokenizer.renderChat([{ role: 'user', content: text }]).ok;
  const prompt = fittingPrompt(tokenizer, text, { asMessage, context: folder.sizes.context, wanted: maxTokens });
  if (!prompt.ok) return { ok: false, message: prompt.fault.message };
  const { left } = prompt.value;
  // There are no images here: a token that stands for one is refused.
  const { ids } = imagePrompt(prompt.value.ids, [], folder.tokens);
  tell({ type: 'prompt', tokens: ids.length, left, asMessage });
  const started = performance.now();
  const batches = new TextBatches(tell);
  const options = { sampling, maxTokens, contextLength: folder.sizes.context, endIds: folder.tokens.eos, stop: [], cache: true, token };
  const generation = await generate({ decoder }, tokenizer, ids, options, new Random(seed), (_token, piece) => batches.add(piece));
  batches.flush();
  return { ok: true, text: generation.text, tokens: generation.tokens.length, promptTokens: ids.length, end: generation.end, millis: performance.now() - started };
}

/** So often is text told, milliseconds: small models write thousands of tokens a second, and an editor shows a frame in 16. */
const TOLD_EVERY = 30;

class TextBatches {
  private text = '';
  private tokens = 0;
  private toldAt = -Infinity;

  constructor(private readonly tell: (event: CompletionEvent) => void) {}

  add(text: string): void {
    this.text += text;
    this.tokens++;
    if (performance.now() - this.toldAt >= TOLD_EVERY) this.flush();
  }

  flush(): void {
    if (this.text !== '') this.tell({ type: 'text', text: this.text, tokens: this.tokens });
    this.text = '';
    this.toldAt = performance.now();
  }
}
