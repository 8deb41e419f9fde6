// The model's own two likeliest continuations of a prompt: what is compared where nobody says which responses are meant.
import type { Attributor, AttributionRequest } from './attribution.ts';
import type { CancellationToken } from '../shared/cancellation.ts';

export interface LikeliestQuestion extends Pick<AttributionRequest, 'prompt' | 'images'> {
  /** Tokens of each response, at most; it ends before an end token. Default 1. */
  readonly length?: number;
  readonly token?: CancellationToken;
}

/**
 * Two responses whose first tokens are the two likeliest, each continued greedily; the likelier one is first.
 * @throws AttributionError, RuntimeError, HostDiedError, CancelledError
 */
export async function likeliestResponses(attributor: Attributor, { length = 1, prompt, ...question }: LikeliestQuestion): Promise<readonly (readonly number[])[]> {
  const ends = attributor.folder.tokens.eos;
  const first = await attributor.nextTokens({ ...question, prompt }, 2);
  const responses: number[][] = [];
  for (const start of first) {
    const response = [start];
    while (response.length < length && !ends.includes(response.at(-1) ?? -1)) {
      const [next] = await attributor.nextTokens({ ...question, prompt: [...prompt, ...response] }, 1);
      if (next === undefined || ends.includes(next)) break;
      response.push(next);
    }
    responses.push(response);
  }
  return responses;
}
