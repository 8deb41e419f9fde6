// One stream of tokens through a decoder: appends tokens, keeps the cache, and outlives the host's death.
import { HostDiedError, survivingDeaths } from '../runtime/client.ts';
import type { DecodedToken } from '../runtime/protocol.ts';
import type { Sampling } from '../shared/sampling.ts';
import { logProbabilityOf, sample } from '../shared/sampling.ts';
import type { Decoder, EmbeddingRows, Feeds, FloatTensor } from './session.ts';
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
      const together = this.kept !== null && this.source.decoder.decodesInHost && this.past === this.ids.length - 1;
      return together ? this.decode(this.kept ?? 0, id, choice) : [await this.chooseOne(choice)];
    });
    if (chosen.some(({ logProbability }) => Number.isNaN(logProbability))) throw notANumber();
    return chosen;
  }

  private async surviving<T>(work: () => Promise<T>): Promise<T> {
    return survivingDeaths(async () => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof HostDiedError) this.forgetKept();
        throw error;
      }
    });
  }

  private async chooseOne({ sampling, randoms }: Choice): Promise<DecodedToken> {
    const logits = await this.pass();
    const id = sample(logits, this.ids, sampling, { next: () => randoms[0] ?? 0 });
    return { id, logProbability: logProbabilityOf(logits, id) };
  }

  private async decode(from: number, token: number, choice: Choice): Promise<readonly DecodedToken[]> {
    const { decoder } = this.source;
    const to = decoder.host.newCache();
    const chosen = await decoder.decode({
      ...choice, token, position: this.past,
      seen: choice.sampling.repetitionPenalty === 1 ? [] : this.ids,
      feeds: this.stepFeeds(this.past, choice.steps),
      cache: { from, to, forget: this.borrowed ? [] : [from] },
    });
    this.ids.push(...chosen.slice(0, -1).map(({ id }) => id));
    [this.kept, this.past, this.borrowed] = [to, this.ids.length, false];
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

const notANumber = (): LanguageModelError => new LanguageModelError({ code: 'notANumber', message: 'The model gave logits that are not numbers. Try another variant of the model (fp32 for fp16), or the provider cpu.' });

/** The rows that fall into a span, counted from its start. */
function within({ at, rows, width }: EmbeddingRows, { start, count }: Span): EmbeddingRows[] {
  const [first, end] = [Math.max(at, start), Math.min(at + rows.length / width, start + count)];
  return first < end ? [{ at: first - start, rows: rows.subarray((first - at) * width, (end - at) * width), width }] : [];
}
