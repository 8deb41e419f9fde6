// What two answers have in common, and how far the steering moves the model, in words.
import type { Answers } from '../../src/shared/steeringMessages.ts';

/** The steered answer's beginning that is the unsteered one's too, and the rest. */
export function partsOf(unsteered: string, steered: string): { readonly same: string; readonly own: string } {
  let length = 0;
  while (length < Math.min(unsteered.length, steered.length) && unsteered[length] === steered[length]) length++;
  // Not in the middle of a character.
  if (/[\ud800-\udbff]/u.test(steered.charAt(length - 1))) length--;
  return { same: steered.slice(0, length), own: steered.slice(length) };
}

export function comparisonText({ status, unsteered, steered, isSteered, divergence, drift }: Answers): string {
  if (status === 'empty') return 'Write a prompt and run it: the answers of the model as it is and as it is steered come here side by side.';
  if (status === 'opening') return 'Opening the model …';
  if (status === 'writing') return 'Writing …';
  if (status === 'failed') return '';
  const stopped = status === 'stopped' ? 'Stopped. ' : '';
  if (!isSteered) return `${stopped}No vector is on: both answers are the model’s own.`;
  return `${stopped}${[partText(unsteered, steered), divergenceText(divergence), driftText(drift)].filter((part) => part !== '').join(' ')}`;
}

function partText(unsteered: string, steered: string): string {
  const { same, own } = partsOf(unsteered, steered);
  if (own === '' && same.length === unsteered.length) return 'The answers are the same.';
  return same === '' ? 'The answers differ from the first character on.' : `The answers differ after ${same.length} characters.`;
}

/** Over the tokens that both answers share, and the first one that they do not. */
function divergenceText(divergence: readonly number[]): string {
  if (divergence.length === 0) return '';
  const mean = divergence.reduce((sum, value) => sum + value, 0) / divergence.length;
  return `KL ${mean.toFixed(3)} nats on average, ${Math.max(...divergence).toFixed(3)} at most, over ${divergence.length === 1 ? 'one token' : `${divergence.length} tokens`} from the same text.`;
}

function driftText(drift: Answers['drift']): string {
  const [first] = drift;
  if (!first) return '';
  const most = drift.reduce((best, one) => (Math.abs(one.drift) > Math.abs(best.drift) ? one : best), first);
  return `Norm drift at most ${(100 * most.drift).toFixed(1)} %, at layer ${most.layer}.`.replace('-', '−');
}
