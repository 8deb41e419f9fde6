// One stream of tokens through a decoder: appends tokens, keeps the cache, and outlives the host's death.
import { HostDiedError, survivingDeaths } from '../runtime/client.ts';
import type { DecodedToken, PairComparison, PairedToken } from '../runtime/protocol.ts';
import { normDrift } from '../shared/normDrift.ts';
import type { Sampling } from '../shared/sampling.ts';
import { divergence, logProbabilityOf, sample } from '../shared/sampling.ts';
import type { Decoder, DecodeText, EmbeddingRows, Feeds, FloatTensor } from './session.ts';
import { LanguageModelError } from './session.ts';

/** The positions that a pass computes. */
export interface Span {
  readonly start: number;
  readonly count: number;
}

/** A decoder with what a stream feeds beside the tokens: steering strengths, vectors, masks; images. */
export interface StreamSource {
  readonly decoder: Decoder;
  /**
   * Inputs of the pass over these positions; none if absent. For spans of one token, give the same tensors wherever
   * they hold the same: then they travel once for many tokens.
   */
  readonly feeds?: ((span: Span) => Feeds) | undefined;
  /** What stands in place of tokens' embeddings; `at` counts from the beginning of the text. */
  readonly embeddings?: readonly EmbeddingRows[] | undefined;
}

/** What decides on the next tokens. */
export interface Choice {
  readonly sampling: Sampling;
  /** The numbers that chance will come from; the first token to be chosen takes the first of them. */
  readonly randoms: readonly number[];
  readonly endIds: readonly number[];
  /** Most tokens that are chosen at once. */
  readonly steps: number;
  /** After so long what was chosen is handed over, whatever its number. */
  readonly millis: number;
}

/** What decides on the next tokens of two streams. */
export interface PairChoice extends Omit<Choice, 'randoms'> {
  /** Of each stream. */
  readonly randoms: readonly [readonly number[], readonly number[]];
  readonly follow: 'own' | 'first';
}

/** Appending gives the logits after the last token. Close it when done. */
export class TokenStream {
  private readonly ids: number[];
  private kept: number | null = null;
  /** How many tokens the kept cache holds. */
  private past = 0;
  /** Is the kept cache another stream's too? Then it is not this one's to free. */
  private borrowed = false;
  private lastReads: Readonly<Record<string, FloatTensor>> = {};

  constructor(
    private readonly source: StreamSource,
    private readonly useCache: boolean,
    ids: readonly number[] = [],
    /** Outputs that are read at the last position of each pass. */
    private readonly readNames: readonly string[] = [],
  ) {
    this.ids = [...ids];
  }

  get tokens(): readonly number[] {
    return this.ids;
  }

  /** What the last pass of `append` read, each [1, 1, width]. */
  get reads(): Readonly<Record<string, FloatTensor>> {
    return this.lastReads;
  }

  /**
   * A stream that goes on from this one's tokens and cache; this one must not be appended to before the other has been.
   * The sources' caches must be alike.
   */
  fork(source: StreamSource): TokenStream {
    const other = new TokenStream(source, this.useCache, this.ids, this.readNames);
    [other.kept, other.past, other.borrowed, other.lastReads] = [this.kept, this.past, true, this.lastReads];
    return other;
  }

  /**
   * The logits [vocabulary] after all tokens so far. If the host dies, the tokens so far are run again in one pass.
   * @throws LanguageModelError, RuntimeError; HostDiedError where the host dies again and again
   */
  async append(ids: readonly number[]): Promise<Float32Array> {
    this.ids.push(...ids);
    return this.surviving(() => this.pass());
  }

  /**
   * Appends a token and chooses those that follow: one, or as many as the choice allows where the decoder decodes within
   * the host. All but the last of them are appended already.
   * @throws as `append`
   */
  async next(id: number, choice: Choice): Promise<readonly DecodedToken[]> {
    this.ids.push(id);
    const chosen = await this.surviving(async () => {
      const text = this.inHost(choice.randoms, choice);
      return text ? this.decode(text, choice) : [await this.chooseOne(choice)];
    });
    if (chosen.some(isNoNumber)) throw notANumber();
    return chosen;
  }

  /**
   * The same of this stream and another, which is compared with this one before each token is chosen. Where the models
   * of both are open in one host many are chosen at once, else one of each.
   * @throws as `append`
   */
  async nextBeside(other: TokenStream, ids: readonly [number, number], choice: PairChoice): Promise<readonly PairedToken[]> {
    this.ids.push(ids[0]);
    other.ids.push(ids[1]);
    const chosen = await this.surviving(async () => (await this.decodeBeside(other, choice)) ?? [await this.chooseBeside(other, choice)], other);
    if (chosen.some(({ tokens }) => tokens.some(isNoNumber))) throw notANumber();
    return chosen;
  }

  /** Compares what follows both, after a pass of each. */
  compared(own: ArrayLike<number>, other: TokenStream, others: ArrayLike<number>): PairComparison {
    const drifts = this.readNames.map((name) => normDrift(this.lastReads[name]?.data ?? [], other.lastReads[name]?.data ?? []));
    return { divergence: divergence(own, others), drifts };
  }

