// From logits to the next token: penalties, filters, and the draw. All in float64.
export interface Sampling {
  /** 0: greedy. */
  readonly temperature: number;
  /** Only this many most likely tokens; 0: all. */
  readonly topK: number;
  /** Only the fewest most likely tokens that together have this probability; 1: all (Holtzman et al. 2020). */
  readonly topP: number;
  /** Only tokens at least this share as likely as the likeliest; 0: all (Nguyen et al. 2024). */
  readonly minP: number;
  /** Divides positive logits of tokens that were there, multiplies negative ones; 1: nothing (Keskar et al. 2019). */
  readonly repetitionPenalty: number;
}

export const greedy: Sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

function largestOf(logits: ArrayLike<number>): number {
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i] ?? -Infinity;
    if (value > largest) largest = value;
  }
  return largest;
}

/** log softmax, [vocabulary]. */
export function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const largest = largestOf(logits);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? -Infinity) - largest);
  const shift = largest + Math.log(sum);
  return Float64Array.from(logits, (value) => value - shift);
}

/** log p of one token. NaN where any logit is no number. */
export function logProbabilityOf(logits: ArrayLike<number>, id: number): number {
  const largest = largestOf(logits);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? -Infinity) - largest);
  return (logits[id] ?? -Infinity) - largest - Math.log(sum);
}

/** The logits with those of `seen` tokens made less likely. */
export function penalised(logits: ArrayLike<number>, seen: Iterable<number>, penalty: number): Float64Array {
  const result = Float64Array.from(logits);
  if (penalty === 1) return result;
  for (const id of new Set(seen)) {
    const value = result[id];
    if (value !== undefined) result[id] = value > 0 ? value / penalty : value * penalty;
  }
  return result;
}

export interface Candidate {
  readonly id: number;
  /** After temperature and filters; the candidates' sum to 1. */
  readonly probability: number;
}

/**
 * The tokens that may be drawn, by id: temperature, then top-k, top-p and min-p, each on what the one before left, in the
 * order of Hugging Face's generation. Each keeps the likeliest so many (the lower id first among equals), so together
 * they keep the fewest that any of them does.
 */
export function candidates(logits: ArrayLike<number>, sampling: Sampling): Candidate[] {
  const scaled = logSoftmax(Float64Array.from(logits, (value) => value / sampling.temperature));
  const descending = Float64Array.from(scaled).sort().reverse();
  const count = keptCount(descending, sampling);
  const threshold = descending[count - 1] ?? -Infinity;
  let equals = count - descending.findIndex((value) => value <= threshold);
  const ids = Array.from(scaled.keys()).filter((id) => {
    const value = scaled[id] ?? -Infinity;
    return value > threshold || (value === threshold && equals-- > 0);
  });
  return normalised(ids, scaled);
}

/** How many of the log-probabilities, likeliest first, the filters leave: at least one. */
function keptCount(descending: Float64Array, { topK, topP, minP }: Sampling): number {
  const possible = descending.findIndex((value) => value === -Infinity);
  const most = Math.min(topK > 0 ? topK : Infinity, possible < 0 ? descending.length : possible);
  const floor = minP > 0 ? Math.log(minP) + (descending[0] ?? 0) : -Infinity;
  const top = descending.subarray(0, most);
  const target = topP < 1 ? topP * top.reduce((sum, value) => sum + Math.exp(value), 0) : Infinity;
  let mass = 0;
  const end = top.findIndex((value) => value < floor || (mass += Math.exp(value)) >= target);
  if (end < 0) return Math.max(1, most);
  return Math.max(1, (top[end] ?? 0) < floor ? end : end + 1);
}

function normalised(ids: readonly number[], scaled: Float64Array): Candidate[] {
  const weights = ids.map((id) => Math.exp(scaled[id] ?? -Infinity));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return ids.map((id, i) => ({ id, probability: (weights[i] ?? 0) / sum }));
}

/** The likeliest token, the first among equals. */
export function argmax(logits: ArrayLike<number>): number {
  let best = 0;
  let largest = logits[0] ?? -Infinity;
  for (let i = 1; i < logits.length; i++) {
    const value = logits[i] ?? -Infinity;
    if (value > largest) [best, largest] = [i, value];
  }
  return best;
}

/** Uniform random numbers in [0, 1). */
export interface Uniform {
  next(): number;
}

/** The next token. Draws one random number, and none where greedy. */
export function sample(logits: ArrayLike<number>, seen: Iterable<number>, sampling: Sampling, random: Uniform): number {
  const values = sampling.repetitionPenalty === 1 ? logits : penalised(logits, seen, sampling.repetitionPenalty);
  if (sampling.temperature === 0) return argmax(values);
  const list = candidates(values, sampling);
  let left = random.next();
  for (const { id, probability } of list) if ((left -= probability) < 0) return id;
  return list.at(-1)?.id ?? argmax(values);
}

/** KL(p ‖ q) in nats between the distributions that two lists of logits stand for. */
export function divergence(p: ArrayLike<number>, q: ArrayLike<number>): number {
  const [logP, logQ] = [logSoftmax(p), logSoftmax(q)];
  let sum = 0;
  for (let i = 0; i < logP.length; i++) {
    const a = logP[i] ?? -Infinity;
    if (a !== -Infinity) sum += Math.exp(a) * (a - (logQ[i] ?? -Infinity));
  }
  return Math.max(0, sum);
}
