// What a search over a program needs: the examples as a batch, the library of every op, and the gradient that ranks it.
import { Batch } from './batch.ts';
import type { BatchState } from './batch.ts';
import type { Domains, OpGroup } from './forms.ts';
import { opGroups } from './forms.ts';
import { GradientRanking, longestOf, targetsOf, WIDENING_COST, widenedDomains } from './gradient.ts';
import { siteGroups } from './sites.ts';
import type { Example } from './types.ts';
import type { SourceFile } from '../rasp/analyse.ts';
import type { Program, SOp, Value } from '../rasp/program.ts';
import type { ModelHost } from '../runtime/client.ts';

export interface SearchInput {
  readonly program: Program;
  readonly source: SourceFile;
  /** Screens the candidates. */
  readonly screen: readonly Example[];
  readonly gradientBatch: readonly Example[];
  /** The program that a text means, or undefined if it has errors. */
  readonly programOfText: (text: string) => Program | undefined;
  readonly host: ModelHost;
}

export interface Prepared {
  readonly batch: Batch;
  readonly groups: readonly OpGroup[];
  /** Dispose it after the search. */
  readonly ranking: GradientRanking;
}

/** @returns null if the program has no op to change. @throws TableExplosion, RuntimeError where there is no gradient */
export async function prepareSearch(input: SearchInput): Promise<Prepared | null> {
  const { program, screen, gradientBatch, host } = input;
  const batch = new Batch(program.output, program.dialect, screen);
  const base = batch.evaluate();
  const groups = groupsOf(input, batch, base);
  if (groups.length === 0) return null;
  return { batch, groups, ranking: await GradientRanking.create(batch, base, groups, gradientBatch, host) };
}

/** Forms are told apart on the values that the neighbours' plainer forms may bring, not on those of today alone. */
function groupsOf({ program, source, gradientBatch, programOfText }: SearchInput, batch: Batch, base: BatchState): OpGroup[] {
  const observed = (node: SOp): readonly Value[] => base.columns.get(node)?.values ?? [];
  const library = (domains: Omit<Domains, 'observed'>): OpGroup[] =>
    opGroups(program.output, program.dialect, source.path, source.text, { observed, ...domains });
  const examples = [...gradientBatch, ...batch.examples];
  const plain = library({ possible: observed, maxCost: WIDENING_COST });
  const widened = widenedDomains(batch, base, plain, targetsOf(examples), longestOf(examples));
  const possible = (node: SOp): readonly Value[] => widened.get(node) ?? [];
  return [...library({ possible }), ...siteGroups(program, source, programOfText, possible)];
}
