// Two texts from one prompt side by side, such as an unsteered one and a steered one, compared at each token.
import { readName } from './edits.ts';
import type { Generation, GenerationOptions, TextStream, TokenListener } from './generate.ts';
import { Chance, promptFault, refuse, Writer } from './generate.ts';
import type { Feeds } from './session.ts';
import type { StreamSource } from './tokenStream.ts';
import { TokenStream } from './tokenStream.ts';
import type { PairComparison } from '../runtime/protocol.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled } from '../shared/cancellation.ts';
import type { NormDrift } from '../shared/normDrift.ts';
import type { Uniform } from '../shared/sampling.ts';

/** The two streams at one place. */
export interface PairStep {
  /** KL(first ‖ second) between the next-token distributions, nats. */
  readonly divergence: number;
  /** Had both streams the same tokens so far? Only then do the inputs alone not differ. */
  readonly sameContext: boolean;
  /** By site: how far the second is from the first, at the last token before this place. */
  readonly drift: Readonly<Record<string, NormDrift>>;
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
  /** Names of sites whose drift is wanted (`layers.3.resid_post`); both decoders must read them (`readSites`). */
  readonly drift?: readonly string[];
}

export interface PairListener {
  readonly first?: TokenListener;
  readonly second?: TokenListener;
  readonly step?: (step: PairStep) => void;
}

type Streams = readonly [TokenStream, TokenStream];
type Writers = readonly [Writer, Writer];
type BothLogits = readonly [Float32Array, Float32Array];

/**
 * Two streams from one prompt, with the divergence of their next-token distributions and the drift of their hidden
 * states. The prompt is run once if both streams feed the same to the same decoder there. Dying hosts are survived.
 * @param sources the one that the other is measured by first: the unsteered one
 * @param randoms one a stream: with the same seed, the same distributions give the same tokens
 * @throws LanguageModelError, RuntimeError, HostDiedError
 */
export async function generatePair(sources: readonly [StreamSource, StreamSource], tokenizer: TextStream, prompt: readonly number[], options: PairOptions, randoms: readonly [Uniform, Uniform], listener: PairListener = {}): Promise<PairGeneration> {
  for (const source of sources) refuse(promptFault(prompt, source, options.contextLength));
  const sharedPrompt = options.samePrompt === true || sharesPrompt(sources, prompt.length);
  const reads = (options.drift ?? []).map((name) => readName({ name }));
  const first = new TokenStream(sources[0], options.cache, [], reads);
  let second: TokenStream | undefined;
  try {
    const firstLogits = options.maxTokens > 0 ? await first.append(prompt) : new Float32Array();
    second = sharedPrompt ? first.fork(sources[1]) : new TokenStream(sources[1], options.cache, [], reads);
    const secondLogits = sharedPrompt || options.maxTokens <= 0 ? firstLogits : await second.append(prompt);
    const writers: Writers = [new Writer(prompt, tokenizer, options, new Chance(randoms[0]), listener.first), new Writer(prompt, tokenizer, options, new Chance(randoms[1]), listener.second)];
    const writing = new PairWriting([first, second], writers, options, listener.step);
    writing.start([firstLogits, secondLogits]);
    await writing.goOn();
    return { first: writers[0].result(), second: writers[1].result(), steps: writing.steps, sharedPrompt };
  } finally {
    // The second stream may still lean on the first one's cache.
    await second?.close();
    await first.close();
  }
}

/** Both texts on their way, and what was found between them. */
class PairWriting {
  readonly steps: PairStep[] = [];
  private readonly token: CancellationToken;
  private sameContext = true;

  constructor(
    private readonly streams: Streams,
    private readonly writers: Writers,
    private readonly options: PairOptions,
    private readonly onStep: PairListener['step'],
  ) {
    this.token = options.token ?? neverCancelled;
  }

  /** Chooses the first tokens, from what follows the prompt. */
  start(logits: BothLogits): void {
    const [first, second] = this.writers;
    if (!this.isGoing(first) || !this.isGoing(second)) return;
    this.compare(this.streams[0].compared(logits[0], this.streams[1], logits[1]));
    first.write(logits[0]);
    if (this.options.follow === 'first') second.put(first.last, logits[1]);
    else second.write(logits[1]);
    this.sameContext &&= first.last === second.last;
  }

  /** Together until one ends, then the other alone. */
  async goOn(): Promise<void> {
    const { streams, writers, token } = this;
    while (writers.every((writer) => this.isGoing(writer))) await this.goOnTogether();
    for (const i of [0, 1] as const) {
      while (this.isGoing(writers[i])) writers[i].take(await streams[i].next(writers[i].last, writers[i].next()), token);
      writers[i].cancel();
    }
  }

  private async goOnTogether(): Promise<void> {
    const { streams: [first, second], writers, token, options: { follow } } = this;
    const [own, other] = [writers[0].next(), writers[1].next()];
    const chosen = await first.nextBeside(second, [writers[0].last, writers[1].last], { ...own, steps: Math.min(own.steps, other.steps), randoms: [own.randoms, other.randoms], follow });
    for (const { tokens, ...comparison } of chosen) {
      if (writers.every((writer) => this.isGoing(writer))) this.compare(comparison);
      // What was chosen for a stream that goes on alone is its own as well.
      writers.forEach((writer, i) => writer.take(tokens.slice(i, i + 1), token));
      this.sameContext &&= tokens[0].id === tokens[1].id;
    }
  }

  private compare({ divergence, drifts }: PairComparison): void {
    const { drift = [] } = this.options;
    const step = { divergence, sameContext: this.sameContext, drift: Object.fromEntries(drift.flatMap((name, i) => { const found = drifts[i]; return found ? [[name, found]] : []; })) };
    this.steps.push(step);
    this.onStep?.(step);
  }

  private isGoing({ end }: Writer): boolean {
    return !end && !this.token.isCancellationRequested;
  }
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
