// Scores every sentence of a document against its context, again and again as the document changes.
import { matrixOf } from './features.ts';
import type { Probe } from './probe.ts';
import { probabilityOf, probeScores } from './probe.ts';
import type { RescoringPlan, ScoredTokens } from './rescoring.ts';
import { planRescoring } from './rescoring.ts';
import type { ResidualReader } from './residualReader.ts';
import { sentencesOf } from './sentences.ts';
import type { ReadText } from './statements.ts';
import { readText } from './statements.ts';
import { planWindows } from './windows.ts';
import type { Range } from '../lm/tokenRanges.ts';
import type { Tokenizer } from '../lm/tokenizer.ts';
import { CacheLostError, HostDiedError, survivingDeaths } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

export interface SentenceScore {
  /** Of the document. */
  readonly range: Range;
  /** Log odds that the context does not support the sentence; null where it could not be read. */
  readonly score: number | null;
  readonly probability: number | null;
  readonly unsupported: boolean;
}

export interface DocumentScores {
  readonly sentences: readonly SentenceScore[];
  /** What the reader of the scores must know. */
  readonly warnings: readonly string[];
  /** Tokens that were run now, and tokens of the texts in all. */
  readonly cost: { readonly run: number; readonly all: number };
}

export interface ScorerOptions {
  readonly reader: ResidualReader;
  readonly tokenizer: Pick<Tokenizer, 'encode'>;
  readonly probe: Probe;
  /** Tokens that the model reads at once; null where that is not known. */
  readonly limit: number | null;
}

/** A scorer of one document at a time. Close it when done. */
export class DocumentScorer {
  private streams = new Map<string, ScoredStream>();

  constructor(private readonly options: ScorerOptions) {}

  /**
   * Scores each sentence at its own final token, all in one pass after the context. What an earlier call has scored and
   * the change since leaves alone is not run again.
   * @throws RuntimeError, HostDiedError, CancelledError
   */
  async score(context: string, document: string, token?: CancellationToken): Promise<DocumentScores> {
    const { probe, limit } = this.options;
    const sentences = sentencesOf(document);
    const parts = this.partsOf(context, document, sentences);
    const before = this.streams;
    this.streams = new Map();
    const lowest = new Map<number, number>();
    let [run, all] = [0, 0];
    for (const { key, text, first } of parts.reads) {
      const stream = before.get(key) ?? new ScoredStream(this.options.reader, probe);
      before.delete(key);
      this.streams.set(key, stream);
      const scored = await survivingDeaths(() => stream.score(text, token));
      run += scored.run;
      all += text.ids.length;
      scored.scores.forEach((score, i) => {
        const sentence = first[i] ?? 0;
        lowest.set(sentence, Math.min(score, lowest.get(sentence) ?? Infinity));
      });
    }
    for (const stream of before.values()) await stream.close();
    return { sentences: sentences.map((range, i) => sentenceScore(range, lowest.get(i), probe.threshold)), warnings: parts.warnings(limit ?? 0), cost: { run, all } };
  }

  private partsOf(context: string, document: string, sentences: readonly Range[]): Parts {
    const { tokenizer, probe: { frame }, limit } = this.options;
    const whole = readText(tokenizer, frame, context, document, sentences);
    if (sentences.length === 0) return { reads: [], warnings: () => [] };
    if (limit === null || whole.ids.length <= limit) return { reads: [{ key: '0/0', text: whole, first: [...sentences.keys()] }], warnings: () => [] };
    const pieces = sentencesOf(context);
    const count = (text: string): number => tokenizer.encode(text, false).ids.length;
    const plan = planWindows({
      limit, frame: count(frame.before) + count(frame.between) + MARGIN,
      context: pieces.map(({ start, end }) => count(` ${context.slice(start, end)}`)),
      sentences: sentences.map(({ start, end }) => count(` ${document.slice(start, end)}`) + 1),
    });
    const reads = plan.contexts.flatMap((part, c) => plan.chunks.map((chunk, d) => {
      const first = sentences.map((_, i) => i).slice(chunk.start, chunk.end).filter((i) => !plan.skipped.includes(i));
      const own = first.map((i) => sentences[i] ?? { start: 0, end: 0 });
      return { key: `${c}/${d}`, first, text: this.windowText(context, pieces, part, document, own) };
    })).filter(({ first }) => first.length > 0);
    return { reads, warnings: (most) => warningsOf(plan.contexts.length, plan.chunks.length, plan.skipped.length, { model: this.options.probe.model.name, tokens: whole.ids.length, limit: most }) };
  }

  private windowText(context: string, pieces: readonly Range[], part: Range, document: string, sentences: readonly Range[]): ReadText {
    const { tokenizer, probe: { frame }, limit } = this.options;
    const shown = context.slice(pieces[part.start]?.start ?? 0, pieces[part.end - 1]?.end ?? 0);
    const texts = sentences.map(({ start, end }) => document.slice(start, end));
    let at = 0;
    const ranges = texts.map(({ length }) => ({ start: at, end: (at += length + 1) - 1 }));
    const read = (kept: string): ReadText => readText(tokenizer, frame, kept, texts.join(' '), ranges);
    const text = read(shown);
    const over = text.ids.length - (limit ?? Infinity);
    // A sentence of the context that alone is too long loses its end.
    return over <= 0 ? text : read(shown.slice(0, Math.max(0, (text.ranges[Math.max(text.contextAt.start, text.contextAt.end - over - 1)]?.start ?? 0) - frame.before.length)));
  }

  /** Frees what is kept in the model's process. */
  async close(): Promise<void> {
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) await stream.close();
  }
}

