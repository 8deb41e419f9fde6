// Text generation: one stream of tokens, or two from one prompt with the divergence between them.
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled } from '../shared/cancellation.ts';
import type { DecodedToken } from '../runtime/protocol.ts';
import type { Sampling, Uniform } from '../shared/sampling.ts';
import { divergence, logProbabilityOf, sample } from '../shared/sampling.ts';
import type { Feeds, LanguageModelFault } from './session.ts';
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
const BURST = { steps: 64, millis: 40 } as const;

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
class Chance implements Uniform {
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
class Writer {
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

  choose(logits: Float32Array): number {
    const seen = this.options.sampling.repetitionPenalty === 1 ? [] : [...this.prompt, ...this.tokens.map(({ id }) => id)];
    return sample(logits, seen, this.options.sampling, this.chance);
  }

  /** Chooses and adds a token. */
  write(logits: Float32Array): void {
    const id = this.choose(logits);
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

  add(token: DecodedToken): void {
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

/** The two streams at one place. */
export interface PairStep {
  /** KL(first ‖ second) between the next-token distributions, nats. */
  readonly divergence: number;
  /** Had both streams the same tokens so far? Only then do the inputs alone not differ. */
  readonly sameContext: boolean;
}

export interface PairGeneration {
  readonly first: Generation;
  readonly second: Generation;
  /** As long as the shorter stream, which ends the comparison. */
  readonly steps: readonly PairStep[];
  /** Was the prompt run once for both? */
  readonly sharedPrompt: boolean;
}

export interface PairOptions extends GenerationOptions {
  /** `own`: each stream goes on with its own tokens; `first`: the second is led along the first one's. */
  readonly follow: 'own' | 'first';
  /** Do both decoders compute the same on the prompt, though they are two? Their caches must be alike. */
  readonly samePrompt?: boolean;
}

export interface PairListener {
  readonly first?: TokenListener;
  readonly second?: TokenListener;
  readonly step?: (step: PairStep) => void;
}

/**
 * Two streams from one prompt, with the divergence of their next-token distributions. The prompt is run once if both
 * streams feed the same to the same decoder there.
 * @param randoms one a stream: with the same seed, the same distributions give the same tokens
 * @throws LanguageModelError, RuntimeError, HostDiedError
 */
export async function generatePair(sources: readonly [StreamSource, StreamSource], tokenizer: TextStream, prompt: readonly number[], options: PairOptions, randoms: readonly [Uniform, Uniform], listener: PairListener = {}): Promise<PairGeneration> {
  for (const source of sources) refuse(promptFault(prompt, source, options.contextLength));
  const sharedPrompt = options.samePrompt === true || sharesPrompt(sources, prompt.length);
  const first = new TokenStream(sources[0], options.cache);
  let second: TokenStream | undefined;
  try {
    const firstLogits = options.maxTokens > 0 ? await first.append(prompt) : new Float32Array();
    second = sharedPrompt ? first.fork(sources[1]) : new TokenStream(sources[1], options.cache);
    const secondLogits = sharedPrompt || options.maxTokens <= 0 ? firstLogits : await second.append(prompt);
    const writers: Writers = [new Writer(prompt, tokenizer, options, new Chance(randoms[0]), listener.first), new Writer(prompt, tokenizer, options, new Chance(randoms[1]), listener.second)];
    const steps = await writeBoth([first, second], writers, [firstLogits, secondLogits], options, listener.step);
    return { first: writers[0].result(), second: writers[1].result(), steps, sharedPrompt };
  } finally {
    // The second stream may still lean on the first one's cache.
    await second?.close();
    await first.close();
  }
}

type Writers = readonly [Writer, Writer];
type BothLogits = readonly [Float32Array, Float32Array];

async function writeBoth(streams: readonly [TokenStream, TokenStream], writers: Writers, start: BothLogits, options: PairOptions, onStep: PairListener['step']): Promise<PairStep[]> {
  const token = options.token ?? neverCancelled;
  const steps: PairStep[] = [];
  let logits: BothLogits = start;
  let sameContext = true;
  while (!token.isCancellationRequested && writers.some(({ end }) => !end)) {
    if (writers.every(({ end }) => !end)) {
      const step = { divergence: divergence(...logits), sameContext };
      steps.push(step);
      onStep?.(step);
    }
    const ids = chooseBoth(writers, logits, options.follow);
    sameContext &&= ids[0] === ids[1];
    // The second first: it may lean on the first one's cache, which the first frees when it goes on.
    const second = await advance(streams[1], writers[1], ids[1], logits[1]);
    const first = await advance(streams[0], writers[0], ids[0], logits[0]);
    logits = [first, second];
  }
  for (const writer of writers) writer.cancel();
  return steps;
}

function chooseBoth([first, second]: Writers, logits: BothLogits, follow: PairOptions['follow']): readonly [number | null, number | null] {
  const id = first.end ? null : first.choose(logits[0]);
  const own = second.end ? null : follow === 'first' ? id : second.choose(logits[1]);
  return [id, own];
}

/** Writes the token and, unless the stream has ended with it, gives the logits after it. */
async function advance(stream: TokenStream, writer: Writer, id: number | null, logits: Float32Array): Promise<Float32Array> {
  if (id === null) return logits;
  writer.add({ id, logProbability: logProbabilityOf(logits, id) });
  return writer.end ? logits : stream.append([id]);
}

function sharesPrompt([first, second]: readonly [StreamSource, StreamSource], length: number): boolean {
  const span = { start: 0, count: length };
  return first.decoder === second.decoder && first.embeddings === second.embeddings && sameFeeds(first.feeds?.(span) ?? {}, second.feeds?.(span) ?? {});
}

function sameFeeds(a: Feeds, b: Feeds): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => {
    const [x, y] = [a[name], b[name]];
    return x !== undefined && y !== undefined && x.type === y.type && String(x.dims) === String(y.dims) && x.data.every((value: number | bigint, i: number) => Object.is(value, y.data[i]));
  });
}

function refuse(fault: LanguageModelFault | null): void {
  if (fault) throw new LanguageModelError(fault);
}
