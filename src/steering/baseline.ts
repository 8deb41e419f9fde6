// Where a path begins: the embeddings of a prompt that says nothing.
import type { Derivatives } from '../lm/derivatives.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

/** `zero`: no embedding at all; `pad`: the padding token's; `mean`: the mean of the vocabulary's. */
export type Baseline = 'zero' | 'pad' | 'mean';

export interface BaselineQuestion {
  readonly baseline: Baseline;
  /** Of the prompt. */
  readonly ids: readonly number[];
  /** [prompt, hidden], of the prompt. */
  readonly embeddings: Float64Array;
  /** Places that stay as they are. */
  readonly fixed: ReadonlySet<number>;
  readonly pad: number;
  readonly vocabulary: number;
}

/** float64 [prompt, hidden]. Positions that are part of a model's embeddings stay part of `pad` and `mean`. */
export async function baselineEmbeddings(derivatives: Pick<Derivatives, 'embed' | 'hidden'>, question: BaselineQuestion, token: CancellationToken): Promise<Float64Array> {
  const { embeddings, fixed, ids, baseline, pad } = question;
  const [width, length] = [derivatives.hidden, ids.length];
  const start = baseline === 'zero' ? new Float64Array(embeddings.length) : Float64Array.from(await derivatives.embed({ ids: [ids.map(() => pad)] }, token));
  if (baseline === 'mean') {
    // Relative to the padding token, because what a place adds to an embedding is the same for all tokens.
    const mean = await meanEmbedding(derivatives, question, token);
    const first = start.slice(0, width);
    for (let i = 0; i < start.length; i++) start[i] = (start[i] ?? 0) + (mean[i % width] ?? 0) - (first[i % width] ?? 0);
  }
  for (let place = 0; place < length; place++) if (fixed.has(place)) start.set(embeddings.subarray(place * width, (place + 1) * width), place * width);
  return start;
}

const TOKENS_AT_ONCE = 4096;

/** Of all tokens, at the first place. */
async function meanEmbedding(derivatives: Pick<Derivatives, 'embed' | 'hidden'>, { vocabulary }: BaselineQuestion, token: CancellationToken): Promise<Float64Array> {
  const mean = new Float64Array(derivatives.hidden);
  for (let at = 0; at < vocabulary; at += TOKENS_AT_ONCE) {
    const ids = Array.from({ length: Math.min(TOKENS_AT_ONCE, vocabulary - at) }, (_, i) => [at + i]);
    const vectors = await derivatives.embed({ ids }, token);
    vectors.forEach((value, i) => (mean[i % mean.length] = (mean[i % mean.length] ?? 0) + value / vocabulary));
  }
  return mean;
}