/** Tokens that joining pieces may add. */
const MARGIN = 8;

interface Parts {
  /** `first`: which sentence of the document each statement of the text is. */
  readonly reads: readonly { readonly key: string; readonly text: ReadText; readonly first: readonly number[] }[];
  readonly warnings: (limit: number) => readonly string[];
}

const sentenceScore = (range: Range, score: number | undefined, threshold: number): SentenceScore =>
  ({ range, score: score ?? null, probability: score === undefined ? null : probabilityOf(score), unsupported: score !== undefined && score >= threshold });

function warningsOf(contexts: number, chunks: number, skipped: number, { model, tokens, limit }: { readonly model: string; readonly tokens: number; readonly limit: number }): readonly string[] {
  const reads = `Context and document have ${tokens} tokens together, and ${model} reads ${limit} at once`;
  const cut = contexts > 1
    ? [`${reads}: each sentence was scored against ${contexts} parts of the context, and the lowest of its scores counts. What only several parts together support may be called unsupported. Give less context, or use a model that reads more at once.`]
    : chunks > 1 ? [`${reads}: the document was scored in ${chunks} parts, each after the whole context, and no part sees the others.`] : [];
  return [...cut, ...(skipped > 0 ? [`${skipped === 1 ? 'One sentence was' : `${skipped} sentences were`} not scored: longer than half of what ${model} reads at once.`] : [])];
}

/** Beside the context's. */
const MOST_CHECKPOINTS = 5;

/** One text, its scores so far, and caches to go on from. */
class ScoredStream {
  private ids: readonly number[] = [];
  private scores: ReadonlyMap<number, number> = new Map();
  /** By the number of tokens that each holds. */
  private caches = new Map<number, number>();

  constructor(
    private readonly reader: ResidualReader,
    private readonly probe: Probe,
  ) {}

  async score(text: ReadText, token: CancellationToken | undefined): Promise<{ readonly scores: readonly number[]; readonly run: number }> {
    try {
      return await this.rescored(text, token);
    } catch (error) {
      if (!(error instanceof HostDiedError || error instanceof CacheLostError)) throw error;
      // The caches died with the process; the scores still hold.
      this.caches = new Map();
      if (error instanceof CacheLostError) return this.rescored(text, token);
      throw error;
    }
  }

  private async rescored({ ids, finals, contextTokens }: ReadText, token: CancellationToken | undefined): Promise<{ readonly scores: readonly number[]; readonly run: number }> {
    const known: ScoredTokens = { ids: this.ids, scores: this.scores, checkpoints: [...this.caches.keys()] };
    const plan = planRescoring(known, ids, finals, contextTokens);
    const scores = new Map(plan.kept);
    const made = new Map<number, number>();
    for (const [start, end] of spansOf(plan, this.reader.hasCache)) await this.pass(ids, [start, end], { scores, wanted: finals.filter((final) => !plan.kept.has(final)), made, token });
    // Scores of an earlier state of the text must not meet its caches of now.
    [this.ids, this.scores] = [ids, scores];
    await this.keep(plan, contextTokens, made);
    return { scores: finals.map((final) => scores.get(final) ?? Number.NaN), run: plan.end - Math.min(plan.resume, plan.end) };
  }

  private async pass(ids: readonly number[], [start, end]: readonly [number, number], { scores, wanted, made, token }: { readonly scores: Map<number, number>; readonly wanted: readonly number[]; readonly made: Map<number, number>; readonly token: CancellationToken | undefined }): Promise<void> {
    const finals = wanted.filter((final) => final >= start && final < end);
    const from = start === 0 ? null : (made.get(start) ?? this.caches.get(start) ?? null);
    const to = this.reader.hasCache ? this.reader.newCache() : null;
    const [first = 0, last = -1] = [finals[0], finals.at(-1)];
    const states = await this.reader.read({
      ids: [ids.slice(start, end)], past: start, positions: finals.length > 0 ? [first - start, last - start + 1] : [0, 0], cache: { from, to }, token,
    });
    if (to !== null) made.set(end, to);
    const { dims: [, , width = 0], data } = states.get(this.probe.site) ?? { dims: [], data: new Float32Array() };
    const rows = finals.map((final) => data.subarray((final - first) * width, (final - first + 1) * width));
    probeScores(this.probe, matrixOf(rows, width)).forEach((score, i) => void scores.set(finals[i] ?? 0, score));
  }

  /** The context's cache and the newest ones stay. */
  private async keep({ checkpoints }: RescoringPlan, contextTokens: number, made: ReadonlyMap<number, number>): Promise<void> {
    const all = new Map([...[...this.caches].filter(([length]) => checkpoints.includes(length)), ...made]);
    const newest = [...all.keys()].slice(-MOST_CHECKPOINTS);
    const kept = new Map([...all].filter(([length]) => length === contextTokens || newest.includes(length)));
    const gone = [...this.caches.values(), ...made.values()].filter((cache) => ![...kept.values()].includes(cache));
    this.caches = kept;
    await this.reader.forget(gone);
  }

  async close(): Promise<void> {
    const caches = [...this.caches.values()];
    this.caches = new Map();
    try {
      await this.reader.forget(caches);
    } catch (error) {
      // What a dead host held is free.
      if (!(error instanceof HostDiedError)) throw error;
    }
  }
}

/** Without a cache nothing can be gone on from. */
function spansOf({ resume, pauses, end }: RescoringPlan, hasCache: boolean): readonly (readonly [number, number])[] {
  if (end <= resume) return [];
  const places = [resume, ...(hasCache ? pauses : []), end];
  return places.slice(1).map((place, i) => [places[i] ?? 0, place]);
}
