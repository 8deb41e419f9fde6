// Option values that are numbers or one of a few words.
import type { ParsedArguments } from './usage.ts';
import { UsageError } from './usage.ts';

type Values = ParsedArguments['values'];

/** @throws UsageError for another word, with those that may be */
export function choice<T extends string>(values: Values, option: string, words: readonly T[], missing: T): T {
  const text = values[option];
  if (text === undefined) return missing;
  const found = words.find((word) => word === text);
  if (found === undefined) throw new UsageError(`--${option} is ${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}, not “${text}”.`);
  return found;
}

/** @throws UsageError for what is no whole number in [low, high] */
export function wholeNumber(values: Values, option: string, missing: number, low: number, high: number): number {
  const text = values[option];
  if (text === undefined) return missing;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`--${option} takes a whole number from ${low} to ${high}, not “${text}”.`);
}
