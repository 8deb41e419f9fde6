// Operands of an op: as written, or wrapped in a transform.
import type { Change } from '../rewrite.ts';
import type { Transform } from '../transform.ts';
import { complement } from '../transform.ts';
import type { Origin, Value } from '../../rasp/program.ts';
import { isNumeric } from '../../rasp/scalar.ts';

export interface Side {
  readonly label: string;
  readonly cost: number;
  apply(value: Value): Value;
  readonly changes: readonly Change[];
}

/** An operand as written or wrapped, where it has a text to wrap. */
export function sides(origin: Origin, operand: number, domain: readonly Value[], transforms: readonly Transform[]): Side[] {
  const asWritten: Side = { label: 'x', cost: 0, apply: (value) => value, changes: [] };
  if (!origin.operands[operand]) return [asWritten];
  const numeric = domain.some(isNumeric);
  const usable = transforms.filter((transform) => numeric || transform === complement);
  return [
    asWritten,
    ...usable.map((transform) => ({
      label: transform.label,
      cost: transform.cost,
      apply: (value: Value) => transform.apply(value),
      changes: [{ kind: 'operand', operand, transform } as const],
    })),
  ];
}
