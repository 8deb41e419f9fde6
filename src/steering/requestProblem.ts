// Why an attribution cannot be made of a request: the message says what is wrong and what to do.
import type { AttributionRequest } from './attribution.ts';
import type { ModelFolder } from '../lm/folder.ts';
import { sizeText } from '../shared/sizeText.ts';

export interface AttributionProblem {
  readonly code: 'emptyPrompt' | 'emptyResponse' | 'sameResponses' | 'promptTooLong' | 'unknownToken' | 'badSteps' | 'noMovingToken' | 'unknownLayer' | 'noImages' | 'memory';
  readonly message: string;
}

/** A request that cannot be met, found in the middle of work. */
export class AttributionError extends Error {
  override readonly name = 'AttributionError';
  constructor(readonly problem: AttributionProblem) {
    super(problem.message);
  }
}

const MOST_STEPS = 10_000;

/** What is wrong with a request, as far as it can be seen without running the model. */
export function requestProblem(request: AttributionRequest, { sizes, name, io }: Pick<ModelFolder, 'sizes' | 'name' | 'io'>): AttributionProblem | null {
  const { prompt, preferred, dispreferred = null, steps = 1, fixed = [], images = [] } = request;
  const length = prompt.length + Math.max(preferred.length, dispreferred?.length ?? 0) - 1;
  const unknown = [...preferred, ...(dispreferred ?? []), ...(images.length > 0 ? [] : prompt)].find((id) => !Number.isInteger(id) || id < 0 || id >= (sizes.vocabulary ?? Infinity));
  if (prompt.length === 0) return { code: 'emptyPrompt', message: 'The prompt is empty: there is nothing to attribute to. Give a text of at least one token.' };
  if (preferred.length === 0 || dispreferred?.length === 0) return { code: 'emptyResponse', message: `The ${preferred.length === 0 ? 'preferred' : 'dispreferred'} response is empty. Give a text of at least one token.` };
  if (dispreferred && same(preferred, dispreferred)) return { code: 'sameResponses', message: 'The preferred and the dispreferred response are the same, so nothing speaks for one against the other. Give two responses that differ.' };
  if (sizes.context !== null && length > sizes.context) return { code: 'promptTooLong', message: `The prompt and its response have ${length + 1} tokens, and ${name} holds ${sizes.context}. Shorten the prompt by ${length - sizes.context} ${length - sizes.context === 1 ? 'token' : 'tokens'}.` };
  if (unknown !== undefined) return { code: 'unknownToken', message: `${name} has no token ${unknown}: its vocabulary ends at ${(sizes.vocabulary ?? 0) - 1}.` };
  if (!Number.isInteger(steps) || steps < 1 || steps > MOST_STEPS) return { code: 'badSteps', message: `Steps are a whole number from 1 to ${MOST_STEPS}, not ${steps}.` };
  if (images.length > 0 && !io.embeds) return { code: 'noImages', message: `${name} takes tokens only, so it cannot see an image. Use a vision-language model, or leave the image out.` };
  if (prompt.every((_, place) => fixed.includes(place)) && images.length === 0) return { code: 'noMovingToken', message: 'The prompt consists of special tokens only: there is nothing to attribute to. Give a text.' };
  return null;
}

const same = (one: readonly number[], other: readonly number[]): boolean => one.length === other.length && one.every((id, i) => id === other[i]);

export function memoryProblem({ bytes, memoryBudget, length }: { readonly bytes: number; readonly memoryBudget: number; readonly length: number }): AttributionProblem | null {
  if (bytes <= memoryBudget) return null;
  return { code: 'memory', message: `One gradient over ${length} tokens is expected to take ${sizeText(bytes)} beside the model, and ${sizeText(memoryBudget)} may be used. Shorten the prompt, or let it use more memory.` };
}
