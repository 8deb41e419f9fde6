// Text generation: one stream of tokens.
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled } from '../shared/cancellation.ts';
import type { DecodedToken } from '../runtime/protocol.ts';
import type { Sampling, Uniform } from '../shared/sampling.ts';
import { logProbabilityOf, sample } from '../shared/sampling.ts';
import type { LanguageModelFault } from './session.ts';
import { covers, LanguageModelError } from './session.ts';
import { StopWatch } from './stopText.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { Choice, StreamSource } from './tokenStream.ts';
import { TokenStream } from './tokenStream.ts';

export interface GenerationOptions {
  readonly sampling: Sampling;
  readonly maxTokens: number;
  /** Tokens that the model can hold; null where that is not known. */
  readonly contextLength: number | null;
  readonly endIds: readonly number[];
  readonly stop: readonly string[];
  /** Whole prompts again for each token, instead of keys and values kept. */
  readonly cache: boolean;
  readonly token?: CancellationToken;
}

export type GeneratedToken = DecodedToken;

/** Tokens that are chosen in the host at once, and the time after which it hands over what there is. */
const BURST = { steps: 256, millis: 40 } as const;

/** What makes text of the tokens. */
export type TextStream = Pick<Tokenizer, 'stream'>;

/** Why a generation ended; a stop string is named, and is not part of the text. */
export type GenerationEnd =
  | { readonly reason: 'endToken' | 'maxTokens' | 'context' | 'cancelled' }
  | { readonly reason: 'stop'; readonly stop: string };

export interface Generation {
  readonly prompt: readonly number[];
  /** The end token is among them if it was produced. */
  readonly tokens: readonly GeneratedToken[];
  readonly text: string;
  readonly end: GenerationEnd;
}

/** Hears each token, and the text that it makes certain. */
export type TokenListener = (token: GeneratedToken, text: string) => void;

/** Why the prompt cannot be continued, or null. */
export function promptFault(prompt: readonly number[], { decoder, embeddings = [] }: StreamSource, contextLength: number | null): LanguageModelFault | null {
  const { vocabularySize } = decoder;
  if (embeddings.length > 0 && !decoder.takesEmbeddings) return { code: 'noVision', message: 'The model takes tokens only, no images: leave the image out, or use a vision-language model.' };
  if (prompt.length === 0) return { code: 'emptyPrompt', message: 'The prompt has no token to go on from. Give a prompt with at least one character.' };
  if (contextLength !== null && prompt.length >= contextLength) {
    const rows = embeddings.reduce((sum, part) => sum + part.rows.length / part.width, 0);
    const [share, advice] = rows > 0 ? [`, ${rows} of them for images,`, 'Give fewer images or a shorter prompt.'] : ['', 'Shorten the prompt.'];
    return { code: 'promptTooLong', message: `The prompt has ${prompt.length} tokens${share} and the model holds ${contextLength}, at least one of them new. ${advice}` };
  }
  const unknown = vocabularySize === null ? undefined : prompt.find((id, i) => (id < 0 || id >= vocabularySize) && !covers(embeddings, i));
  if (unknown === undefined) return null;
  return { code: 'unknownToken', message: `The prompt has the token ${unknown} and the model knows ${vocabularySize ?? 0} tokens: the tokenizer does not belong to this model, or the text holds what the model was not made for.` };
}

/** Random numbers that can be looked at before they are used. */
export class Chance implements Uniform {
  private readonly drawn: number[] = [];

  constructor(private readonly random: Uniform) {}

  next(): number {
    return this.drawn.shift() ?? this.random.next();
  }

  ahead(count: number): readonly number[] {
    while (this.drawn.length < count) this.drawn.push(this.random.next());
    return this.drawn.slice(0, count);
  }
}

/** One stream on its way: what it wrote, and whether it has ended. */
export class Writer {
  readonly tokens: GeneratedToken[] = [];
  private readonly watch: StopWatch;
  private readonly decoding;
  private text = '';
  end: GenerationEnd | null = null;

