// Attention heads: logits that are 0 where the selector selects and very low elsewhere, with BOS as the threshold between.
import type { Plan } from './plan.ts';
import type { Form } from './residual.ts';
import { attentionAfter, combine } from './residual.ts';
import type { Node } from '../../rasp/program.ts';

/** How far below the selected positions the others are: e^−64 of their weight is left, far under float32's resolution. */
export const COLDNESS = 64;
/** The logit of BOS for an aggregate: far below a selected position, far above the others. */
const THRESHOLD = -COLDNESS / 2;

/** The indicators of the two sides of one clause, and which groups of theirs go together. */
export interface Match {
  readonly keys: readonly Form[];
  readonly queries: readonly Form[];
  /** accepts[key group][query group] */
  readonly accepts: readonly (readonly boolean[])[];
}

export interface HeadRequest {
  readonly label: string;
  readonly node: Node;
  /** All must accept. */
  readonly matches: readonly Match[];
  /** The logit of BOS; default: attended to where nothing is selected. */
  readonly bosLogit?: number;
  /** What is mixed, read at the attended positions; at BOS every form is 0, and `atBos` is what is read there. */
  readonly values: readonly { readonly form: Form; readonly atBos: number; readonly write: (stage: number) => number }[];
}

/** Adds the head; gives the directions that it writes. BOS attends to itself alone. */
export function attentionHead(plan: Plan, request: HeadRequest): readonly number[] {
  const { residual } = plan;
  const { matches, values, bosLogit = THRESHOLD } = request;
  const sides = matches.map(({ keys, queries, accepts }) => components(keys, queries, accepts));
  const query: Form[] = sides.flatMap((side) => side.query);
  const key: Form[] = sides.flatMap((side) => side.key);
  query.push(combine([[new Map([[residual.one, bosLogit], [residual.bos, 2 * COLDNESS]]), 1]]));
  key.push(new Map([[residual.bos, 1]]));
  const mixed = values.map(({ form, atBos }) => combine([[form, 1], [new Map([[residual.bos, atBos]]), 1]]));
  const stage = attentionAfter(residual.stageOf([...query, ...key, ...mixed]));
  const writes = values.map(({ write }) => write(stage));
  plan.heads.push({ stage, label: request.label, node: request.node, query, key, value: mixed, writes });
  return writes;
}

/** −COLDNESS for every pair that is not accepted, through whichever side has fewer groups. */
function components(keys: readonly Form[], queries: readonly Form[], accepts: Match['accepts']): { query: Form[]; key: Form[] } {
  const penalty = (k: number, q: number): number => (accepts[k]?.[q] ? 0 : -COLDNESS);
  const keyGroups = keys.map((_, k) => k).filter((k) => queries.some((_, q) => penalty(k, q) !== 0));
  const queryGroups = queries.map((_, q) => q).filter((q) => keys.some((_, k) => penalty(k, q) !== 0));
  if (keyGroups.length <= queryGroups.length) {
    return {
      key: keyGroups.map((k) => keys[k] ?? new Map<number, number>()),
      query: keyGroups.map((k) => combine(queries.map((form, q) => [form, penalty(k, q)]))),
    };
  }
  return {
    query: queryGroups.map((q) => queries[q] ?? new Map<number, number>()),
    key: queryGroups.map((q) => combine(keys.map((form, k) => [form, penalty(k, q)]))),
  };
}
