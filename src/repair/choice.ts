// A choice of forms, one per op group: as text, without what it does not need, and as a viewer sees it.
import { sameValue } from './batch.ts';
import type { Batch, BatchState } from './batch.ts';
import type { OpGroup } from './forms.ts';
import { applyEdits, rewrite } from './rewrite.ts';
import { overridesOf } from './search.ts';
import type { RepairProgress } from './types.ts';
import type { Span } from '../rasp/diagnostic.ts';
import type { Dialect, Value } from '../rasp/program.ts';
import type { SourceFile } from '../rasp/analyse.ts';

/** The source with the chosen forms written into it. */
export function textOf(source: SourceFile, dialect: Dialect, groups: readonly OpGroup[], choice: readonly number[]): string {
  const ops = groups.flatMap(({ origin, forms }, g) => {
    const form = forms[choice[g] ?? 0];
    return form && form.changes.length > 0 ? [{ origin, changes: form.changes }] : [];
  });
  return applyEdits(source.text, rewrite(source.text, source.path, dialect, ops));
}

/** Takes back every changed op that the examples do not need. */
export function withoutNeedless(choice: readonly number[], groups: readonly OpGroup[], batch: Batch): number[] {
  const kept = [...choice];
  choice.forEach((form, g) => {
    if (form === 0) return;
    kept[g] = 0;
    const overrides = overridesOf(groups, kept);
    if (!overrides || batch.score(batch.evaluate(overrides)).sequences < 1) kept[g] = form;
  });
  return kept;
}

/** How many ops a choice changes, and what its forms cost together. */
export function sizeOf(choice: readonly number[], groups: readonly OpGroup[]): { readonly changes: number; readonly cost: number } {
  return {
    changes: choice.filter((f) => f !== 0).length,
    cost: choice.reduce((sum, f, g) => sum + (groups[g]?.forms[f]?.cost ?? 0), 0),
  };
}

/** The spans of the ops that a choice changes. */
export const spansOf = (groups: readonly OpGroup[], choice: readonly number[]): Span[] =>
  groups.flatMap(({ origin }, g) => (choice[g] === 0 ? [] : [origin.span]));

const wrongExamples = new WeakMap<Batch, { index: number; before: readonly Value[] | null } | null>();

/** The first example that the program as written gets wrong: what a viewer wants to see mended. */
function wrongExample(batch: Batch): { index: number; before: readonly Value[] | null } | null {
  const known = wrongExamples.get(batch);
  if (known !== undefined) return known;
  const state = batch.evaluate();
  const index = batch.examples.findIndex(({ output }, i) => {
    const actual = batch.outputOf(state, i);
    return actual?.every((value, k) => sameValue(value, output[k] ?? null)) !== true;
  });
  const found = index < 0 ? null : { index, before: batch.outputOf(state, index) };
  wrongExamples.set(batch, found);
  return found;
}

/** One example as a candidate answers it; null if the program as written has none wrong. */
export function sampleOf(batch: Batch, state: BatchState): NonNullable<RepairProgress['sample']> | null {
  const shown = wrongExample(batch);
  const example = shown && batch.examples[shown.index];
  return example ? { input: example.input, target: example.output, before: shown.before, output: batch.outputOf(state, shown.index) } : null;
}
