// Log-probabilities of continuations under many settings of steering: what no setting changes is computed once.
import type { SteeredModel } from './steering.ts';
import { maskOf } from './steering.ts';
import type { ScoreItem, Score } from '../lm/score.ts';
import type { DecoderPass, EmbeddingRows, Feeds, FloatTensor } from '../lm/session.ts';
import { LanguageModelError } from '../lm/session.ts';
import { survivingDeaths, HostDiedError } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';
import { logSoftmax } from '../shared/sampling.ts';

/** What one row of a pass decides on: items with one prompt, and continuations that differ in the last token only. */
interface Row {
  readonly prompt: readonly number[];
  readonly embeddings: readonly EmbeddingRows[];
  /** The continuations but for the last token. */
  readonly before: readonly number[];
  readonly places: number[];
}

/** Rows whose prompts, but for the last token, lie in one cache. */
interface Batch {
  readonly rows: readonly Row[];
  /** Tokens that the longest prompt has before its last; the others are padded on the left. */
  readonly past: number;
  cache: number | null;
}

const ROWS = 32;
const NO_ROWS: readonly EmbeddingRows[] = [];

/**
 * Items to be scored again and again with steering from the prompt's last token on. The prompts before it are not
 * steered, so each is run once and its keys and values are kept; items that share one array as their prompt share the
 * work. Release it when done.
 */
export class PreparedItems {
  private readonly batches: readonly Batch[];

