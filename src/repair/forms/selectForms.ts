// What a select might have been meant to do: another comparison, wrapped keys or queries, all or none.
import { distinct } from './distinct.ts';
import { sides } from './sides.ts';
import type { Form } from '../forms.ts';
import type { Change } from '../rewrite.ts';
import { numericTransforms } from '../transform.ts';
import type { Comparison, Dialect, Origin, SelectOp, Value } from '../../rasp/program.ts';
import { comparisonPredicate } from '../../rasp/scalar.ts';

const raspComparisons: readonly Comparison[] = ['==', '!=', '<', '<=', '>', '>='];
const tracrComparisons: readonly Comparison[] = [...raspComparisons, 'true', 'false'];

export function selectForms(
  node: SelectOp,
  dialect: Dialect,
  text: string,
  keys: readonly Value[],
  queries: readonly Value[],
  maxCost: number,
): Form[] {
  const { origin } = node;
  const own = (key: Value, query: Value): boolean => node.predicate.apply(key, query);
  const predicates: { label: string; cost: number; apply: typeof own; changes: readonly Change[] }[] = [
    { label: node.predicate.label, cost: 0, apply: own, changes: [] },
  ];
  for (const comparison of origin.symbol ? (dialect === 'rasp' ? raspComparisons : tracrComparisons) : []) {
    if (comparison === node.predicate.comparison) continue;
    const predicate = comparisonPredicate(comparison);
    const newText = predicateText(comparison, dialect, origin, text);
    predicates.push({
      label: comparison,
      cost: 1,
      apply: (key, query) => predicate.apply(key, query),
      changes: [{ kind: 'symbol', newText }],
    });
  }
  const forms: Form[] = [];
  for (const key of sides(origin, 0, keys, numericTransforms)) {
    for (const query of sides(origin, 1, queries, numericTransforms)) {
      for (const predicate of predicates) {
        const cost = key.cost + query.cost + predicate.cost;
        if (cost > maxCost) continue;
        const selects = (k: Value, q: Value): boolean => predicate.apply(key.apply(k), query.apply(q));
        forms.push({
          label: `${key.label.replaceAll('x', 'key')} ${predicate.label} ${query.label.replaceAll('x', 'query')}`,
          cost,
          override: cost === 0 ? null : { selects },
          changes: [...key.changes, ...query.changes, ...predicate.changes],
          fn: ([k = null, q = null]) => selects(k, q),
        });
      }
    }
  }
  if (dialect === 'rasp') forms.push(...constantSelectors(origin));
  return distinct(forms, [keys, queries]);
}

/** RASP writes "all" and "none" as a comparison of constants. */
function constantSelectors(origin: Origin): Form[] {
  const [keys, queries] = origin.operands;
  if (!keys || !queries || !origin.symbol) return [];
  return [true, false].map((every) => ({
    label: every ? 'select all' : 'select none',
    cost: 1.6,
    override: { selects: () => every },
    changes: [{ kind: 'replace', from: keys.start, to: origin.symbol?.end ?? queries.end, newText: every ? '1, 1, ==' : '1, 1, !=' }],
    fn: () => every,
  }));
}

const tracrNames: Record<Comparison, string> = {
  '==': 'EQ',
  '!=': 'NEQ',
  '<': 'LT',
  '<=': 'LEQ',
  '>': 'GT',
  '>=': 'GEQ',
  true: 'TRUE',
  false: 'FALSE',
};

function predicateText(comparison: Comparison, dialect: Dialect, origin: Origin, text: string): string {
  if (dialect === 'rasp') return comparison;
  const written = origin.symbol ? text.slice(origin.symbol.start, origin.symbol.end) : '';
  const prefix = /^[\w.]*Comparison\./.exec(written)?.[0];
  if (prefix !== undefined) return prefix + tracrNames[comparison];
  if (comparison === 'true' || comparison === 'false') return `lambda key, query: ${comparison === 'true' ? 'True' : 'False'}`;
  return `lambda key, query: key ${comparison} query`;
}