  private async surviving<T>(work: () => Promise<T>, other?: TokenStream): Promise<T> {
    return survivingDeaths(async () => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof HostDiedError) {
          this.forgetKept();
          other?.forgetKept();
        }
        throw error;
      }
    });
  }

  /** How the host goes on by itself, where it can. */
  private inHost(randoms: readonly number[], { sampling, steps }: Pick<Choice, 'sampling' | 'steps'>): DecodeText | null {
    const { decoder } = this.source;
    if (this.kept === null || !decoder.decodesInHost || this.past !== this.ids.length - 1) return null;
    return {
      token: this.ids.at(-1) ?? 0, position: this.past, randoms,
      seen: sampling.repetitionPenalty === 1 ? [] : this.ids,
      feeds: this.stepFeeds(this.past, steps),
      cache: { from: this.kept, to: decoder.host.newCache(), forget: this.borrowed ? [] : [this.kept] },
    };
  }

  /** Takes what the host chose: all but the last of it is in the cache. */
  private keep({ cache: { to } }: DecodeText, chosen: readonly DecodedToken[]): void {
    this.ids.push(...chosen.slice(0, -1).map(({ id }) => id));
    [this.kept, this.past, this.borrowed] = [to, this.ids.length, false];
  }

  private async decodeBeside(other: TokenStream, choice: PairChoice): Promise<readonly PairedToken[] | null> {
    const [own, others] = [this.inHost(choice.randoms[0], choice), other.inHost(choice.randoms[1], choice)];
    if (!own || !others) return null;
    const { sampling, endIds, steps, millis, follow } = choice;
    const chosen = await this.source.decoder.decodeBeside(own, other.source.decoder, others, { sampling, endIds, steps, millis, follow, reads: this.readNames });
    if (!chosen) return null;
    this.keep(own, chosen.map(({ tokens }) => tokens[0]));
    other.keep(others, chosen.map(({ tokens }) => tokens[1]));
    return chosen;
  }

  private async chooseBeside(other: TokenStream, { sampling, randoms, follow }: PairChoice): Promise<PairedToken> {
    // The other first: it may lean on this one's cache, which this one frees when it goes on.
    const others = await other.pass();
    const own = await this.pass();
    const choose = ({ ids }: TokenStream, logits: Float32Array, draws: readonly number[]): number => sample(logits, ids, sampling, { next: () => draws[0] ?? 0 });
    const id = choose(this, own, randoms[0]);
    const second = follow === 'first' ? id : choose(other, others, randoms[1]);
    const tokens = [{ id, logProbability: logProbabilityOf(own, id) }, { id: second, logProbability: logProbabilityOf(others, second) }] as const;
    return { tokens, ...this.compared(own, other, others) };
  }

  private async chooseOne({ sampling, randoms }: Choice): Promise<DecodedToken> {
    const logits = await this.pass();
    const id = sample(logits, this.ids, sampling, { next: () => randoms[0] ?? 0 });
    return { id, logProbability: logProbabilityOf(logits, id) };
  }

  private async decode(text: DecodeText, choice: Choice): Promise<readonly DecodedToken[]> {
    const chosen = await this.source.decoder.decode({ ...choice, ...text });
    this.keep(text, chosen);
    return chosen;
  }

  /** One for all steps where they are the same. */
  private stepFeeds(start: number, steps: number): readonly Feeds[] {
    const { feeds } = this.source;
    if (!feeds) return [];
    const each = Array.from({ length: steps }, (_, i) => feeds({ start: start + i, count: 1 }));
    const [first = {}] = each;
    const names = Object.keys(first);
    const same = each.every((other) => names.length === Object.keys(other).length && names.every((name) => other[name] === first[name]));
    return same ? [first] : each;
  }

  private async pass(): Promise<Float32Array> {
    const { decoder, feeds, embeddings = [] } = this.source;
    const span = { start: this.past, count: this.ids.length - this.past };
    const to = this.useCache && decoder.hasCache ? decoder.host.newCache() : null;
    const old = this.kept !== null && !this.borrowed ? [this.kept] : [];
    const { logits, reads } = await decoder.run({
      ids: [this.ids.slice(span.start)],
      past: span.start,
      ...(to === null ? {} : { cache: { from: this.kept, to, forget: old } }),
      ...(feeds ? { feeds: feeds(span) } : {}),
      embeddings: embeddings.flatMap((rows) => within(rows, span)),
      positions: [-1],
      reads: this.readNames,
    });
    if (to !== null) [this.kept, this.past, this.borrowed] = [to, this.ids.length, false];
    this.lastReads = reads;
    if (logits.data.some(Number.isNaN)) throw notANumber();
    return logits.data;
  }

  private forgetKept(): void {
    [this.kept, this.past, this.borrowed] = [null, 0, false];
  }

  async close(): Promise<void> {
    const { kept, borrowed } = this;
    this.forgetKept();
    if (kept === null || borrowed) return;
    try {
      await this.source.decoder.host.forgetCaches([kept]);
    } catch (error) {
      // What a dead host held is free.
      if (!(error instanceof HostDiedError)) throw error;
    }
  }
}

const isNoNumber = ({ logProbability }: DecodedToken): boolean => Number.isNaN(logProbability);

const notANumber = (): LanguageModelError => new LanguageModelError({ code: 'notANumber', message: 'The model gave logits that are not numbers. Try another variant of the model (fp32 for fp16), or the provider cpu.' });

/** The rows that fall into a span, counted from its start. */
function within({ at, rows, width }: EmbeddingRows, { start, count }: Span): EmbeddingRows[] {
  const [first, end] = [Math.max(at, start), Math.min(at + rows.length / width, start + count)];
  return first < end ? [{ at: first - start, rows: rows.subarray((first - at) * width, (end - at) * width), width }] : [];
}
