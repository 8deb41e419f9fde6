// A selector as a conjunction of clauses: attention logits add up, so “and” costs nothing and each clause is one predicate.
import type { Selector, SOp, Value } from '../../rasp/program.ts';
import { ScalarError } from '../../rasp/scalar.ts';

/** One select of a clause, complemented or not. */
export interface Literal {
  readonly keys: SOp;
  readonly queries: SOp;
  /** False where the comparison fails: an input with such a pair is one that the interpreter refuses. */
  accepts(key: Value, query: Value): boolean;
}

/** Accepts what one of its literals accepts. */
export type Clause = readonly Literal[];

/** More clauses than any selector that a person writes. */
export const CLAUSES = 64;

/** The conjunctive normal form, or null where it has more than CLAUSES clauses. */
export function clausesOf(selector: Selector, negated = false): readonly Clause[] | null {
  switch (selector.kind) {
    case 'not':
      return clausesOf(selector.operand, !negated);
    case 'select': {
      const { keys, queries, predicate } = selector;
      return [[{ keys, queries, accepts: (key, query) => accepted(() => predicate.apply(key, query) !== negated) }]];
    }
    case 'and':
    case 'or': {
      const left = clausesOf(selector.left, negated);
      const right = clausesOf(selector.right, negated);
      if (!left || !right) return null;
      return (selector.kind === 'and') !== negated ? both(left, right) : either(left, right);
    }
  }
}

const both = (left: readonly Clause[], right: readonly Clause[]): readonly Clause[] | null => (left.length + right.length > CLAUSES ? null : [...left, ...right]);

const either = (left: readonly Clause[], right: readonly Clause[]): readonly Clause[] | null =>
  left.length * right.length > CLAUSES ? null : left.flatMap((a) => right.map((b) => merged([...a, ...b])));

/** Literals that compare the same two s-ops become one. */
function merged(clause: Clause): Clause {
  const result: Literal[] = [];
  for (const literal of clause) {
    const at = result.findIndex(({ keys, queries }) => keys === literal.keys && queries === literal.queries);
    const other = result[at];
    if (!other) result.push(literal);
    else result[at] = { ...literal, accepts: (key, query) => other.accepts(key, query) || literal.accepts(key, query) };
  }
  return result;
}

function accepted(apply: () => boolean): boolean {
  try {
    return apply();
  } catch (error) {
    if (error instanceof ScalarError) return false;
    throw error;
  }
}