  constructor(
    private readonly prompt: readonly number[],
    tokenizer: TextStream,
    private readonly options: GenerationOptions,
    private readonly chance: Chance,
    private readonly listener: TokenListener | undefined,
  ) {
    this.watch = new StopWatch(options.stop);
    this.decoding = tokenizer.stream(prompt);
    if (options.maxTokens <= 0) this.end = { reason: 'maxTokens' };
  }

  private choose(logits: Float32Array): number {
    const seen = this.options.sampling.repetitionPenalty === 1 ? [] : [...this.prompt, ...this.tokens.map(({ id }) => id)];
    return sample(logits, seen, this.options.sampling, this.chance);
  }

  /** Chooses and adds a token. */
  write(logits: Float32Array): void {
    this.put(this.choose(logits), logits);
  }

  /** Adds a token that another stream chose. */
  put(id: number, logits: Float32Array): void {
    this.add({ id, logProbability: logProbabilityOf(logits, id) });
  }

  get last(): number {
    return this.tokens.at(-1)?.id ?? Number.NaN;
  }

  /** What decides on the tokens after the last one; the randoms that are not used are for those after. */
  next(): Choice {
    const { sampling, endIds, maxTokens, contextLength } = this.options;
    const room = contextLength === null ? Infinity : contextLength - this.prompt.length;
    const steps = Math.max(1, Math.min(BURST.steps, Math.min(maxTokens, room) - this.tokens.length));
    return { sampling, endIds, steps, millis: BURST.millis, randoms: sampling.temperature === 0 ? [] : this.chance.ahead(steps) };
  }

  /** Adds tokens that `next` decided on, as long as the text goes on. */
  take(chosen: readonly DecodedToken[], token: CancellationToken): void {
    for (const one of chosen) {
      if (this.end || token.isCancellationRequested) return;
      if (this.options.sampling.temperature !== 0) this.chance.next();
      this.add(one);
    }
  }

  private add(token: DecodedToken): void {
    const { id } = token;
    this.tokens.push(token);
    const ended = this.options.endIds.includes(id);
    const { text, stop } = this.watch.push(ended ? this.decoding.end() : this.decoding.push(id));
    this.end = stop !== null ? { reason: 'stop', stop } : ended ? { reason: 'endToken' } : this.spent();
    const rest = this.end && this.end.reason !== 'stop' ? this.rest(ended) : '';
    this.text += text + rest;
    this.listener?.(token, text + rest);
  }

  private spent(): GenerationEnd | null {
    const { maxTokens, contextLength } = this.options;
    if (this.tokens.length >= maxTokens) return { reason: 'maxTokens' };
    return contextLength !== null && this.prompt.length + this.tokens.length >= contextLength ? { reason: 'context' } : null;
  }

  private rest(flushed: boolean): string {
    const { text, stop } = flushed ? { text: '', stop: null } : this.watch.push(this.decoding.end());
    return stop === null ? text + this.watch.end() : text;
  }

  cancel(): void {
    if (this.end) return;
    this.end = { reason: 'cancelled' };
    this.text += this.rest(false);
  }

  result(): Generation {
    return { prompt: this.prompt, tokens: this.tokens, text: this.text, end: this.end ?? { reason: 'cancelled' } };
  }
}

/**
 * Continues a prompt. Cancelling ends it between two tokens, with what there is. If the model host dies, generation
 * goes on from the tokens so far.
 * @throws LanguageModelError for a prompt that cannot be continued; RuntimeError, HostDiedError
 */
export async function generate(source: StreamSource, tokenizer: TextStream, prompt: readonly number[], options: GenerationOptions, random: Uniform, onToken?: TokenListener): Promise<Generation> {
  refuse(promptFault(prompt, source, options.contextLength));
  const stream = new TokenStream(source, options.cache);
  const writer = new Writer(prompt, tokenizer, options, new Chance(random), onToken);
  const token = options.token ?? neverCancelled;
  const going = (): boolean => !writer.end && !token.isCancellationRequested;
  try {
    if (going()) writer.write(await stream.append(prompt));
    while (going()) writer.take(await stream.next(writer.last, writer.next()), token);
    writer.cancel();
    return writer.result();
  } finally {
    await stream.close();
  }
}

/** @throws LanguageModelError */
export function refuse(fault: LanguageModelFault | null): void {
  if (fault) throw new LanguageModelError(fault);
}
