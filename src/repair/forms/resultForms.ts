// What an aggregate or a width might have been meant to give: its values wrapped before or after.
import { original } from './original.ts';
import type { Form } from '../forms.ts';
import { allTransforms, complement } from '../transform.ts';
import type { AggregateOp, Value } from '../../rasp/program.ts';
import { isNumeric } from '../../rasp/scalar.ts';

export function aggregateForms(node: AggregateOp, domain: readonly Value[]): Form[] {
  const forms: Form[] = [original(([x = null]) => x)];
  const numeric = domain.some(isNumeric);
  for (const transform of allTransforms.filter((t) => numeric || t === complement)) {
    const apply = (value: Value): Value => transform.apply(value);
    const fn = ([x = null]: readonly Value[]): Value => (x === null ? null : transform.apply(x));
    if (node.origin.operands[1]) {
      forms.push({ label: `average of ${transform.label}`, cost: transform.cost, override: { value: apply }, changes: [{ kind: 'operand', operand: 1, transform }], fn });
    }
    const result = (value: Value): Value => (value === null ? null : transform.apply(value));
    forms.push({ label: `then ${transform.label}`, cost: transform.cost + 0.1, override: { result }, changes: [{ kind: 'result', transform }], fn });
  }
  return forms;
}

export function widthForms(): Form[] {
  return [
    original(([x = null]) => x),
    ...allTransforms.map((transform): Form => ({
      label: `then ${transform.label}`,
      cost: transform.cost,
      override: { result: (value) => transform.apply(value) },
      changes: [{ kind: 'result', transform }],
      fn: ([x = null]) => transform.apply(x),
    })),
  ];
}
