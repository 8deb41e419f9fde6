// How much memory open models may take together, and which of them go when another one is wanted.
import { freemem } from 'node:os';
import path from 'node:path';
import { smallerVariants } from './modelSize.ts';
import { sizeText } from '../shared/sizeText.ts';

/** Of the memory that is left on the machine, what models may take: weights are not all that a run needs. */
const SHARE = 0.8;

/** An open model, as the budget sees it. */
export interface HeldModel {
  readonly bytes: number;
  readonly busy: boolean;
  /** Grows with every use. */
  readonly lastUse: number;
}

/** What the system says can still be had, bytes; within a container, of the container. */
export function freeMemory(): number {
  // Added in Node 20.13 and 22.
  const available = typeof process.availableMemory === 'function' ? process.availableMemory() : Infinity;
  return Math.min(available, freemem());
}

/** Bytes for all models together. What open models hold already is not free, and is theirs. */
export const budgetOf = (free: number, held: number): number => Math.floor(SHARE * (free + held));

export type Room<M extends HeldModel> =
  /** It fits once these have been evicted, the least recently used ones. */
  | { readonly kind: 'fits'; readonly evict: readonly M[] }
  /** It fits when one of these has ended what it does. */
  | { readonly kind: 'wait'; readonly busy: readonly M[] }
  | { readonly kind: 'tooLarge' };

/** Finds room for a model of `wanted` bytes beside those that are held. */
export function roomFor<M extends HeldModel>(wanted: number, held: readonly M[], budget: number): Room<M> {
  if (wanted > budget) return { kind: 'tooLarge' };
  let used = held.reduce((sum, { bytes }) => sum + bytes, 0);
  const evict: M[] = [];
  for (const model of held.filter(({ busy }) => !busy).sort((a, b) => a.lastUse - b.lastUse)) {
    if (used + wanted <= budget) break;
    evict.push(model);
    used -= model.bytes;
  }
  return used + wanted <= budget ? { kind: 'fits', evict } : { kind: 'wait', busy: held.filter(({ busy }) => busy) };
}

/** Why a model is not opened: what it needs, what there is, and which of its variants would fit. */
export function tooLarge(name: string, file: string | null, wanted: number, budget: number, stated: boolean): string {
  const limit = stated ? `the memory budget is ${sizeText(budget)}` : `only ${sizeText(budget)} can be had here (four fifths of the free memory)`;
  const fitting = file === null ? [] : smallerVariants(file).filter(({ bytes }) => bytes <= budget);
  const advice = fitting.length > 0
    ? `Use a variant that fits: ${fitting.map((variant) => `${path.basename(variant.path)} (${sizeText(variant.bytes)})`).join(', ')}.`
    : `Use a smaller variant (q4, int8) or a smaller model${stated ? ', or raise the budget' : ', or end other programs'}.`;
  return `${name} needs at least ${sizeText(wanted)} of memory, and ${limit}. ${advice}`;
}
