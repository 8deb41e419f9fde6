// What no form says: an op of one argument as a table of its own, read off the gradient and written as a dictionary.
import type { BatchState } from './batch.ts';
import type { Form, OpGroup } from './forms.ts';
import { literalText } from './forms/literals.ts';
import type { Ranking } from './gradient.ts';
import type { Prepared } from './prepare.ts';
import type { Change } from './rewrite.ts';
import type { Candidate } from './search.ts';
import { overridesOf } from './search.ts';
import type { Dialect, MapOp, Origin, Value } from '../rasp/program.ts';
import { equals, ScalarError } from '../rasp/scalar.ts';

/** Larger tables are no patches that a reader would take. */
export const MOST_ENTRIES = 16;
/** Gradient steps on one table: each takes the best value of every argument. */
const MOST_STEPS = 4;
/** Values tried for each entry when the table is almost right. */
const POLISHED = 6;
const COST = 3;

export interface LookupCandidate extends Pick<Candidate, 'choice' | 'score' | 'state'> {
  /** The groups with the table among the forms of its op. */
  readonly groups: readonly OpGroup[];
}

/**
 * One candidate per op of one argument: its table after descending to where each row's gradient is steepest. Only
 * arguments that occur get an entry.
 */
export async function* lookups({ batch, groups, ranking }: Prepared, dialect: Dialect): AsyncGenerator<LookupCandidate> {
  const zeros = groups.map(() => 0);
  const state = batch.evaluate();
  const first = await ranking.rank(zeros);
  for (const [g, group] of groups.entries()) {
    const node = unaryMap(group);
    if (!node || !canBeWritten(group.origin)) continue;
    let best: LookupCandidate | null = null;
    let current: ReadonlyMap<Value, Value> = presentTable(node, argumentsOf(group, state));
    if (current.size === 0 || current.size > MOST_ENTRIES) continue;
    let gradient: Ranking = first;
    for (let step = 0; step < MOST_STEPS; step++) {
      const next = descended(current, ranking.wishes(g, gradient));
      if (!next) break;
      const form = lookupForm(next, group.origin, dialect);
      const candidate = evaluated(form, g);
      if (!candidate || (best && candidate.score.tokens <= best.score.tokens)) break;
      best = candidate;
      current = next;
      if (candidate.score.sequences === 1) break;
      gradient = await ranking.rank(zeros, { group: g, form });
    }
    if (best && best.score.sequences < 1) best = polished(best, current, ranking.wishes(g, gradient), (table) => evaluated(lookupForm(table, group.origin, dialect), g));
    if (best) yield best;
  }

  function evaluated(form: Form, g: number): LookupCandidate | null {
    const extended = groups.map((group, i) => (i === g ? { ...group, forms: [...group.forms, form] } : group));
    const choice = zeros.map((_, i) => (i === g ? (groups[g]?.forms.length ?? 0) : 0));
    const overrides = overridesOf(extended, choice);
    if (!overrides) return null;
    const changed = batch.evaluate(overrides, state);
    return { groups: extended, choice, state: changed, score: batch.score(changed) };
  }
}

/** The op of a group if all its nodes are maps of one argument. */
export function unaryMap({ nodes, origin }: OpGroup): MapOp | null {
  const [node] = nodes;
  const unary = nodes.every((n) => n.kind === 'map' && n.args.length === 1);
  return node?.kind === 'map' && unary && origin.form !== 'leaf' ? node : null;
}

/** Has the op a place for a dictionary? */
export const canBeWritten = ({ form, symbol, operands }: Origin): boolean => (form === 'lambda' ? symbol !== null : operands[0] !== null && operands[0] !== undefined);

function argumentsOf({ nodes }: OpGroup, { columns }: BatchState): Value[] {
  const found = nodes.flatMap((node) => (node.kind === 'map' && node.args[0] ? [...(columns.get(node.args[0])?.values ?? [])] : []));
  return [...new Set(found)].filter((value) => value !== null);
}

/** What the op gives now for each argument; null where it fails. */
function presentTable({ fn }: MapOp, args: readonly Value[]): Map<Value, Value> {
  return new Map(
    args.map((argument) => {
      try {
        return [argument, fn.apply([argument])];
      } catch (error) {
        if (error instanceof ScalarError) return [argument, null];
        throw error;
      }
    }),
  );
}

/** Every argument's value moved to the one that takes most off the loss; null if none moves. */
function descended(table: ReadonlyMap<Value, Value>, wishes: ReadonlyMap<Value, ReadonlyMap<Value, number>> | null): Map<Value, Value> | null {
  if (!wishes) return null;
  let moved = false;
  const next = new Map(table);
  for (const [argument, present] of table) {
    const wish = wishes.get(argument);
    if (!wish) continue;
    let [best, gain] = [present, wish.get(present) ?? Number.NEGATIVE_INFINITY];
    for (const [value, promised] of wish) {
      if (promised > gain && value !== null) [best, gain] = [value, promised];
    }
    if (equals(best, present)) continue;
    next.set(argument, best);
    moved = true;
  }
  return moved ? next : null;
}

/** Entry by entry, the values that the gradient likes best, evaluated exactly: a rare argument drowns in the others' noise. */
function polished(
  start: LookupCandidate,
  table: ReadonlyMap<Value, Value>,
  wishes: ReadonlyMap<Value, ReadonlyMap<Value, number>> | null,
  evaluate: (table: ReadonlyMap<Value, Value>) => LookupCandidate | null,
): LookupCandidate {
  let [best, current] = [start, table];
  for (const [argument, wish] of wishes ?? []) {
    if (!table.has(argument)) continue;
    const liked = [...wish].sort((a, b) => b[1] - a[1]).slice(0, POLISHED);
    for (const [value] of liked) {
      const next = new Map(current).set(argument, value);
      const candidate = value === null ? null : evaluate(next);
      if (candidate && candidate.score.tokens > best.score.tokens) [best, current] = [candidate, next];
    }
  }
  return best;
}

/** The op as a dictionary: arguments without an entry fail. */
export function lookupForm(table: ReadonlyMap<Value, Value>, origin: Origin, dialect: Dialect): Form {
  const known = new Map(table);
  const fn = ([x = null]: readonly Value[]): Value => {
    const value = known.get(x);
    if (value === undefined) throw new ScalarError(`${String(x)} is not in the table`, 'value');
    return value;
  };
  const entries = [...table].map(([x, y]) => `${literalText(x, dialect)}: ${literalText(y, dialect)}`).join(', ');
  return { label: `{${entries}}[x]`, cost: COST + table.size / MOST_ENTRIES, override: { fn }, changes: [change(`{${entries}}`, origin)], fn };
}

function change(dictionary: string, { form, parameters }: Origin): Change {
  const [x = 'x'] = parameters ?? [];
  if (form === 'lambda') return { kind: 'symbol', newText: `lambda ${x}: ${dictionary}[${x}]` };
  return { kind: 'around', operand: 0, open: `${dictionary}[`, close: ']' };
}