  /** @throws LanguageModelError for a prompt without tokens */
  constructor(private readonly model: SteeredModel, private readonly items: readonly ScoreItem[]) {
    if (items.some(({ prompt }) => prompt.length === 0)) throw new LanguageModelError({ code: 'unscored', message: 'A continuation cannot be scored without a prompt of at least one token: the first token of a text has no probability.' });
    const equal = model.decoder.needsRightPadding();
    const groups = new Map<string, Row[]>();
    for (const row of rowsOf(items)) {
      const key = equal ? `${row.prompt.length} ${row.before.length}` : '';
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    this.batches = [...groups.values()].flatMap(batched);
  }

  /**
   * log p of each continuation with these strengths and vectors (`SteeredModel.amounts`).
   * @throws CancelledError, LanguageModelError, RuntimeError, HostDiedError
   */
  async score(amounts: Feeds, token: CancellationToken = neverCancelled): Promise<readonly Score[]> {
    const scores: Score[] = this.items.map(() => ({ logProbability: 0, perToken: [] }));
    for (const batch of this.batches) {
      throwIfCancelled(token);
      const { dims: [, count = 0, vocabulary = 0], data } = await this.surviving(batch, () => this.logitsOf(batch, amounts));
      batch.rows.forEach(({ places, before }, r) => {
        const row = Array.from({ length: before.length + 1 }, (_, i) => logSoftmax(data.subarray((r * count + i) * vocabulary, (r * count + i + 1) * vocabulary)));
        for (const place of places) scores[place] = scoreOf(this.items[place]?.continuation ?? [], row);
      });
    }
    return scores;
  }

  private surviving<T>(batch: Batch, work: () => Promise<T>): Promise<T> {
    return survivingDeaths(async () => {
      try {
        return await work();
      } catch (error) {
        // What a dead host held is gone.
        if (error instanceof HostDiedError) batch.cache = null;
        throw error;
      }
    });
  }

  /** After the prompt's last token and what follows it, [rows, 1 + longest before, vocabulary]. */
  private async logitsOf(batch: Batch, amounts: Feeds): Promise<FloatTensor> {
    const { decoder } = this.model;
    const { rows, past } = batch;
    if (decoder.hasCache && past > 0) batch.cache ??= await this.keptPrompts(batch);
    const tail = 1 + Math.max(...rows.map(({ before }) => before.length));
    const tails = rows.map(({ prompt, before }) => padded([...prompt.slice(-1), ...before], tail));
    const mask = rows.map((row) => padded([...zeros(padOf(row, past)), ...ones(row.prompt.length + row.before.length)], past + tail));
    const pass: DecoderPass = batch.cache === null
      ? { ids: rows.map((row, r) => [...zeros(padOf(row, past)), ...row.prompt.slice(0, -1), ...(tails[r] ?? [])]), mask, past: 0, positions: [past], embeddings: embeddingsOf(batch, 0, past + 1), feeds: { ...amounts, ...maskOf([[...zeros(past), ...ones(tail)]]) } }
      : { ids: tails, mask, past, cache: { from: batch.cache, to: decoder.host.newCache() }, positions: [0], embeddings: embeddingsOf(batch, past, past + 1), feeds: { ...amounts, ...maskOf([[1]]) } };
    const { logits } = await decoder.run(pass);
    if (pass.cache) await decoder.host.forgetCaches([pass.cache.to]);
    return logits;
  }

  /** Runs the prompts but for their last tokens. */
  private async keptPrompts(batch: Batch): Promise<number> {
    const { decoder } = this.model;
    const { rows, past } = batch;
    const to = decoder.host.newCache();
    await decoder.run({
      ids: rows.map((row) => [...zeros(padOf(row, past)), ...row.prompt.slice(0, -1)]),
      mask: rows.map((row) => [...zeros(padOf(row, past)), ...ones(row.prompt.length - 1)]),
      past: 0,
      cache: { from: null, to },
      positions: [-1],
      embeddings: embeddingsOf(batch, 0, past),
      feeds: { ...this.model.amounts([]), ...maskOf([[0]]) },
    });
    return to;
  }

  /** @throws HostDiedError */
  async release(): Promise<void> {
    const kept = this.batches.flatMap(({ cache }) => (cache === null ? [] : [cache]));
    for (const batch of this.batches) batch.cache = null;
    await this.model.decoder.host.forgetCaches(kept);
  }
}

function rowsOf(items: readonly ScoreItem[]): readonly Row[] {
  const known = new Map<readonly number[], Row[]>();
  const rows: Row[] = [];
  items.forEach(({ prompt, continuation, embeddings = NO_ROWS }, place) => {
    const before = continuation.slice(0, -1);
    const own = known.get(prompt) ?? [];
    known.set(prompt, own);
    const same = own.find((row) => row.embeddings === embeddings && String(row.before) === String(before));
    if (same) return void same.places.push(place);
    const row = { prompt, embeddings, before, places: [place] };
    own.push(row);
    rows.push(row);
  });
  return rows;
}

/** Prompts of a length go together as far as they can. */
function batched(rows: readonly Row[]): Batch[] {
  const sorted = [...rows].sort((a, b) => a.prompt.length - b.prompt.length);
  return Array.from({ length: Math.ceil(sorted.length / ROWS) }, (_, k) => {
    const own = sorted.slice(k * ROWS, (k + 1) * ROWS);
    return { rows: own, past: Math.max(...own.map(({ prompt }) => prompt.length)) - 1, cache: null };
  });
}

const padOf = ({ prompt }: Row, past: number): number => past + 1 - prompt.length;
const zeros = (count: number): readonly number[] => new Array<number>(count).fill(0);
const ones = (count: number): readonly number[] => new Array<number>(count).fill(1);

const padded = (row: readonly number[], length: number): readonly number[] => [...row, ...new Array<number>(Math.max(0, length - row.length)).fill(0)];

/** @param row log p of each token at each place, [1 + longest before][vocabulary] */
function scoreOf(continuation: readonly number[], row: readonly Float64Array[]): Score {
  const perToken = continuation.map((id, i) => row[i]?.[id] ?? Number.NaN);
  return { logProbability: perToken.reduce((sum, value) => sum + value, 0), perToken };
}

/** The rows' embeddings that fall into the padded positions [start, end), counted from the start. */
function embeddingsOf({ rows, past }: Batch, start: number, end: number): readonly EmbeddingRows[] {
  return rows.flatMap((row, batch) => row.embeddings.flatMap(({ at, rows: values, width }) => {
    const place = at + padOf(row, past);
    const [first, last] = [Math.max(place, start), Math.min(place + values.length / width, end)];
    return first < last ? [{ at: first - start, rows: values.subarray((first - place) * width, (last - place) * width), width, batch }] : [];
  }));
}
