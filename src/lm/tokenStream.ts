// One stream of tokens through a decoder: appends tokens, keeps the cache, and outlives the host's death.
import { survivingDeaths } from '../runtime/client.ts';
import type { Decoder, Feeds } from './session.ts';
import { LanguageModelError } from './session.ts';

/** The positions that a pass computes. */
export interface Span {
  readonly start: number;
  readonly count: number;
}

/** A decoder with what a stream feeds beside the tokens: steering strengths, vectors, masks. */
export interface StreamSource {
  readonly decoder: Decoder;
  /** Inputs of the pass over these positions; none if absent. */
  readonly feeds?: ((span: Span) => Feeds) | undefined;
}

/** Appending gives the logits after the last token. Close it when done. */
export class TokenStream {
  private readonly ids: number[];
  private kept: number | null = null;
  /** How many tokens the kept cache holds. */
  private past = 0;
  /** Is the kept cache another stream's too? Then it is not this one's to free. */
  private borrowed = false;

  constructor(
    private readonly source: StreamSource,
    private readonly useCache: boolean,
    ids: readonly number[] = [],
  ) {
    this.ids = [...ids];
  }

  get tokens(): readonly number[] {
    return this.ids;
  }

  /**
   * A stream that goes on from this one's tokens and cache; this one must not be appended to before the other has been.
   * The sources' caches must be alike.
   */
  fork(source: StreamSource): TokenStream {
    const other = new TokenStream(source, this.useCache, this.ids);
    [other.kept, other.past, other.borrowed] = [this.kept, this.past, true];
    return other;
  }

  /**
   * The logits [vocabulary] after all tokens so far. If the host dies, the tokens so far are run again in one pass.
   * @throws LanguageModelError, RuntimeError; HostDiedError where the host dies again and again
   */
  async append(ids: readonly number[]): Promise<Float32Array> {
    this.ids.push(...ids);
    const logits = await survivingDeaths(async () => {
      try {
        return await this.pass();
      } catch (error) {
        this.forgetKept();
        throw error;
      }
    });
    if (logits.some(Number.isNaN)) throw new LanguageModelError({ code: 'notANumber', message: 'The model gave logits that are not numbers. Try another variant of the model (fp32 for fp16), or the provider cpu.' });
    return logits;
  }

  private async pass(): Promise<Float32Array> {
    const { decoder, feeds } = this.source;
    const span = { start: this.past, count: this.ids.length - this.past };
    const to = this.useCache && decoder.hasCache ? decoder.host.newCache() : null;
    const { data } = await decoder.run({
      ids: [this.ids.slice(span.start)],
      past: span.start,
      ...(to === null ? {} : { cache: { from: this.kept, to } }),
      ...(feeds ? { feeds: feeds(span) } : {}),
      positions: [-1],
    });
    if (to !== null) await this.keep(to);
    return data;
  }

  private async keep(cache: number): Promise<void> {
    const old = this.borrowed ? null : this.kept;
    [this.kept, this.past, this.borrowed] = [cache, this.ids.length, false];
    if (old !== null) await this.source.decoder.host.forgetCaches([old]);
  }

  private forgetKept(): void {
    [this.kept, this.past, this.borrowed] = [null, 0, false];
  }

  async close(): Promise<void> {
    const { kept, borrowed } = this;
    this.forgetKept();
    if (kept !== null && !borrowed) await this.source.decoder.host.forgetCaches([kept]);
  }
}
