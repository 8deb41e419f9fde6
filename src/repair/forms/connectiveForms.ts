// What `and`, `or` and `not` between selectors might have been meant to be.
import { original } from './original.ts';
import type { Form } from '../forms.ts';
import type { Dialect, Node } from '../../rasp/program.ts';

export function connectiveForms(node: Node, dialect: Dialect): Form[] {
  const { origin, kind } = node;
  const forms = [original(() => null)];
  if (origin.form !== 'infix' || !origin.symbol || (kind !== 'and' && kind !== 'or')) return forms;
  const other = kind === 'and' ? 'or' : 'and';
  const newText = dialect === 'rasp' ? other : other === 'and' ? '&' : '|';
  forms.push({ label: other, cost: 1, override: { connective: other }, changes: [{ kind: 'symbol', newText }], fn: () => null });
  return forms;
}

export function dropNot(node: Node): Form[] {
  const forms = [original(() => null)];
  if (node.origin.form === 'prefix') {
    forms.push({ label: 'without not', cost: 0.6, override: { connective: 'left' }, changes: [{ kind: 'only', operand: 0 }], fn: () => null });
  }
  return forms;
}
