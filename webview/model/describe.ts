// A model's facts in words and numbers for people.
import type { Ability, ModelFacts } from '../../src/shared/modelMessages.ts';
import { sizeText } from '../../src/shared/sizeText.ts';

const whole = (value: number | null): string => (value === null ? 'not stated' : value.toLocaleString());

/** 260,032 or 135 million. */
export function parameterText(parameters: number): string {
  if (parameters >= 1e9) return `${(parameters / 1e9).toFixed(2)} billion`;
  return parameters >= 1e7 ? `${(parameters / 1e6).toFixed(1)} million` : parameters.toLocaleString();
}

export function factRows(facts: ModelFacts): readonly (readonly [string, string])[] {
  const { family, parameters, types, layers, hidden, heads, keyValueHeads, vocabulary, context, layout, variant } = facts;
  const shared = keyValueHeads !== null && keyValueHeads !== heads ? `, ${keyValueHeads} for keys and values` : '';
  const typeText = types.slice(0, 4).map(({ type, parameters: own }) => (types.length === 1 ? type : `${type} ${Math.max(0.1, (100 * own) / Math.max(1, parameters)).toFixed(1)} %`));
  return [
    ['Family', family],
    ['Parameters', parameterText(parameters)],
    ['Weights', typeText.join(', ') || 'none'],
    ['Variant', variant],
    ['Layers', whole(layers)],
    ['Hidden', whole(hidden)],
    ['Heads', heads === null ? 'not stated' : `${heads}${shared}`],
    ['Vocabulary', whole(vocabulary)],
    ['Context', context === null ? 'not stated' : `${context.toLocaleString()} tokens`],
    ['Form', layout === 'genai' ? 'onnxruntime-genai' : 'optimum'],
  ];
}

export function abilityRows({ gradients, images, chat, tokenizer, sites }: ModelFacts): readonly (readonly [string, Ability])[] {
  const residual: Ability = { works: sites.length > 0, why: sites.length > 0 ? `${sites.length} named places, listed below.` : 'No residual stream was found; see below.' };
  return [
    ['Text to tokens', tokenizer],
    ['Residual stream', residual],
    ['Gradients', gradients],
    ['Chat', chat],
    ['Images', images],
  ];
}

export function memoryText({ memory: { weights, cache, cachePerToken, budget }, context }: ModelFacts): string {
  const keys = cache === null || context === null ? `${sizeText(cachePerToken)} of keys and values a token` : `${sizeText(cache)} of keys and values for ${context.toLocaleString()} tokens`;
  const least = weights + (cache ?? 0);
  return `At least ${sizeText(least)}: ${sizeText(weights)} of weights, ${keys}. ${verdict(weights, least, budget)}`;
}

function verdict(weights: number, least: number, budget: number): string {
  const room = `the ${sizeText(budget)} that open models may take here (gradlens.memoryBudgetGiB)`;
  if (weights > budget) return `That is more than ${room}: choose a smaller variant, or allow more.`;
  if (least > budget) return `The weights fit into ${room}, a full context does not: long texts will fail.`;
  const share = (100 * least) / budget;
  return `That is ${share < 0.1 ? 'less than 0.1' : share.toFixed(1)} % of ${room}.`;
}

/** Of a provider's results against CPU's. */
export const differenceText = (difference: number | null): string => (difference === null ? '–' : difference === 0 ? '0' : difference.toExponential(1));
