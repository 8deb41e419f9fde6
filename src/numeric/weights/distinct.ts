// Which s-ops differ at any two positions, and which selectors therefore select one position at most.
import type { MapOp, Selector, SOp, Value, WidthOp } from '../../rasp/program.ts';
import { ScalarError } from '../../rasp/scalar.ts';
import { valueKey } from '../../rasp/valueSets.ts';
import { clausesOf } from './clauses.ts';
import { forEachRow } from './terms.ts';

/** Combinations of values that are looked at before the answer is “not known”. */
const PAIRS = 200_000;
const ORDERED = 100;

/** Sound, not complete: true is proved from the value sets, false means not known. */
export class Distinctness {
  private readonly known = new Map<SOp, boolean>();

  /** @param sets the value sets found so far, of everything below what is asked about */
  constructor(
    private readonly sets: ReadonlyMap<SOp, readonly Value[]>,
    private readonly causal: boolean,
  ) {}

  /** No query selects more than one position. */
  selectsOne(selector: Selector): boolean {
    switch (selector.kind) {
      case 'and':
        return this.selectsOne(selector.left) || this.selectsOne(selector.right);
      case 'or':
      case 'not':
        return false;
      case 'select': {
        const keys = this.sets.get(selector.keys) ?? [];
        const queries = this.sets.get(selector.queries) ?? [];
        if (keys.length * queries.length > PAIRS || !this.differs(selector.keys)) return false;
        return queries.every((query) => keys.filter((key) => attempt(() => selector.predicate.apply(key, query)) === true).length <= 1);
      }
    }
  }

  /** The s-op's values at any two positions of one input differ. */
  differs(node: SOp): boolean {
    let answer = this.known.get(node);
    if (answer === undefined) {
      answer = node.kind === 'indices' || (node.kind === 'map' && this.mapDiffers(node)) || (node.kind === 'width' && this.rankDiffers(node));
      this.known.set(node, answer);
    }
    return answer;
  }

  /** Some argument differs everywhere, and no result comes from two of its values. */
  private mapDiffers(node: MapOp): boolean {
    const domains = node.args.map((arg) => this.sets.get(arg) ?? []);
    const total = domains.reduce((size, { length }) => size * length, 1);
    if (total > PAIRS) return false;
    return node.args.some((arg, a) => {
      if (!this.differs(arg)) return false;
      const origin = new Map<string, number>();
      let injective = true;
      forEachRow(domains.map(({ length }) => length), total, (_row, at) => {
        const args = domains.map((domain, d) => domain[at[d] ?? 0] ?? null);
        const value = args.includes(null) ? null : attempt(() => node.fn.apply(args));
        if (value === undefined) return;
        const key = valueKey(value);
        injective &&= (origin.get(key) ?? at[a]) === at[a];
        origin.set(key, at[a] ?? 0);
      });
      return injective;
    });
  }

  /** The width of “who is before me” is a rank where the selector orders all positions strictly. */
  private rankDiffers({ selector }: WidthOp): boolean {
    if (this.causal) return false;
    const clauses = clausesOf(selector);
    const sides = [...new Set(clauses?.flatMap((clause) => clause.flatMap(({ keys, queries }) => [keys, queries])) ?? [])];
    const anchor = sides.find((side) => this.differs(side));
    if (!clauses || !anchor || clauses.some((clause) => clause.some(({ keys, queries }) => keys !== queries))) return false;
    const domains = sides.map((side) => this.sets.get(side) ?? []);
    const total = domains.reduce((size, { length }) => size * length, 1);
    if (total > ORDERED) return false;
    const rows: (readonly Value[])[] = [];
    forEachRow(domains.map(({ length }) => length), total, (_row, at) => rows.push(domains.map((domain, d) => domain[at[d] ?? 0] ?? null)));
    const before = (u: readonly Value[], v: readonly Value[]): boolean =>
      clauses.every((clause) => clause.some(({ keys, accepts }) => accepts(u[sides.indexOf(keys)] ?? null, v[sides.indexOf(keys)] ?? null)));
    return ordersStrictly(rows, sides.indexOf(anchor), before);
  }
}

/** Any rows that differ in the anchor are in a strict total order; all rows agree on whether they are before themselves. */
function ordersStrictly(rows: readonly (readonly Value[])[], anchor: number, before: (u: readonly Value[], v: readonly Value[]) => boolean): boolean {
  const n = rows.length;
  const matrix = rows.map((u) => rows.map((v) => before(u, v)));
  const apart = (a: number, b: number): boolean => rows[a]?.[anchor] !== rows[b]?.[anchor];
  for (let a = 0; a < n; a++) {
    if (matrix[a]?.[a] !== matrix[0]?.[0]) return false;
    for (let b = 0; b < n; b++) {
      if (!apart(a, b)) continue;
      if (matrix[a]?.[b] === matrix[b]?.[a]) return false;
      if (!matrix[a]?.[b]) continue;
      for (let c = 0; c < n; c++) if (matrix[b]?.[c] && apart(b, c) && apart(a, c) && !matrix[a]?.[c]) return false;
    }
  }
  return true;
}

export function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch (error) {
    if (error instanceof ScalarError) return undefined;
    throw error;
  }
}
