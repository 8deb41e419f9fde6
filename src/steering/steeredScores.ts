// Log-probabilities of continuations under many settings of steering: what no setting changes is computed once.
import type { SteeredModel } from './steering.ts';
import { maskOf } from './steering.ts';
import type { ScoreItem, Score } from '../lm/score.ts';
import type { DecoderPass, EmbeddingRows, Feeds } from '../lm/session.ts';
import { LanguageModelError } from '../lm/session.ts';
import { survivingDeaths, HostDiedError } from '../runtime/client.ts';
import type { CancellationToken } from '../shared/cancellation.ts';
import { neverCancelled, throwIfCancelled } from '../shared/cancellation.ts';
import { logProbabilityOf } from '../shared/sampling.ts';

/** Items whose prompts, but for the last token, lie in one cache. */
interface Batch {
  /** Places of the items. */
  readonly places: readonly number[];
  readonly items: readonly ScoreItem[];
  /** Tokens that the longest prompt has before its last; the others are padded on the left. */
  readonly past: number;
  cache: number | null;
}

const ROWS = 32;

/**
 * Items to be scored again and again with steering from the prompt's last token on. The prompts before it are not
 * steered, so each is run once and its keys and values are kept. Release it when done.
 */
export class PreparedItems {
  private readonly batches: readonly Batch[];

  /** @throws LanguageModelError for a prompt without tokens */
  constructor(private readonly model: SteeredModel, private readonly items: readonly ScoreItem[]) {
    if (items.some(({ prompt }) => prompt.length === 0)) throw new LanguageModelError({ code: 'unscored', message: 'A continuation cannot be scored without a prompt of at least one token: the first token of a text has no probability.' });
    const equal = model.decoder.needsRightPadding();
    const groups = new Map<string, number[]>();
    items.forEach(({ prompt, continuation }, i) => {
      const key = equal ? `${prompt.length} ${continuation.length}` : '';
      groups.set(key, [...(groups.get(key) ?? []), i]);
    });
    this.batches = [...groups.values()].flatMap((places) => this.batched(places.sort((a, b) => this.lengthAt(a) - this.lengthAt(b))));
  }

  private lengthAt(place: number): number {
    return this.items[place]?.prompt.length ?? 0;
  }

  private batched(places: readonly number[]): Batch[] {
    return Array.from({ length: Math.ceil(places.length / ROWS) }, (_, k) => {
      const own = places.slice(k * ROWS, (k + 1) * ROWS);
      return { places: own, items: own.flatMap((place) => this.items[place] ?? []), past: Math.max(...own.map((place) => this.lengthAt(place))) - 1, cache: null };
    });
  }

  /**
   * log p of each continuation with these strengths and vectors (`SteeredModel.amounts`).
   * @throws CancelledError, LanguageModelError, RuntimeError, HostDiedError
   */
  async score(amounts: Feeds, token: CancellationToken = neverCancelled): Promise<readonly Score[]> {
    const scores: Score[] = [];
    for (const batch of this.batches) {
      throwIfCancelled(token);
      const own = await this.surviving(batch, () => this.scoreBatch(batch, amounts));
      batch.places.forEach((place, i) => void (scores[place] = own[i] ?? { logProbability: Number.NaN, perToken: [] }));
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

  private async scoreBatch(batch: Batch, amounts: Feeds): Promise<readonly Score[]> {
    const { decoder } = this.model;
    const whole = !decoder.hasCache || batch.past === 0;
    if (!whole) batch.cache ??= await this.keptPrompts(batch);
    const { past, items } = batch;
    const tail = 1 + Math.max(...items.map(({ continuation }) => continuation.length - 1), 0);
    const pads = items.map(({ prompt }) => past - (prompt.length - 1));
    const tails = items.map(({ prompt, continuation }) => padded([...prompt.slice(-1), ...continuation.slice(0, -1)], tail));
    const mask = items.map(({ continuation }, b) => padded([...new Array<number>(pads[b] ?? 0).fill(0), ...new Array<number>(past - (pads[b] ?? 0) + Math.max(1, continuation.length)).fill(1)], past + tail));
    const parts = (from: number): readonly EmbeddingRows[] => items.flatMap((item, b) => partsOf(item, pads[b] ?? 0, b, [from, past + 1]));
    const pass: DecoderPass = whole
      ? { ids: items.map(({ prompt }, b) => [...new Array<number>(pads[b] ?? 0).fill(0), ...prompt.slice(0, -1), ...(tails[b] ?? [])]), mask, past: 0, positions: [past], embeddings: parts(0), feeds: { ...amounts, ...maskOf([Array.from({ length: past + tail }, (_, i) => (i < past ? 0 : 1))]) } }
      : { ids: tails, mask, past, cache: { from: batch.cache, to: decoder.host.newCache() }, positions: [0], embeddings: parts(past), feeds: { ...amounts, ...maskOf([[1]]) } };
    const { logits: { dims, data } } = await decoder.run(pass);
    if (pass.cache) await decoder.host.forgetCaches([pass.cache.to]);
    const [, count = 0, vocabulary = 0] = dims;
    return items.map(({ continuation }, b) => scoreOf(continuation, (i) => data.subarray((b * count + i) * vocabulary, (b * count + i + 1) * vocabulary)));
  }

  /** Runs the prompts but for their last tokens. */
  private async keptPrompts({ items, past }: Batch): Promise<number> {
    const { decoder } = this.model;
    const pads = items.map(({ prompt }) => past - (prompt.length - 1));
    const to = decoder.host.newCache();
    await decoder.run({
      ids: items.map(({ prompt }, b) => [...new Array<number>(pads[b] ?? 0).fill(0), ...prompt.slice(0, -1)]),
      mask: items.map((_, b) => Array.from({ length: past }, (_one, i) => (i < (pads[b] ?? 0) ? 0 : 1))),
      past: 0,
      cache: { from: null, to },
      positions: [-1],
      embeddings: items.flatMap((item, b) => partsOf(item, pads[b] ?? 0, b, [0, past])),
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

const padded = (row: readonly number[], length: number): readonly number[] => [...row, ...new Array<number>(Math.max(0, length - row.length)).fill(0)];

function scoreOf(continuation: readonly number[], logitsAt: (i: number) => Float32Array): Score {
  const perToken = continuation.map((id, i) => logProbabilityOf(logitsAt(i), id));
  return { logProbability: perToken.reduce((sum, value) => sum + value, 0), perToken };
}

/** An item's embeddings that fall into the padded positions [start, end), counted from the start. */
function partsOf({ embeddings = [] }: ScoreItem, pad: number, batch: number, [start, end]: readonly [number, number]): readonly EmbeddingRows[] {
  return embeddings.flatMap(({ at, rows, width }) => {
    const [first, last] = [Math.max(at + pad, start), Math.min(at + pad + rows.length / width, end)];
    return first < last ? [{ at: first - start, rows: rows.subarray((first - at - pad) * width, (last - at - pad) * width), width, batch }] : [];
  });
}
